"""What the scheduler asks of those who keep the books of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pytest_autorl.attempts.earlier import Earlier
    from pytest_autorl.capture.lost import Sent


class Ledger(Protocol):
    """Who writes down what became of attempts that no report tells of."""

    def starts(self, worker: str, allure: Mapping[str, Any]) -> None:
        """An attempt begins in a run that writes Allure's results; what `capture.allure.identity` gave."""

    def begun(self, facts: Mapping[str, Any]) -> None:
        """A test's set-up has ended; `Attempt.to_wire`."""

    def again(self, nodeid: str, earlier: Earlier, facts: Sequence[Mapping[str, Any]]) -> None:
        """An attempt has failed, and another one follows; what its reports carried, see `told`."""

    def dies(self, worker: str, order: Sent) -> None:
        """A worker has died over an attempt; `crashed`, or xdist's report of it, follows."""

    def crashed(self, worker: str, nodeid: str) -> None:
        """A worker died over a test that will run again."""

    def died_idle(self, worker: str) -> None:
        """A worker died when it ran no test."""
