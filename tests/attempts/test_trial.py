"""What came of an attempt, and what becomes of its reports."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_autorl.attempts.trial import Trial, add_teardown, bare, publish, stand_in
from pytest_autorl.facts import tell, told
from pytest_autorl.resilience import classify_error
from pytest_autorl.resilience.decide import Decision

pytestmark = pytest.mark.unit


def report(
    when: Any, outcome: Any = "passed", *, start: float = 0.0, stop: float = 0.0, **facts: Any
) -> pytest.TestReport:
    made = pytest.TestReport("t::a", ("t", 0, "a"), {}, outcome, None, when, start=start, stop=stop)
    if facts:
        tell(made, **facts)
    return made


def test_an_attempt_has_failed_with_any_of_its_phases() -> None:
    assert not Trial(reports=[report("setup"), report("call", "skipped")], decision=Decision()).has_failed
    for when in ("setup", "call", "teardown"):
        assert Trial(reports=[report("setup"), report(when, "failed")], decision=Decision()).has_failed


def test_an_earlier_attempt_has_its_times_its_need_and_its_devices() -> None:
    error = classify_error(AssertionError())
    trial = Trial(
        reports=[
            report("setup", start=10.0, stop=11.0, begun={}),
            report("call", "failed", start=11.5, stop=14.0),
            report("teardown", start=14.0, stop=15.0, attempt={"need": "android"}),
        ],
        decision=Decision(kind="retry", delay_s=2.5),
        error=error,
        devices=("phone-1",),
    )

    earlier = trial.earlier(number=2, worker="gw1")

    assert (earlier.kind, earlier.number, earlier.worker) == ("retry", 2, "gw1")
    assert (earlier.start_s, earlier.stop_s, earlier.took_s) == (10.0, 15.0, 5.0)
    assert (earlier.need, earlier.devices) == ("android", ("phone-1",))
    assert (earlier.error, earlier.delay_s) == (error, 2.5)


def test_an_earlier_attempt_without_a_device_has_no_need() -> None:
    trial = Trial(reports=[report("setup", "failed")], decision=Decision(kind="retry"))

    assert trial.earlier(number=1, worker="main").need == ""


@pytest.mark.parametrize(
    ("kind", "error", "is_flaky"),
    [
        ("retry", AssertionError(), True),
        ("retry", ConnectionRefusedError(), None),
        ("loss", AssertionError(), False),
        (None, AssertionError(), False),
    ],
)
def test_a_test_is_flaky_by_what_its_policy_tried_again_and_not_the_infrastructure(
    kind: Any, error: BaseException, is_flaky: bool | None
) -> None:
    info = classify_error(error)
    trial = Trial(reports=[report("call", "failed")], decision=Decision(kind=kind), error=info)

    assert trial.is_flaky is (not info.is_infrastructure if is_flaky is None else is_flaky)


def test_reports_are_handed_out_in_their_order() -> None:
    seen: list[pytest.TestReport] = []
    hook = SimpleNamespace(pytest_runtest_logreport=lambda *, report: seen.append(report))
    reports = [report("setup"), report("call"), report("teardown")]

    publish(cast("pytest.Item", SimpleNamespace(ihook=hook)), reports)

    assert seen == reports


def test_a_bare_report_says_why_it_failed_and_that_the_rest_was_told() -> None:
    one = report("call", "failed", error={"error": "E"}, attempt={"number": 1}, not_retried="x")
    two = report("teardown", losses=[])

    found = bare([one, two])

    assert [told(each) for each in found] == [{"error": {"error": "E"}, "was_told": True}, {"was_told": True}]


def test_a_failed_teardown_of_what_is_shared_takes_the_place_of_one_that_went_well() -> None:
    own = report("teardown", attempt={"number": 1})
    own.user_properties, own.sections = [("noted", 1)], [("Captured stdout call", "a")]
    shared = report("teardown", "failed", error={"error": "E"})
    shared.sections = [("Captured stdout call", "a"), ("Captured stdout teardown", "b")]
    reports = [report("setup"), report("call"), own]

    add_teardown(reports, shared)

    assert [each.when for each in reports] == ["setup", "call", "teardown"]
    assert reports[-1] is shared
    assert told(shared) == {"attempt": {"number": 1}, "error": {"error": "E"}}
    assert shared.user_properties == [("noted", 1)]
    assert shared.sections == [("Captured stdout call", "a"), ("Captured stdout teardown", "b")]


def test_a_failed_teardown_of_what_is_shared_stands_beside_one_that_failed_too() -> None:
    reports = [report("setup"), report("call"), report("teardown", "failed")]
    shared = report("teardown", "failed")

    add_teardown(reports, shared)

    assert len(reports) == 4
    assert reports[-1] is shared


def test_in_the_place_of_the_next_test_stands_one_of_the_same_collector(pytester: pytest.Pytester) -> None:
    items = pytester.getitems("def test_a(): ...\ndef test_b(): ...\n")

    assert stand_in(items[0], items) is items[1]
    copy = stand_in(items[0])
    assert copy is not items[0]
    assert copy.listchain()[:-1] == items[0].listchain()[:-1]


def test_a_test_that_cannot_be_copied_is_followed_by_its_collector() -> None:
    class Whole:
        parent = "the collector"

        def __copy__(self) -> Whole:
            raise TypeError

    assert stand_in(cast("pytest.Item", Whole())) == "the collector"
