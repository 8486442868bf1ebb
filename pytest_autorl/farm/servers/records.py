"""Notes of which processes run, for the case that who started them is killed: one private file per steward.

Whoever sweeps ends what is in the notes and nothing else: id and start time of a process must both agree. What its
environment marks as started by that steward belongs to it, too: it may be younger than the last note.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_autorl.farm.descent import (
    Identity,
    Process,
    environment_of,
    is_running,
    kill,
    place,
    processes,
    words_of,
)

#: Environment variable that all descendants of a server inherit: key of the steward, name of the server.
MARK = "AUTORL_MANAGED_SERVER"
#: No process has this id.
NOBODY = Identity(0, "")
#: Begins the name of each steward's private folder.
FOLDER_PREFIX = "autorl-"
_ENDING = ".servers.json"
#: A note of another host, boot or container that nobody has touched for so long is litter, seconds.
_FORGOTTEN_S = 7 * 86400.0
#: How often a living steward touches its note, seconds.
TOUCH_S = 3600.0
#: Longest wait for killed processes to be gone, seconds.
_GONE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one steward has started.

    Attributes:
        steward: The steward itself.
        owner: Who started it, and starts another one when it dies.
        key: Its key, see `MARK`.
        folder: Its private folder, removed with the record.
        place: Where its process ids mean something, see `descent.place`.
        kin: Every process of its servers.
        ports: Of its servers, by name.
    """

    steward: Identity
    owner: Identity = NOBODY
    key: str
    folder: str
    place: str = field(default_factory=place)
    kin: frozenset[Identity] = frozenset()
    ports: Mapping[str, int] = field(default_factory=dict)


def path_of(records: Path, key: str) -> Path:
    """The file of the record of a steward."""
    return records / f"{key}{_ENDING}"


def write(records: Path, record: Record) -> None:
    """Write it, readable by its owner only: readers see the old one or the new one. Raises OSError."""
    records.mkdir(parents=True, exist_ok=True, mode=0o700)
    plain = {
        "steward": record.steward,
        "owner": record.owner,
        "key": record.key,
        "folder": record.folder,
        "place": record.place,
        "kin": sorted(record.kin),
        "ports": dict(record.ports),
    }
    descriptor, temporary = tempfile.mkstemp(dir=records, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(plain, file)
        os.replace(temporary, path_of(records, record.key))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def read(path: Path) -> Record | None:
    """The record in a file; None when there is none that can be read."""
    try:
        plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Record(
            steward=Identity(*plain["steward"]),
            owner=Identity(*plain["owner"]),
            key=str(plain["key"]),
            folder=str(plain["folder"]),
            place=str(plain["place"]),
            kin=frozenset(Identity(*one) for one in plain["kin"]),
            ports={str(name): int(port) for name, port in plain["ports"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def sweep(records: Path) -> int:
    """End what dead stewards have left, and forget them; returns how many processes were ended.

    A steward whose run lives is that run's to replace, with the folder and the ports that it had.
    """
    ended = 0
    for path in sorted(records.glob(f"*{_ENDING}")):
        record = read(path)
        if record is None or record.place != place():
            _remove_forgotten(path)
        elif not is_looked_after(record):
            ended += end_left(record)
            _remove(path, record)
    for path in records.glob(".*.part"):
        _remove_forgotten(path)
    return ended


def is_looked_after(record: Record) -> bool:
    """Whether the steward lives, or whoever puts another one in its place."""
    return is_running(record.steward) or is_running(record.owner)


def ports_in_use(records: Path) -> frozenset[int]:
    """The ports of servers whose runs live, all runs of this user on this host."""
    found = (read(path) for path in records.glob(f"*{_ENDING}"))
    return frozenset(
        port
        for record in found
        if record is not None and record.place == place() and is_looked_after(record)
        for port in record.ports.values()
    )


def end_left(record: Record) -> int:
    """Kill what a record names and still runs; returns how many that were. Waits until they are gone, in bounds."""
    doomed = {one for one in {*record.kin, *_marked(record.key)} if kill(one)}
    deadline_s = time.monotonic() + _GONE_S
    left = doomed
    while left and time.monotonic() < deadline_s:
        time.sleep(0.02)
        # Also the young: a process may fork before the signal reaches it.
        new = {one for one in _marked(record.key) if one not in doomed and kill(one)}
        doomed |= new
        left = {one for one in left | new if is_running(one)}
    return len(doomed)


def is_shared(pid: int) -> bool:
    """Whether a process serves the whole host: the adb server, which other runs use, too. It is left alone."""
    words = words_of(pid)
    return bool(words) and os.path.basename(words[0]) == "adb" and "fork-server" in words


def marked(seen: Iterable[Process], key: str) -> dict[Identity, str]:
    """The name of its server for each of these processes that carries the mark of a steward."""
    found = {}
    for one in seen:
        whose, colon, server = environment_of(one.pid).get(MARK, "").rpartition("/")
        if colon and whose == key and not is_shared(one.pid):
            found[one.identity] = server
    return found


def _marked(key: str) -> set[Identity]:
    return set(marked((one for one in processes().values() if not one.is_zombie), key))


def _remove(path: Path, record: Record) -> None:
    path.unlink(missing_ok=True)
    folder = Path(record.folder)
    # The record is private, yet a folder is removed only if it looks like one that we made.
    if folder.name.startswith(FOLDER_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


def _remove_forgotten(path: Path) -> None:
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > _FORGOTTEN_S:
            path.unlink()
