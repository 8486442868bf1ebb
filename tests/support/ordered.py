"""Runs in which the plugin dispatches by device, and what came of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest

#: No run may take longer, seconds.
LIMIT_S = 120
#: Looks at devices come soon, and one that is well again is used at once.
SOON = "health: {heartbeat_interval: 0.2, cool_down: 0}\n"
#: A test that dies over its first attempt, and passes with the second.
DIES_ONCE = """
import os, pathlib, signal

def die_once(name):
    mark = pathlib.Path(__file__).with_name(f"died-over-{name}")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""


def run_ordered(
    pytester: pytest.Pytester, *options: str, workers: int = 2, farm: str = "virtual:2"
) -> pytest.RunResult:
    """Run the tests of `pytester` over a farm; "" is the farm file that is there."""
    given = ("--autorl-farm", farm) if farm else ()
    return pytester.runpytest_subprocess(
        "-n",
        str(workers),
        *given,
        "--autorl-wait",
        "20",
        "-rA",
        "-p",
        "no:randomly",
        *options,
        timeout=LIMIT_S,
    )


def farm_file(pytester: pytest.Pytester, **devices: str) -> None:
    """Write a farm of virtual devices; a value is the content of its `virtual:` block."""
    lines = [
        f"  - {{id: {name}, provider: virtual, platform: android, virtual: {{{block}}}}}"
        for name, block in devices.items()
    ]
    (pytester.path / "device_farm.yml").write_text("\n".join([SOON + "devices:", *lines, ""]))


def rows(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    """The trace."""
    path = pytester.path / "reports" / "trace.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def overlaps(found: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Pairs of attempts that were on one device at one time."""
    bad = []
    for device in {device for row in found for device in row["devices"]}:
        lane = sorted((row for row in found if device in row["devices"]), key=lambda row: row["start"])
        bad += [(device, a["test"], b["test"]) for a, b in itertools.pairwise(lane) if b["start"] < a["end"]]
    return bad
