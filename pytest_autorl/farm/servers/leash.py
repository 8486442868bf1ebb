"""Becomes another program, which is told to end when its parent ends: `python leash.py PARENT PROGRAM [WORD...]`.

Run as a file, without the package: what it becomes shall be up soon. It stands between the steward and Appium since
code between fork and exec in a process with threads may block for ever.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Arm the kernel (Linux), then become the program. Ends with a sentence when there is none."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform.startswith("linux"):
        import ctypes

        # TERM, not KILL: Appium then quits its sessions, and with them chromedrivers and browsers, which would
        # outlive it. One that hangs is found by the records.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("who wanted this server has ended")
    try:
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
