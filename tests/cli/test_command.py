"""Programs of others end, whatever they do, and with them what they have started."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

import lab
from pytest_autorl.cli.checks.command import LIMIT_BYTES, run


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_what_a_program_says_comes_with_its_exit_code() -> None:
    script = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"

    assert run(python(script), deadline_s=30) == (3, "out\nerr\n")
    assert run(python(script), deadline_s=30, has_errors=False) == (3, "out\n")


def test_it_gets_the_words_as_they_are_and_nothing_to_read() -> None:
    """No shell is between: what would be a command to one is a word like any other."""
    script = "import sys; print(sys.argv[1:], sys.stdin.read() == '')"

    said = run([*python(script), "$(id)", "; reboot", "-x"], deadline_s=30)

    assert said.text == "['$(id)', '; reboot', '-x'] True\n"


def test_a_program_that_is_not_there_says_so() -> None:
    with pytest.raises(FileNotFoundError):
        run(["/nowhere/program"], deadline_s=1)


def test_one_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    """The child keeps the output open, which must not keep us waiting either."""
    note = tmp_path / "pids"
    script = (
        "import os, subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(note)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "print('begun', flush=True)\n"
        "time.sleep(600)\n"
    )
    begun_s = time.monotonic()

    with pytest.raises(TimeoutError, match="no end within 3 s"):
        run(python(script), deadline_s=3)

    assert time.monotonic() - begun_s < 60
    pids = [int(word) for word in note.read_text().split()]
    assert len(pids) == 2
    for pid in pids:
        lab.until(lambda pid=pid: not lab.is_running(pid), f"process {pid} ends")


def test_one_that_closes_its_output_and_stays_is_ended_too() -> None:
    script = "import os, time; os.close(1); os.close(2); time.sleep(600)"

    with pytest.raises(TimeoutError):
        run(python(script), deadline_s=2)


def test_a_child_that_outlives_it_and_keeps_the_output_is_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
    )

    with pytest.raises(TimeoutError):
        run(python(script), deadline_s=3)

    pid = int(note.read_text())
    lab.until(lambda: not lab.is_running(pid), f"process {pid} ends")


def test_of_one_that_floods_a_bounded_part_is_kept() -> None:
    said = run(python("while True: print('x' * 1000)"), deadline_s=60)

    assert said.code < 0
    assert len(said.text) == LIMIT_BYTES


def test_its_environment_can_be_chosen() -> None:
    env = {**os.environ, "COLOUR": "blue"}

    assert run(python("import os; print(os.environ['COLOUR'])"), deadline_s=30, env=env).text == "blue\n"
