"""Leases under fire: eight processes lease virtual devices, are killed and stopped, and are judged afterwards.

`make chaos` runs more seeds. What is done to whom: `tests/support/chaos/`; what is found wrong: its `checker.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="needs sigtimedwait and prctl"),
]

SUPPORT = Path(__file__).resolve().parents[1] / "support"
SEEDS = range(1, 1 + int(os.environ.get("CHAOS_SEEDS", "3")))
#: Chance may spare a guard that is missing; in one of so many seasons it has to show.
TRIES = 5
#: A season takes 7 s on an idle machine.
SEASON_S = 100
#: The same for one that lacks a guard, of which there are `TRIES`.
GUARD_S = 35.0


def season(seed: int, folder: Path, *options: str, limit_s: float = SEASON_S) -> tuple[int, str]:
    """Exit code and what it said, with the command that does it again."""
    done = subprocess.run(
        [sys.executable, "-m", "chaos.season", "--seed", str(seed), "--folder", str(folder), *options],
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
        timeout=limit_s,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("seed", SEEDS)
def test_no_lease_is_lost_doubled_or_outlived_when_holders_are_killed_and_stopped(
    seed: int, tmp_path: Path
) -> None:
    code, said = season(seed, tmp_path)

    assert code == 0, said


@pytest.mark.parametrize(
    ("guard", "check", "options"),
    [
        # A device that cannot check tokens does what a stopped holder sends it when it goes on.
        ("fence", "I1", ("--calm", "0")),
        # Without the queue before the state some of its users get no turn.
        ("gate", "I7", ("--faults", "0.3")),
        # Who gives back a lease that he has lost ends that of somebody else.
        ("comparison", "I3", ("--calm", "0")),
    ],
)
def test_a_missing_guard_is_found_out(
    guard: str, check: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    """A chaos test that stays green without what it tests is worth nothing."""
    told = []
    for seed in range(1, TRIES + 1):
        try:
            code, said = season(seed, tmp_path, "--without", guard, *options, limit_s=GUARD_S)
        except subprocess.TimeoutExpired:
            told.append(
                f"seed {seed} did not come to its end"
            )  # without a guard anything may happen: the next one
            continue
        told.append(said)
        if code == 1 and re.search(rf"^{check}: ", said, re.MULTILINE):
            return

    pytest.fail("\n".join([f"{check} was never violated without the {guard}", *told]), pytrace=False)
