"""The benchmarks can be run. What they measure is nothing for a test: the machine may be busy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "benchmarks"


def test_the_benchmark_of_leases_measures_everything_and_says_whether_the_bounds_hold(tmp_path: Path) -> None:
    """`make bench` runs it for minutes, which nobody does before a change is merged: it must not rot meanwhile."""
    command = [sys.executable, str(SCRIPTS / "leases.py"), "--quick"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=110)

    told = done.stdout
    assert done.returncode in (0, 1), done.stderr
    assert done.stderr == ""
    for line in (
        "durable lease, run 1",
        "filelock",
        "diskcache",
        "4 devices, 8 processes",
        "after a release",
    ):
        assert line in told
    assert told.splitlines()[-1].startswith("check of a lease: ")
    assert ("MISSED" in told) == (done.returncode == 1)
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def test_a_folder_that_is_none_is_wrong_use(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPTS / "leases.py"), "--quick", "--dir", str(tmp_path / "nowhere")]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert f"{tmp_path / 'nowhere'} is no folder" in done.stderr
