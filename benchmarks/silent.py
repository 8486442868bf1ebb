"""What redaction costs a test that prints nothing, one that prints a line, and pytest's start.

    python benchmarks/silent.py [--rounds 40] [--starts 10] [--quick]

One pytest process runs the same tests again and again, blocks of them with redaction on and blocks with it off, in
turn; each test is timed by itself, in processor time. The figures are medians over the rounds of the differences of
each round's lower quartiles: neither a drift nor other work of the machine is in them. Beside them, for the noise, the
same of two blocks with redaction off. A start is a whole process, `--collect-only` of an empty folder, with it on and
off in turn. `--quick` shows in about 3 s that the script works; its figures prove nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from overhead import START_MS, WITH, environment, paired, timed

#: Bound that the project promises for a test that prints nothing, microseconds.
SILENT_US = 50.0

CONFTEST = """
import gc, json, statistics, time
from pathlib import Path
import pytest
from pytest_autorl.guarding import guard_key
from pytest_autorl.private_api import renew

PARTS = ("autorl-redaction", "autorl-test-ids", "autorl-junit")

class Loop:
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        manager, hook = session.config.pluginmanager, session.config.hook
        guard = session.config.stash[guard_key]
        parts = [(name, manager.get_plugin(name)) for name in PARTS]
        kinds = {}
        for item in session.items:
            kinds.setdefault(item.originalname, []).append(item)
        found = {kind: [] for kind in kinds}
        gc.disable()
        for number in range(ROUNDS + 1):
            quartiles = {kind: {} for kind in kinds}
            arms = ("on", "off", "noise")
            for arm in arms if number % 2 else reversed(arms):
                if arm != "on":
                    guard.mode = "off"
                    for name, plugin in parts:
                        manager.unregister(plugin)
                for kind, items in kinds.items():
                    times = []
                    for item, following in zip(items, [*items[1:], items[0]]):
                        begun = time.thread_time_ns()
                        hook.pytest_runtest_protocol(item=item, nextitem=following)
                        times.append(time.thread_time_ns() - begun)
                        renew(item)  # else what it printed would be in its next report again
                    quartiles[kind][arm] = statistics.quantiles(times, n=4)[0] / 1000
                if arm != "on":
                    guard.mode = "on"
                    for name, plugin in parts:
                        manager.register(plugin, name)
                gc.collect()
            if number:  # the first round warms up
                for kind in kinds:
                    found[kind].append(quartiles[kind])
        session._setupstate.teardown_exact(None)
        Path("found.json").write_text(json.dumps(found))
        return True

def pytest_configure(config):
    config.pluginmanager.register(Loop(), "bench-loop")
"""

SUITE = """
import logging
import pytest

@pytest.mark.parametrize("n", range(60))
def test_silent(n): pass

@pytest.mark.parametrize("n", range(60))
def test_prints(n): print("device pixel-8: tapped 'login' after 17 ms, screen is home")

@pytest.mark.parametrize("n", range(60))
def test_logs(n): logging.getLogger("app").warning("device pixel-8: tapped %s after %d ms", "login", 17)
"""

#: Lower quartiles of one round by arm, microseconds.
Round = dict[str, float]


def measure(folder: Path, rounds: int) -> dict[str, list[Round]]:
    """Run the suite; the rounds of each kind of test."""
    (folder / "conftest.py").write_text(f"ROUNDS = {rounds}\n{CONFTEST}")
    (folder / "test_it.py").write_text(SUITE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *WITH, "--autorl-redact", "on"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if not (folder / "found.json").exists():
        raise SystemExit(f"the suite did not come to its end:\n{done.stdout}\n{done.stderr}")
    found: dict[str, list[Round]] = json.loads((folder / "found.json").read_text())
    return found


def tell(name: str, extra: float, of: float, unit: str, bound: float | None = None) -> bool:
    """One line; True within the bound."""
    is_within = bound is None or extra <= bound
    said = "" if bound is None else f"  (bound {bound:g})  {'ok' if is_within else 'OVER'}"
    print(f"{name:<46}{extra:8.2f} {unit} of {of:.0f}{said}")
    return is_within


def tests(folder: Path, rounds: int) -> bool:
    """What it adds to a test, by kind."""
    held = []
    for kind, quartiles in measure(folder, rounds).items():
        off = statistics.median(each["off"] for each in quartiles)
        for arm in ("on", "noise"):
            extra = statistics.median(each[arm] - each["off"] for each in quartiles)
            bound = SILENT_US if (kind, arm) == ("test_silent", "on") else None
            name = f"{kind}: {'redaction adds' if arm == 'on' else 'off beside off'}"
            held.append(tell(name, extra, off, "us", bound))
    return all(held)


def starts(folder: Path, rounds: int) -> bool:
    """What it adds to pytest's start; the bound is that of the plugin as a whole, see `overhead`."""

    def start(mode: str) -> float:
        return 1000 * timed(folder, "--collect-only", *WITH, "--autorl-redact", mode)

    on, off = paired(rounds, lambda: start("on"), lambda: start("off"))
    extra_ms = statistics.median(a - b for a, b in zip(on, off, strict=True))
    return tell("start: redaction adds", extra_ms, statistics.median(off), "ms", START_MS)


def main() -> int:
    """Exit code 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.rounds = options.starts = 1
    held = []
    for part, rounds in ((tests, options.rounds), (starts, options.starts)):
        with tempfile.TemporaryDirectory() as name:
            held.append(part(Path(name), rounds))
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
