"""What is known of an attempt that is not its test's last."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.attempts.earlier import Earlier
from pytest_autorl.resilience.info import (
    ERROR_TYPES,
    ErrorCategory,
    ErrorDomain,
    ErrorInfo,
    ErrorSeverity,
    Strategy,
)

pytestmark = pytest.mark.unit

TIMES = st.floats(0, 1e10)
ERRORS = st.builds(
    ErrorInfo,
    error=st.text(),
    category=st.sampled_from(ErrorCategory),
    severity=st.sampled_from(ErrorSeverity),
    domain=st.sampled_from(ErrorDomain),
    strategy=st.sampled_from(Strategy),
    error_type=st.sampled_from(ERROR_TYPES),
    family=st.sampled_from(("autorl", "webdriver", "transport", "python", "test")),
    rule=st.text(),
    device=st.text(),
    reason=st.text(),
    context=st.dictionaries(st.text(), st.integers() | st.text(), max_size=3),
)
ATTEMPTS = st.builds(
    Earlier,
    kind=st.sampled_from(("retry", "loss", "crash")),
    number=st.integers(1, 9),
    devices=st.lists(st.text()).map(tuple),
    worker=st.text(),
    need=st.text(),
    error=ERRORS | st.none(),
    delay_s=TIMES,
    start_s=TIMES,
    stop_s=TIMES,
)


@given(ATTEMPTS)
def test_it_survives_the_line(earlier: Earlier) -> None:
    """Through JSON, which is stricter than xdist's line."""
    assert Earlier.from_wire(json.loads(json.dumps(earlier.to_wire()))) == earlier


@given(ATTEMPTS)
def test_its_error_type_is_of_the_closed_list(earlier: Earlier) -> None:
    """A metric counts by it."""
    assert earlier.error_type in ERROR_TYPES
    assert earlier.took_s >= 0


def test_a_crash_is_a_type_of_its_own_and_what_cannot_be_known_is_other() -> None:
    assert Earlier(kind="crash", number=1).error_type == "crash"
    assert Earlier(kind="retry", number=1).error_type == "other"
    assert Earlier(kind="retry", number=1, stop_s=5.0).took_s == 0.0
    assert Earlier(kind="retry", number=1, start_s=4.0, stop_s=5.5).took_s == 1.5
