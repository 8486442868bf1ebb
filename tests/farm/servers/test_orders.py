"""The decisions about servers that need no server: pauses, groups, orders."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.farm.servers import backoff
from pytest_autorl.farm.servers.appium import ending
from pytest_autorl.farm.servers.orders import Orders, Timing, base_path, groups


@given(failures=st.integers(1, 10_000), first=st.floats(0.01, 10), most=st.floats(10, 1000))
def test_pauses_double_up_to_their_limit(failures: int, first: float, most: float) -> None:
    now = backoff.delay_s(failures, first_s=first, most_s=most)
    then = backoff.delay_s(failures + 1, first_s=first, most_s=most)

    assert first <= now <= most
    assert then == min(most, 2 * now) or then == now == most


@given(ups=st.lists(st.floats(0, 200), min_size=1))
def test_failures_in_a_row_are_those_since_the_last_quiet_time(ups: list[float]) -> None:
    failures = 0
    for up_s in ups:
        failures = backoff.count(failures, up_s, quiet_s=60.0)

    last_quiet = max((at for at, up_s in enumerate(ups) if up_s >= 60.0), default=None)
    assert failures == (len(ups) if last_quiet is None else len(ups) - last_quiet)


@given(count=st.integers(0, 50), each=st.integers(1, 60))
def test_each_device_is_in_one_group_in_order(count: int, each: int) -> None:
    devices = [f"d{number}" for number in range(count)]

    found = groups(devices, each)

    assert [device for its in found.values() for device in its] == devices
    assert all(name == its[0] and len(its) <= each for name, its in found.items())
    assert all(len(its) == each for its in list(found.values())[:-1])


def test_orders_survive_their_way_to_the_steward() -> None:
    orders = Orders(
        devices=("a", "b"), drivers=("fake",), arguments=("--x",), rootdir="/r", reports="/p", records="/s",
        folder="/f", key="k", ports={"a": 1}, timing=Timing(grace_s=1.5),
    )  # fmt: skip

    assert Orders.read(json.loads(json.dumps(orders.plain()))) == orders


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ([], ""),
        (["--base-path"], ""),
        (["--base-path", "/wd/hub"], "/wd/hub"),
        (["--cors", "-pa", "wd/hub/", "--relaxed-security"], "/wd/hub"),
        (["--base-path=/"], ""),
    ],
)
def test_the_path_of_the_address_follows_the_arguments(arguments: list[str], path: str) -> None:
    assert base_path(arguments) == path


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "ended with code 0"), (-15, "was ended by SIGTERM"), (-34, "was ended by signal 34")],
)
def test_an_end_is_told_in_words(code: int, words: str) -> None:
    assert ending(code) in (words, words.replace("signal 34", "SIGRTMIN"))
