"""How everything else is classified: pytest's outcomes, hypothesis, unittest, the standard library, the builtins.

All of it is the test's own, since errors of devices have been named before.
"""

from __future__ import annotations

from typing import Final

from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorSeverity, Family, Strategy
from pytest_autorl.resilience.rule import Rule, Verdict, words

_TRANSIENT, _PERMANENT = ErrorCategory.TRANSIENT, ErrorCategory.PERMANENT
_LOW, _MEDIUM, _HIGH = ErrorSeverity.LOW, ErrorSeverity.MEDIUM, ErrorSeverity.HIGH


def _fails(error_type: str, severity: ErrorSeverity = _MEDIUM, family: Family = "python") -> Verdict:
    return Verdict(_PERMANENT, severity, ErrorDomain.TEST, Strategy.FAIL, error_type, family)


def _passes(error_type: str, severity: ErrorSeverity = _MEDIUM, family: Family = "python") -> Verdict:
    return Verdict(_TRANSIENT, severity, ErrorDomain.TEST, Strategy.RETRY, error_type, family)


def _of(package: str, *classes: str) -> tuple[str, ...]:
    return tuple(f"{package}.{name}" for name in classes)


_FRAMEWORKS = (
    Rule(
        name="pytest: timeout",
        # What `pytest.fail` raises calls itself a builtin.
        types=("builtins.Failed",),
        message=words(r"^timeout \(?>[\d.]+ ?s"),
        verdict=_passes("timeout", _HIGH, "test"),
        why="pytest-timeout has no class of its own; whatever hung may not hang again",
    ),
    Rule(
        name="pytest: skipped or expected",
        types=("builtins.Skipped", "_pytest.XFailed", "unittest.SkipTest"),
        verdict=_fails("other", _LOW, "test"),
    ),
    Rule(name="pytest: failed", types=("builtins.Failed",), verdict=_fails("assertion", family="test")),
    Rule(
        name="pytest: usage",
        types=(
            "_pytest.FixtureLookupError",
            "_pytest.UsageError",
            "pytest.UsageError",
            "_pytest.Collector.CollectError",
        ),
        verdict=_fails("usage", family="test"),
    ),
    Rule(
        name="hypothesis: deadline",
        types=("hypothesis.DeadlineExceeded",),
        verdict=_passes("timeout", family="test"),
    ),
    Rule(
        name="hypothesis: flaky",
        types=("hypothesis.Flaky",),
        verdict=_passes("other", family="test"),
        why="it failed and then passed with the same data",
    ),
    Rule(
        name="hypothesis: usage",
        types=("hypothesis.HypothesisException",),
        verdict=_fails("usage", family="test"),
    ),
)

_PROCESSES_AND_TASKS = (
    Rule(
        name="python: timeout",
        types=(
            "asyncio.TimeoutError",
            "builtins.TimeoutError",
            "concurrent.TimeoutError",
            "multiprocessing.TimeoutError",
            "subprocess.TimeoutExpired",
            "_queue.Empty",
            *_of("queue", "Empty", "Full"),
        ),
        verdict=_passes("timeout"),
    ),
    Rule(
        name="python: cancelled",
        types=("asyncio.CancelledError", "concurrent.CancelledError", "concurrent.BrokenExecutor"),
        verdict=_passes("other"),
        why="ended from outside, most often since something else had failed or taken too long",
    ),
    Rule(
        name="asyncio: usage",
        types=_of(
            "asyncio",
            "BrokenBarrierError",
            "InvalidStateError",
            "LimitOverrunError",
            "QueueEmpty",
            "QueueFull",
        ),
        verdict=_fails("other"),
    ),
    Rule(name="process: failed", types=("subprocess.SubprocessError",), verdict=_fails("other")),
)

_BUILTINS = (
    Rule(
        name="assertion",
        types=("builtins.AssertionError",),
        verdict=_fails("assertion", family="test"),
        why="unittest's failures are the same class",
    ),
    Rule(
        name="python: no memory",
        types=("builtins.MemoryError",),
        verdict=_fails("other", ErrorSeverity.CRITICAL),
        why="anything may have been left half done",
    ),
    Rule(
        name="python: recursion",
        types=("builtins.RecursionError",),
        verdict=_fails("other"),
    ),
    Rule(name="python: not implemented", types=("builtins.NotImplementedError",), verdict=_fails("other")),
    Rule(
        name="python: import or syntax",
        types=("builtins.ImportError", "builtins.SyntaxError"),
        verdict=_fails("usage"),
    ),
    Rule(
        name="python: interpreter",
        types=("builtins.SystemError",),
        verdict=_fails("crash", _HIGH),
        why="a mistake in the interpreter or an extension",
    ),
    Rule(
        name="python: exit",
        types=("builtins.SystemExit", "builtins.KeyboardInterrupt", "builtins.GeneratorExit", "_pytest.Exit"),
        verdict=_fails("other"),
    ),
    Rule(name="python: warning", types=("builtins.Warning",), verdict=_fails("other", _LOW)),
    Rule(
        name="python: OSError",
        types=("builtins.OSError",),
        verdict=_fails("other"),
        is_vague=True,
        why="a file that is not there, a right that is missing",
    ),
    Rule(
        name="python: error",
        types=_of(
            "builtins",
            "ArithmeticError",
            "AttributeError",
            "BufferError",
            "EOFError",
            "LookupError",
            "NameError",
            "ReferenceError",
            "StopAsyncIteration",
            "StopIteration",
            "TypeError",
            "ValueError",
        ),
        verdict=_fails("other"),
        is_vague=True,
        why="a mistake in the test or in what it calls",
    ),
)

_GROUP = Rule(
    name="group",
    types=("builtins.BaseExceptionGroup", "exceptiongroup.BaseExceptionGroup"),
    verdict=_fails("other", family="test"),
    is_vague=True,
    why="its worst member decides; this is for one without members",
)
_OTHER = Rule(
    name="other",
    types=("builtins.BaseException",),
    verdict=_fails("other", family="test"),
    is_vague=True,
    is_last=True,
    why="nothing says that the same again could go well",
)

RULES: Final = (*_FRAMEWORKS, *_PROCESSES_AND_TASKS, *_BUILTINS, _GROUP, _OTHER)
