"""What happened, as each process saw it: one file a process, one write a line, times of one clock.

Whoever is killed loses nothing that it had written; a last line that was torn is passed over. An event that was
begun (`phase` invoke) and never ended may have had its effect or not, as in Jepsen's histories.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

#: `t` nanoseconds of the monotonic clock, `p` process, `n` number of the line in it, `e` kind of event, and what
#: belongs to the kind: see `checker.py`.
Event = dict[str, Any]


class History:
    """The lines of one process. Safe to use from several threads.

    Args:
        folder: Where all processes of a season write.
        name: Of this process; a new life of a worker is a new process.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._descriptor = os.open(
            folder / f"{name}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )

    def write(self, event: str, **detail: Any) -> int:
        """Write one event; returns its time."""
        now = time.monotonic_ns()
        line = json.dumps({"t": now, "p": self.name, "e": event, **detail}, separators=(",", ":"))
        os.write(self._descriptor, line.encode() + b"\n")
        return now

    def close(self) -> None:
        """No more lines."""
        os.close(self._descriptor)


def read(folder: Path) -> list[Event]:
    """All events of a season in the order of their times."""
    return merge(lines_of(path) for path in sorted(folder.glob("*.jsonl")))


def lines_of(path: Path) -> list[Event]:
    """The events of one process in the order in which it wrote them."""
    found = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        found.append(json.loads(line))
    return found


def merge(files: Iterable[list[Event]]) -> list[Event]:
    """Sort by time; `n` keeps the order of what one process wrote.

    >>> merge([[{"t": 5, "p": "b", "e": "x"}], [{"t": 3, "p": "a", "e": "y"}]])
    [{'t': 3, 'p': 'a', 'e': 'y', 'n': 0}, {'t': 5, 'p': 'b', 'e': 'x', 'n': 0}]
    """
    events = [{**event, "n": number} for lines in files for number, event in enumerate(lines)]
    return sorted(events, key=lambda event: (event["t"], event["p"], event["n"]))
