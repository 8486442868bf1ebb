"""The checks of `autorl doctor`: each looks at one thing and says how it is and what to do.

Environment and place are passed in; nothing here changes anything, except for one temporary file that shows
whether the state directory can be written to and locked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]
#: How much depends on programs of this machine: nothing; a server that somebody runs here; one that we start here.
Need = Literal["none", "local", "managed"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How one thing is. `do` is the way out; empty when nothing is to be done."""

    name: str
    status: Status
    detail: str
    do: str = ""


def lack(name: str, detail: str, do: str, need: Need) -> Finding:
    """Something is missing: how bad that is depends on who needs it."""
    if need == "none":
        return Finding(name=name, status="ok", detail=detail)
    return Finding(name=name, status="fail" if need == "managed" else "warn", detail=detail, do=do)
