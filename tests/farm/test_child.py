"""A child process of ours: told its orders, heard, and ended by the mildest means that works."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from pytest_autorl.farm import child

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name != "posix", reason="a farm needs POSIX (docs: use WSL2)"),
]

#: Answers how many bytes it was told, then ends with its stdin.
ECHO = "import sys, json; print(json.dumps({'n': len(sys.stdin.readline())}), flush=True); sys.stdin.read()"
#: Ends by TERM only; or not even then.
STAYS = "import sys, time; sys.stdin.readline(); print('{}', flush=True); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + STAYS


def begin(code: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True)


@pytest.mark.parametrize("length", [10, 5_000_000], ids=["short", "more than a pipe holds"])
@pytest.mark.parametrize("can_try", [True, False], ids=["as ever", "a pipe that always blocks"])
def test_orders_of_any_length_arrive_whole(
    monkeypatch: pytest.MonkeyPatch, length: int, can_try: bool
) -> None:
    if not can_try:
        monkeypatch.delattr(os, "set_blocking")
    process = begin(ECHO)

    said = child.first_answer(process, json.dumps("x" * (length - 3)), 60.0)

    child.end(process, 60.0, term_s=60.0)
    assert said == {"n": length}
    assert process.returncode == 0


def test_nobody_waits_for_a_child_that_takes_no_orders() -> None:
    process = begin("import time; time.sleep(600)")
    before_s = time.monotonic()

    talk = child.Talk(process, "x" * 5_000_000)

    process.terminate()
    assert talk.answer(60.0) == {}
    child.end(process, 60.0, term_s=60.0)
    assert time.monotonic() - before_s < 60


def test_a_child_that_has_ended_says_nothing() -> None:
    process = begin("raise SystemExit(3)")
    process.wait(60)

    assert child.first_answer(process, "{}", 60.0) == {}

    child.end(process, 60.0, term_s=60.0)
    assert process.returncode == 3


@pytest.mark.parametrize("descriptors", ["there", "not there", "refused"])
@pytest.mark.parametrize(
    ("code", "patience_s", "term_s", "end"),
    [
        (ECHO, 60.0, 60.0, 0),
        (STAYS, 0.1, 60.0, -signal.SIGTERM),
        (STAYS, 0.0, 60.0, -signal.SIGTERM),
        (DEAF, 0.1, 1.0, -signal.SIGKILL),
    ],
    ids=["by its stdin", "by TERM", "by TERM at once", "by KILL"],
)
def test_a_child_is_ended_by_the_mildest_means_with_and_without_pidfd(
    monkeypatch: pytest.MonkeyPatch, descriptors: str, code: str, patience_s: float, term_s: float, end: int
) -> None:
    """macOS has no `os.pidfd_open`, and a container may forbid it."""

    def refuse(_: int) -> int:
        raise OSError(errno.EPERM, "not here")

    if descriptors == "not there":
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    elif descriptors == "refused":
        monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    process = begin(code)
    child.first_answer(process, "{}", 60.0)

    child.end(process, patience_s, term_s=term_s)
    child.end(process, patience_s, term_s=term_s)

    assert process.returncode == end
