"""The end of a device's log, as far as it may be kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

#: The most that is given of a log: lines, and bytes of them.
LINES = 500
LIMIT_BYTES = 256 * 1024


class Line(NamedTuple):
    """One entry.

    Attributes:
        at_s: When it was written; seconds since the epoch, 0 when that is not known.
        text: Without the time.
    """

    at_s: float
    text: str


def tail(lines: Sequence[Line], *, since_s: float | None = None, is_stamped: bool = False) -> str:
    """The last lines, those from `since_s` on, each with its time (UTC); what exceeds the bounds is left out.

    Args:
        is_stamped: Their texts say the time already.

    >>> tail([Line(0.0, "start"), Line(1.5, "stop")], since_s=1.0)
    '1970-01-01T00:00:01.500Z stop'
    """
    chosen: list[str] = []
    left = LIMIT_BYTES
    for line in reversed(lines[-LINES:]):
        if since_s is not None and line.at_s < since_s:
            continue  # not the end of it: several logs are one here, and clocks are set back
        text = line.text if is_stamped or not line.at_s else f"{stamp(line.at_s)} {line.text}"
        coded = text.encode("utf-8", "replace")
        if len(coded) > left and chosen:
            break
        chosen.append(coded[:left].decode("utf-8", "ignore"))
        left -= len(coded) + 1
    return "\n".join(reversed(chosen))


def stamp(at_s: float) -> str:
    """A time as it stands before a line."""
    whole_s, ms = divmod(round(at_s * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole_s))}.{ms:03d}Z"
