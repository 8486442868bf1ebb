"""Bounds of artefacts: what is cut says so, and is cut where no value is cut in two."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.capture.bounds import Errand, Quota, head, tail

pytestmark = pytest.mark.unit

PATIENCE_S = 30.0
LINES = st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20))


@given(LINES, st.integers(1, 200))
def test_the_end_of_a_log_is_whole_lines_within_the_bound(lines: list[str], limit_bytes: int) -> None:
    text = "\n".join(lines)

    found = tail(text, limit_bytes)

    if len(text.encode()) <= limit_bytes:
        assert found == text
        return
    note, _, kept = found.partition("\n")
    assert note == f"[cut: the last {len(kept.encode())} of {len(text.encode())} bytes]"
    assert len(kept.encode()) <= limit_bytes
    assert kept == "" or ("\n" + text).endswith("\n" + kept)


@given(st.text(st.sampled_from("<a/>é\n"), max_size=60), st.integers(1, 80))
def test_the_beginning_of_a_document_ends_with_a_tag(text: str, limit_bytes: int) -> None:
    found = head(text, limit_bytes)

    if len(text.encode()) <= limit_bytes:
        assert found == text
        return
    kept, _, note = found.rpartition("\n<!-- cut: ")
    assert note == f"the first {len(kept.encode())} of {len(text.encode())} bytes -->"
    assert len(kept.encode()) <= limit_bytes
    assert text.startswith(kept)
    assert kept == "" or kept[-1] in ">\n"


def test_the_quota_counts_the_files_of_its_run_whoever_wrote_them(tmp_path: Path) -> None:
    old, first, second = (tmp_path / name / "attempt-1-d" / "device-log.txt" for name in ("old", "a", "b"))
    for path in (old, first):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 100)
    os.utime(old, (1, 1))
    quota = Quota(tmp_path, since_s=1000.0, limit_bytes=150)
    was_spent = quota.is_spent

    second.parent.mkdir(parents=True)
    second.write_bytes(b"x" * 50)

    assert (was_spent, quota.is_spent) == (False, True)


def test_a_quota_that_is_spent_stays_so(tmp_path: Path) -> None:
    """Else a run would go on as soon as somebody clears the folder, with gaps that nobody can explain."""
    path = tmp_path / "device-log.txt"
    path.write_bytes(b"x")
    quota = Quota(tmp_path, since_s=0.0, limit_bytes=1)
    was_spent = quota.is_spent
    path.unlink()

    assert (was_spent, quota.is_spent) == (True, True)


def test_nothing_is_spent_where_there_is_no_folder_yet(tmp_path: Path) -> None:
    assert not Quota(tmp_path / "artefacts", since_s=0.0, limit_bytes=1).is_spent


def test_an_errand_that_does_not_come_back_in_time_is_left_alone() -> None:
    go_on = threading.Event()
    errand = Errand(lambda: go_on.wait(PATIENCE_S), name="slow")

    was_back = errand.wait(0.01)
    was_out = errand.is_out
    go_on.set()

    assert (was_back, was_out) == (False, True)
    assert errand.wait(PATIENCE_S)
    assert errand.result() is True


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, pytest.fail.Exception])
def test_what_an_errand_raises_is_raised_for_who_sent_it(kind: type[BaseException]) -> None:
    def breaks() -> None:
        raise kind("broken")

    errand = Errand(breaks, name="broken")

    assert errand.wait(PATIENCE_S)
    with pytest.raises(kind, match="broken"):
        errand.result()
