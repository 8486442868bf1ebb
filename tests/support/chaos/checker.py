"""The judge of a season: pure, from its events. Each check has a name that stands in what it finds.

I1 exclusion: a device does nothing under a token once it has done something, or was told, under a higher one, and
   nothing that was sent after the store had given it to somebody else.
I2 tokens: of each device they only grow, none is given twice, and nothing acknowledged is missing in the books.
I3 intervals: a lease ends by its holder, or by whoever takes it over from a dead holder or after its time, and the
   holder finds out; until then the device obeys it.
I4 rest: when all are dead, whoever comes next can have every device, and no ticket or holder is left.
I5 gangs: of several devices all are granted in one transaction, or none.
I6 order: nobody gets a device for which somebody waits who came before.
I7 progress: nobody waits for free devices, for the state, or for ever; nobody is served much less than others.
vacuous: a season in which nothing could have gone wrong proves nothing.

Events (`e`) and what they carry: season; txn (rows, added, dropped, joined, clock_s: see `recorder.py`), committed;
acquire (phase, req, wants, candidates, grants); command (phase, id, kind, dev, tok, checked, why); fenced (dev, tok);
fault (fault, point, target); ended, stuck (target); call (name, began); served (counts, longest_ms); crash, error
(why); final (devices, tickets, holders); effects (dev, effects). Others are there for who reads a history.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from chaos.books import Change, Ledger, Row, Ticket, final_rows, ledger, tickets
from chaos.history import Event

#: A call that needs no device may take so long, seconds, not counting when anybody was stopped.
CALL_S = 2.0
#: Least to most served of those who compete, in the second best of the times that they are counted in, and the longest
#: that one of them waits, milliseconds. With the queue it was 0.3 to 0.9, without 0.0 to 0.3, on any machine.
LEAST_SHARE, LONGEST_MS = 0.25, 3000
#: The books keep ends of leases in milliseconds.
_ROUNDED_S = 0.002
_LINES = 6
_FREE = "available"


class Violation(NamedTuple):
    """What is wrong, by the check of this name, and the events that show it."""

    check: str
    text: str
    events: tuple[Event, ...] = ()


@dataclass
class Verdict:
    """What was found. `figures`: how much there was to find."""

    season: Event
    violations: list[Violation]
    figures: dict[str, int]

    def text(self) -> str:
        """For people: all of it, and how to see it again."""
        seed, guard = self.season.get("seed"), self.season.get("without")
        option = f" --without {guard}" if guard else ""
        lines = [f"seed {seed}: " + ", ".join(f"{count} {name}" for name, count in self.figures.items())]
        for check, number in Counter(each.check for each in self.violations).items():
            lines.append(f"{check}: {number} violations")
        for each in self.violations[:20]:
            lines.append(f"{each.check}: {each.text}")
            lines += [f"    {json.dumps(event)[:300]}" for event in each.events[:_LINES]]
        lines.append(
            f"again: PYTHONPATH=tests/support .venv/bin/python -m chaos.season --seed {seed}{option}"
        )
        return "\n".join(lines)


def check(events: list[Event]) -> Verdict:
    """Judge a season by all its events, in the order of their times."""
    seen = _Seen(events)
    checks = (_exclusion, _tokens, _intervals, _rest, _gangs, _order, _progress, _vacuous)
    violations = [violation for each in checks for violation in each(seen)]
    season = next(iter(seen.of("season")), {"seed": "?"})
    return Verdict(season, violations, seen.figures())


class _Seen:
    """The events under the names by which the checks want them."""

    def __init__(self, events: list[Event]) -> None:
        self._by_kind: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            self._by_kind[event["e"]].append(event)
        self.books: Ledger = ledger(events)
        self.final: dict[str, Row] = final_rows(events)
        #: By id: as it was sent.
        self.commands = {event["id"]: event for event in self.of("command", "invoke")}
        #: When a process was dead at the latest it was told that it was to die.
        self.deaths: dict[str, int] = {}
        for event in [*self.of("fault"), *self.of("ended")]:
            if event.get("fault", "kill") == "kill":
                at = self.deaths.setdefault(event["target"], event["t"])
                self.deaths[event["target"]] = min(at, event["t"])

    def of(self, kind: str, phase: str = "") -> list[Event]:
        """The events of a kind."""
        return [event for event in self._by_kind[kind] if not phase or event.get("phase") == phase]

    def takeovers(self) -> Iterator[Change]:
        """Where a lease was ended by another process than the holder's."""
        for changes in self.books.changes.values():
            for change in changes:
                before = change.before
                if before is None or not before.holder or before.lease == change.after.lease:
                    continue
                if self.books.names.get(before.holder) != change.event["p"]:
                    yield change

    def done(self) -> Iterator[tuple[str, Event, Event | None]]:
        """(device, effect, the command that was sent for it), in the order in which each device did them."""
        for event in self.of("effects"):
            for effect in event["effects"]:
                if effect["kind"] == "press_key":
                    yield event["dev"], effect, self.commands.get(int(effect["detail"]["keycode"]))

    def figures(self) -> dict[str, int]:
        faults = Counter((event["fault"], event["point"]) for event in self.of("fault") if "point" in event)
        taken = list(self.takeovers())
        dead = sum(1 for change in taken if self.is_dead(change))
        return {
            "grants": len(self.of("acquire", "ok")),
            "of several devices": sum(len(event["grants"]) > 1 for event in self.of("acquire", "ok")),
            "commands": len(self.commands),
            "stale ones refused": sum(event["why"] == "stale" for event in self.of("command", "fail")),
            "kills": sum(count for (fault, _), count in faults.items() if fault == "kill"),
            "stops": sum(count for (fault, _), count in faults.items() if fault == "stop"),
            "stops between check and command": faults["stop", "after_check"],
            "leases of dead holders": dead,
            "leases of silent holders": len(taken) - dead,
            "leases found lost": len(self.of("lost")),
        }

    def is_dead(self, change: Change) -> bool:
        """Whether the holder before a change was killed before it."""
        assert change.before is not None
        death = self.deaths.get(self.books.names.get(change.before.holder, ""))
        return death is not None and death <= change.event["t"]


def _exclusion(seen: _Seen) -> Iterator[Violation]:
    highest: dict[str, tuple[int, Event]] = {}
    done = set()
    for device, effect, command in seen.done():
        if command is None or command["dev"] != device or effect["token"] not in (None, command["tok"]):
            yield Violation("I1", f"{device} did what nobody had sent it", (effect, *filter(None, [command])))
            continue
        done.add(command["id"])
        token, last = highest.get(device, (0, command))
        if command["tok"] < token:
            text = f"{device} did a command of token {command['tok']} after one of token {token}"
            yield Violation("I1", text, (last, command, effect))
        else:
            highest[device] = (command["tok"], command)
    for event in seen.of("command", "ok"):
        if event["kind"] == "press" and event["id"] not in done:
            yield Violation("I1", f"{event['dev']} acknowledged a command and never did it", (event,))
    for event in seen.of("command", "fail"):
        if event["id"] in done:
            yield Violation("I1", f"{event['dev']} refused a command and did it", (event,))
    begun = {event["id"] for event in seen.of("command", "ok") if event["kind"] == "begin"}
    floors = _floors(seen)
    for event in seen.commands.values():
        floor = _before(floors[event["dev"]], event["t"])
        if event["id"] in done | begun and floor and floor["tok"] > event["tok"]:
            text = f"{event['dev']} took a command of token {event['tok']} sent after token {floor['tok']}"
            yield Violation("I1", text, (floor["event"], event))


def _floors(seen: _Seen) -> dict[str, list[Event]]:
    """For each device, by time: the highest token that it was told, or that somebody was granted."""
    told = [*seen.of("fenced"), *(e for e in seen.of("command", "ok") if e["kind"] == "begin")]
    known = [(event["t"], event["dev"], event["tok"], event) for event in told]
    for device, changes in seen.books.changes.items():
        granted = [change for change in changes if change.is_grant and change.after.status == "busy"]
        known += [(change.event["t"], device, change.after.token, change.event) for change in granted]
    floors: dict[str, list[Event]] = defaultdict(list)
    for at, device, token, event in sorted(known, key=lambda each: each[:3]):
        if not floors[device] or floors[device][-1]["tok"] < token:
            floors[device].append({"t": at, "tok": token, "event": event})
    return floors


def _before(events: list[Event], at: int) -> Event | None:
    """The last of them before a time."""
    place = bisect_left(events, at, key=lambda event: event["t"])
    return events[place - 1] if place else None


def _tokens(seen: _Seen) -> Iterator[Violation]:
    granted: dict[tuple[str, int], Change] = {}
    for device, changes in seen.books.changes.items():
        last: Row | None = None
        for change in changes:
            if last is not None and change.before != last:
                text = f"the books of {device} went from {last} to {change.before} without a commit"
                yield Violation("I2", text, (change.event,))
            last, before = change.after, change.before
            if before is not None and (
                change.after.token < before.token + (change.is_grant and change.after.holder != "")
            ):
                yield Violation("I2", f"the tokens of {device} do not grow", (change.event,))
            if change.is_grant:
                if (device, change.after.token) in granted:
                    other = granted[device, change.after.token].event
                    text = f"token {change.after.token} of {device} was given twice"
                    yield Violation("I2", text, (other, change.event))
                granted[device, change.after.token] = change
        if device in seen.final and last is not None and seen.final[device] != last:
            yield Violation("I2", f"{device} ended as {seen.final[device]}, last written was {last}")
    given: dict[tuple[str, int], Event] = {}
    for event in seen.of("acquire", "ok"):
        for device, token in event["grants"]:
            if (device, token) in given:
                text = f"token {token} of {device} was given to two requests"
                yield Violation("I2", text, (given[device, token], event))
            given[device, token] = event
            grant = granted.get((device, token))
            if grant is None or seen.books.names.get(grant.after.holder) != event["p"]:
                yield Violation("I2", f"the grant of {device} is not in the books", (event,))


def _intervals(seen: _Seen) -> Iterator[Violation]:
    ended: dict[tuple[str, int], Event] = {}
    for change in seen.takeovers():
        before, event = change.before, change.event
        assert before is not None
        ended[change.device, before.token] = event
        what = f"the lease of {change.device} (token {before.token})"
        if seen.books.names.get(change.after.holder) != event["p"]:
            yield Violation("I3", f"{what} was ended by a stranger", (event,))
        elif not seen.is_dead(change) and before.expires_s > event["clock_s"] + _ROUNDED_S:
            yield Violation("I3", f"{what} was taken over from a living holder before its time", (event,))
    for command in seen.commands.values():
        end = ended.get((command["dev"], command["tok"]))
        if end is not None and command["checked"] > end["t"]:
            text = f"the lease of {command['dev']} (token {command['tok']}) was believed in after its end"
            yield Violation("I3", text, (end, command))
    for event in seen.of("command", "fail"):
        higher = (c for c in seen.books.changes[event["dev"]] if c.after.token > event["tok"])
        first = next(higher, None)
        if event["why"] != "stale":
            yield Violation("I3", f"{event['dev']} refused its holder: {event['why']}", (event,))
        elif first is None or first.event["t"] > event["t"]:
            yield Violation("I3", f"{event['dev']} refused a holder that had lost nothing", (event,))


def _rest(seen: _Seen) -> Iterator[Violation]:
    ends = seen.of("final")
    if not ends:
        yield Violation("I4", "nobody has looked what was left")
    for event in ends:
        for device, row in seen.final.items():
            if row.status != _FREE or row.holder:
                yield Violation("I4", f"{device} was lost: {row}", (event,))
        if event["tickets"] or event["holders"]:
            left = f"tickets {event['tickets']}, holders {event['holders']}"
            yield Violation("I4", f"left in the state: {left}", (event,))


def _gangs(seen: _Seen) -> Iterator[Violation]:
    asked = {event["req"]: event for event in seen.of("acquire", "invoke")}
    at: dict[tuple[str, int], int] = {}
    wants: dict[int, int] = {}
    for transaction in seen.books.transactions:
        wants |= {ticket.number: ticket.wants for ticket in tickets(transaction)}
        served: Counter[int] = Counter()
        for change in seen.books.of(transaction):
            if change.is_grant:
                at[change.device, change.after.token] = id(transaction)
                served[change.after.ticket] += change.after.status == "busy"
        for number, count in served.items():
            if number in wants and count not in (0, wants[number]):
                text = f"ticket {number} wants {wants[number]} devices and got {count}"
                yield Violation("I5", text, (transaction,))
    for event in seen.of("acquire", "ok"):
        wish = asked[event["req"]]
        names = {device for device, _ in event["grants"]}
        if len(names) != wish["wants"] or not names <= set(wish["candidates"]):
            yield Violation("I5", "granted is not what was asked for", (wish, event))
        if len({at.get((device, token)) for device, token in event["grants"]}) > 1:
            yield Violation("I5", "granted piece by piece", (wish, event))


def _order(seen: _Seen) -> Iterator[Violation]:
    """Also the part of I7 that needs the line: nobody waits for what is free."""
    rows: dict[str, Row] = {}
    line: dict[int, Ticket] = {}
    for transaction in seen.books.transactions:
        changes = seen.books.of(transaction)
        after = {change.device: change.after for change in changes}
        waiting = [ticket for number, ticket in line.items() if number not in transaction["dropped"]]
        waiting = [t for t in waiting if _comes_back(t, rows) and _comes_back(t, {**rows, **after})]
        for change in changes:
            if not change.is_grant or change.after.status != "busy":
                continue
            served = change.after.ticket
            older = [ticket for ticket in waiting if not served or ticket.number < served]
            for ticket in older:
                if change.device in ticket.candidates:
                    text = f"{change.device} went past ticket {ticket.number}, which came before"
                    yield Violation("I6", text, (transaction,))
        rows.update(after)
        line.update({ticket.number: ticket for ticket in tickets(transaction)})
        for number in transaction["dropped"]:
            line.pop(number, None)
        for ticket in _servable(line.values(), rows):
            yield Violation("I7", f"ticket {ticket.number} waits for what is free", (transaction,))


def _comes_back(ticket: Ticket, rows: dict[str, Row]) -> bool:
    """Whether waiting can serve it: as many of its candidates are free or held by somebody."""
    back = (rows[name] for name in ticket.candidates if name in rows)
    return sum(row.status == _FREE or bool(row.holder) for row in back) >= ticket.wants


def _servable(line: Iterable[Ticket], rows: dict[str, Row]) -> Iterator[Ticket]:
    left = {name for name, row in rows.items() if row.status == _FREE}
    for ticket in sorted(line):
        mine = left & set(ticket.candidates)
        if len(mine) >= ticket.wants:
            yield ticket
            return
        if _comes_back(ticket, rows):
            left -= mine


def _progress(seen: _Seen) -> Iterator[Violation]:
    for event in [*seen.of("crash"), *seen.of("error")]:
        yield Violation("I7", f"{event['p']} failed: {event['why']}", (event,))
    for event in seen.of("stuck"):
        yield Violation("I7", f"{event['target']} did not come to its end", (event,))
    for event in seen.of("acquire", "fail"):
        yield Violation("I7", f"{event['p']} waited in vain: {event['why']}", (event,))
    stops = _stops(seen)
    for event in seen.of("call"):
        waited_s = (event["t"] - event["began"] - _overlap(stops, event["began"], event["t"])) / 1e9
        if waited_s > CALL_S:
            yield Violation("I7", f"{event['name']} took {waited_s:.1f} s, all stops left out", (event,))
    granted = {
        (change.device, change.after.token): change.event
        for changes in seen.books.changes.values()
        for change in changes
        if change.is_grant
    }
    for event in seen.of("acquire", "ok"):
        for device, token in event["grants"]:
            begun = granted.get((device, token), event)
            waited_s = (event["t"] - begun["t"] - _overlap(stops, begun["t"], event["t"])) / 1e9
            if waited_s > CALL_S:
                text = f"{event['p']} heard after {waited_s:.1f} s that it has {device}"
                yield Violation("I7", text, (begun, event))
    served = seen.of("served")
    # The machine may spoil a part or two of the time; without the queue all of them are bad.
    parts = sorted(zip(*(event["counts"] for event in served), strict=True), key=_share)
    if len(parts) > 1 and _share(parts[-2]) < LEAST_SHARE:
        few, many = min(parts[-2]), max(parts[-2])
        text = f"the least served got {few} turns, the most {many}, and that was the second best time"
        yield Violation("I7", text, tuple(served))
    for event in served:
        if event["longest_ms"] > LONGEST_MS:
            yield Violation("I7", f"{event['p']} waited {event['longest_ms']} ms for its turn", (event,))


def _share(turns: tuple[int, ...]) -> float:
    return min(turns) / max(1, *turns)


def _stops(seen: _Seen) -> list[tuple[int, int]]:
    """When somebody was stopped, as intervals that do not touch each other."""
    found, since = [], dict[str, int]()
    for event in sorted([*seen.of("fault"), *seen.of("ended")], key=lambda event: event["t"]):
        if event.get("fault") == "stop":
            since.setdefault(event["target"], event["t"])
        elif event["target"] in since:
            found.append((since.pop(event["target"]), event["t"]))
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(found):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _overlap(intervals: list[tuple[int, int]], begin: int, end: int) -> int:
    return sum(max(0, min(end, last) - max(begin, first)) for first, last in intervals)


def _vacuous(seen: _Seen) -> Iterator[Violation]:
    for name, count in seen.figures().items():
        if not count:
            yield Violation("vacuous", f"0 {name}: nothing was put to the test")
    for event in seen.of("effects"):
        if event["effects"] and event["effects"][0]["number"] != 1:
            yield Violation("vacuous", f"{event['dev']} did more than its log holds")
