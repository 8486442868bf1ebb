"""Signs of life that need nobody's doing: a file that its process keeps locked.

The kernel drops the lock when the process ends, however it ends; who can take the lock knows that it has. A stopped
process keeps its lock: leases end by their time for those.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from pathlib import Path

_ENDING = ".alive"

_kept: weakref.WeakSet[Liveness] = weakref.WeakSet()


class Liveness:
    """The sign of one holder, from now until `close` or the end of the process.

    Args:
        folder: Where all holders of a state have theirs; made when missing.
        holder: Id of the holder, which becomes the file's name.
    """

    def __init__(self, folder: Path, holder: str) -> None:
        import fcntl

        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = _file(folder, holder)
        # Locked before it has its name: nobody may see it unlocked while we live.
        unnamed = self._path.with_suffix(".new")
        self._descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        os.rename(unnamed, self._path)
        _kept.add(self)

    def close(self) -> None:
        """The holder is no more. Safe to call twice."""
        _kept.discard(self)
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            self._let_go()

    def _let_go(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1


def is_alive(folder: Path, holder: str) -> bool:
    """Whether the holder's process runs, or at least is stopped; False also for a holder without a file."""
    import fcntl

    try:
        descriptor = os.open(_file(folder, holder), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # no descriptor left, no right to look: nobody is dead for that
    try:
        # Shared, so that two who look at once do not take each other for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # it is locked; or it cannot be found out
        return True
    finally:
        os.close(descriptor)
    return False


def bury(folder: Path, holder: str) -> None:
    """Remove the file of a holder that is dead."""
    with contextlib.suppress(OSError):  # it will be swept
        _file(folder, holder).unlink()


def sweep(folder: Path) -> None:
    """Remove the files of all holders that are dead, also of those that no state knows any more."""
    for path in folder.glob(f"*{_ENDING}"):
        if not is_alive(folder, path.stem):
            bury(folder, path.stem)


def end_of(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends (pidfd_open(2)); None where there is none."""
    if not hasattr(os, "pidfd_open"):
        return None
    with contextlib.suppress(OSError):
        return os.pidfd_open(pid)
    return None


def _file(folder: Path, holder: str) -> Path:
    return folder / f"{holder}{_ENDING}"


def _let_go_in_child() -> None:
    # A fork has the descriptor, and with it the lock, too: it would keep us alive after our end.
    for each in list(_kept):
        each._let_go()


if hasattr(os, "register_at_fork"):  # pragma: no branch: everywhere but on Windows
    os.register_at_fork(after_in_child=_let_go_in_child)
