"""A farm file: YAML or JSON into plain data, every key path with its line. Meaning is in `schema`.

The text is not trusted: see `yamlnodes` for its bounds. Texts from the environment never stand in an error.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_autorl.errors import FarmFileError
from pytest_autorl.farm.yamlnodes import MAX_DEPTH, Builder, KeyPath, compose, dotted
from pytest_autorl.privacy.names import is_secret_path

MAX_BYTES = 2 * 1024 * 1024

_NOT_YAML = re.compile(
    "[^\n\r\\x20-\\x7e\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
)


@dataclass(frozen=True)
class Source:
    """What a farm file holds, and where.

    Attributes:
        path: The file as the user named it.
        data: Plain dicts, lists, texts, numbers, booleans, None; may hold secrets.
        lines: Key path to 1-based line: of the key in a mapping, of the value in a list.
        raws: Key path of a text or number to what is written in the file, references unreplaced.
        literals: Key path to the part of the text that does not come from the environment (see
            `environment.Substituted.literal`); only texts with references.
    """

    path: str
    data: dict[str, Any] = field(repr=False)
    lines: Mapping[KeyPath, int] = field(repr=False)
    raws: Mapping[KeyPath, str] = field(repr=False)
    literals: Mapping[KeyPath, str] = field(repr=False)

    def line(self, at: KeyPath) -> int | None:
        """Line of the value, or of the closest one around it."""
        while at:
            if at in self.lines:
                return self.lines[at]
            at = at[:-1]
        return self.lines.get(())

    def get(self, at: KeyPath) -> Any:
        """The value at the place, None when there is none."""
        node: Any = self.data
        for part in at:
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError):
                return None
        return node

    def shown(self, at: KeyPath) -> str:
        """The value as it may stand in a message: as written, so nothing of the environment; no secrets."""
        if is_secret_path(at):
            return "a value that is not shown"
        value, raw = self.get(at), self.raws.get(at)
        if isinstance(value, dict):
            return "a mapping"
        if isinstance(value, list):
            return "a list"
        if not raw and value is None:
            return "nothing"
        text = repr(raw) if isinstance(value, str) else str(raw)
        return text if len(text) <= 80 else text[:77] + "..."

    def error(self, at: KeyPath, what: str, do: str = "") -> FarmFileError:
        """The error about this place."""
        return FarmFileError(what, path=self.path, line=self.line(at), key=dotted(at), do=do)


def read(path: Path, env: Mapping[str, str] | None) -> Source:
    """Read a farm file (``.json`` is JSON, everything else YAML). Raises FarmFileError.

    Args:
        env: Where references are looked up; None leaves them as they are written.
    """
    return parse(_text(path), env, path=str(path), is_json=path.suffix.lower() == ".json")


def parse(
    text: str, env: Mapping[str, str] | None, *, path: str = "device_farm.yml", is_json: bool = False
) -> Source:
    """Read the text of a farm file. Raises FarmFileError.

    In YAML a plain scalar with a reference is read again after substitution (``slots: ${SLOTS}`` is a
    number), a quoted one stays a text. In JSON every text is quoted.
    """
    if is_json:
        _check_json(text, path)
        # All of JSON that YAML cannot read as it stands: tabs between tokens (JSON has none within texts), and
        # characters within texts that YAML forbids or takes for line breaks.
        text = _NOT_YAML.sub(lambda found: f"\\u{ord(found.group()):04x}", text.replace("\t", " "))
    root = compose(text, path)
    if root is None:
        raise FarmFileError(
            "the file is empty", path=path, do="run `autorl init` to write an example, or list the devices"
        )
    builder = Builder(path, env, is_json)
    data = builder.build(root, (), 0)
    if not isinstance(data, dict):
        raise FarmFileError(
            f"expected a mapping (key: value), found {'a list' if isinstance(data, list) else 'one value'}",
            path=path,
            line=root.start_mark.line + 1,
            do="start with `version: 1` and `devices:`; `autorl farm schema` prints all keys",
        )
    return Source(path, data, builder.lines, builder.raws, builder.literals)


# --- the file -------------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    shown = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise FarmFileError("is a folder, not a file", path=shown, do="name the file in it")
        if not stat.S_ISREG(mode):  # a pipe or a terminal could keep us waiting for ever
            raise FarmFileError("is not a regular file", path=shown, do="copy it into a file first")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise FarmFileError(
            "the farm file does not exist",
            path=shown,
            do="run `autorl init` to write one, or try --autorl-farm virtual",
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
        raise FarmFileError(f"cannot be read: {why}", path=repr(shown)[1:-1], do="check it") from None
    if len(raw) > MAX_BYTES:
        raise FarmFileError(
            f"is larger than {MAX_BYTES // 1024} KiB",
            path=shown,
            do="use `count:` for devices that are alike, and one file per farm",
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FarmFileError(
            f"is not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start}",
            path=shown,
            line=line,
            do="save the file as UTF-8",
        ) from None


def _check_json(text: str, path: str) -> None:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not JSON")

    try:
        json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        if not text.strip(" \t\r\n"):
            return  # said in the same words as for YAML
        raise FarmFileError(
            f"not JSON: {error.msg}, column {error.colno}",
            path=path,
            line=error.lineno,
            do="correct it there, or one line above",
        ) from None
    except RecursionError:
        raise FarmFileError("is nested too deeply", path=path, do=f"at most {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise FarmFileError(f"not JSON: {error}"[:200], path=path, do="write a number") from None
