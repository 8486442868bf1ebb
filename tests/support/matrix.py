"""The matrix of failures: where a test goes wrong, with what, and what kind of test it is.

Says by the rules of docs/retries.md and docs/errors.md what has to become of each test. `matrix_suite` writes the
tests, `matrix_books` compares what a run has left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pytest_autorl.virtual.faults import FAULTS

Where = Literal["setup", "call", "teardown", "module", "session"]
Kind = Literal["plain", "async", "unittest", "class", "parametrised"]

WHERES: Final[tuple[Where, ...]] = ("setup", "call", "teardown", "module", "session")
KINDS: Final[tuple[Kind, ...]] = ("plain", "async", "unittest", "class", "parametrised")

#: What a session meets on its way to the device while it is created. The other faults have to do with an app or a
#: session that is there, so that a new one does not feel them.
_ON_THE_WAY: Final = frozenset({"offline", "hang", "garbage"})
#: Nothing fails by itself when commands take longer, within their limit, or the device reads something.
_HARMLESS: Final = frozenset({"slow", "low_battery", "hot"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Error:
    """How a failure has to be classified.

    Attributes:
        text: As people read it: class of the exception, domain, category.
        blame: Whose fault it is.
        is_loss: It is the infrastructure's.
        allure: Status that Allure gives it.
    """

    text: str
    blame: str
    is_loss: bool = True
    allure: str = "broken"


#: docs/errors.md, "Classification", for what a test meets on a device whose session is open.
_ERRORS: Final = {
    "assertion": Error(text="AssertionError (test, permanent)", blame="test", is_loss=False, allure="failed"),
    "offline": Error(text="DeviceProviderError (server, transient)", blame="farm"),
    "session_killed": Error(text="InvalidSessionIdException (server, transient)", blame="farm"),
    "hang": Error(text="DeviceTimeoutError (device, transient)", blame="device"),
    "app_crash": Error(text="NoSuchElementException (app, transient)", blame="app", is_loss=False),
    "anr": Error(text="NoSuchElementException (app, transient)", blame="app", is_loss=False),
    "stale": Error(text="StaleElementReferenceException (app, transient)", blame="app", is_loss=False),
    "disk_full": Error(text="WebDriverException (device, transient)", blame="device"),
    "garbage": Error(text="ServerAnswerError (server, transient)", blame="farm"),
}
#: The server is there and does not find the device.
_REFUSED: Final = Error(text="SessionRefusedError (device, transient)", blame="device")
#: Nobody can say what a worker died of.
_DEATH: Final = Error(text="worker gw", blame="farm")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A test, and what goes wrong in it.

    Attributes:
        whats: By attempt; "assertion", "sigkill" or a fault of the virtual farm. Those after them go well.
        marker: Arguments of its marker `retry`; None without one.
        retries: How many that marker allows.
        is_lasting: The device stays broken until the next attempt, which is elsewhere, mends it.
        stays: The next attempt is to be on the same device.
    """

    where: Where
    whats: tuple[str, ...]
    kind: Kind
    marker: str | None = None
    retries: int = 0
    is_lasting: bool = False
    stays: bool = False

    @property
    def name(self) -> str:
        """A part of names, of its own."""
        marked = f"_m{self.retries}" if self.marker is not None else ""
        return (
            "_".join([self.kind, self.where, *self.whats])
            + marked
            + "_lasting" * self.is_lasting
            + "_stays" * self.stays
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What one attempt has to look like.

    Attributes:
        kind: Why another one follows: "retry", "loss" or "crash"; None of the last one.
        text: What the JUnit property of an attempt that another one follows says went wrong.
    """

    outcome: str
    blame: str | None
    allure: str
    kind: str | None = None
    text: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What has to become of one test.

    Attributes:
        test: Its name, as JUnit and Allure have it; the end of its id.
        junit: What its one case holds.
        counts: Words of the run's last line to which it adds one.
        stays: All of its attempts are on one device; else each is on one of its own.
    """

    test: str
    trials: tuple[Trial, ...]
    junit: str
    counts: tuple[str, ...]
    stays: bool = False

    @property
    def is_flaky(self) -> bool:
        """It passed after it had failed by itself."""
        by_itself = (trial.kind == "retry" and trial.blame in ("test", "app") for trial in self.trials)
        return self.trials[-1].outcome == "passed" and any(by_itself)


# The cells

#: Whatever fails is to be tried once more.
_EVERYTHING: Final = "on=('transient', 'permanent'), max_attempts=2, initial_delay=0"


def cells() -> list[Cell]:
    """All but those in which a process dies."""
    found = []
    for where in WHERES:
        for kind in KINDS:
            for what in ("assertion", *FAULTS):
                error = _error(where, what)
                if error is not None and not error.is_loss:
                    found.append(Cell(where=where, whats=(what,), kind=kind, marker=_EVERYTHING, retries=1))
                if error is None or error.is_loss or what == "assertion" or kind == "plain":
                    found.append(Cell(where=where, whats=(what,), kind=kind))
    return [*found, *_mixed()]


def _mixed() -> Iterator[Cell]:
    """Several things in a row, things that do not end, and markers that have no say."""
    three = "on=AssertionError, max_attempts=3, initial_delay=0"
    yield Cell(where="call", whats=("assertion",) * 2, kind="plain", marker=three, retries=2)
    yield Cell(where="call", whats=("assertion",) * 4, kind="class", marker=three, retries=2)
    yield Cell(where="setup", whats=("assertion",) * 4, kind="async", marker=three, retries=2)
    yield Cell(where="call", whats=("session_killed",) * 4, kind="plain")
    yield Cell(where="setup", whats=("garbage",) * 4, kind="unittest")
    # A loss is not one of a test's attempts.
    yield Cell(where="call", whats=("offline", "assertion"), kind="plain", marker=_EVERYTHING, retries=1)
    yield Cell(where="call", whats=("assertion", "offline"), kind="plain", marker=_EVERYTHING, retries=1)
    # After the second loss the policy says whether it goes on.
    yield Cell(where="call", whats=("disk_full",) * 3, kind="plain", marker=_EVERYTHING, retries=1)
    for what in ("offline", "garbage", "disk_full"):
        yield Cell(where="call", whats=(what,), kind="plain", marker="max_attempts=1")
    for where in WHERES:
        yield Cell(where=where, whats=("offline",), kind="plain", is_lasting=True)
        here = _EVERYTHING + ", elsewhere=False"
        if where != "session":  # there others make devices unfit, and it may not stay on such a one
            yield Cell(where=where, whats=("assertion",), kind="plain", marker=here, retries=1, stays=True)
    # Where a test goes whose device was lost is not for its marker to say.
    yield Cell(
        where="setup", whats=("session_killed",), kind="plain", marker="elsewhere=False, max_attempts=1"
    )


def deaths() -> list[Cell]:
    """Those in which a worker is killed."""
    found = [Cell(where=where, whats=("sigkill",), kind=kind) for where in WHERES for kind in KINDS]
    found += [
        Cell(where="call", whats=("sigkill",), kind="plain", marker="max_attempts=1"),
        Cell(where="call", whats=("assertion", "sigkill"), kind="plain", marker=_EVERYTHING, retries=1),
        Cell(where="call", whats=("sigkill", "assertion"), kind="plain", marker=_EVERYTHING, retries=1),
        Cell(where="call", whats=("offline", "sigkill"), kind="plain"),
    ]
    return found


# What has to come of them


def _error(where: Where, what: str) -> Error | None:
    """What the test fails with; None where it feels nothing."""
    if what == "sigkill":
        return _DEATH
    if what in _HARMLESS or (where == "session" and what not in {*_ON_THE_WAY, "assertion"}):
        return None
    if where == "session" and what == "offline":
        return _REFUSED
    return _ERRORS[what]


def expected(cell: Cell) -> list[Expected]:
    """Of each test of a cell."""
    name = f"test_{cell.name}"
    trials = tuple(_trials(cell))
    has_failed = trials[-1].outcome == "failed"
    junit, verdict = _verdict(cell) if has_failed else ("passed", ("passed",))
    words = {"retry": "retried", "loss": "lost", "crash": "lost"}
    counts = (*verdict, *(words[trial.kind] for trial in trials if trial.kind is not None))
    hit = f"{name}[1]" if cell.kind == "parametrised" else name
    found = [Expected(test=hit, trials=trials, junit=junit, counts=counts, stays=cell.stays)]
    passes = Trial(outcome="passed", blame=None, allure="passed")
    if cell.kind == "parametrised" and cell.where != "module":
        found.append(Expected(test=f"{name}[2]", trials=(passes,), junit="passed", counts=("passed",)))
    if cell.where == "module":
        # The tests of a module share what has become of its fixture.
        last = trials[-1] if has_failed else passes
        other = f"{name}[2]" if cell.kind == "parametrised" else f"{name}_then"
        found.append(Expected(test=other, trials=(last,), junit=junit, counts=verdict))
    return found


def _trials(cell: Cell) -> Iterator[Trial]:
    losses = retries = 0
    for what in cell.whats:
        error = _error(cell.where, what)
        if error is None:
            break
        if what == "sigkill":
            kind = "crash"
        elif error.is_loss and losses < 2:
            kind, losses = "loss", losses + 1
        elif cell.marker is not None and retries < cell.retries:
            kind, retries = "retry", retries + 1
        else:
            yield Trial(outcome="failed", blame=error.blame, allure=error.allure)
            return
        outcome = "failed" if kind == "retry" else "lost"
        yield Trial(outcome=outcome, blame=error.blame, allure=error.allure, kind=kind, text=error.text)
    yield Trial(outcome="passed", blame=None, allure="passed")


def _verdict(cell: Cell) -> tuple[str, tuple[str, ...]]:
    """What JUnit and pytest make of a failure there. For pytest a unittest's setUp and tearDown are of its call."""
    where = "call" if cell.kind == "unittest" and cell.where in ("setup", "teardown") else cell.where
    if where == "call":
        return "failure", ("failed",)
    if where == "teardown":
        return "error", ("passed", "errors")
    return "error", ("errors",)
