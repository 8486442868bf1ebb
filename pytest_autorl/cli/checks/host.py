"""Room, memory and ports of this machine."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from pytest_autorl.cli.checks import Finding
from pytest_autorl.state.grants import BLOCK_SIZE, FIRST_PORT, LAST_PORT
from pytest_autorl.state.place import nearest_folder

#: Below these free bytes artefacts may not find room.
_LOW_DISK_BYTES = 1_000_000_000
_NO_DISK_BYTES = 100_000_000
_PROC = Path("/proc")
#: State of a listening socket in ``/proc/net/tcp`` (proc(5)).
_LISTENS = "0A"
#: So many ports are named.
_NAMED = 6


def disk(reports: Path) -> Finding:
    """Whether there is room for reports."""
    free = shutil.disk_usage(nearest_folder(reports)).free
    low = free < _LOW_DISK_BYTES
    return Finding(
        name="disk",
        status="fail" if free < _NO_DISK_BYTES else "warn" if low else "ok",
        detail=f"{free / 1e9:.1f} GB free for {reports}",
        do="make room, or write the reports elsewhere: --autorl-reports DIR" if low else "",
    )


def memory(ceiling_pct: float, proc: Path = _PROC) -> Iterator[Finding]:
    """How much memory is in use; nothing where the system does not say.

    Args:
        ceiling_pct: Above it that is too much.
    """
    text = _text(proc / "meminfo")
    total, available = (
        int(found[1]) * 1024 if (found := re.search(rf"^{name}:\s*([0-9]+) kB", text, re.MULTILINE)) else 0
        for name in ("MemTotal", "MemAvailable")
    )
    if not total:
        return
    used_pct = (total - available) / total * 100
    detail = f"{available / 1e9:.1f} of {total / 1e9:.1f} GB available"
    if used_pct <= ceiling_pct:
        yield Finding(name="memory", status="ok", detail=detail)
        return
    detail += f": {used_pct:.0f} % is in use, more than {ceiling_pct:g} %"
    do = "end what is not needed, or use fewer workers (-n); an Appium server takes about 150 MB, a browser more"
    yield Finding(name="memory", status="warn", detail=detail, do=do)


def ports(blocks: Collection[int], proc: Path = _PROC) -> Finding:
    """Whether the ports that are leased with devices are ours to give.

    Args:
        blocks: First ports of the leased blocks.
    """
    count = (LAST_PORT + 1 - FIRST_PORT) // BLOCK_SIZE
    detail = f"{FIRST_PORT} to {LAST_PORT}: {len(blocks)} of {count} blocks are leased"
    leased = {port for block in blocks for port in range(block, block + BLOCK_SIZE)}
    others = sorted(set(_listening(proc)) - leased)
    lost = {(port - FIRST_PORT) // BLOCK_SIZE for port in others}
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        named = ", ".join(map(str, others[:_NAMED]))
        detail += f"; other programs listen on {named}{more}, their blocks are passed over"
    if len(lost) > count // 2:
        return Finding(name="ports", status="warn", detail=detail, do="end some of these programs")
    first, last = _handed_out(proc)
    overlaps = first <= LAST_PORT and last >= FIRST_PORT
    if overlaps and not _is_reserved(proc):
        detail += f"; the system hands out {first} to {last} by itself, so a leased port may be in use"
        do = f"sysctl -w net.ipv4.ip_local_reserved_ports={FIRST_PORT}-{LAST_PORT}"
        return Finding(name="ports", status="warn", detail=detail, do=do)
    return Finding(name="ports", status="ok", detail=detail)


def _handed_out(proc: Path) -> tuple[int, int]:
    """The ports that the system gives to connections; none where it does not say."""
    words = _text(proc / "sys/net/ipv4/ip_local_port_range").split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else (0, 0)


def _is_reserved(proc: Path) -> bool:
    """Whether the system leaves out our ports all the same."""
    spans = []
    for word in _text(proc / "sys/net/ipv4/ip_local_reserved_ports").strip().split(","):
        first, _, last = word.partition("-")
        with contextlib.suppress(ValueError):
            spans.append((int(first), int(last or first)))
    return any(first <= FIRST_PORT and last >= LAST_PORT for first, last in spans)


def _listening(proc: Path) -> Iterator[int]:
    """Ports of ours that somebody listens on; none where the system does not say."""
    for name in ("tcp", "tcp6"):
        for line in _text(proc / "net" / name).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == _LISTENS:
                port = int(fields[1].rpartition(":")[2], 16)
                if FIRST_PORT <= port <= LAST_PORT:
                    yield port


def _text(path: Path) -> str:
    """ "" where there is no such file."""
    with contextlib.suppress(OSError):
        return path.read_text(encoding="ascii", errors="replace")
    return ""
