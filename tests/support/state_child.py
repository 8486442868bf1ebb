"""A child process that runs a script and speaks in lines: for tests of what holds between processes.

Children of a test are real ones: they can be stopped, killed and left waiting, at a point that they report first.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from types import TracebackType

#: Far above what any answer takes on a busy machine; a test that hangs says where.
PATIENCE_S = 60.0
#: So long a child that has nobody to speak to any more may take to end.
_GRACE_S = 10.0


class Child:
    """Runs Python code with arguments (`sys.argv[1:]`). Use as a context manager: it has ended afterwards.

    Its standard input ends with the context; a script that waits for a line goes on then.
    """

    def __init__(self, script: str, *args: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.pid = self._process.pid
        self._heard = b""

    def line(self) -> str:
        """The next line it says. Fails the test when it says nothing more."""
        assert self._process.stdout is not None
        while b"\n" not in self._heard:
            ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE_S)
            assert ready, f"the child said nothing for {PATIENCE_S:g} s"
            chunk = os.read(self._process.stdout.fileno(), 65536)
            assert chunk, f"the child ended ({self.wait()}) instead of saying something"
            self._heard += chunk
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def say(self, text: str = "") -> None:
        """One line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait_until_stopped(self) -> None:
        """Return when it is stopped (SIGSTOP), by whomever."""
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def kill(self) -> None:
        """End it at once, also when it is stopped, and wait until the kernel has cleaned up."""
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def wait(self) -> int:
        """Wait for its end; returns its exit status, negative for a signal."""
        return self._process.wait(PATIENCE_S)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # In order if it can, so that the coverage of what it did is written down and whole.
        self._process.stdin.close()
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process.stdout.close()
