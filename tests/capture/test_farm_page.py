"""The page: complete without scripts, the same for its script, offline, and safe for any name."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.capture.farm_page import Lane, page
from pytest_autorl.capture.farm_page.figures import Figures
from pytest_autorl.capture.farm_page.lane import Outage, every_lane

pytestmark = pytest.mark.unit

#: Elements without an end.
VOID = {"meta", "br", "img", "input"}
REVIEW: dict[str, Any] = {
    "makespan_s": 10.0,
    "bound_s": 9.8,
    "ratio": 1.0204,
    "bound_kind": "work",
    "tight": ["d1"],
    "critical_path": [
        {"test": "a.py::two", "devices": ["d1"], "start": 2.0, "end": 4.0, "waited": 0.25},
        {"test": "a.py::gone", "devices": ["d1"], "start": 4.0, "end": 10.0, "waited": 0.0},
    ],
}


def row(test: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "test": test,
        "module": test.partition("::")[0],
        "devices": ["d1"],
        "class": "any",
    }
    base |= {"run": "r", "attempt": 1, "outcome": "passed", "blame": None, "worker": "gw0"}
    base |= {"start": start, "end": end, "setup": 0.1, "fixture": 0.0, "waited": 0.0}
    return {**base, **more}


def made(rows: list[dict[str, Any]], lanes: list[Lane] | None = None, **more: Any) -> str:
    return page(rows, lanes or [Lane("d1")], run="r1", source="farm.yml", version="1", **more)


class Document(HTMLParser):
    """Fails on an element that is not closed; keeps what tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.data: dict[str, Any] = {}
        self.rows: dict[str, list[list[str]]] = {}
        self._table = ""
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self._open.append(tag)
        if tag == "section":
            self._table = given.get("aria-labelledby", "").removesuffix("-title")
        if tag == "tr":
            self.rows.setdefault(self._table, []).append([])
        if tag in ("td", "th"):
            self.rows[self._table][-1].append("")
        self.elements.append((tag, given))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            if self.elements[-1][1].get("id") == "data":
                self.data = json.loads(data)
            return
        self.words.append(data)
        if "td" in self._open or "th" in self._open:
            self.rows[self._table][-1][-1] += data

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(filter(None, map(str.strip, self.words))))

    def named(self, name: str) -> list[dict[str, str]]:
        return [attrs for _, attrs in self.elements if name in attrs.get("class", "").split(" ")]


def unpacked(data: dict[str, Any]) -> list[dict[str, Any]]:
    """What the script makes of the JSON, as rows."""
    unit, columns = data["unit"], data["attempts"]
    found = []
    for place, number in enumerate(columns["test"]):
        module, rest = data["tests"][number]
        on = columns["lanes"][place]
        start = columns["start"][place]
        found.append(
            {
                "test": ("" if module < 0 else data["modules"][module]) + rest,
                "devices": [data["lanes"][lane][0] for lane in (on if isinstance(on, list) else [on])],
                "start": start / unit,
                "end": (start + columns["took"][place]) / unit,
                "setup": columns["setup"][place] / unit,
                "fixture": columns["fixture"][place] / unit,
                "waited": columns["waited"][place] / unit,
                "outcome": data["outcomes"][columns["outcome"][place]],
                "blame": data["words"][columns["blame"][place]] or None,
                "worker": data["words"][columns["worker"][place]],
                "class": data["words"][columns["need"][place]],
                "attempt": columns["attempt"][place],
                "why": data["reasons"][columns["why"][place]],
            }
        )
    return found


def test_the_script_gets_every_attempt_as_the_trace_has_it() -> None:
    rows = [
        row("a.py::one", 0, 2.5, setup=1.25, fixture=0.25, why="longest first"),
        row("a.py::two", 2.5, 4, devices=["d1", "d2"], outcome="failed", blame="test", waited=0.3),
        row("elsewhere", 4, 5, module="b.py", outcome="lost", blame="farm", worker="gw7", attempt=2),
        row("a.py::one", 5, 6, outcome="skipped", attempt=3, **{"class": "ios"}),
    ]

    document = Document(made(rows, [Lane("d1"), Lane("d2")]))

    wanted = [{"why": "", **{k: v for k, v in each.items() if k not in ("run", "module")}} for each in rows]
    assert unpacked(document.data) == wanted


def test_without_scripts_every_device_has_a_lane_and_every_attempt_a_bar() -> None:
    rows = [
        row("a.py::one", 0, 2),
        row("a.py::two", 2, 4, devices=["d1", "d2"], outcome="failed", blame="test"),
        row("a.py::three", 4, 6, outcome="lost", blame="farm"),
        row("a.py::four", 6, 8, outcome="lost", blame="farm"),
    ]

    document = Document(made(rows, [Lane("d1", "android 14 phone"), Lane("d2", "ios"), Lane("d3")]))

    assert len(document.named("lane")) == 3
    bars = document.named("bar")
    assert [attrs["class"] for attrs in bars] == [
        "bar passed",
        "bar failed",
        "bar lost",
        "bar lost",
        "bar failed",
    ]
    assert bars[0]["d"] == "M0 2h2490v16h-2490z"
    assert bars[1]["d"] == bars[4]["d"] == "M2500 2h2490v16h-2490z"
    listed = [cells[0] for cells in document.rows["every"][1:]]
    assert listed == ["a.py::one", "a.py::two", "a.py::three", "a.py::four"]


def test_attempts_too_narrow_to_be_told_apart_are_drawn_as_one() -> None:
    """A lane of thousands stays small, and nothing that failed is hidden by what passed."""
    rows = [row(f"t::{n}", n / 10, (n + 1) / 10, setup=0.0) for n in range(40_000)]
    rows[20_000]["outcome"] = "failed"

    document = Document(made(rows))

    passed, failed = document.named("bar")
    assert len(passed["d"]) < 100
    assert failed["d"] == "M5000 2h1v16h-1z"


def test_a_wait_is_drawn_before_its_test_and_a_moments_is_not() -> None:
    rows = [row("t::quick", 0, 2, waited=0.04), row("t::slow", 4, 10, waited=1.5)]

    document = Document(made(rows))

    (wait,) = document.named("wait")[1:]  # the first is the legend's
    assert wait["d"] == "M2500 20h1490v3h-1490z"
    assert "1 test waited for a device, 1.50 s in all, 1.50 s at most" in document.text


def test_the_head_says_how_near_the_run_was_to_the_shortest_possible() -> None:
    rows = [row("a.py::two", 2, 4), row("a.py::gone", 4, 10)]

    text = Document(made(rows, review=REVIEW)).text

    assert "10.0 s from first dispatch to last result" in text
    assert "1.02 × the lower bound : no order of these tests on these devices ends sooner" in text
    assert "than 9.80 s: the work that needs d1 takes that long." in text


def test_the_head_names_few_of_many_devices_that_the_bound_hangs_on() -> None:
    review = {**REVIEW, "tight": [f"d{n}" for n in range(1, 8)]}

    text = Document(made([row("t", 0, 10)], review=review)).text

    assert "the work that needs d1, d2, d3, d4 and 3 more takes that long." in text


def test_the_head_says_when_one_test_is_what_takes_so_long() -> None:
    text = Document(made([row("t", 0, 10)], review={**REVIEW, "bound_kind": "chain"})).text

    assert "than 9.80 s: one test, with its attempts, takes that long." in text


@pytest.mark.parametrize(("workers", "words"), [(1, "1 worker"), (4, "4 workers")])
def test_the_head_says_when_there_were_too_few_workers(workers: int, words: str) -> None:
    review = {**REVIEW, "bound_kind": "workers", "tight": [], "workers": workers}

    text = Document(made([row("t", 0, 10)], review=review)).text

    assert f"than 9.80 s: the work of {words} takes that long." in text


def test_the_head_gives_no_reason_for_a_bound_that_has_none() -> None:
    text = Document(made([row("t", 0, 10)], review={**REVIEW, "tight": []})).text

    assert "ends sooner than 9.80 s." in text


def test_without_a_review_the_head_claims_nothing_of_a_bound() -> None:
    document = Document(made([row("t", 0, 10)]))

    assert "lower bound" not in document.text
    assert "critical" not in document.rows


def test_verdicts_count_tests_by_their_last_attempt() -> None:
    rows = [
        row("t::a", 0, 1, outcome="failed", blame="device"),
        row("t::b", 1, 2, outcome="lost", blame="farm"),
        row("t::a", 2, 3, attempt=2),
        row("t::b", 3, 4, attempt=2, outcome="failed", blame="device"),
        row("t::c", 4, 5),
    ]

    text = Document(made(rows)).text

    assert "2 passed 1 failed" in text
    assert "5 attempts with a device · 2 tests retried" in text
    assert "by blame: 2 device, 1 farm" in text


def test_where_the_time_of_the_devices_went_adds_up() -> None:
    """Two devices for ten seconds: 8 in use (1 of them set-up, 2 lost), 4 not available, 8 idle."""
    rows = [row("t::a", 0, 6, setup=1.0), row("t::b", 8, 10, devices=["d2"], outcome="lost", blame="farm")]
    outages = [{"device": "d2", "start": 0, "end": 4, "why": "unplugged"}]

    document = Document(made(rows, [Lane("d1"), Lane("d2")], outages=outages))

    assert "40 % of the devices' time in use, 2 of 2 used" in document.text
    assert "tests 25 % set-up 5 % lost 10 % not available 20 % idle 40 %" in document.text
    first, second = document.rows["devices"][1:]
    assert first == ["d1", "", "1", "6.00\xa0s", "1.00\xa0s", "4.00\xa0s", "0.00\xa0s", "60 %", "0", "0", ""]
    assert second == ["d2", "", "1", "2.00\xa0s", "0.00\xa0s", "4.00\xa0s", "4.00\xa0s", "20 %", "0", "1", ""]
    assert document.data["outages"] == [[1, 0, 40_000, "unplugged"]]


def test_an_outage_without_an_end_lasts_until_the_runs() -> None:
    outages = [
        {"device": "d2", "start": 5, "end": None, "why": ""},
        {"device": "d1", "start": 99, "end": None, "why": "after the last result"},
    ]

    document = Document(made([row("t", 0, 10)], [Lane("d1"), Lane("d2")], outages=outages))

    assert document.data["outages"] == [[1, 50_000, 100_000, ""]]
    assert document.named("out")[-1]["d"] == "M5000 0h4990v24h-4990z"


SPANS = st.tuples(st.floats(0, 50), st.floats(0, 50)).map(lambda span: (min(span), max(span)))


@given(
    attempts=st.lists(st.tuples(SPANS, st.sampled_from(["d1", "d2"]), st.sampled_from(["passed", "lost"]))),
    gone=st.lists(st.tuples(SPANS, st.sampled_from(["d1", "d2", "d3"]))),
)
def test_no_second_of_a_device_is_counted_twice(attempts: list[Any], gone: list[Any]) -> None:
    rows = [
        row("t", *span, devices=[device], outcome=outcome, setup=0.0) for span, device, outcome in attempts
    ]
    outages = [Outage(device=device, start=span[0], end=span[1]) for span, device in gone]

    figures = Figures(rows, [Lane("d1"), Lane("d2"), Lane("d3")], outages, 50.0)

    for device in figures.devices:
        assert device.busy_s + device.idle_s + device.out_s == pytest.approx(50.0)
        assert 0 <= device.utilisation <= 1
    assert sum(figures.shares.values()) == pytest.approx(1.0)


def test_a_lane_says_what_its_device_is_at_the_end_when_it_cannot_be_had() -> None:
    lanes = [Lane("d1"), Lane("d2", "ios", "unhealthy: quarantined: its battery swells")]

    document = Document(made([row("t", 0, 1)], lanes))

    assert document.rows["devices"][2][-1] == "unhealthy: quarantined: its battery swells"
    assert any("d2 · ios · unhealthy" in attrs.get("title", "") for attrs in document.named("name"))


def test_a_device_that_nobody_listed_has_a_lane_all_the_same() -> None:
    assert every_lane([Lane("d1")], ["d9", "d1", "d9"]) == [
        Lane("d1"),
        Lane("d9", "not in the list of devices"),
    ]
    assert "d9" in Document(made([row("t", 0, 1, devices=["d9"])])).text


def test_failures_and_losses_are_listed_with_what_is_known_of_them() -> None:
    rows = [row("t::fine", 0, 1)]
    rows += [row(f"t::{n}", n, n + 1, outcome="failed", blame="app") for n in range(1, 260)]

    document = Document(made(rows, lost_notes=["d1 went with <gw3>"]))

    listed = document.rows["failures"][1:]
    assert len(listed) == 200
    assert listed[0] == ["t::1", "d1", "any", "1", "failed app", "0.00\xa0s", "0.10\xa0s", "1.00\xa0s"]
    assert "and 59 more, see trace.jsonl" in document.text
    assert "d1 went with <gw3>" in document.text


def test_a_loss_without_a_row_is_told_too() -> None:
    assert "d1 went" in Document(made([row("t", 0, 1)], lost_notes=["d1 went"])).text


def test_the_critical_path_leads_to_its_attempts() -> None:
    """A test with two attempts: the step means the one that began when the step did."""
    rows = [row("a.py::two", 0, 1), row("a.py::two", 2, 4, attempt=2)]

    document = Document(made(rows, review=REVIEW))

    two, gone = document.rows["critical"][1:]
    assert two == ["a.py::two", "d1", "0.25\xa0s", "2.00\xa0s", "4.00\xa0s", "2.00\xa0s"]
    assert gone[0] == "a.py::gone"
    assert document.data["critical"] == [1]


def test_what_must_not_be_is_said_at_the_top() -> None:
    text = Document(made([row("t", 0, 1)], review={"violations": ["d1 had two tests at 3.2 s"]})).text

    assert "What must not be d1 had two tests at 3.2 s" in text


@pytest.mark.parametrize("rows", [[], [row("t", 0, 0)], [row("t", 0, 0.000001)]])
def test_next_to_nothing_makes_a_page(rows: list[dict[str, Any]]) -> None:
    document = Document(made(rows, []))

    assert document.data["length"] >= 1
    assert ("no test had a device" in document.text) is (not rows)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(119.94, "119.9 s"), (150, "2 min 30 s"), (7199.6, "2 h 00 min"), (7500, "2 h 05 min")],
)
def test_times_are_shown_as_people_read_them(seconds: float, shown: str) -> None:
    assert f"{shown} from first dispatch" in Document(made([row("t", 0, seconds)])).text


HOSTILE = [
    "a.py::x[</script><script>alert(1)</script>]",
    "a.py::x[\"'><img src=x onerror=alert(1)>]",
    "a.py::x[<!--<script>]",
    "a.py::x[\u202egnp.exe\u2066]",
    "a.py::x[\x00\x1b[31m\n\u2028\ud800]",
    "a.py::x[" + "5 kB of text " * 400 + "end]",
]


def everywhere(name: str) -> str:
    """A page with a name wherever one can come from."""
    rows = [
        row(name, 0, 1, devices=[name], worker=name, why=name, module=name, **{"class": name}),
        row(name + "b", 1, 2, outcome="failed", blame=name),
    ]
    return page(
        rows,
        [Lane(name, name, name)],
        run=name,
        source=name,
        version=name,
        review={**REVIEW, "tight": [name], "violations": [name]},
        outages=[{"device": name, "start": 0, "end": 1, "why": name}],
        lost_notes=[name],
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leaves_its_place(name: str) -> None:
    """The page is built as with a plain name; two tests that are shown alike stay two."""
    text = everywhere(name)

    document = Document(text)
    assert [tag for tag, _ in document.elements] == [tag for tag, _ in Document(everywhere("plain")).elements]
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert len(document.data["tests"]) == 2
    assert len(text) < 100_000


def test_the_page_fetches_nothing_and_runs_nothing_but_its_own() -> None:
    text = made([row("t", 0, 1)], review=REVIEW)

    markup = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.search(r"\s(src|href|style|on[a-z]+)\s*=", markup)
    assert not re.search(r"https?://|\bfetch\(|XMLHttp|import\(|url\(|@import|innerHTML|\beval\b", text)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert policy.startswith("default-src 'none'; ")
    for part, body in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{part}-src 'sha256-{digest}';" in policy


def test_a_large_run_makes_a_page_that_can_be_sent() -> None:
    rows = [
        row(
            f"tests/area_{n % 40}/test_some_feature.py::test_that_it_does_what_it_says[{n}]",
            n // 200,
            n // 200 + 0.9,
            devices=[f"pixel-8-{n % 200}"],
            why="the longest that fits",
        )
        for n in range(20_000)
    ]

    text = made(rows, [Lane(f"pixel-8-{n}", "android 14 phone") for n in range(200)])

    assert len(text) < 4_000_000
