"""Reports that the controller makes itself: of tests that nobody ran, and of workers that take no part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest

from pytest_autorl.attempts.trial import bare


def report(config: pytest.Config, nodeid: str, when: Literal["setup", "teardown"], why: str) -> None:
    """A test's error, as if a worker had sent it."""
    location = (nodeid.partition("::")[0], None, nodeid)
    made = pytest.TestReport(
        nodeid=nodeid, location=location, keywords={}, outcome="failed", longrepr=why, when=when
    )
    config.hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
    config.hook.pytest_runtest_logreport(report=made)
    config.hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)


def hand_out(config: pytest.Config, node: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Reports of a failed attempt, as its worker serialised them, when no other attempt has followed."""
    if not rows:
        return
    made = [config.hook.pytest_report_from_serializable(config=config, data=dict(row)) for row in rows]
    nodeid, location = made[0].nodeid, made[0].location
    config.hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
    for each in bare(made):
        each.node = node  # type: ignore[attr-defined]  # as xdist does it
        config.hook.pytest_runtest_logreport(report=each)
    config.hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)


def send_away(config: pytest.Config, node: Any, why: str) -> None:
    """A worker that cannot take part: told as an error of the collection, as xdist does it."""
    made = pytest.CollectReport(nodeid=node.gateway.id, outcome="failed", longrepr=why, result=[])
    config.hook.pytest_collectreport(report=made)
    node.shutdown()
