"""Random kills of workers in real xdist runs: every test gets its verdict, and nothing is held at the end.

`KILLS` of them in all (``make chaos`` sets it), over as many runs as that takes. The seed is printed, and taken from
``KILL_SEED``: the same choices then, as far as the machine's timing allows.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab import close, run
from pytest_autorl.errors import StateError
from pytest_autorl.state.peek import peek

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]
pytest.importorskip("xdist", reason="pytest-xdist is not installed")

_KILLS = int(os.environ.get("KILLS", "6"))
#: Each kill costs the start of another worker, and a run shall come to its end.
_IN_A_RUN = 40
_PATIENCE_S = 300.0
_TESTS = 200

SUITE = f"""
import time
import pytest

@pytest.mark.parametrize("n", range({_TESTS - 20}))
def test_one(driver, n):
    assert driver.page_source
    time.sleep(0.1)  # work: a kill shall find devices in use, parked, and being asked for

@pytest.mark.device(count=2)
@pytest.mark.parametrize("n", range(20))
def test_pair(drivers, n):
    assert all(driver.page_source for driver in drivers)
"""


def test_kills_lose_no_verdict_and_no_device(tmp_path: Path) -> None:
    seed = int(os.environ.get("KILL_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    chance = random.Random(seed)
    killed = 0
    for number in range(2 * _KILLS):  # bounded: a run that is over before it is hit counts for nothing
        if killed >= _KILLS:
            break
        folder = tmp_path / str(number)
        folder.mkdir()
        killed += season(folder, chance, min(_IN_A_RUN, _KILLS - killed))
        print(f"KILL_SEED={seed}: {killed} kills in {number + 1} runs")
    assert killed >= _KILLS


def season(folder: Path, chance: random.Random, kills: int) -> int:
    """One run over three devices, in which so many workers are killed at most; returns how many were."""
    (folder / "test_season.py").write_text(SUITE)
    options = (
        "-n",
        "4",
        "--autorl-farm",
        "virtual:3",
        "--max-worker-restart",
        "200",
        "--junitxml",
        "junit.xml",
    )
    process = run(folder, *options)
    output: list[str] = []
    reader = threading.Thread(target=lambda: output.append(close(process, patience_s=_PATIENCE_S)))
    reader.start()
    killed = kill_some(process, folder / ".autorl" / "state.db", chance, kills)
    reader.join()

    text = output[0]
    cases = list(ElementTree.parse(folder / "junit.xml").getroot().iter("testcase"))
    crashes = re.findall(r"worker 'gw\d+' crashed while running '(.+)'", text)
    names = Counter(str(case.get("name")) for case in cases)
    assert sorted(names) == sorted(expected()), text[-3000:]
    # A worker that dies after a test's last report, and before it has told xdist that the test is over, is taken by
    # xdist for one that died in the test: that has two verdicts then, its own and the crash.
    twice = {name for name, count in names.items() if count > 1}
    crashed = {nodeid.rpartition("::")[2] for nodeid in crashes}
    assert twice <= crashed, text[-3000:]
    assert sum(names.values()) == _TESTS + len(twice), text[-3000:]
    # Who had passed before its worker died, in its teardown say, stands in both counts of the terminal.
    passed = re.search(r"(\d+) passed", text)
    assert passed is not None
    assert _TESTS - len(crashed) <= int(passed[1]) <= _TESTS, text[-3000:]
    assert len(crashed) <= killed
    seen = peek(folder / ".autorl" / "state.db")
    assert (seen.devices, seen.queue, seen.holders) == ((), (), ())
    assert list((folder / ".autorl" / "state.db.holders").iterdir()) == []
    return killed


def expected() -> list[str]:
    """The names of all tests."""
    return [f"test_one[{n}]" for n in range(_TESTS - 20)] + [f"test_pair[{n}]" for n in range(20)]


def kill_some(process: subprocess.Popen[str], state: Path, chance: random.Random, kills: int) -> int:
    """Kill so many of the run's workers, one after another, at random times, while it runs; returns how many.

    A worker is fair game from its first device on: before that it only starts.
    """
    killed: set[int] = set()
    while len(killed) < kills and process.poll() is None:
        time.sleep(chance.uniform(0.02, 0.8))  # the random time, not a wait for something
        with contextlib.suppress(StateError):
            pids = sorted({holder.pid for holder in peek(state).holders} - killed - {process.pid})
            if pids:
                victim = chance.choice(pids)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    killed.add(victim)
    return len(killed)
