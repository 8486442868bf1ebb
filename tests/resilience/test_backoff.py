"""Delays between tries: the formula, its bounds, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.resilience.backoff import Backoff

seconds = st.floats(min_value=0, max_value=1e6)
multipliers = st.floats(min_value=1, max_value=1e6)
draws = st.floats(min_value=0, max_value=1)
numbers = st.integers(min_value=1, max_value=10**400)
backoffs = st.builds(
    Backoff, initial_delay=seconds, max_delay=seconds, multiplier=multipliers, jitter=st.booleans()
)


def test_the_defaults_double_from_one_second_up_to_thirty() -> None:
    backoff = Backoff()
    assert [backoff.delay_s(number, 1.0) for number in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_jitter_takes_the_drawn_part_of_the_bounded_delay() -> None:
    assert Backoff(max_delay=3.0).delay_s(5, 0.5) == 1.5
    assert Backoff().delay_s(1, 0.0) == 0.0


def test_without_jitter_the_draw_does_not_count() -> None:
    backoff = Backoff(jitter=False)
    assert backoff.delay_s(3, 0.0) == backoff.delay_s(3, 1.0) == 4.0


@given(backoff=backoffs, number=numbers, draw=draws)
def test_no_delay_is_negative_or_longer_than_the_bound(backoff: Backoff, number: int, draw: float) -> None:
    delay_s = backoff.delay_s(number, draw)
    assert 0 <= delay_s <= backoff.max_delay
    assert isinstance(delay_s, float)


@given(backoff=backoffs, number=numbers, draw=draws)
def test_a_later_delay_is_never_shorter_for_the_same_draw(backoff: Backoff, number: int, draw: float) -> None:
    assert backoff.delay_s(number, draw) <= backoff.delay_s(number + 1, draw)


@pytest.mark.parametrize(
    ("backoff", "delay_s"),
    [
        (Backoff(), 30.0),
        (Backoff(multiplier=2), 30.0),  # an integer's power would fill the memory
        (Backoff(multiplier=1), 1.0),
        (Backoff(multiplier=1.0 + 1e-15), 30.0),
        (Backoff(initial_delay=0), 0.0),
        (Backoff(max_delay=0), 0.0),
    ],
)
def test_huge_numbers_of_tries_have_a_delay_too(backoff: Backoff, delay_s: float) -> None:
    assert backoff.delay_s(10**400, 1.0) == delay_s


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"initial_delay": -0.1}, "initial_delay must be a number of seconds from 0, not -0.1"),
        ({"initial_delay": math.nan}, "initial_delay must be a number of seconds from 0, not nan"),
        ({"max_delay": -1}, "max_delay must be a number of seconds from 0, not -1"),
        ({"max_delay": math.inf}, "max_delay must be a number of seconds from 0, not inf"),
        ({"multiplier": 0.5}, "multiplier must be a number from 1, not 0.5"),
        ({"multiplier": math.nan}, "multiplier must be a number from 1, not nan"),
    ],
)
def test_nonsense_is_refused(how: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        Backoff(**how)  # type: ignore[arg-type]


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="counted from 1, not from 0"):
        Backoff().delay_s(0, 0.5)
    for draw in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="draw must be from 0 to 1"):
            Backoff().delay_s(1, draw)
