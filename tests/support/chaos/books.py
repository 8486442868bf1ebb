"""What became of the state, from the histories: the transactions that were committed, in their order. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chaos.history import Event


class Row(NamedTuple):
    """A device as `recorder.brief` says it."""

    status: str
    token: int
    holder: str
    ticket: int
    expires_s: float

    @property
    def lease(self) -> tuple[str, int]:
        """Whose it is, and under which token."""
        return self.holder, self.token


class Change(NamedTuple):
    """One device in one transaction. `before` is None for a new device."""

    event: Event
    device: str
    before: Row | None
    after: Row

    @property
    def is_grant(self) -> bool:
        """Whether somebody has begun to hold it, or holds it under a new token."""
        return bool(self.after.holder) and (self.before is None or self.before.lease != self.after.lease)


class Ticket(NamedTuple):
    """Somebody waits."""

    number: int
    holder: str
    candidates: tuple[str, ...]
    wants: int


@dataclass
class Ledger:
    """The committed transactions of a season.

    Attributes:
        transactions: Events ``txn``, in the order of their commits.
        changes: Of each device, in order.
        names: Process of each holder.
    """

    transactions: list[Event]
    changes: dict[str, list[Change]] = field(default_factory=lambda: defaultdict(list))
    names: dict[str, str] = field(default_factory=dict)

    def of(self, transaction: Event) -> list[Change]:
        """The changes of one transaction."""
        return [_change(transaction, *each) for each in transaction["rows"]]


def ledger(events: list[Event]) -> Ledger:
    """Read the transactions out of the events of a season."""
    found = Ledger(_committed(events))
    for transaction in found.transactions:
        found.names.update({holder: transaction["p"] for holder, _ in transaction["joined"]})
        for change in found.of(transaction):
            found.changes[change.device].append(change)
    return found


def final_rows(events: list[Event]) -> dict[str, Row]:
    """The devices as they were found at the end."""
    last: Event = next((event for event in events if event["e"] == "final"), {"devices": {}})
    return {device: Row(*row) for device, row in last["devices"].items()}


def tickets(transaction: Event) -> list[Ticket]:
    """Those that this transaction let wait."""
    return [Ticket(n, holder, tuple(names), wants) for n, holder, names, wants in transaction["added"]]


def _change(event: Event, device: str, before: list[Any] | None, after: list[Any]) -> Change:
    return Change(event, device, None if before is None else Row(*before), Row(*after))


def _committed(events: list[Event]) -> list[Event]:
    written = [event for event in events if event["e"] == "txn"]
    sure, final = _sure(events), final_rows(events)
    return [
        event
        for at, event in enumerate(written, 1)
        if (event["p"], event["n"]) in sure or _has_happened(event, written[at:], final)
    ]


def _sure(events: list[Event]) -> set[tuple[str, int]]:
    """Those of which their process wrote that they were committed."""
    found: set[tuple[str, int]] = set()
    last: dict[str, int] = {}
    for event in sorted(events, key=lambda event: (event["p"], event["n"])):
        if event["e"] == "txn":
            last[event["p"]] = event["n"]
        elif event["e"] == "committed" and event["p"] in last:
            found.add((event["p"], last.pop(event["p"])))
    return found


def _has_happened(event: Event, later: list[Event], final: dict[str, Row]) -> bool:
    """Whether one whose process died over it was committed: who came next saw its rows, or those before."""
    for device in {name for name, _, _ in event["rows"]}:
        after = [row for name, _, row in event["rows"] if name == device][-1]
        seen = [row for each in later for name, row, _ in each["rows"] if name == device]
        if seen:
            return bool(seen[0] == after)
        if device in final:
            return final[device] == Row(*after)
    for number, *_ in event["added"]:
        if any(number == other[0] for each in later for other in each["added"]):
            return False  # the number was given again
        return any(number in each["dropped"] for each in later)
    return bool(event["dropped"]) and not any(
        number in each["dropped"] for each in later for number in event["dropped"]
    )
