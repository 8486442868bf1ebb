"""Values that a failure shows: redacted before they are cut.

pytest and unittest show long values with their middle or their end left out, break long texts into several
literals, and skip what two texts have in common. What is left of a secret then looks like nothing; so it is taken out
before.

Private parts of pytest: ``_ellipsize`` and ``SafeRepr.repr_str`` in ``_pytest._io.saferepr``; the name ``pprint`` in
the modules of `_BORROWERS`; ``_pprint_str`` and ``_pprint_bytes`` of ``_pytest._io.pprint.PrettyPrinter`` and their
entries in ``_dispatch``;
``_diff_text`` in ``_pytest.assertion.compare_text``, with older ones in ``util`` beside it;
``_truncate_by_char_count`` in ``_pytest.assertion.truncate``. Of the standard library: ``safe_repr`` in `unittest.util`
and `unittest.case`, and the same of `pprint.PrettyPrinter` as of pytest's.
Fall-back: what is not there is left alone, and only whole values are found.
"""

from __future__ import annotations

import contextlib
import importlib
import pprint
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from pytest_autorl.capture.guard import Guard

#: An attribute as it was: of whom, its name, its value.
_Before = tuple[Any, str, Any]
#: Gives texts and bytes back without what must not leave.
_Redacted = Callable[[Any], Any]


def guard_reprs(guard: Guard) -> Callable[[], None]:
    """Redact values before pytest and unittest cut them; returns what ends that."""

    def redacted(value: Any) -> Any:
        if guard.is_off:
            return value
        if isinstance(value, str):
            return guard.of_now().redact(value)
        whole = guard.of_now().redact_bytes(value)
        return value if whole is None else whole

    before: list[_Before] = []
    patches = (
        _guard_saferepr,
        _guard_borrowed,
        _guard_pretty,
        _guard_diffs,
        _guard_truncation,
        _guard_unittest,
    )
    for patch in patches:
        with contextlib.suppress(ImportError, AttributeError, KeyError):
            patch(redacted, before)

    def end() -> None:
        for holder, name, value in reversed(before):
            if isinstance(holder, dict):
                holder[name] = value
            else:
                setattr(holder, name, value)

    return end


def _put(before: list[_Before], holder: Any, name: Any, value: Any) -> None:
    if isinstance(holder, dict):
        before.append((holder, name, holder[name]))
        holder[name] = value
    else:
        before.append((holder, name, getattr(holder, name)))
        setattr(holder, name, value)


def _shows(show: Callable[..., Any], redacted: _Redacted) -> Callable[..., Any]:
    """A method that is given a value to show."""

    def method(self: Any, value: Any, *others: Any) -> Any:
        # Newer printers of pytest give the pieces back, older ones write them.
        return show(self, redacted(value), *others)

    return method


def _guard_saferepr(redacted: _Redacted, before: list[_Before]) -> None:
    module: Any = importlib.import_module("_pytest._io.saferepr")
    cut, show = module._ellipsize, module.SafeRepr.repr_str
    _put(before, module, "_ellipsize", lambda text, size: cut(redacted(text), size))
    _put(before, module.SafeRepr, "repr_str", _shows(show, redacted))


def _guard_borrowed(redacted: _Redacted, before: list[_Before]) -> None:
    printer = _pretty(redacted)
    for name in _BORROWERS:
        with contextlib.suppress(ImportError, AttributeError):
            _put(before, importlib.import_module(name), "pprint", printer)


def _guard_pretty(redacted: _Redacted, before: list[_Before]) -> None:
    kind: Any = importlib.import_module("_pytest._io.pprint").PrettyPrinter
    for name, key in _PRETTY:
        method = _shows(getattr(kind, name), redacted)
        _put(before, kind._dispatch, key, method)
        _put(before, kind, name, method)


def _guard_diffs(redacted: _Redacted, before: list[_Before]) -> None:
    try:
        module: Any = importlib.import_module("_pytest.assertion.compare_text")
    except ImportError:
        module = importlib.import_module("_pytest.assertion.util")
    diff = module._diff_text

    def diff_text(left: str, right: str, *others: Any, **named: Any) -> Any:
        return diff(redacted(left), redacted(right), *others, **named)

    _put(before, module, "_diff_text", diff_text)


def _guard_truncation(redacted: _Redacted, before: list[_Before]) -> None:
    module: Any = importlib.import_module("_pytest.assertion.truncate")
    cut = module._truncate_by_char_count

    def truncate(lines: Iterable[str], *others: Any, **named: Any) -> Any:
        return cut([redacted(line) for line in lines], *others, **named)

    _put(before, module, "_truncate_by_char_count", truncate)


def _guard_unittest(redacted: _Redacted, before: list[_Before]) -> None:
    case, util = importlib.import_module("unittest.case"), importlib.import_module("unittest.util")
    show, longest = util.safe_repr, util._MAX_LENGTH

    def safe_repr(value: object, short: bool = False) -> str:
        text: str = redacted(show(value))
        return text[:longest] + " [truncated]..." if short and len(text) >= longest else text

    _put(before, util, "safe_repr", safe_repr)
    _put(before, case, "safe_repr", safe_repr)


#: Who shows values by the standard library's printer: it is replaced there only, for a suite's own use stays as it is.
_BORROWERS = (
    "_pytest._io.saferepr",
    "_pytest.assertion._compare_mapping",
    "_pytest.approx",
    "_pytest.assertion.util",  # this and the next in older versions
    "_pytest.python_api",
    "unittest.case",
)

#: What breaks long values, in the standard library's printer and in pytest's: its name, and its key in ``_dispatch``.
_PRETTY: tuple[tuple[str, Any], ...] = (("_pprint_str", str.__repr__), ("_pprint_bytes", bytes.__repr__))


def _pretty(redacted: _Redacted) -> SimpleNamespace:
    """In place of the module `pprint`: the standard library's printer, which redacts values before it breaks them."""
    kind: Any = pprint.PrettyPrinter
    methods = {name: _shows(getattr(kind, name), redacted) for name, _ in _PRETTY}
    table = {**kind._dispatch, **{key: methods[name] for name, key in _PRETTY}}
    made: Any = type("Pretty", (kind,), {**methods, "_dispatch": table})
    return SimpleNamespace(pformat=made().pformat)
