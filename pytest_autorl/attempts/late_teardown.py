"""The teardown of what tests share, when the last of them has ended long ago: with the manners of a teardown phase.

Output and log records are captured for its report, warnings are recorded, and a limit of pytest-timeout holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from pytest_autorl import private_api

#: Whose hooks run about it, by the names under which they are registered. Those of others do not: a user's have run
#: with the test itself already, and a reporter has closed its books on it.
_MANNERS = frozenset(
    {
        *("warnings", "faulthandler", "assertion", "timeout", "pytest_timeout"),
        *("capturemanager", "unraisableexception", "threadexception"),
    }
)


def tear_down_late(item: pytest.Item, work: Callable[[], None]) -> pytest.CallInfo[None]:
    """Run `work` as a teardown of this test, which has ended; what it raises is in the answer.

    The end of the session (`pytest.exit`, an interrupt) is raised.
    """
    # The plugin for logs opens its records in a set-up, and there is none here.
    manners = _MANNERS | ({"logging-plugin"} if private_api.open_log_records(item) else set())
    manager = item.config.pluginmanager
    others = [plugin for name, plugin in manager.list_name_plugin() if plugin and name not in manners]
    calls: list[pytest.CallInfo[None]] = []

    def teardown() -> None:
        os.environ["PYTEST_CURRENT_TEST"] = f"{item.nodeid} (teardown)".replace("\x00", "(null)")
        try:
            work()
        finally:
            os.environ.pop("PYTEST_CURRENT_TEST", None)

    def protocol() -> bool:
        calls.append(
            pytest.CallInfo.from_call(
                lambda: _call(manager, "pytest_runtest_teardown", others, teardown, item),
                when="teardown",
                reraise=(pytest.exit.Exception, KeyboardInterrupt),
            )
        )
        return True

    _call(manager, "pytest_runtest_protocol", others, protocol, item)
    return calls[0]


def tell_allure_of_teardown(
    item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> None:
    """A result of its own for a teardown that failed: allure-pytest has closed its books on the test."""
    from pytest_autorl.capture.allure import note_teardown

    assert call.excinfo is not None
    note_teardown(
        item.nodeid,
        item.name,
        message=call.excinfo.exconly(),
        trace=report.longreprtext,
        start_s=call.start,
        stop_s=call.stop,
    )


def _call(
    manager: pytest.PytestPluginManager,
    name: str,
    others: list[Any],
    work: Callable[[], Any],
    item: pytest.Item,
) -> None:
    hook = manager.subset_hook_caller(name, others)
    hook.call_extra([work], {"item": item, "nextitem": None})
