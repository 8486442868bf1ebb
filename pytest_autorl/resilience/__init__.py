"""What failures mean and what is done about them: classified, tried again where that tells something.

Knows nothing of pytest. Public names are loaded when first used; importing the package imports nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_autorl.resilience.actions import ActionStats as ActionStats
    from pytest_autorl.resilience.classify import ErrorClassifier as ErrorClassifier
    from pytest_autorl.resilience.classify import classify_error as classify_error
    from pytest_autorl.resilience.executor import RobustActionExecutor as RobustActionExecutor
    from pytest_autorl.resilience.info import ErrorCategory as ErrorCategory
    from pytest_autorl.resilience.info import ErrorDomain as ErrorDomain
    from pytest_autorl.resilience.info import ErrorInfo as ErrorInfo
    from pytest_autorl.resilience.info import ErrorSeverity as ErrorSeverity
    from pytest_autorl.resilience.info import Strategy as Strategy
    from pytest_autorl.resilience.retry import RetryConfig as RetryConfig
    from pytest_autorl.resilience.retry import retry_async as retry_async
    from pytest_autorl.resilience.retry import retry_sync as retry_sync
    from pytest_autorl.resilience.retry import retrying as retrying

_HOMES = {
    "ActionStats": "pytest_autorl.resilience.actions",
    "ErrorCategory": "pytest_autorl.resilience.info",
    "ErrorClassifier": "pytest_autorl.resilience.classify",
    "ErrorDomain": "pytest_autorl.resilience.info",
    "ErrorInfo": "pytest_autorl.resilience.info",
    "ErrorSeverity": "pytest_autorl.resilience.info",
    "RetryConfig": "pytest_autorl.resilience.retry",
    "RobustActionExecutor": "pytest_autorl.resilience.executor",
    "Strategy": "pytest_autorl.resilience.info",
    "classify_error": "pytest_autorl.resilience.classify",
    "retry_async": "pytest_autorl.resilience.retry",
    "retry_sync": "pytest_autorl.resilience.retry",
    "retrying": "pytest_autorl.resilience.retry",
}

__all__ = [
    "ActionStats",
    "ErrorCategory",
    "ErrorClassifier",
    "ErrorDomain",
    "ErrorInfo",
    "ErrorSeverity",
    "RetryConfig",
    "RobustActionExecutor",
    "Strategy",
    "classify_error",
    "retry_async",
    "retry_sync",
    "retrying",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
