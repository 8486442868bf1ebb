"""Canaries: values made for one run, planted by a suite wherever text can leave it, and sought in all that it leaves.

The suite lies in `canaries_suite/`. Each call there names its sink (``text("stdout")``), so that the list of sinks is
read from its source, and a value that is found says where it came from.
"""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SUITE: Final = Path(__file__).with_name("canaries_suite")
_PLANTS: Final = re.compile(r"""\b(text|mail|key|secret|wide)\(["']([a-z0-9_]+)["']\)""")
_REPR_PLANTS: Final = re.compile(r'\bDevice\("([a-z0-9_]+)"\)')
#: Names in the run's folder that differ from those of the suite.
_NAMES: Final = {
    "planted.py": "planted.py",
    "outer_conftest.py": "conftest.py",
    "documented.py": "documented.py",
}
#: Unlike what any encoding leaves as it is.
_AWKWARD: Final = "&\"<é/+ '"
#: As much of a value as tells something.
_PART: Final = 8

Values = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, order=True)
class Leak:
    """A value in an output.

    Attributes:
        sink: Where it was planted.
        kind: mail, key or secret.
        form: How it looks: plain, base64, hex, utf-16.
        where: File in the run's folder, or ``<stdout>``, ``<stderr>``; ``<name>`` in front where it is a file's name.
        near: What stands around it, without the value.
    """

    sink: str
    kind: str
    form: str
    where: str
    near: str = ""


def planted_kinds() -> dict[str, set[str]]:
    """By sink: which kinds of values the suite plants there."""
    found: dict[str, set[str]] = {}
    for path in sorted(_SUITE.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        for what, sink in _PLANTS.findall(source):
            kinds = {"text": {"mail", "key", "secret"}, "wide": {"secret"}}.get(what, {what})
            found.setdefault(sink, set()).update(kinds)
        for sink in _REPR_PLANTS.findall(source):
            found.setdefault(sink, set()).update({"mail", "key", "secret"})
    return found


def make_values(sinks: Iterable[str] = ()) -> dict[str, dict[str, str]]:
    """Fresh values, an address, a key and a secret for each sink; without an argument for those of the suite."""
    chance = random.SystemRandom()

    def word(length: int, letters: str = string.ascii_lowercase) -> str:
        return "".join(chance.choices(letters, k=length))

    def mixed(length: int) -> str:
        """Starts with a letter and has a digit, as keys have."""
        body = word(length - 2, string.ascii_letters + string.digits)
        return word(1) + body[: length // 2] + word(1, string.digits) + body[length // 2 :]

    return {
        sink: {
            "mail": f"{word(9)}.{word(9)}@{word(8)}.com",
            "key": "gh" + "p_" + mixed(36),
            "secret": mixed(12) + _AWKWARD + mixed(12),
        }
        for sink in (sinks or planted_kinds())
    }


def environment(values: Values) -> dict[str, str]:
    """The variables that make every other secret known to a run."""
    named = {f"LAB_{sink.upper()}_SECRET": values[sink]["secret"] for sink in sorted(values)[::2]}
    return {**named, "LAB_ENVIRON_SECRET": values["environ"]["secret"]}


def write_suite(folder: Path) -> None:
    """Put the suite into a run's folder."""
    for path in sorted(_SUITE.glob("*.py")):
        shutil.copy(path, folder / _NAMES.get(path.name, f"test_{path.name}"))


def _parts(kind: str, value: str) -> Iterator[str]:
    """Pieces of a value of which not one may be seen, whatever stood between them."""
    if kind == "mail":
        local = value.partition("@")[0]
        yield local
        yield from local.split(".")
        return
    cores = [value.removeprefix("gh" + "p_")] if kind == "key" else value.split(_AWKWARD)
    for core in cores:
        yield core
        yield core[:_PART]
        yield core[-_PART:]


def _looks(part: str) -> Iterator[tuple[str, bytes]]:
    """A piece in the forms that can be told by their bytes. URL, JSON and HTML leave letters and digits as they are."""
    raw = part.encode()
    yield "plain", raw
    yield "hex", raw.hex().encode()
    yield "hex", raw.hex().upper().encode()
    yield "utf-16", part.encode("utf-16-le")
    yield "utf-16", part.encode("utf-16-be")
    for offset in range(3):
        padded = base64.b64encode(b"\0" * offset + raw)
        # Characters at the edges also hold bits of the neighbours.
        first = -(-offset * 8 // 6)
        yield "base64", padded[first : (offset + len(raw)) * 8 // 6]


class Seeker:
    """Finds values in bytes. What stands there is looked up, so that thousands of values take no more time than one."""

    def __init__(self, values: Values) -> None:
        known: dict[bytes, tuple[str, str, str]] = {}
        for sink, of_kind in values.items():
            for kind, value in of_kind.items():
                for part in _parts(kind, value):
                    for form, look in _looks(part):
                        known.setdefault(look, (sink, kind, form))
        self._head = min(map(len, known))
        self._by_head: dict[bytes, list[tuple[bytes, tuple[str, str, str]]]] = {}
        for look, what in known.items():
            self._by_head.setdefault(look[: self._head], []).append((look, what))
        self._runs = re.compile(rb"[A-Za-z0-9\x00]{%d,}" % self._head)

    def seek(self, data: bytes, where: str) -> Iterator[Leak]:
        """Each value in the data once for each of its forms."""
        seen: set[tuple[str, str, str]] = set()
        head, by_head = self._head, self._by_head
        for run in self._runs.finditer(data):
            body = run.group()
            for start in range(len(body) - head + 1):
                for look, what in by_head.get(body[start : start + head], ()):
                    if what not in seen and body.startswith(look, start):
                        seen.add(what)
                        at = run.start() + start
                        near = (
                            data[max(at - 120, 0) : at]
                            + b"[...]"
                            + data[at + len(look) : at + len(look) + 40]
                        )
                        yield Leak(*what, where, near.decode("utf-8", "replace"))


def outputs(folder: Path, streams: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """All that a run has left: what it printed, its files, and their names."""
    yield from ((f"<{name}>", body) for name, body in streams.items())
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        yield f"<name> {name[:60]}", name.encode("utf-8", "surrogateescape")
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            yield name, path.read_bytes()


def leaks(values: Values, found: Iterable[tuple[str, bytes]]) -> list[Leak]:
    """All values in all outputs, sorted."""
    seeker = Seeker(values)
    return sorted({leak for where, data in found for leak in seeker.seek(data, where)})


def write_values(path: Path, values: Values) -> None:
    """Where the suite reads them from; it has to lie outside of the run's folder."""
    path.write_text(json.dumps(values), encoding="utf-8")
