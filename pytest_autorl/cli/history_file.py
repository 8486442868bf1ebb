"""The file of ``autorl runs export-history`` and ``import-history``: a JSON object, test id to seconds."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pytest_autorl.errors import UsageError
from pytest_autorl.state.history import check, check_count

#: Stands for standard input and output.
STREAM = "-"
#: As many tests as are kept, with ids of a thousand characters; above, it is no history.
_MOST_BYTES = 128 * 1024 * 1024
_DO = 'give a file that `autorl runs export-history` wrote: {"tests/test_pay.py::test_pay": 12.5, ...}'


def read_durations(file: str) -> dict[str, float]:
    """Seconds by test id. Raises UsageError with file, key and value of what cannot be used."""
    name = "standard input" if file == STREAM else file
    try:
        raw = _read(file)
        if len(raw) > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES // 1024**2} MB")
        found = json.loads(raw.decode("utf-8-sig"))
        if not isinstance(found, dict):
            raise ValueError(f"it is {_KINDS.get(type(found), 'a number')}, not an object")
        check_count(len(found))
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}", do=_DO) from error
    except RecursionError as error:
        raise UsageError(f"{name} is no history: it is nested too deeply", do=_DO) from error
    except ValueError as error:  # also of what is no UTF-8, and no JSON
        raise UsageError(f"{name} is no history: {error}", do=_DO) from error
    try:
        return {test: check(test, value) for test, value in found.items()}
    except ValueError as error:
        raise UsageError(f"{name}: {error}", do="correct or remove this entry") from error


_KINDS = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}


def _read(file: str) -> bytes:
    """One byte more than is allowed tells that it is too much, whatever the file is."""
    if file == STREAM:
        return sys.stdin.buffer.read(_MOST_BYTES + 1)
    with open(file, "rb") as source:
        return source.read(_MOST_BYTES + 1)


def write_durations(path: Path, durations: Mapping[str, float]) -> None:
    """Write it whole or not at all, in place of what is there. Raises UsageError."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(dict(sorted(durations.items())), file, indent=2, ensure_ascii=False)
                file.write("\n")
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", do="name another file") from error
