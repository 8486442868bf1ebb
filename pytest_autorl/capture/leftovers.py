"""Captured output that no report takes: pytest writes it to where it would have gone.

Such as what is printed while a conftest is loaded, and what a test leaves unread in the fixture ``capfd``. It is
written to a descriptor, past the streams of `sys`.

Private parts of pytest (``_pytest.capture``): ``writeorg`` of ``FDCapture`` and ``FDCaptureBinary``. Fall-back: none is
needed for ``--capture=sys``; else such output is written as it is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from pytest_autorl.capture.guard import UNSCANNABLE, Guard


def guard_leftovers(guard: Guard) -> Callable[[], None]:
    """Redact what pytest hands on of what it has captured; returns what ends that."""
    module: Any = importlib.import_module("_pytest.capture")
    before: list[tuple[Any, Any]] = []
    for name, redact in (
        ("FDCapture", guard.redact),
        ("FDCaptureBinary", lambda data: _redacted(guard, data)),
    ):
        kind: Any = getattr(module, name, None)
        write = getattr(kind, "writeorg", None)
        if write is not None:
            before.append((kind, write))
            kind.writeorg = _guarded(write, redact)

    def end() -> None:
        for kind, write in before:
            kind.writeorg = write

    return end


def _guarded(write: Callable[[Any, Any], None], redact: Callable[[Any], Any]) -> Callable[[Any, Any], None]:
    def writeorg(self: Any, data: Any) -> None:
        write(self, redact(data))

    return writeorg


def _redacted(guard: Guard, data: bytes) -> bytes:
    if guard.is_off:
        return data
    redacted = guard.redactor.redact_bytes(data)
    if redacted is None:
        return UNSCANNABLE.encode() if guard.is_strict else data
    return redacted
