"""Bounds of artefacts: the size of one file, what a run keeps in all, and how long one is waited for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

#: Longest page source and longest log that are kept whole.
SOURCE_BYTES, LOG_BYTES = 2_000_000, 256 * 1024
#: Largest screenshot that is kept: half a picture is none.
SCREENSHOT_BYTES = 10_000_000
#: What a run keeps in all.
RUN_BYTES = 500_000_000


class Quota:
    """How much the artefacts of a run may take on the disk, whichever of its processes takes them.

    Args:
        folder: Of all artefacts.
        since_s: What was last written before is of an earlier run; seconds since the epoch.
    """

    def __init__(self, folder: Path, *, since_s: float, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._folder = folder
        self._since_s = since_s
        self._is_spent = False

    @property
    def is_spent(self) -> bool:
        """Whether nothing more is to be taken. It stays so."""
        self._is_spent = self._is_spent or _size_bytes(self._folder, self._since_s) >= self.limit_bytes
        return self._is_spent

    @property
    def was_spent(self) -> bool:
        """Whether it was when last asked. Looks at no file."""
        return self._is_spent


def _size_bytes(folder: Path, since_s: float) -> int:
    """Of the files written since then, at any depth."""
    total = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # another process may remove it meanwhile
                if entry.is_dir(follow_symlinks=False):
                    total += _size_bytes(Path(entry.path), since_s)
                elif entry.stat().st_mtime >= since_s:
                    total += entry.stat().st_size
    return total


def head(text: str, limit_bytes: int) -> str:
    """The beginning of a document, cut between two of its tags, and what is missing.

    >>> head("<a><b/><c/></a>", 9)
    '<a><b/>\\n<!-- cut: the first 7 of 15 bytes -->'
    """
    data = text.encode("utf-8", "replace")
    if len(data) <= limit_bytes:
        return text
    # A value that is cut in two is one that no redactor knows any more.
    kept = data[:limit_bytes]
    kept = kept[: max(kept.rfind(b">"), kept.rfind(b"\n")) + 1]
    return kept.decode("utf-8", "ignore") + f"\n<!-- cut: the first {len(kept)} of {len(data)} bytes -->"


def tail(text: str, limit_bytes: int) -> str:
    """The end of a log, whole lines of it, and what is missing.

    >>> tail("one\\ntwo\\nthree", 10)
    '[cut: the last 9 of 13 bytes]\\ntwo\\nthree'
    """
    data = text.encode("utf-8", "replace")
    if len(data) <= limit_bytes:
        return text
    kept = data[-limit_bytes - 1 :].partition(b"\n")[2]
    return f"[cut: the last {len(kept)} of {len(data)} bytes]\n" + kept.decode("utf-8", "replace")


class Errand(Generic[T]):
    """A call in a thread of its own, which may hang without harm.

    Limits of sockets are for each read: who sends a byte now and then holds up a caller for ever.
    """

    def __init__(self, call: Callable[[], T], *, name: str) -> None:
        self._call = call
        self._is_back = threading.Event()
        self._found: T | BaseException
        # A daemon: what never comes back must not keep the process alive.
        threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def is_out(self) -> bool:
        """Whether it still runs."""
        return not self._is_back.is_set()

    def wait(self, limit_s: float) -> bool:
        """Wait so long for it; returns whether it is back."""
        return self._is_back.wait(limit_s)

    def result(self) -> T:
        """What it brought, once it is back. Raises what it raised."""
        if isinstance(self._found, BaseException):
            raise self._found
        return self._found

    def _run(self) -> None:
        try:
            self._found = self._call()
        except BaseException as error:  # pytest's own outcomes (skip, fail) are no Exceptions
            self._found = error
        self._is_back.set()
