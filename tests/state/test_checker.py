"""The judge of chaos: a good history passes, and each kind of bad one is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos.checker import Verdict, check
from chaos.history import Event, History, read

MS = 1_000_000


class Tale:
    """A history in the making: events under labels, in order, a millisecond between two of them.

    `later_s` of an event lets more time pass before it; `checked` and `began` can be the label of an earlier one.
    """

    def __init__(self) -> None:
        self.told: dict[str, Event] = {}

    def tell(self, label: str, process: str, event: str, /, **detail: Any) -> None:
        self.told[label] = {"p": process, "e": event, **detail}

    def txn(self, label: str, process: str, *rows: Any, clock_s: float = 0.0, **detail: Any) -> None:
        changed = {"rows": list(rows), "added": [], "dropped": [], "joined": [], **detail}
        self.tell(label, process, "txn", clock_s=clock_s, **changed)
        self.tell(f"{label} committed", process, "committed")

    def command(self, label: str, process: str, number: int, kind: str, token: int, **outcome: Any) -> None:
        about = {"id": number, "kind": kind, "dev": "d1", "tok": token}
        checked = outcome.pop("checked", None)
        self.tell(label, process, "command", phase="invoke", **about, checked=checked)
        self.tell(f"{label} outcome", process, "command", **about, **(outcome or {"phase": "ok"}))

    def after(self, label: str, tell: Callable[[Tale], None]) -> None:
        """Insert what `tell` tells after an event."""
        labels = list(self.told)
        place = labels.index(label) + 1
        rest = {each: self.told.pop(each) for each in labels[place:]}
        tell(self)
        self.told.update(rest)

    def drop(self, *labels: str) -> None:
        for label in labels:
            del self.told[label]

    def verdict(self) -> Verdict:
        now, times, numbers, events = 0, dict[str, int](), dict[str, int](), []
        for label, event in self.told.items():
            now += MS + int(event.get("later_s", 0) * 1000) * MS
            times[label] = now
            numbers[event["p"]] = numbers.get(event["p"], -1) + 1
            made = {**event, "t": now, "n": numbers[event["p"]]}
            for name in ("checked", "began"):
                if name in made:
                    made[name] = times.get(made[name], now - 1)
            events.append(made)
        return check(events)

    def checks(self) -> set[str]:
        """Names of the checks that were violated."""
        return {violation.check for violation in self.verdict().violations}


def free(token: int) -> list[Any]:
    return ["available", token, "", 0, 0.0]


def busy(token: int, holder: str, *, ticket: int = 0, expires_s: float = 10.0) -> list[Any]:
    return ["busy", token, holder, ticket, expires_s]


def cleaned(token: int, holder: str) -> list[Any]:
    return ["maintenance", token, holder, 0, 20.0]


def effect(number: int, token: int | None, code: int) -> dict[str, Any]:
    return {"number": number, "kind": "press_key", "token": token, "detail": {"keycode": float(code)}}


@pytest.fixture
def tale() -> Tale:
    """w1 is stopped while it holds d1, w2 takes it over and gets both devices, w2 is killed, w3 takes both over."""
    it = Tale()
    it.tell("season", "nemesis", "season", seed=5, without="")
    it.txn("w1 opens", "w1", ["d1", None, free(0)], ["d2", None, free(0)], joined=[["h1", "w1"]])
    it.txn("w2 opens", "w2", joined=[["h2", "w2"]])
    it.txn("w3 opens", "w3", joined=[["h3", "w3"]])
    it.tell("w1 asks", "w1", "acquire", phase="invoke", req="r1", wants=1, candidates=["d1"])
    it.txn("w1 is served", "w1", ["d1", free(0), busy(1, "h1")])
    it.tell("w1 has it", "w1", "acquire", phase="ok", req="r1", grants=[["d1", 1]])
    it.command("w1 begins", "w1", 1, "begin", 1)
    it.command("w1 presses", "w1", 2, "press", 1)
    it.tell("w1 stops", "w1", "fault", fault="stop", point="after_check", target="w1")
    it.tell("w2 asks", "w2", "acquire", phase="invoke", req="r2", wants=2, candidates=["d1", "d2"])
    it.txn("w2 waits", "w2", added=[[1, "h2", ["d1", "d2"], 2]])
    it.txn("w2 takes over", "w2", ["d1", busy(1, "h1"), cleaned(2, "h2")], clock_s=11.0)
    it.tell("w2 fences", "w2", "fenced", dev="d1", tok=2, is_told=True)
    it.txn(
        "w2 is served", "w2",
        ["d1", cleaned(2, "h2"), free(2)],
        ["d1", free(2), busy(3, "h2", ticket=1)], ["d2", free(0), busy(1, "h2", ticket=1)],
        dropped=[1],
    )  # fmt: skip
    it.tell("w2 has them", "w2", "acquire", phase="ok", req="r2", grants=[["d1", 3], ["d2", 1]])
    it.command("w2 begins", "w2", 3, "begin", 3)
    it.command("w2 presses", "w2", 4, "press", 3)
    it.tell("w1 goes on", "nemesis", "fault", fault="cont", target="w1", later_s=5)
    it.tell("w3 was held up", "w3", "call", name="note_sessions", began="w1 stops")
    it.command("w1 is late", "w1", 5, "press", 1, phase="fail", why="stale", checked="w1 presses")
    it.tell("w1 finds out", "w1", "lost", dev="d1", tok=1)
    it.tell("w2 is killed", "w2", "fault", fault="kill", point="after_check", target="w2")
    it.tell("w2 is dead", "nemesis", "ended", target="w2")
    it.txn(
        "w3 takes over", "w3",
        ["d1", busy(3, "h2", ticket=1), cleaned(4, "h3")], ["d2", busy(1, "h2", ticket=1), cleaned(2, "h3")],
    )  # fmt: skip
    it.txn("w3 frees", "w3", ["d1", cleaned(4, "h3"), free(4)], ["d2", cleaned(2, "h3"), free(2)])
    it.tell("c0 served", "c0", "served", counts=[100, 2, 50], longest_ms=9)
    it.tell("c1 served", "c1", "served", counts=[90, 80, 60], longest_ms=12)
    it.tell("end", "nemesis", "final", devices={"d1": free(4), "d2": free(2)}, tickets=[], holders=[])
    it.tell("d1 did", "nemesis", "effects", dev="d1", effects=[effect(1, 1, 2), effect(2, 3, 4)])
    it.tell("d2 did", "nemesis", "effects", dev="d2", effects=[])
    return it


def test_a_good_history_passes(tale: Tale) -> None:
    verdict = tale.verdict()

    assert verdict.violations == []
    assert verdict.text() == (
        "seed 5: 2 grants, 1 of several devices, 5 commands, 1 stale ones refused, 1 kills, 1 stops, 1 stops between"
        " check and command, 2 leases of dead holders, 1 leases of silent holders, 1 leases found lost\n"
        "again: PYTHONPATH=tests/support .venv/bin/python -m chaos.season --seed 5"
    )


def test_what_is_wrong_is_told_with_the_lines_that_show_it_and_the_command_that_does_it_again(
    tale: Tale,
) -> None:
    tale.told["season"]["without"] = "fence"
    tale.told["w1 is late outcome"] |= {"phase": "ok"}
    tale.told["d1 did"]["effects"].append(effect(3, None, 5))

    lines = tale.verdict().text().splitlines()

    assert "I1: 2 violations" in lines
    at = lines.index("I1: d1 did a command of token 1 after one of token 3")
    assert '"id": 4' in lines[at + 1]
    assert '"id": 5' in lines[at + 2]
    assert lines[-1].endswith("-m chaos.season --seed 5 --without fence")


def did(tale: Tale, *effects: dict[str, Any]) -> None:
    tale.told["d1 did"]["effects"] = list(effects)


class TestExclusionAtTheDevice:
    def test_a_command_that_was_sent_after_the_store_had_given_the_device_away(self, tale: Tale) -> None:
        """Even when whoever got it has done nothing with it."""
        tale.drop("w2 begins", "w2 begins outcome", "w2 presses", "w2 presses outcome", "w2 fences")
        tale.told["w1 is late outcome"] |= {"phase": "ok"}
        did(tale, effect(1, 1, 2), effect(2, 1, 5))

        assert "I1" in tale.checks()

    def test_a_session_that_was_begun_too_late(self, tale: Tale) -> None:
        tale.told["w1 is late"] |= {"kind": "begin"}
        tale.told["w1 is late outcome"] |= {"phase": "ok", "kind": "begin"}

        assert "I1" in tale.checks()

    def test_a_command_of_nobody(self, tale: Tale) -> None:
        did(tale, effect(1, 1, 2), effect(2, 3, 4), effect(3, 3, 99))

        assert tale.checks() == {"I1"}

    def test_a_command_under_another_token_than_its_own(self, tale: Tale) -> None:
        did(tale, effect(1, 1, 2), effect(2, 2, 4))

        assert tale.checks() == {"I1"}

    def test_a_command_that_was_acknowledged_and_not_done(self, tale: Tale) -> None:
        did(tale, effect(1, 1, 2))

        assert tale.checks() == {"I1"}

    def test_a_command_that_was_refused_and_done(self, tale: Tale) -> None:
        did(tale, effect(1, 1, 2), effect(2, 1, 5), effect(3, 3, 4))

        assert "I1" in tale.checks()


class TestTokens:
    def test_one_that_was_given_to_two(self, tale: Tale) -> None:
        def tell(it: Tale) -> None:
            it.tell("w3 asks", "w3", "acquire", phase="invoke", req="r3", wants=1, candidates=["d1"])
            it.tell("w3 has it", "w3", "acquire", phase="ok", req="r3", grants=[["d1", 3]])

        tale.after("w2 has them", tell)

        assert "I2" in tale.checks()

    def test_one_that_does_not_grow(self, tale: Tale) -> None:
        tale.told["w2 takes over"]["rows"] = [["d1", busy(1, "h1"), cleaned(1, "h2")]]

        assert "I2" in tale.checks()

    def test_a_commit_that_is_missing_in_the_books(self, tale: Tale) -> None:
        tale.told["w3 takes over"]["rows"][0][1] = busy(2, "h2", ticket=1)

        assert "I2" in tale.checks()

    def test_a_last_commit_that_is_missing_in_the_books(self, tale: Tale) -> None:
        tale.told["end"]["devices"]["d1"] = free(3)

        assert tale.checks() == {"I2"}

    def test_a_grant_that_never_was_in_the_books(self, tale: Tale) -> None:
        tale.told["w1 has it"]["grants"] = [["d1", 7]]

        assert "I2" in tale.checks()


class TestIntervals:
    def test_a_lease_that_somebody_else_ends(self, tale: Tale) -> None:
        tale.after("w1 has it", lambda it: it.txn("w3 meddles", "w3", ["d1", busy(1, "h1"), free(1)]))

        assert "I3" in tale.checks()

    def test_a_living_holder_that_is_robbed_before_its_time(self, tale: Tale) -> None:
        tale.told["w2 takes over"]["clock_s"] = 9.0

        assert tale.checks() == {"I3"}

    def test_a_holder_that_believes_in_a_lease_after_its_end(self, tale: Tale) -> None:
        tale.told["w1 is late"]["checked"] = "w1 goes on"

        assert tale.checks() == {"I3"}

    def test_a_holder_that_is_refused_and_has_lost_nothing(self, tale: Tale) -> None:
        tale.told["w1 presses outcome"] |= {"phase": "fail", "why": "stale"}
        did(tale, effect(1, 3, 4))

        assert tale.checks() == {"I3"}

    def test_a_device_that_fails(self, tale: Tale) -> None:
        tale.told["w1 is late outcome"] |= {"why": "unknown error: it fell"}

        assert "I3" in tale.checks()


class TestRest:
    def test_a_device_that_nobody_can_have_any_more(self, tale: Tale) -> None:
        tale.drop("w3 frees", "w3 frees committed")
        tale.told["end"]["devices"] = {"d1": cleaned(4, "h3"), "d2": cleaned(2, "h3")}

        assert tale.checks() == {"I4"}

    @pytest.mark.parametrize("left", [{"tickets": [3]}, {"holders": ["w2"]}])
    def test_what_the_dead_have_left(self, tale: Tale, left: dict[str, list[Any]]) -> None:
        tale.told["end"] |= left

        assert tale.checks() == {"I4"}

    def test_an_end_at_which_nobody_looked(self, tale: Tale) -> None:
        tale.drop("end")

        assert tale.checks() == {"I4"}


class TestGangs:
    def test_too_few_devices(self, tale: Tale) -> None:
        tale.told["w2 has them"]["grants"] = [["d1", 3]]

        assert tale.checks() == {"I5", "vacuous"}

    def test_a_device_that_was_not_asked_for(self, tale: Tale) -> None:
        tale.told["w1 asks"]["candidates"] = ["d2"]

        assert tale.checks() == {"I5"}

    def test_one_after_the_other(self, tale: Tale) -> None:
        late = tale.told["w2 is served"]["rows"].pop()
        tale.after("w2 is served committed", lambda it: it.txn("w2 gets the other", "w2", late))

        assert tale.checks() >= {"I5"}


def test_somebody_who_came_later_and_was_served_first(tale: Tale) -> None:
    tale.after("w2 waits", lambda it: it.txn("w3 is served", "w3", ["d2", free(0), busy(1, "h3")]))

    assert "I6" in tale.checks()


def test_somebody_who_came_later_may_have_what_waiting_cannot_serve_who_came_before(tale: Tale) -> None:
    """A device out of service may never come back: nobody keeps the others for that."""
    out = ["unhealthy", 0, "", 0, 0.0]

    def tell(it: Tale) -> None:
        it.txn("w3 waits", "w3", ["d3", None, out], added=[[0, "h3", ["d2", "d3"], 2]])
        it.txn("w3 gives up", "w3", dropped=[0])

    tale.after("w2 waits committed", tell)
    tale.told["end"]["devices"]["d3"] = free(0)
    tale.txn("d3 is back", "w3", ["d3", out, free(0)])

    assert tale.checks() == set()


class TestProgress:
    def test_somebody_who_waits_for_what_is_free(self, tale: Tale) -> None:
        tale.after("w2 fences", lambda it: it.txn("w2 frees", "w2", ["d1", cleaned(2, "h2"), free(2)]))
        del tale.told["w2 is served"]["rows"][0]

        assert tale.checks() == {"I7"}

    @pytest.mark.parametrize(
        ("kind", "detail"),
        [
            ("stuck", {"target": "w1"}),
            ("crash", {"why": "it raised"}),
            ("error", {"why": "the state was busy"}),
            ("acquire", {"phase": "fail", "req": "r1", "why": "waited 30 s"}),
            ("served", {"counts": [10, 99, 9], "longest_ms": 1}),
            ("served", {"counts": [95, 80, 55], "longest_ms": 5000}),
        ],
    )
    def test_somebody_who_gets_nowhere(self, tale: Tale, kind: str, detail: dict[str, Any]) -> None:
        tale.after("w1 finds out", lambda it: it.tell("trouble", "w1", kind, **detail))

        assert tale.checks() == {"I7"}

    def test_a_call_that_takes_long_while_nobody_is_stopped(self, tale: Tale) -> None:
        """The good history has one that took as long, while w1 was stopped."""
        call = {"name": "release", "began": "w1 finds out", "later_s": 5}
        tale.after("w1 finds out", lambda it: it.tell("it returns", "w1", "call", **call))

        assert tale.checks() == {"I7"}

    def test_somebody_who_hears_too_late_that_it_was_served(self, tale: Tale) -> None:
        tale.told["w1 has it"]["later_s"] = 5

        assert tale.checks() == {"I7"}


class TestVacuous:
    @pytest.mark.parametrize(
        ("label", "change"),
        [
            ("w1 is late outcome", {"phase": "info"}),
            ("w1 stops", {"point": "anywhere"}),
            ("w1 finds out", {"e": "found"}),
        ],
    )
    def test_nothing_was_put_to_the_test(self, tale: Tale, label: str, change: Event) -> None:
        tale.told[label] |= change

        assert tale.checks() == {"vacuous"}

    def test_the_log_of_a_device_has_lost_its_beginning(self, tale: Tale) -> None:
        did(tale, effect(7, 1, 2), effect(8, 3, 4))

        assert tale.checks() == {"vacuous"}


class TestACommitOfWhichNobodyHeard:
    """Its process died over it: whether it was done is told by who came next."""

    def test_it_was_done(self, tale: Tale) -> None:
        tale.drop("w2 is served committed", "w2 waits committed")

        assert tale.checks() == set()

    def test_it_was_not_done(self, tale: Tale) -> None:
        def tell(it: Tale) -> None:
            it.txn("w3 dies over it", "w3", ["d1", free(0), busy(1, "h3")])
            it.txn("w3 dies over that", "w3", added=[[1, "h3", ["d1"], 1]])
            it.drop("w3 dies over it committed", "w3 dies over that committed")

        tale.after("w1 asks", tell)

        assert tale.checks() == set()

    def test_nobody_came_after_it(self, tale: Tale) -> None:
        tale.drop("w3 frees committed")

        assert tale.checks() == set()


def test_what_a_killed_process_had_written_is_read_and_a_torn_line_is_not(tmp_path: Path) -> None:
    for name in ("b", "a"):
        history = History(tmp_path, name)
        history.write("fault", fault="kill")
        history.close()
    with (tmp_path / "a.jsonl").open("ab") as file:
        file.write(b'{"t": 5, "p"')

    events = read(tmp_path)

    assert [(event["p"], event["n"], event["e"]) for event in events] == [
        ("b", 0, "fault"),
        ("a", 0, "fault"),
    ]
