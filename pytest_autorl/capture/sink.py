"""The sink: the one place where the plugin writes files, attachments and terminal text.

Everything passes a `Redactor` on its way. Parts that produce results (trace, artefacts, pages, summary) call the
sink; nothing else in the package opens a file of a report, attaches to Allure or prints.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO

#: What an artefact is; decides its file ending and how Allure shows it.
Kind = Literal["png", "xml", "text", "html", "json"]

_ENDINGS: Mapping[Kind, str] = {
    "png": ".png",
    "xml": ".xml",
    "text": ".txt",
    "html": ".html",
    "json": ".json",
}

#: End of the name of an image in which nothing could be masked.
UNMASKED = "-unmasked"

#: Longest readable part of a file name made from a test id; file systems end at 255 bytes.
_NAME_LIMIT = 80

#: Gives an artefact to a report: name, body, kind.
Attach = Callable[[str, "str | bytes", Kind], None]


class Redactor(Protocol):
    """Takes out what must not leave."""

    def redact(self, text: str) -> str:
        """The text without anything secret; idempotent."""

    def redact_data(self, value: Any) -> Any:
        """The same for nested plain data; a new value, the argument is left as it is."""


class Own(str):
    """Text that this package ships, such as a page's script: it holds nothing of a run, and passes no redactor.

    It would be looked through in vain in every run, and a value of the user's that is a word of it would break it.
    """


class Identity:
    """The redactor that takes nothing out."""

    def redact(self, text: str) -> str:
        """See `Redactor.redact`."""
        return text

    def redact_data(self, value: Any) -> Any:
        """See `Redactor.redact_data`."""
        return value


class Sink:
    """Writes under one folder.

    Args:
        root: The reports folder; made when first written to.
        redactor: Everything passes it.
        attach: Gives artefacts to Allure; None when it is not active.
    """

    def __init__(self, root: Path, *, redactor: Redactor | None = None, attach: Attach | None = None) -> None:
        self.root = root
        self._redactor = redactor or Identity()
        self._attach = attach

    def text(self, text: str) -> str:
        """Text for the terminal or a report section."""
        return self._redactor.redact(text)

    def write(self, relative: str, body: str | bytes | Sequence[str]) -> Path:
        """Write one whole file: readers see the old one or the new one, never half. Raises OSError.

        Args:
            body: Parts of a text are redacted each by itself, but for those of our own, see `Own`.
        """
        path = self._place(relative)
        data = body if isinstance(body, bytes) else self._redacted(body).encode("utf-8", "replace")
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            # mkstemp makes it private; a report is as readable as any file the user makes.
            Path(temporary).chmod(0o666 & ~_umask())
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
        return path

    def _redacted(self, body: str | Sequence[str]) -> str:
        parts = (body,) if isinstance(body, str) else body
        return "".join(part if isinstance(part, Own) else self._redactor.redact(part) for part in parts)

    def append(self, relative: str, row: Mapping[str, Any]) -> None:
        """Append one JSON line, in one write: rows of a killed run are whole. Raises OSError."""
        with self._place(relative).open("ab") as file:
            file.write(self._line(row).encode("utf-8", "replace"))

    def open_log(self, relative: str) -> LogStream:
        """A stream for the log's handler, into a private file that is started anew by the first line.

        A run that logs nothing leaves no file. Its `write` raises OSError.
        """

        def opened() -> int:
            return os.open(self._place(relative), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)

        return LogStream(opened, self._redactor)

    def open_console(self) -> LogStream:
        """A stream for the log's handler, to standard error.

        Call it while nothing is captured (at configure time): the terminal is then written to even while
        pytest captures the output of a test.
        """
        try:
            copied = os.dup(sys.stderr.fileno())
        except (OSError, ValueError, AttributeError):  # a stream in memory, or none
            return LogStream(sys.stderr, self._redactor)
        return LogStream(copied, self._redactor)

    def open_screen(self) -> Screen | None:
        """The terminal that standard output is, for text that comes and goes; None if it is none.

        Call it while nothing is captured, as `open_console`.
        """
        try:
            descriptor = sys.stdout.fileno()
            return Screen(os.dup(descriptor), self._redactor) if os.isatty(descriptor) else None
        except (OSError, ValueError, AttributeError):
            return None

    def write_rows(self, relative: str, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Write all JSON lines of a file anew, whole. Raises OSError."""
        return self.write(relative, "".join(self._line(row) for row in rows))

    def _line(self, row: Mapping[str, Any]) -> str:
        return json.dumps(self._redactor.redact_data(dict(row)), ensure_ascii=False, default=str) + "\n"

    def count_lines(self, relative: str) -> int:
        """How many lines a file has; 0 for one that is not there."""
        try:
            return (self.root / relative).read_bytes().count(b"\n")
        except OSError:
            return 0

    def discard(self, relative: str) -> None:
        """Remove a file of an earlier run; makes nothing. Raises OSError."""
        (self.root / relative).unlink(missing_ok=True)

    def artefact(self, folder: str, name: str, body: str | bytes, kind: Kind) -> Path:
        """Write an artefact into ``artefacts/<folder>`` and give it to Allure. Raises OSError."""
        redacted = self._redactor.redact(body) if isinstance(body, str) else body
        path = self.write(f"artefacts/{folder}/{name}{_ENDINGS[kind]}", redacted)
        if self._attach is not None:
            self._attach(name, redacted, kind)
        return path

    def forget_artefacts(self, before_s: float) -> None:
        """Remove artefacts of earlier runs: folders last written before a time (seconds since the epoch).

        What cannot be removed stays: old artefacts are a nuisance, not a fault.
        """
        import shutil

        for folder in (self.root / "artefacts").glob("*/*"):
            with contextlib.suppress(OSError):
                if folder.stat().st_mtime < before_s:
                    shutil.rmtree(folder)
        for folder in (self.root / "artefacts").glob("*"):
            with contextlib.suppress(OSError):  # not empty: this run wrote there
                folder.rmdir()

    def shown(self, path: Path) -> str:
        """A path as people should read it: from where they stand, if it is below."""
        with contextlib.suppress(ValueError):
            return str(path.relative_to(Path.cwd()))
        return str(path)

    def _place(self, relative: str) -> Path:
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class LogStream:
    """A stream of whole lines, each redacted, each in one write.

    Args:
        target: A descriptor, or how to get one at the first write; both are closed with the stream. Or a
            text stream, which stays open; None swallows everything.
    """

    def __init__(self, target: int | Callable[[], int] | TextIO | None, redactor: Redactor) -> None:
        self._target = target
        self._redactor = redactor
        self._is_closed = False

    def write(self, text: str, /) -> int:
        """Write lines. Raises OSError, and ValueError once it is closed."""
        if self._is_closed:
            raise ValueError("the log is closed")
        line = self._redactor.redact(text)
        if callable(self._target):
            self._target = self._target()
        if isinstance(self._target, int):
            os.write(self._target, line.encode("utf-8", "backslashreplace"))
        elif self._target is not None:
            self._target.write(line)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def isatty(self) -> bool:
        """Whether people read it on a terminal."""
        try:
            return os.isatty(self._target) if isinstance(self._target, int) else False
        except OSError:
            return False

    def close(self) -> None:
        """End it. Safe to call twice."""
        if not self._is_closed and isinstance(self._target, int):
            os.close(self._target)
        self._is_closed = True


class Screen(LogStream):
    """A stream to a terminal."""

    @property
    def columns(self) -> int:
        """Its width now; 80 where it does not say."""
        try:
            assert isinstance(self._target, int)
            return os.get_terminal_size(self._target).columns or 80
        except OSError:
            return 80


def folder_name(test_id: str, attempt: int, device_id: str) -> str:
    """Folder of one attempt's artefacts: readable, safe on every file system, different for different ids.

    >>> folder_name("tests/test_pay.py::test_pay[1/2]", 1, "pixel-8-1")
    'test_pay.py-test_pay-1-2-bd604aeb/attempt-1-pixel-8-1'
    """
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", test_id.rsplit("/tests/", 1)[-1].removeprefix("tests/")).strip(
        "-."
    )
    digest = hashlib.sha256(test_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{readable[:_NAME_LIMIT]}-{digest}/attempt-{attempt}-{re.sub(r'[^A-Za-z0-9._-]', '-', device_id)}"


def _umask() -> int:
    # There is no way to read it without setting it; the plugin writes from one thread.
    current = os.umask(0o077)
    os.umask(current)
    return current
