"""Which test and device the lines of the run's own log belong to. Registered in runs that have such a log."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_autorl.observe.binding import bind, bound

if TYPE_CHECKING:
    from pytest_autorl.run import Run


class LogIds:
    """See the module. For every thread of the process: it runs one test at a time."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """All that a test, its fixtures and their ends log."""
        with bound(everywhere=True, nodeid=item.nodeid, device=None, session=None):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self) -> Generator[None, object, object]:
        """A fixture may have leased a device, or opened a session."""
        result = yield
        record = self._run.seat.current
        if record is not None and record.handles:
            sessions = [str(handle.open_driver.session_id) for handle in record.handles if handle.open_driver]
            devices = ", ".join(handle.id for handle in record.handles)
            bind(everywhere=True, device=devices, session=", ".join(sessions) or None)
        return result
