"""Paths from outside: names of files in reports, artefacts and archives, kept inside the folder they are meant for.

What is refused would leave the folder here, or could not be written, or would mean something else on another platform
that the folder is copied to (names and characters: "Naming Files, Paths, and Namespaces", Microsoft Learn).
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from pytest_autorl.errors import AutorlError

#: Bytes; what ext4, APFS and NTFS allow.
_LONGEST_NAME: Final = 255
#: Bytes, PATH_MAX of Linux without the NUL.
_LONGEST_PATH: Final = 4095
_DEVICES: Final = re.compile(
    r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])[ ]*(?:\..*)?",
    re.IGNORECASE | re.DOTALL,
)
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_SEPARATORS: Final = re.compile(r"[/\\]")
#: Control characters, halves of characters, ends of lines and paragraphs (Unicode's categories).
_UNSEEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
#: They show a name turned around: ``photo_gpj.exe`` as ``photo_exe.jpg``.
_TURNS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Encodings of a path in each other.
_MOST_LAYERS: Final = 4
_SPECIAL: Final = frozenset('<>:"|?*')


class UnsafePathError(AutorlError):
    """A path that must not be used.

    Attributes:
        reason: One word: empty, traversal, absolute, symlink, character, reserved, ending, long.
    """

    def __init__(self, what: str, *, device_id: str | None = None, do: str = "", reason: str = "") -> None:
        super().__init__(what, device_id=device_id, do=do)
        self.reason = reason


def sanitize_path(path: str | os.PathLike[str], base: str | os.PathLike[str]) -> Path:
    """Where a relative path leads inside a folder: absolute, without symbolic links.

    Both ``/`` and ``\\`` separate. Nothing is created; neither the file nor the folder needs to be there.

    Args:
        path: As it came from outside.
        base: The folder, as trusted; links on the way to it are followed.
    Raises: UnsafePathError. It shows no part of the path: that may be a text which somebody chose.
    """
    text = os.fspath(path)
    if not isinstance(text, str):
        raise _unsafe("character", "it is bytes, not text")
    parts = _parts(text)
    root = Path(base).resolve()
    try:
        found = root.joinpath(*parts).resolve()
    except (OSError, RuntimeError):  # a loop of links: RuntimeError before Python 3.13
        raise _unsafe("symlink", "its links lead nowhere") from None
    if not found.is_relative_to(root):
        raise _unsafe("symlink", "a symbolic link leads out of the folder")
    return found


def _parts(text: str) -> list[str]:
    if len(text.encode(errors="replace")) > _LONGEST_PATH:
        raise _unsafe("long", f"it has more than {_LONGEST_PATH} bytes")
    # Whoever decodes or normalises the name later on must not come out elsewhere.
    for reading in _readings(text):
        if any(unicodedata.category(char) in _UNSEEN or char in _TURNS for char in reading):
            raise _unsafe("character", "it holds a control character, or half of one")
        if reading.startswith(("/", "\\")) or _DRIVE.match(reading):
            raise _unsafe("absolute", "it is absolute")
        if any(part.strip(" ") == ".." for part in _SEPARATORS.split(reading)):
            raise _unsafe("traversal", "it leads upwards")
    parts = [part for part in _SEPARATORS.split(text) if part not in ("", ".")]
    if not parts:
        raise _unsafe("empty", "it names nothing")
    for part in parts:
        _check_name(part)
    return parts


def _readings(text: str) -> Iterator[str]:
    """The text, and what it is decoded and normalised, over and over as far as that changes it."""
    for _ in range(_MOST_LAYERS):
        yield text
        inner = unicodedata.normalize("NFKC", unquote(text))
        if inner == text:
            return
        text = inner
    raise _unsafe("traversal", f"it is encoded more than {_MOST_LAYERS} times over")


def _check_name(part: str) -> None:
    if _SPECIAL.intersection(part):
        raise _unsafe("character", f"it holds one of {' '.join(sorted(_SPECIAL))}")
    if part.endswith((".", " ")):
        raise _unsafe("ending", "a name in it ends in a dot or a space, which Windows drops")
    if _DEVICES.fullmatch(part):
        raise _unsafe("reserved", "a name in it is a device on Windows")
    if len(part.encode()) > _LONGEST_NAME:
        raise _unsafe("long", f"a name in it has more than {_LONGEST_NAME} bytes")


def _unsafe(reason: str, why: str) -> UnsafePathError:
    return UnsafePathError(
        f"the path cannot be used: {why}",
        do="give a relative path of plain names, inside the folder",
        reason=reason,
    )
