"""What a steward is told by who starts it, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How patient the steward is; all in seconds, but `misses`."""

    #: Longest time from a server's start to its first answer.
    start_timeout_s: float = 60.0
    #: Between two looks whether a server answers.
    probe_every_s: float = 5.0
    #: Longest wait for one answer.
    probe_timeout_s: float = 5.0
    #: So many missing answers in a row, and it hangs.
    misses: int = 3
    #: Between a server's end and its next start; doubled by each failure.
    backoff_first_s: float = 1.0
    backoff_most_s: float = 30.0
    #: So long up, and earlier failures are forgotten.
    quiet_s: float = 60.0
    #: For a server to quit its sessions and end by itself.
    grace_s: float = 5.0
    #: Between two looks at who descends from the servers.
    census_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a steward is to do.

    Attributes:
        devices: Ids, in the order of the farm file.
        each: How many of them share one server.
        command: As `find_appium` takes it; so is `home`.
        drivers: Only these are loaded; empty = all.
        arguments: More words for the command line.
        rootdir: Where servers start.
        reports: Folder whose `logs/` takes what they print.
        records: Private folder of the records of what runs.
        folder: Private folder of this run's steward; it is removed with it.
        key: Marks everything that this run's steward starts.
        owner: Id and start time of the process that starts another steward when this one dies; 0 = none.
        ports: Of servers that an earlier steward of this run had, by name.
        redaction: What is taken out of the logs, as `capture.guard.Guard.plain` gives it. It holds secrets.
        is_first: No earlier steward of this run has begun the logs.
    """

    devices: tuple[str, ...]
    each: int = 1
    command: str = ""
    home: str = ""
    drivers: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    rootdir: str
    reports: str
    records: str
    folder: str
    key: str
    owner: tuple[int, str] = (0, "")
    ports: Mapping[str, int] = field(default_factory=dict)
    redaction: Mapping[str, Any] = field(default_factory=dict, repr=False)
    is_first: bool = True
    timing: Timing = Timing()

    def plain(self) -> dict[str, Any]:
        """As data that JSON can carry."""
        return asdict(self)

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Orders:
        """From what `plain` gave."""
        told = dict(plain)
        for name in ("devices", "drivers", "arguments", "owner"):
            told[name] = tuple(told[name])
        return cls(**told | {"timing": Timing(**told["timing"])})


def groups(devices: Sequence[str], each: int) -> dict[str, tuple[str, ...]]:
    """Which devices share a server, by the name of the server: it is that of its first device.

    >>> groups(["a", "b", "c"], 2)
    {'a': ('a', 'b'), 'c': ('c',)}
    """
    return {devices[at]: tuple(devices[at : at + each]) for at in range(0, len(devices), each)}


def log_name(server: str) -> str:
    """The log of a server, from the reports folder."""
    return f"logs/appium-{server}.log"


def base_path(arguments: Sequence[str]) -> str:
    """What these words make of the path of a server's address, without a slash at the end.

    >>> (
    ...     base_path(["--base-path", "/wd/hub"]),
    ...     base_path(["-pa=/wd/hub/"]),
    ...     base_path(["--cors"]),
    ...     base_path([]),
    ... )
    ('/wd/hub', '/wd/hub', '', '')
    """
    found = ""
    for word, following in zip(arguments, [*arguments[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        if name in ("--base-path", "-pa"):
            found = value if equals else following
    path = found.strip("/")
    return f"/{path}" if path else ""
