"""What went wrong is classified once, where it happens, and told on the report."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_autorl.attempts.failures import FailureReports, Failures
from pytest_autorl.errors import DeviceTimeoutError
from pytest_autorl.facts import told
from pytest_autorl.resilience.classify import ErrorClassifier
from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain

pytestmark = pytest.mark.unit


def failures(**words: Any) -> Failures:
    return Failures(ErrorClassifier(), **words)


def report(outcome: Any = "failed") -> pytest.TestReport:
    return pytest.TestReport("t::a", ("t", 0, "a"), {}, outcome, None, "call")


def call(error: BaseException | None) -> pytest.CallInfo[None]:
    def work() -> None:
        if error is not None:
            raise error

    return pytest.CallInfo.from_call(work, "call")


@pytest.mark.parametrize("outcome", ["passed", "skipped"])
def test_a_report_that_is_no_failure_carries_nothing(outcome: str) -> None:
    one = report(outcome)

    assert failures().note(one, call(AssertionError())) is None
    assert told(one) == {}


def test_a_failure_is_classified_and_told() -> None:
    one, error = report(), DeviceTimeoutError("it hangs", device_id="a")

    found = failures().note(one, call(error))

    assert found is not None
    assert found.error is error
    assert found.info.domain is ErrorDomain.DEVICE
    assert told(one)["error"] == found.info.to_dict()


def test_what_was_told_stands_and_is_not_classified_again() -> None:
    one, error = report(), TimeoutError()
    first = failures().note(one, call(error))

    again = failures().note(one, call(AssertionError()))

    assert first is not None
    assert again is not None
    assert again.info == first.info


def test_a_failure_without_an_exception_is_the_tests_own() -> None:
    found = failures().note(report(), call(None))

    assert found is not None
    assert found.error is None
    assert (found.info.category, found.info.domain) == (ErrorCategory.PERMANENT, ErrorDomain.TEST)


def test_who_wants_to_know_of_the_first_failure_is_told_once_and_before() -> None:
    seen: list[dict[str, Any]] = []
    one, two = report(), report()
    noted = failures(on_first=lambda: seen.append(dict(told(one))))

    noted.note(report("passed"), call(None))
    assert seen == []
    noted.note(one, call(AssertionError()))
    noted.note(two, call(AssertionError()))

    assert seen == [{}]


def test_its_outcome_is_final_when_a_report_is_read(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.xfail
        def test_xfails(): assert 0

        @pytest.mark.xfail(strict=True)
        def test_xpasses(): pass

        def test_skips(): pytest.skip("x")

        def test_fails(): assert 0
        """
    )
    plugin = FailureReports(failures())

    run = pytester.inline_run("-p", "no:randomly", "-p", "no:autorl", plugins=[plugin])

    found = {
        each.nodeid.rpartition("::")[2]
        for each in run.getreports("pytest_runtest_logreport")
        if "error" in told(each)
    }
    assert found == {"test_xpasses", "test_fails"}
