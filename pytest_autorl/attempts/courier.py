"""Carries what is known of earlier attempts from a worker that xdist feeds to the controller, on the last one's report.

Such a worker has no line of its own. If it dies over a later attempt, what it had to tell of those before is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pytest

from pytest_autorl.attempts.earlier import Earlier
from pytest_autorl.facts import tell, told


class Teller(Protocol):
    """Who is told of attempts that others follow."""

    def again(self, nodeid: str, earlier: Earlier, facts: Sequence[Mapping[str, Any]]) -> None:
        """See `dispatch.ledger.Ledger`."""


class Sender:
    """In the worker."""

    def __init__(self) -> None:
        self._bag: list[dict[str, Any]] = []

    def again(self, nodeid: str, earlier: Earlier, facts: Sequence[Mapping[str, Any]]) -> None:
        """An attempt that another follows."""
        self._bag.append({"earlier": earlier.to_wire(), "facts": [dict(each) for each in facts]})

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Before xdist sends it."""
        if self._bag:
            bag, self._bag = self._bag, []
            tell(report, earlier=bag)


class Receiver:
    """In the controller."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Before anybody looks at it."""
        if "autorl" not in report.__dict__:
            return
        for row in told(report).pop("earlier", ()):
            self._teller.again(report.nodeid, Earlier.from_wire(row["earlier"]), row["facts"])
