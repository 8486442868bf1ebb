"""Single actions that are tried several times: how one of them goes, and the counts of all."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from types import MappingProxyType
from typing import Literal

from pytest_autorl.resilience.info import ErrorInfo

Outcome = Literal["success", "failure"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionStats:
    """How the actions of an executor went, of those that have ended.

    Attributes:
        actions: How many there were; each is a success or a failure.
        attempts: How often one of them was tried.
        retries: How many of these tries were not the first.
        outcomes: How often a strategy (`Strategy`, its value) was followed, and whether it helped: the try after it
            went well or not. A recovery that did not succeed counts as a failure without a try.
    """

    actions: int = 0
    attempts: int = 0
    retries: int = 0
    successes: int = 0
    failures: int = 0
    outcomes: Mapping[tuple[str, Outcome], int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def success_rate(self) -> float | None:
        """Part of the actions that succeeded, 0.0 to 1.0; None before the first one has ended."""
        return self.successes / self.actions if self.actions else None


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionEvent:
    """What follows a try that has failed.

    Attributes:
        step: retry: another try after the delay; recovery: another try after a recovery that went well;
            end: the error is raised.
        number: Of the try that has failed, from 1.
        delay_s: Before the next try, seconds.
        why: At the end: why there is no other try.
    """

    step: Literal["retry", "recovery", "end"]
    number: int
    info: ErrorInfo
    delay_s: float = 0.0
    why: str = ""


class Course:
    """The tries of one action, up to now.

    Attributes:
        attempts: How many were begun.
        errors: Names of the classes of what they raised.
        next_strategy: What the next try follows; "" before the first one.
        lost: Strategies that were followed by no try, since they did not help.
    """

    def __init__(self, *, begun_s: float, limit_s: float | None) -> None:
        self._begun_s = begun_s
        self._limit_s = limit_s
        self.attempts = 0
        self.errors: list[str] = []
        self.next_strategy = ""
        self.lost: list[str] = []
        self.has_succeeded = False
        self._followed: list[str] = []

    @property
    def too_late(self) -> str:
        """Why there is no other try, when its time is over; "" where its time is not limited."""
        return f"no time for another within {self._limit_s:g} s" if self._limit_s is not None else ""

    @property
    def outcomes(self) -> Iterator[tuple[str, Outcome]]:
        """What came of each strategy that was followed; to be asked at the end."""
        for strategy in self.lost:
            yield strategy, "failure"
        for number, strategy in enumerate(self._followed, 1):
            has_helped = self.has_succeeded and number == len(self._followed)
            yield strategy, "success" if has_helped else "failure"

    def added_to(self, stats: ActionStats) -> ActionStats:
        """The counts with this action, which has ended."""
        return ActionStats(
            actions=stats.actions + 1,
            attempts=stats.attempts + self.attempts,
            retries=stats.retries + max(self.attempts - 1, 0),
            successes=stats.successes + self.has_succeeded,
            failures=stats.failures + (not self.has_succeeded),
            outcomes=MappingProxyType(Counter(stats.outcomes) + Counter(self.outcomes)),
        )

    def begin_try(self) -> None:
        """Called before each try."""
        self.attempts += 1
        if self.next_strategy:
            self._followed.append(self.next_strategy)
            self.next_strategy = ""

    def has_time(self, at_s: float) -> bool:
        """Whether a try may begin then; on the executor's clock."""
        return self._limit_s is None or at_s < self._begun_s + self._limit_s

    def tale(self, now_s: float) -> str:
        """``autorl: 3 tries in 0.4 s failed (ConnectionError, 2 x StaleElementReferenceException)``."""
        runs = [(name, len(list(run))) for name, run in groupby(self.errors)]
        names = ", ".join(f"{times} x {name}" if times > 1 else name for name, times in runs)
        tries = "1 try" if self.attempts == 1 else f"{self.attempts} tries"
        return f"autorl: {tries} in {now_s - self._begun_s:.1f} s failed ({names})"


def add_note(error: BaseException, text: str) -> None:
    if sys.version_info >= (3, 11):
        error.add_note(text)
    else:
        # The backport of exception groups, which pytest brings there, prints these too.
        vars(error)["__notes__"] = [*getattr(error, "__notes__", ()), text]
