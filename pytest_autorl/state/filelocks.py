"""Leases on one host, by advisory file locks: one file per device, locked while the device is held.

The kernel drops the lock when its holder dies, however it dies, so no device stays busy after a crash. The
file keeps the fencing token and says who holds the device; its text is only believed while it is locked.
Several processes and threads of one host can share a directory. Waiting is polling with random back-off:
no order among those who wait is promised. Network file systems are not for this: their locks may be local.

POSIX only: `fcntl` is imported when a store is opened, so that the plugin can be loaded anywhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_autorl.errors import LeaseLostError, LeaseTimeoutError, StateError
from pytest_autorl.state.leases import Holder, Lease

#: Back-off between two looks at the locks, seconds: first and longest. A look costs about 20 us a device.
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.1

_ENDING = ".lease"
_WANTED = ".wanted"
#: So long after its last look somebody counts as waiting, seconds.
_WANTED_S = 1.0
#: How long an asker lets those who wait already go first, seconds: more than their longest pause.
_WAY_S = 0.3
#: Between run id and device id in a file's name; a device id cannot hold it.
_OF_RUN = "@"
#: After so long the files of a run that was killed are removed by the next run, seconds.
_STALE_S = 86_400.0
#: A file is the token in so many digits, then JSON about the holder.
_TOKEN_DIGITS = 20
#: Ids of tests can be of any length; of each text so many characters are kept.
_LONGEST_TEXT = 300
_LONGEST_BYTES = 16_384


class FileLockStore:
    """A `LeaseStore` over a directory.

    Args:
        directory: Made (mode 0700) when missing.
        run_id: Run that the devices named by `is_of_run` belong to: their files carry its name, so that two
            runs never meet over devices that only look alike.
        is_of_run: Whether a device belongs to the run alone.
        pause: Waits up to so many seconds; injected by tests. The default can be ended by `close`.
        now: Seconds since the epoch, for people; `monotonic` measures waiting.
        chance: Source of the random back-off.
    Raises: StateError when the directory cannot be made or locks are not to be had there.
    """

    def __init__(
        self,
        directory: Path,
        *,
        run_id: str = "",
        is_of_run: Callable[[str], bool] = lambda device_id: False,
        pause: Callable[[float], Any] | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        try:
            import fcntl
        except ImportError as error:
            raise StateError("device leases need POSIX file locks", do="use WSL2 for a farm") from error
        self._fcntl = fcntl
        self._directory = directory
        self._run_id = run_id
        self._is_of_run = is_of_run
        self._closed = threading.Event()
        self._pause = pause or self._closed.wait
        self._now = now
        self._monotonic = monotonic
        self._chance = chance or random.Random()
        self._held: dict[Lease, int] = {}
        self._mutex = threading.Lock()
        self._pid = os.getpid()
        self._name = f"{self._pid}-{id(self)}"
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StateError(
                f"cannot make the lease directory {directory}: {error.strerror}",
                do="name a writable place with --autorl-state",
            ) from error

    def acquire(
        self, candidates: Sequence[str], *, count: int, owner: str, purpose: str, wait_s: float
    ) -> tuple[Lease, ...]:
        """See `LeaseStore.acquire`."""
        if len(candidates) < count:
            raise ValueError(f"{count} devices wanted of only {len(candidates)} candidates")
        deadline = self._monotonic() + wait_s
        pause_s = _FIRST_PAUSE_S
        free = [device_id for device_id in candidates if not self.is_wanted(device_id)]
        if len(free) < count:
            # Somebody waits already: whoever gives a device back and asks again must not always win.
            self._pause(min(wait_s, _WAY_S))
        else:
            candidates = free + [device_id for device_id in candidates if device_id not in free]
        try:
            while True:
                leases = self._try_acquire(candidates, count, owner, purpose)
                if leases is not None:
                    return leases
                left_s = deadline - self._monotonic()
                if left_s <= 0 or self._closed.is_set():
                    raise self._timeout(candidates, count, wait_s)
                self._want(candidates)
                # Full jitter: two waiters that want overlapping sets must not stay in step.
                self._pause(min(left_s, self._chance.uniform(0.5, 1.0) * pause_s))
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)
        finally:
            self._want_no_more(candidates)

    def _try_acquire(
        self, candidates: Sequence[str], count: int, owner: str, purpose: str
    ) -> tuple[Lease, ...] | None:
        taken: list[Lease] = []
        for device_id in candidates:
            lease = self._try_lock(device_id, owner, purpose)
            if lease is not None:
                taken.append(lease)
            if len(taken) == count:
                return tuple(taken)
        for lease in taken:
            self.release(lease)
        return None

    def _try_lock(self, device_id: str, owner: str, purpose: str) -> Lease | None:
        descriptor = self._open(device_id)
        try:
            self._fcntl.flock(descriptor, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)
            token = _read_token(descriptor, self._path(device_id)) + 1
            lease = Lease(device_id=device_id, owner=owner, token=token, since_s=self._now())
            row = {
                "owner": owner[:_LONGEST_TEXT],
                "purpose": purpose[:_LONGEST_TEXT],
                "pid": os.getpid(),
                "since_s": lease.since_s,
            }
            _write(descriptor, token, row)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except StateError:
            os.close(descriptor)
            raise
        except OSError as error:
            os.close(descriptor)
            raise StateError(
                f"cannot lock {self._path(device_id)}: {error.strerror}",
                device_id=device_id,
                do="name a local, writable place with --autorl-state",
            ) from error
        with self._mutex:
            self._held[lease] = descriptor
        return lease

    def check(self, lease: Lease) -> None:
        """See `LeaseStore.check`. Costs a dictionary look-up: the lock itself cannot be taken from us."""
        if lease not in self._held or os.getpid() != self._pid:
            raise LeaseLostError(
                f"the lease of {lease.owner} (token {lease.token}) was given back",
                device_id=lease.device_id,
                do="use a device only while the test or scope that asked for it runs",
            )

    def release(self, lease: Lease) -> None:
        """See `LeaseStore.release`."""
        with self._mutex:
            descriptor = self._held.pop(lease, None)
        if descriptor is not None and os.getpid() == self._pid:
            # A child forked meanwhile has the descriptor too: closing ours alone would leave it locked.
            self._fcntl.flock(descriptor, self._fcntl.LOCK_UN)
            os.close(descriptor)

    def is_wanted(self, device_id: str) -> bool:
        """See `LeaseStore.is_wanted`. Those who wait touch a file beside the lease at each look."""
        if self._is_of_run(device_id):
            return False
        path = self._path(device_id).with_suffix(_WANTED)
        try:
            found = path.stat()
            return self._now() - found.st_mtime < _WANTED_S and path.read_text("ascii") != self._name
        except (OSError, ValueError):
            return False

    def _want(self, candidates: Sequence[str]) -> None:
        # Only what other runs can have: devices of the run itself are never parked where somebody could wait.
        for device_id in candidates:
            if not self._is_of_run(device_id):
                with contextlib.suppress(OSError):
                    self._path(device_id).with_suffix(_WANTED).write_text(self._name, "ascii")

    def _want_no_more(self, candidates: Sequence[str]) -> None:
        for device_id in candidates:
            path = self._path(device_id).with_suffix(_WANTED)
            with contextlib.suppress(OSError, ValueError):  # mostly there is none; another's mark stays
                if path.read_text("ascii") == self._name:
                    path.unlink()

    def holder(self, device_id: str) -> Holder | None:
        """See `LeaseStore.holder`."""
        if not self._path(device_id).exists():
            return None
        descriptor = self._open(device_id)
        try:
            # A shared lock disturbs an acquirer for the length of this call at most: it looks again.
            self._fcntl.flock(descriptor, self._fcntl.LOCK_SH | self._fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            row = _read(descriptor)
            return Holder(
                device_id=device_id,
                owner=str(row.get("owner", "unknown")),
                purpose=str(row.get("purpose", "")),
                pid=int(row.get("pid", 0)),
                since_s=float(row.get("since_s", 0.0)),
            )
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """See `LeaseStore.close`. Waiting `acquire` calls end with LeaseTimeoutError."""
        self._closed.set()
        for lease in list(self._held):
            self.release(lease)

    def forget_run(self) -> None:
        """Remove the files of this run's own devices, and of runs that ended a day ago without doing so.

        Called once, by the process that outlives the others. A file that is locked stays.
        """
        for path in self._directory.glob(f"*{_OF_RUN}*{_ENDING}"):
            is_ours = path.name.startswith(f"{self._run_id}{_OF_RUN}")
            with contextlib.suppress(OSError):
                if (is_ours or path.stat().st_mtime < self._now() - _STALE_S) and not self._is_locked(path):
                    path.unlink()

    def _is_locked(self, path: Path) -> bool:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._fcntl.flock(descriptor, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _path(self, device_id: str) -> Path:
        prefix = f"{self._run_id}{_OF_RUN}" if self._is_of_run(device_id) else ""
        return self._directory / f"{prefix}{device_id}{_ENDING}"

    def _open(self, device_id: str) -> int:
        try:
            return os.open(self._path(device_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(
                f"cannot open {self._path(device_id)}: {error.strerror}",
                device_id=device_id,
                do="name a writable place with --autorl-state",
            ) from error

    def _timeout(self, candidates: Sequence[str], count: int, wait_s: float) -> LeaseTimeoutError:
        now_s = self._now()
        lines = []
        for holder in filter(None, map(self.holder, candidates)):
            reason = f" for {holder.purpose}" if holder.purpose else ""
            lines.append(
                f"{holder.device_id}: {holder.owner}{reason}, since {max(0.0, now_s - holder.since_s):.0f} s"
            )
        wanted = "a device" if count == 1 else f"{count} devices at once"
        return LeaseTimeoutError(
            f"waited {wait_s:g} s for {wanted} of {', '.join(candidates)}; held by: {'; '.join(lines) or 'nobody now'}",
            do="free a device, add one, or raise --autorl-wait",
        )


def _read_token(descriptor: int, path: Path) -> int:
    """The last token given; 0 for a new file. Raises StateError for a file that is not ours."""
    head = os.pread(descriptor, _TOKEN_DIGITS, 0)
    if not head:
        return 0
    if len(head) != _TOKEN_DIGITS or not head.isdigit():
        raise StateError(
            f"{path} does not start with a fencing token but with {head!r}",
            do="remove the file if no run uses the device: its tokens start anew",
        )
    return int(head)


def _read(descriptor: int) -> dict[str, Any]:
    # What it says of the holder is for people: the lock, not the text, is the lease.
    with contextlib.suppress(ValueError, OSError):
        row = json.loads(os.pread(descriptor, _LONGEST_BYTES, _TOKEN_DIGITS))
        if isinstance(row, dict):
            return row
    return {}


def _write(descriptor: int, token: int, row: dict[str, Any]) -> None:
    # One write with the token first, in a fixed place: a killed writer cannot leave half of it.
    text = f"{token:0{_TOKEN_DIGITS}d}{json.dumps(row)}".encode()
    os.pwrite(descriptor, text, 0)
    os.ftruncate(descriptor, len(text))
