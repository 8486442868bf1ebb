"""The end of a log: what is kept of it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.farm.providers.logtail import LIMIT_BYTES, LINES, Line, tail
from pytest_autorl.farm.providers.virtual import written_s

pytestmark = pytest.mark.unit

SECONDS = st.floats(0, 4e9)


@given(st.lists(st.builds(Line, SECONDS, st.text(max_size=40)), max_size=30), st.none() | SECONDS)
def test_only_lines_from_then_on_are_given_in_their_order(lines: list[Line], since_s: float | None) -> None:
    wanted = [line.text for line in lines if since_s is None or line.at_s >= since_s]

    assert tail(lines, since_s=since_s, is_stamped=True) == "\n".join(
        text.encode("utf-8", "replace").decode() for text in wanted
    )


def test_the_newest_lines_are_kept() -> None:
    lines = [Line(float(i), f"line {i}") for i in range(LINES + 7)]

    kept = tail(lines).splitlines()

    assert len(kept) == LINES
    assert kept[-1] == f"1970-01-01T00:08:{(LINES + 6) % 60:02d}.000Z line {LINES + 6}"


def test_a_flood_is_bounded_in_bytes_and_still_tells_its_end() -> None:
    many = tail([Line(0.0, "ä" * 2000)] * 400)
    one = tail([Line(0.0, "x" * (2 * LIMIT_BYTES))])

    assert LIMIT_BYTES - 5000 < len(many.encode()) <= LIMIT_BYTES
    assert len(one) == LIMIT_BYTES


def test_a_stamp_without_a_year_is_the_latest_that_is_not_in_the_future() -> None:
    now_s = 1_798_761_601.0  # 2027-01-01 00:00:01 UTC

    assert written_s("12-31 23:59:59.500     7     7 I app: late", now_s) == now_s - 1.5
    assert written_s("01-01 00:00:01.250     7     7 I app: now", now_s) == now_s + 0.25
    assert written_s("nonsense", now_s) == written_s("", now_s) == 0.0
    assert written_s("02-30 00:00:00.000", now_s) == 0.0


@given(st.integers(1_600_000_000_000, 1_900_000_000_000))
def test_what_a_device_stamps_is_read_back(at_ms: int) -> None:
    from pytest_autorl.virtual.device_log import LogLine

    line = LogLine(1, at_ms, "I", 7, "app", "text").text()

    assert written_s(line, at_ms / 1000 + 3600) == pytest.approx(at_ms / 1000)
    assert time.gmtime(at_ms / 1000).tm_year > 2019
