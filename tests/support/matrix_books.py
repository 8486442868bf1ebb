"""What a run of the matrix has left, beside what it should have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from attempts import Books
from matrix import Cell, Expected, expected


def differences(folder: Path, books: Books, chosen: Sequence[Cell]) -> list[str]:
    """All that is not as it has to be, for people.

    Args:
        folder: Where the suite was written, and ran.
    """
    wanted = [each for cell in chosen for each in expected(cell)]
    counts = Counter(word for each in wanted for word in each.counts)
    found = {word: count for word, count in books.result.parseoutcomes().items() if word != "warnings"}
    bad = [] if found == counts else [f"the last line counts {found}, not {dict(counts)}"]
    for each in wanted:
        bad += [f"{each.test}: {what}" for what in _differences(books, each)]
    for cell in chosen:
        bad += [f"test_{cell.name}: {what}" for what in _elsewhere(folder, books, cell)]
    total = sum(len(each.trials) for each in wanted)
    if len(books.rows) != total:
        bad.append(f"{len(books.rows)} rows in the trace, not {total}")
    if (results := sum(map(len, books.results.values()))) != total:
        bad.append(f"{results} results of Allure, not {total}")
    if (cases := sum(map(len, books.cases.values()))) != len(wanted):
        bad.append(f"{cases} cases in JUnit's file, not {len(wanted)}")
    if told := what_is_left(folder):
        bad.append(f"in the end: {told}")
    return bad


def what_is_left(folder: Path) -> str:
    """What a run has not given back in the end; "" when that is nothing."""
    left = folder / "left.json"
    told = left.read_text() if left.exists() else "nobody knows"
    free = {"devices": 10, "leased": [], "in session": [], "with faults": []}
    return "" if left.exists() and json.loads(told) == free else told


_RIGHT: Final = {False: "not each on a device of its own", True: "not all on one device"}


def _elsewhere(folder: Path, books: Books, cell: Cell) -> Iterator[str]:
    """The devices as the test itself has seen them, whatever the books say."""
    path = folder / f"{cell.name}.devices"
    seen = path.read_text().split() if path.exists() else []
    wanted = expected(cell)[0]
    rows = [row for row in books.rows if row["test"].endswith(f"::{wanted.test}")]
    traced = [device for row in sorted(rows, key=lambda row: row["attempt"]) for device in row["devices"]]
    if cell.where == "module":
        # Other tests of the module may have set the fixture up in between.
        if not set(traced) <= set(seen):
            yield f"the trace has {traced}, and its fixture was set up on {seen}"
        return
    if len(seen) != len(wanted.trials) or not _are_right(seen, wanted):
        yield f"{len(wanted.trials)} attempts were on {seen}: {_RIGHT[wanted.stays]}"
    if traced != seen:
        yield f"the trace has {traced}, and it was on {seen}"


def _are_right(devices: Sequence[str], wanted: Expected) -> bool:
    return len(set(devices)) == (1 if wanted.stays else len(devices))


def _differences(books: Books, wanted: Expected) -> Iterator[str]:
    end = f"::{wanted.test}"
    rows = sorted((row for row in books.rows if row["test"].endswith(end)), key=lambda row: row["attempt"])
    trials = [(number, trial.outcome, trial.blame) for number, trial in enumerate(wanted.trials, 1)]
    traced = [(row["attempt"], row["outcome"], row["blame"]) for row in rows]
    if traced != trials:
        yield f"attempts {traced}, not {trials}"
    devices = [device for row in rows for device in row["devices"]]
    if len(devices) != len(trials) or not _are_right(devices, wanted):
        yield f"{len(trials)} attempts on {devices}: {_RIGHT[wanted.stays]}"
    yield from _junit(books, wanted, devices)
    yield from _allure(books.results.get(wanted.test, []), wanted, devices)


def _junit(books: Books, wanted: Expected, devices: Sequence[str]) -> Iterator[str]:
    cases = books.cases.get(wanted.test, [])
    if [case.outcome for case in cases] != [wanted.junit]:
        yield f"JUnit has {[case.outcome for case in cases]}, not {[wanted.junit]}"
        return
    told = {name: text for name, text in cases[0].properties.items() if name.startswith("autorl_attempt_")}
    said = {
        f"autorl_attempt_{number}": f"{trial.kind} on {device}: {trial.text}"
        for number, (trial, device) in enumerate(zip(wanted.trials, devices, strict=False), 1)
        if trial.kind is not None
    }
    if told.keys() != said.keys() or any(not told[name].startswith(said[name]) for name in said):
        yield f"JUnit's properties are {told}, not {said}"
    if devices and cases[0].properties.get("autorl_device") != devices[-1]:
        yield f"JUnit's device is {cases[0].properties.get('autorl_device')}, not {devices[-1]}"


def _allure(results: Sequence[dict[str, Any]], wanted: Expected, devices: Sequence[str]) -> Iterator[str]:
    statuses = [result["status"] for result in results]
    if statuses != [trial.allure for trial in wanted.trials]:
        yield f"Allure has {statuses}, not {[trial.allure for trial in wanted.trials]}"
        return
    if len({result["historyId"] for result in results}) != 1:
        yield "Allure's results are of several tests"
    labels = [label["value"] for result in results for label in result["labels"] if label["name"] == "device"]
    if labels != list(devices):
        yield f"Allure's devices are {labels}, not {list(devices)}"
    flaky = [bool(result.get("statusDetails", {}).get("flaky")) for result in results]
    if flaky != [*[False] * (len(results) - 1), wanted.is_flaky]:
        yield f"Allure has flaky flags {flaky}"
