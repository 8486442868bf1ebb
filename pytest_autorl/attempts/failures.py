"""What went wrong in a test, classified where it happens and told on its report."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from pytest_autorl.facts import tell, told
from pytest_autorl.resilience.classify import ErrorClassifier
from pytest_autorl.resilience.decide import Failure
from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorInfo, ErrorSeverity, Strategy

#: For a report that failed without an exception: a strict xfail that passed.
_NO_EXCEPTION = ErrorInfo(
    error="Failed",
    category=ErrorCategory.PERMANENT,
    severity=ErrorSeverity.MEDIUM,
    domain=ErrorDomain.TEST,
    strategy=Strategy.FAIL,
    error_type="assertion",
    rule="failed without an exception",
)


class Failures:
    """See the module.

    Args:
        on_first: Called before the first failure is told.
    """

    def __init__(self, classifier: ErrorClassifier, on_first: Callable[[], object] = lambda: None) -> None:
        self._classifier = classifier
        self._on_first: Callable[[], object] | None = on_first

    def note(self, report: pytest.TestReport, call: pytest.CallInfo[None]) -> Failure | None:
        """Classify and tell it, once, when the report's outcome is final (xfail, skip); None for one that is none."""
        if not report.failed:
            return None
        error = call.excinfo.value if call.excinfo is not None else None
        known = told(report).get("error")
        if known is not None:
            return Failure(info=ErrorInfo.from_dict(known), error=error)
        if self._on_first is not None:
            on_first, self._on_first = self._on_first, None
            on_first()
        info = _NO_EXCEPTION if error is None else self._classifier.classify(error)
        tell(report, error=info.to_dict())
        return Failure(info=info, error=error)


class FailureReports:
    """Has every failure classified, in a suite that has no `AttemptReports` to do it. A plugin."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Outermost, so that the outcome is final."""
        report = yield
        self._failures.note(report, call)
        return report
