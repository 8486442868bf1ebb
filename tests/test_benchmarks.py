"""The benchmarks can be run. What they measure is nothing for a test: the machine may be busy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "benchmarks"


#: Script, what a bound that does not hold is called in it, and parts of lines that it prints, the last one's last.
QUICK = {
    "leases.py": (
        "MISSED",
        (
            "durable lease, run 1",
            "filelock",
            "diskcache",
            "4 devices, 8 processes",
            "after a release",
            "check of a lease: ",
        ),
    ),
    "redaction.py": (
        "MISSED",
        ("EMAIL ", "PRIVATE_KEY ", "clean lines hit", "eight patterns", "re: clean line, p50 us", "re: p99"),
    ),
    "screenshots.py": (
        "MISSED",
        (
            "text and photo: the same pixels",
            "zlib, times faster",
            "text alone: the same pixels",
            "strip",
            "find, ms",
        ),
    ),
    "silent.py": (
        "OVER",
        (
            "test_silent: redaction adds",
            "test_silent: off beside off",
            "test_prints: redaction adds",
            "test_logs: redaction adds",
            "start: redaction adds",
        ),
    ),
}


@pytest.mark.parametrize("script", QUICK)
def test_a_benchmark_measures_everything_and_says_whether_the_bounds_hold(
    tmp_path: Path, script: str
) -> None:
    """`make bench` runs it for minutes, which nobody does before a change is merged: it must not rot meanwhile."""
    missed, lines = QUICK[script]
    command = [sys.executable, str(SCRIPTS / script), "--quick"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=110)

    told = done.stdout
    assert done.returncode in (0, 1), done.stderr
    assert done.stderr == ""
    for line in lines:
        assert line in told
    assert lines[-1] in told.splitlines()[-1]
    assert (missed in told) == (done.returncode == 1)
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def test_a_folder_that_is_none_is_wrong_use(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPTS / "leases.py"), "--quick", "--dir", str(tmp_path / "nowhere")]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert f"{tmp_path / 'nowhere'} is no folder" in done.stderr
