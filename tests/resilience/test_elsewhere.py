"""Where the next attempt goes, and that it always can go somewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.resilience.elsewhere import to_avoid

pytestmark = pytest.mark.unit

IDS = "abcdef"


def left(fitting: str, *tried: str, count: int = 1, elsewhere: bool = True, out: str = "") -> str:
    """The devices in service that the next attempt may have."""
    avoided = to_avoid(
        fitting, [tuple(each) for each in tried], count=count, elsewhere=elsewhere, out=set(out)
    )
    return "".join(sorted(set(fitting) - avoided - set(out)))


@pytest.mark.parametrize(
    ("tried", "out", "expected"),
    [
        ((), "", "abc"),  # the first attempt may go anywhere
        (("a",), "", "bc"),  # the second to another one
        (("a", "b"), "", "c"),  # the third to a third
        (("a", "b", "c"), "", "a"),  # back to the first where there is no more
        (("a", "b"), "c", "a"),
        (("a",), "bc", "a"),
        (("a", "b", "c"), "a", "b"),  # the first is gone: not the last one's
        (("a", "b"), "ac", "b"),  # only the last one's is left
        (("a",), "abc", ""),  # nothing is in service: whichever comes back
        (("", "b"), "", "ac"),  # an attempt that had no device says nothing
    ],
)
def test_elsewhere_is_a_new_device_while_there_is_one(
    tried: tuple[str, ...], out: str, expected: str
) -> None:
    assert left("abc", *tried, out=out) == expected


@pytest.mark.parametrize(
    ("tried", "out", "expected"),
    [
        ((), "", "abc"),
        (("a",), "", "a"),
        (("a", "b"), "", "b"),  # where the last one was, which a loss may have moved
        (("a",), "a", "bc"),
    ],
)
def test_not_elsewhere_is_where_the_last_one_was(tried: tuple[str, ...], out: str, expected: str) -> None:
    assert left("abc", *tried, elsewhere=False, out=out) == expected


def test_pairs_move_together_and_come_back_together() -> None:
    assert left("abcd", "ab", count=2) == "cd"
    assert left("abc", "ab", count=2) == "ab"
    assert left("abcd", "ab", "cd", count=2) == "ab"
    assert left("abcd", "ab", "cd", count=2, out="a") == "bcd"  # cannot do without the last one's
    assert left("abcde", "ab", "cd", count=2, out="a") == "be"
    assert left("abcd", "ab", count=2, elsewhere=False) == "ab"


devices = st.sets(st.sampled_from(IDS))


@given(
    fitting=devices,
    out=devices,
    tried=st.lists(devices, max_size=5),
    count=st.integers(1, 3),
    elsewhere=st.booleans(),
)
def test_enough_devices_in_service_are_always_left(
    fitting: set[str], out: set[str], tried: list[set[str]], count: int, elsewhere: bool
) -> None:
    avoided = to_avoid(fitting, tried, count=count, elsewhere=elsewhere, out=out)

    assert avoided <= fitting
    in_service = fitting - out
    if len(in_service) >= count:
        assert len(in_service - avoided) >= count
    else:
        assert not avoided  # whichever comes back will do


@given(size=st.integers(1, 6), attempts=st.integers(1, 8))
def test_no_device_is_used_twice_before_all_have_been_used_once(size: int, attempts: int) -> None:
    fitting = IDS[:size]
    tried: list[str] = []
    for _ in range(attempts):
        tried.append(left(fitting, *tried)[0])

    assert len(set(tried[:size])) == min(size, attempts)
    assert set(tried[size:]) <= {tried[0]}
