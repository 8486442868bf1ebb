"""Processes of this host: whose children they are, when they started, and how exactly one of them is ended.

A process is named by its id *and* its start time: ids are given out anew. Linux is read from /proc, other
systems through `ps`.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

#: Whether /proc tells about processes; elsewhere `ps` does.
HAS_PROC: bool = sys.platform.startswith("linux")
_PROC = Path("/proc")
#: Longest that `ps` may take, seconds.
_PS_S = 10.0
#: prctl(2): orphans among our descendants become children of ours, not of init.
_PR_SET_CHILD_SUBREAPER = 36
#: /proc/net/tcp: the state of a socket that listens.
_LISTEN = "0A"


class Identity(NamedTuple):
    """One process, for ever: `started` is the kernel's start time as text, to be compared and nothing else."""

    pid: int
    started: str


class Process(NamedTuple):
    """A process as it was when it was looked at."""

    pid: int
    parent: int
    started: str
    is_zombie: bool = False

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.started)


def processes() -> dict[int, Process]:
    """Every process of this host that can be seen, by its id; empty where they cannot be listed."""
    if not HAS_PROC:
        return {one.pid: one for one in parse_ps(_ps("-ax"))}
    found = {}
    for name in os.listdir(_PROC):
        if name.isdigit():
            one = _read(int(name))
            if one is not None:
                found[one.pid] = one
    return found


def process(pid: int) -> Process | None:
    """One process as it is now; None when there is none."""
    if HAS_PROC:
        return _read(pid)
    return next(parse_ps(_ps("-p", str(pid))), None)


def is_running(identity: Identity) -> bool:
    """Whether this very process still runs; a zombie does not."""
    one = process(identity.pid)
    return one is not None and one.identity == identity and not one.is_zombie


def descendants(seen: Mapping[int, Process], roots: Iterable[int]) -> list[Process]:
    """The roots themselves and everything below them, parents first.

    >>> seen = {pid: Process(pid, parent, "0") for pid, parent in ((7, 1), (8, 7), (9, 8), (10, 1))}
    >>> [one.pid for one in descendants(seen, [7])]
    [7, 8, 9]
    """
    children: dict[int, list[Process]] = {}
    for one in seen.values():
        children.setdefault(one.parent, []).append(one)
    found = {pid: seen[pid] for pid in roots if pid in seen}
    queue = list(found.values())
    for one in queue:
        for child in children.get(one.pid, ()):
            if child.pid not in found:
                found[child.pid] = child
                queue.append(child)
    return list(found.values())


def kill(identity: Identity, number: int = signal.SIGKILL) -> bool:
    """Signal this very process; False when it is gone, or its id is another's by now."""
    pidfd: int | None = None
    with contextlib.suppress(OSError, AttributeError):
        # Taken before the look: what it names cannot change between the look and the signal.
        pidfd = os.pidfd_open(identity.pid)
    try:
        if not is_running(identity):
            return False
        if pidfd is not None:
            signal.pidfd_send_signal(pidfd, number)
        else:
            os.kill(identity.pid, number)
    except OSError:
        return False
    finally:
        if pidfd is not None:
            os.close(pidfd)
    return True


def adopt_orphans() -> None:
    """Whoever loses its parent among our descendants becomes our child (Linux; nothing elsewhere)."""
    if HAS_PROC:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def bury(pid: int) -> None:
    """Take note of the end of a child that has ended, so that it is no zombie any more."""
    with contextlib.suppress(OSError):
        os.waitpid(pid, os.WNOHANG)


def place() -> str:
    """Where process ids mean the same: this boot of this host, and this namespace of a container."""
    with contextlib.suppress(OSError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink(_PROC / 'self/ns/pid')}"
    return platform.node()


def environment_of(pid: int) -> dict[str, str]:
    """The environment that a process was started with; empty when it may not, or cannot, be seen."""
    try:
        raw = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in raw.decode("utf-8", "replace").split("\0"))
    return {name: value for name, equals, value in pairs if equals}


def words_of(pid: int) -> list[str]:
    """The command line of a process, Linux; empty when it cannot be seen."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")[:-1]
    except OSError:
        return []


def listens(pids: Iterable[int], port: int) -> bool | None:
    """Whether one of these processes listens on a TCP port of this host; None where that cannot be seen."""
    sockets: set[str] = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            sockets |= listening((_PROC / "net" / table).read_text(), port)
    if not (_PROC / "net/tcp").exists():
        return None
    for pid in pids:
        with contextlib.suppress(OSError):
            folder = _PROC / str(pid) / "fd"
            for descriptor in os.listdir(folder):
                with contextlib.suppress(OSError):
                    if os.readlink(folder / descriptor) in sockets:
                        return True
    return False


def listening(table: str, port: int) -> set[str]:
    """The sockets that listen on a port, as links of /proc/PID/fd name them, from the text of /proc/net/tcp.

    >>> listening("sl local\\n 0: 0100007F:1277 0:0 0A 0:0 0:0 0 0 0 812", 4727)
    {'socket:[812]'}
    """
    rows = (line.split() for line in table.splitlines()[1:])
    return {
        f"socket:[{row[9]}]"
        for row in rows
        if len(row) > 9 and row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port
    }


def parse_stat(text: str) -> Process | None:
    """A process from the text of /proc/PID/stat; None when it is none. Its name may hold spaces and brackets.

    >>> parse_stat("12 (a ) b) S 3 12 12 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 6643 17 3")
    Process(pid=12, parent=3, started='6643', is_zombie=False)
    """
    head, _, rest = text.rpartition(")")
    fields = rest.split()
    if len(fields) < 20:
        return None
    # proc(5) counts from 1 and the name is the second: field 22, the start time, is the twentieth of the rest.
    return Process(int(head.split()[0]), int(fields[1]), fields[19], fields[0] in "ZX")


def parse_ps(text: str) -> Iterator[Process]:
    """The processes in the output of `ps -o pid=,ppid=,stat=,lstart=`.

    >>> list(parse_ps(" 12  3 Ss   Thu Nov 26 14:46:18 2026"))
    [Process(pid=12, parent=3, started='Thu Nov 26 14:46:18 2026', is_zombie=False)]
    """
    for line in text.splitlines():
        words = line.split()
        if len(words) > 3 and words[0].isdigit() and words[1].isdigit():
            yield Process(int(words[0]), int(words[1]), " ".join(words[3:]), words[2].startswith("Z"))


def _read(pid: int) -> Process | None:
    try:
        return parse_stat((_PROC / str(pid) / "stat").read_text(errors="replace"))
    except OSError:
        return None


def _ps(*which: str) -> str:
    command = ["ps", *which, "-o", "pid=,ppid=,stat=,lstart="]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PS_S, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
