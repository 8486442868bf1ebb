"""The benchmark with browsers can be run. What it measures is nothing for a test: the machine may be busy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from web_farm import capabilities

pytestmark = [pytest.mark.real, pytest.mark.integration, pytest.mark.timeout(300)]

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "chromium.py"


def test_it_measures_everything_and_says_whether_the_bounds_hold(tmp_path: Path) -> None:
    capabilities()  # skips where there is no browser
    command = [sys.executable, str(SCRIPT), "--rounds", "2", "--runs", "1"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280)

    told = done.stdout
    assert done.returncode in (0, 1), done.stderr
    for line in ("cost: by hand", "cost: reset session", "cost: reset default"):
        assert line in told, done.stderr
    assert "ports: 1 runs of 4 browsers at once: 0 port clashes, 0 failed runs, 4 ports used" in told
    assert ("MISSED" in told) == (done.returncode == 1)
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"
