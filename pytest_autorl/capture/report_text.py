"""All text of one report of pytest, taken apart and redacted where it stands.

Tracebacks are kept as what they are, so that others find in them what they expect; only their texts change. Private
parts of pytest that are read: the attributes of `TerminalRepr` and its kinds (``_pytest._code.code``), by walking over
those that they hold, and over nothing else: other plugins' kinds may hold their tests; `SubtestReport.context`. A kind
that holds its text elsewhere becomes plain text when something is found in it.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._code.code import TerminalRepr

if TYPE_CHECKING:
    from pytest_autorl.privacy.redactor import Redactor

#: Attributes of a report that name no foreign text, or are looked at by themselves.
_KNOWN = frozenset(
    {
        "nodeid",
        "_id",
        "location",
        "keywords",
        "outcome",
        "longrepr",
        "user_properties",
        "sections",
        "duration",
        "start",
    }
    | {"stop", "when", "result", "call", "node", "context", "item_index", "worker_id", "testrun_uid"}
)
#: Deepest nesting that is followed.
_DEPTH = 40


def redact_report(
    report: pytest.TestReport | pytest.CollectReport,
    redactor: Redactor,
    known: MutableMapping[str, str] | None = None,
) -> None:
    """Redact a report in place. Safe to call again. Fails closed: never raises for what a report holds.

    Args:
        known: Captured output that was redacted before, and what came of it; more is added. Each report of a test
            holds that of those before it too.
    """
    held = report.__dict__
    if report.longrepr is not None:
        report.longrepr = _longrepr(report.longrepr, redactor)
    if report.sections:
        known = {} if known is None else known
        report.sections = [
            (redactor.redact(name), _section(content, redactor, known)) for name, content in report.sections
        ]
    if held.get("user_properties"):
        held["user_properties"] = [_property(each, redactor) for each in held["user_properties"]]
    context = held.get("context")
    if context is not None:
        _subtest(context, redactor)
    if len(held) > len(_KNOWN & held.keys()):
        for name in [name for name in held if name not in _KNOWN]:
            held[name] = redactor.redact_data(held[name])


def _section(content: str, redactor: Redactor, known: MutableMapping[str, str]) -> str:
    redacted = known.get(content)
    if redacted is None:
        redacted = known[content] = redactor.redact(content)
        known[redacted] = redacted
    return redacted


def is_bare(report: Any) -> bool:
    """Whether a report holds no text but its id: so does that of a test that passes and prints nothing."""
    held = report.__dict__
    return (
        held.get("longrepr") is None
        and not held.get("sections")
        and not held.get("user_properties")
        and held.keys() <= _KNOWN
        and "context" not in held
    )


def redact_trace(trace: Any, redactor: Redactor) -> None:
    """Redact a traceback in place, as far as it is made as pytest makes them."""
    _walk(trace, redactor, _DEPTH)


def _longrepr(longrepr: Any, redactor: Redactor) -> Any:
    if isinstance(longrepr, str):
        return redactor.redact(longrepr)
    if isinstance(longrepr, tuple):  # a skip: path, line, reason
        return tuple(redactor.redact(each) if isinstance(each, str) else each for each in longrepr)
    try:
        _walk(longrepr, redactor, _DEPTH)
        text = str(longrepr)
    except Exception as error:
        return f"{type(longrepr).__name__} could not be redacted: {type(error).__name__}"
    # What is held in another way than as plain attributes shows here.
    return redactor.redact(text) if redactor.finds(text) else longrepr


def _walk(value: Any, redactor: Redactor, depth: int) -> None:
    """Redact the attributes of a part of a traceback, and of the parts that they hold."""
    if not isinstance(value, TerminalRepr) or depth < 0:
        return
    held = vars(value)
    for name, each in list(held.items()):
        if name == "args" and _is_pairs(each):
            new: Any = [_argument(key, shown, redactor) for key, shown in each]
        else:
            new = _part(each, redactor, depth)
        if new is not each:
            object.__setattr__(value, name, new)  # some are frozen


def _part(value: Any, redactor: Redactor, depth: int) -> Any:
    if isinstance(value, str):
        return redactor.redact(value)
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return redactor.redact_lines(value)  # as one text: a key goes over many lines
    if type(value) in (list, tuple):
        return type(value)([_part(each, redactor, depth - 1) for each in value])
    _walk(value, redactor, depth - 1)
    return value


def _is_pairs(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(
        isinstance(each, tuple) and len(each) == 2 and all(isinstance(part, str) for part in each)
        for each in value
    )


def _argument(name: str, shown: str, redactor: Redactor) -> tuple[str, str]:
    """An argument of a function in a traceback: its name may say that the value is a secret."""
    start = f"{name} = "
    text = redactor.redact(start + shown)
    return (name, text[len(start) :]) if text.startswith(start) else (name, redactor.redact(shown))


def _property(pair: Any, redactor: Redactor) -> Any:
    """A user's property, still a pair of the same kind."""
    redacted = redactor.redact_data(pair)
    return redacted if isinstance(redacted, type(pair)) else redactor.redact_data(tuple(pair))


def _subtest(context: Any, redactor: Redactor) -> None:
    for name, clean in (("msg", _text), ("kwargs", _mapping)):
        value = getattr(context, name, None)
        if value is not None:
            object.__setattr__(context, name, clean(value, redactor))


def _text(value: Any, redactor: Redactor) -> Any:
    return redactor.redact(value) if isinstance(value, str) else value


def _mapping(value: Any, redactor: Redactor) -> Any:
    return redactor.redact_data(dict(value))
