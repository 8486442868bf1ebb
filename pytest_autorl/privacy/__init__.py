"""What must not leave a run, and how it is kept in: detectors, redactor, secrets, screenshots, vault, inputs.

    from pytest_autorl.privacy import Redactor as Redactor

    redactor = Redactor()
    redactor.register(os.environ["LAB_PASSWORD"])
    print(redactor.redact(text))

Public names load their part when first asked for (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_autorl.privacy.inputs import InputGuard as InputGuard
    from pytest_autorl.privacy.redactor import Redactor as Redactor
    from pytest_autorl.privacy.span import Span as Span
    from pytest_autorl.privacy.vault import SecureDataHandler as SecureDataHandler

_HOMES = {
    "InputGuard": "pytest_autorl.privacy.inputs",
    "Redactor": "pytest_autorl.privacy.redactor",
    "SecureDataHandler": "pytest_autorl.privacy.vault",
    "Span": "pytest_autorl.privacy.span",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
