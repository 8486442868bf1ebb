"""Checks that take their time, side by side, so that the slowest of them is what all of them take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

from pytest_autorl.cli.checks import Finding
from pytest_autorl.errors import AutorlError


class Aside:
    """Checks in threads of their own, with one end for all.

    Args:
        limit_s: Longest time until the last finding, seconds.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._end_s = time.monotonic() + limit_s

    def start(self, name: str, check: Callable[[], Iterable[Finding]]) -> Callable[[], Iterator[Finding]]:
        """Begin a check; what this returns gives the findings when they are wanted."""
        found: list[Finding] = []

        def do() -> None:
            try:
                found.extend(check())
            except AutorlError as error:
                found.append(Finding(name=name, status="fail", detail=str(error.args[0]), do=error.do))
            except Exception as error:  # one check that breaks must not hide what the others found
                detail = f"could not be looked at: {type(error).__name__}"
                found.append(Finding(name=name, status="warn", detail=detail, do="report this"))

        # A daemon: whatever hangs must not keep the command alive.
        thread = threading.Thread(target=do, name=f"autorl-doctor-{name}", daemon=True)
        thread.start()

        def take() -> Iterator[Finding]:
            thread.join(max(0.0, self._end_s - time.monotonic()))
            if thread.is_alive():
                detail = f"could not be looked at within {self._limit_s:g} s"
                do = "try again when this machine is less busy"
                yield Finding(name=name, status="warn", detail=detail, do=do)
            else:
                yield from found

        return take
