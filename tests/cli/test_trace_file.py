"""The figures of a trace on the disk, and what is taken for granted where it does not say all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.cli.figures import figure_lines
from pytest_autorl.cli.trace_file import figures_of
from pytest_autorl.farm.config import load_farm

FARM = """
    devices:
      - {id: phone, provider: virtual, count: 4, platform: android, os_version: "14", form_factor: phone}
"""


def row(test: str, start: float, end: float, device: str = "phone-1", **more: Any) -> dict[str, Any]:
    plain = {"test": test, "devices": [device], "class": "android", "outcome": "passed"}
    return {**plain, "start": start, "end": end, **more}


def trace_of(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "trace.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return str(path)


def test_the_workers_that_the_rows_name_count_as_all(tmp_path: Path) -> None:
    """Four devices; two workers, who did 4 s of work each, could not have been done sooner."""
    rows = [
        row(f"t{n}", 2.0 * (n // 2), 2.0 * (n // 2) + 2, f"phone-{n + 1}", worker=f"gw{n % 2}")
        for n in range(4)
    ]
    (tmp_path / "farm.yml").write_text(FARM)

    found = figures_of(trace_of(tmp_path, *rows), load_farm(tmp_path / "farm.yml", {}))

    assert (found["bound_s"], found["bound_kind"], found["workers"], found["ratio"]) == (
        4.0,
        "workers",
        2,
        1.0,
    )
    assert found["assumed"] == ["2 workers, as the rows name them, count as all that the run had"]
    lines = figure_lines(found, blocks=False)
    assert lines[0] == "makespan 4.00 s, lower bound 4.00 s (work of 2 workers), ratio 1.000"
    assert lines[-1] == "assumed: 2 workers, as the rows name them, count as all that the run had"


@pytest.mark.parametrize("others", [{}, {"worker": ""}])
def test_a_row_that_names_no_worker_leaves_their_number_open(tmp_path: Path, others: dict[str, Any]) -> None:
    rows = [row("t", 0.0, 2.0, worker="gw0"), row("u", 2.0, 4.0, "phone-2", **others)]

    found = figures_of(trace_of(tmp_path, *rows), None)

    assert (found["workers"], found["bound_kind"]) == (None, "work")


def test_without_a_farm_it_is_said_that_what_fits_is_a_guess(tmp_path: Path) -> None:
    trace = trace_of(tmp_path, row("t", 0.0, 2.0))
    (tmp_path / "farm.yml").write_text(FARM)

    guessed = figures_of(trace, None)["assumed"]

    assert guessed == [
        "a device counts as fitting a class of needs only where it ran a test of it: no --farm is given"
    ]
    assert figures_of(trace, load_farm(tmp_path / "farm.yml", {}))["assumed"] == []
    assert figures_of(trace_of(tmp_path), None)["assumed"] == []


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        ({"bound_kind": "workers", "workers": 1}, " (work of 1 worker)"),
        ({"bound_kind": "workers", "workers": 4, "tight": []}, " (work of 4 workers)"),
        ({"bound_kind": "workers"}, " (work of the workers)"),
        ({"bound_kind": "chain", "tight": ["a", "b"], "workers": 4}, " (chain of a, b)"),
        ({"bound_kind": "work", "tight": []}, " (work)"),
        ({}, ""),
    ],
)
def test_the_bound_says_what_it_is_due_to(facts: dict[str, Any], note: str) -> None:
    lines = figure_lines({"makespan_s": 4.0, "bound_s": 2.0, "ratio": 2.0, **facts}, blocks=False)

    assert lines[0] == f"makespan 4.00 s, lower bound 2.00 s{note}, ratio 2.000"
