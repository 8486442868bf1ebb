"""The sink: whole files, safe names, and everything through the redactor."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.capture.sink import Own, Sink, folder_name

pytestmark = pytest.mark.unit


class Masking:
    """A redactor that can be seen at work."""

    def redact(self, text: str) -> str:
        return text.replace("canary", "[REDACTED]")

    def redact_data(self, value: Any) -> Any:
        return json.loads(self.redact(json.dumps(value)))


def test_everything_that_is_text_passes_the_redactor(tmp_path: Path) -> None:
    attached: list[tuple[str, str | bytes, str]] = []
    sink = Sink(tmp_path / "reports", redactor=Masking(), attach=lambda *what: attached.append(what))

    written = sink.write("page.html", "a canary here")
    sink.append("trace.jsonl", {"test": "canary"})
    artefact = sink.artefact("t/attempt-1-d", "page-source", "<a>canary</a>", "xml")

    everything = written.read_text() + (tmp_path / "reports/trace.jsonl").read_text() + artefact.read_text()
    assert "canary" not in everything
    assert attached == [("page-source", "<a>[REDACTED]</a>", "xml")]
    assert sink.text("canary") == "[REDACTED]"


def test_of_a_text_in_parts_only_what_the_package_ships_stays_as_it_is(tmp_path: Path) -> None:
    """A value that is a word of a page's script must not break the page."""
    sink = Sink(tmp_path, redactor=Masking())

    path = sink.write("page.html", ["a canary", Own("<script>canary</script>"), "canary"])

    assert path.read_text() == "a [REDACTED]<script>canary</script>[REDACTED]"


def test_a_file_is_replaced_whole_and_readable_as_the_umask_says(tmp_path: Path) -> None:
    sink = Sink(tmp_path)
    sink.write("farm.html", "old")
    path = sink.write("farm.html", "new")

    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["farm.html"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_rows_are_appended_one_a_line(tmp_path: Path) -> None:
    sink = Sink(tmp_path)
    sink.append("trace.jsonl", {"n": 1, "text": "zwei\nZeilen"})
    sink.append("trace.jsonl", {"n": 2})

    rows = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert [row["n"] for row in rows] == [1, 2]

    assert sink.count_lines("trace.jsonl") == 2

    sink.write_rows("trace.jsonl", [{"n": 3}])
    assert (tmp_path / "trace.jsonl").read_text() == '{"n": 3}\n'

    sink.discard("trace.jsonl")
    sink.discard("trace.jsonl")
    assert sink.count_lines("trace.jsonl") == 0


def test_artefacts_of_earlier_runs_are_removed_and_those_of_this_run_stay(tmp_path: Path) -> None:
    sink = Sink(tmp_path)
    old, new = (sink.artefact(f"{name}/attempt-1-d", "page-source", "<a/>", "xml") for name in ("old", "new"))
    os.utime(old.parent, (1_000.0, 1_000.0))

    sink.forget_artefacts(before_s=2_000.0)

    assert new.exists()
    assert not old.parent.parent.exists()


def test_a_path_is_shown_from_where_the_reader_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere = Path("/srv/reports/farm.html")

    sink = Sink(tmp_path / "out")

    assert sink.shown(tmp_path / "out" / "farm.html") == "out/farm.html"
    assert sink.shown(elsewhere) == str(elsewhere)


@given(st.text(max_size=300), st.integers(1, 9), st.text(max_size=50))
def test_folder_names_are_short_and_stay_inside(test_id: str, attempt: int, device_id: str) -> None:
    name = folder_name(test_id, attempt, device_id)

    parts = name.split("/")
    assert len(parts) == 2
    assert all(part not in ("", ".", "..") and len(part.encode()) < 255 for part in parts)
    assert "\\" not in name
    assert "\0" not in name


def test_different_tests_never_share_a_folder() -> None:
    assert folder_name("a.py::test[x/y]", 1, "d") != folder_name("a.py::test[x-y]", 1, "d")
