"""The values that this run plants, each of which may stand in no output. They come from a file outside of the run.

A call names its sink, so that a value tells where it has leaked from. Half of the secrets are known by the name of an
environment variable, the others by `pytest_autorl.secret`.
"""

from __future__ import annotations

import base64
import html
import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest_autorl

_VALUES: dict[str, dict[str, str]] = json.loads(Path(os.environ["CANARIES"]).read_text(encoding="utf-8"))

for _values in _VALUES.values():
    if _values["secret"] not in os.environ.values():
        pytest_autorl.secret(_values["secret"])


def mail(sink: str) -> str:
    """An e-mail address that only its form gives away."""
    return _VALUES[sink]["mail"]


def key(sink: str) -> str:
    """An access key of a vendor."""
    return _VALUES[sink]["key"]


def secret(sink: str) -> str:
    """A value that nothing but the registry knows."""
    return _VALUES[sink]["secret"]


def text(sink: str) -> str:
    """All of them, and the secret in the forms that programs give to text."""
    value = secret(sink)
    raw = value.encode()
    forms = {
        "plain": value,
        "base64": base64.b64encode(raw).decode(),
        "shifted": base64.urlsafe_b64encode(b"u:" + raw + b"@h").decode(),
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
        "url": quote(value, safe=""),
        "json": json.dumps(value)[1:-1],
        "html": html.escape(value),
    }
    return f"mail {mail(sink)} key {key(sink)} " + " ".join(f"{name} {form}" for name, form in forms.items())


def wide(sink: str) -> str:
    """The secret as UTF-16, seen through an eight-bit window."""
    return secret(sink).encode("utf-16-le").decode("latin-1")
