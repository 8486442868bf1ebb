"""What it costs a test that passes that others, or it itself, may be run again.

    python benchmarks/retries.py [--rounds 40]

One pytest process runs the same no-op tests again and again, blocks of them with our parts for attempts registered and
blocks without, in turn; each test is timed by itself. The figures are differences of lower quartiles over all blocks,
so that neither a start-up nor a drift nor other work of the machine is in them. Arms: a test without the marker beside
tests that have it, a test with it, and a test without it in a suite that has none (where nothing is registered: the
difference is the noise).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

#: Bounds that the project promises, microseconds.
UNMARKED_US, MARKED_US = 5.0, 100.0

CONFTEST = """
import gc, json, statistics, time
from pathlib import Path
import pytest

PARTS = ("autorl-attempt", "autorl-again", "autorl-retries")

class Loop:
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        manager, hook = session.config.pluginmanager, session.config.hook
        parts = [(name, manager.get_plugin(name)) for name in PARTS]
        parts = [(name, plugin) for name, plugin in parts if plugin is not None]
        kinds = {"marked": [], "plain": []}
        for item in session.items:
            kinds["marked" if item.get_closest_marker("retry") else "plain"].append(item)
        times = {(kind, is_on): [] for kind in kinds for is_on in (True, False)}
        gc.disable()
        for number in range(ROUNDS + 1):
            for is_on in ((True, False) if number % 2 else (False, True)):
                for name, plugin in parts if not is_on else ():
                    manager.unregister(plugin)
                for kind, items in kinds.items():
                    for item, following in zip(items, [*items[1:], items[0]] if items else ()):
                        begun = time.perf_counter_ns()
                        hook.pytest_runtest_protocol(item=item, nextitem=following)
                        took = time.perf_counter_ns() - begun
                        if number:
                            times[kind, is_on].append(took)
                for name, plugin in parts if not is_on else ():
                    manager.register(plugin, name)
                gc.collect()
        session._setupstate.teardown_exact(None)
        found = {
            kind: {
                "with_us": statistics.quantiles(times[kind, True], n=4)[0] / 1000,
                "without_us": statistics.quantiles(times[kind, False], n=4)[0] / 1000,
            }
            for kind in kinds
            if times[kind, True]
        }
        Path("found.json").write_text(json.dumps({"parts": [name for name, _ in parts], **found}))
        return True

def pytest_configure(config):
    config.pluginmanager.register(Loop(), "bench-loop")
"""

PLAIN = """
import pytest
@pytest.mark.parametrize("n", range(50))
def test_plain(n): pass
"""
MARKED = """
@pytest.mark.retry
@pytest.mark.parametrize("n", range(50))
def test_marked(n): pass
"""


def measure(folder: Path, suite: str, rounds: int) -> dict[str, dict[str, float]]:
    """Run a suite; the lower quartiles by kind of test, microseconds."""
    folder.mkdir()
    (folder / "conftest.py").write_text(f"ROUNDS = {rounds}\n{CONFTEST}")
    (folder / "test_it.py").write_text(suite)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AUTORL_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_autorl.plugin"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**env, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if not (folder / "found.json").exists():
        raise SystemExit(f"the suite did not come to its end:\n{done.stdout}\n{done.stderr}")
    found: dict[str, dict[str, float]] = json.loads((folder / "found.json").read_text())
    return found


def tell(name: str, found: dict[str, float], bound_us: float | None) -> bool:
    """One line; True within the bound."""
    extra_us = found["with_us"] - found["without_us"]
    ratio = found["with_us"] / found["without_us"]
    is_within = bound_us is None or extra_us <= bound_us
    bound = "" if bound_us is None else f"  (bound {bound_us:g})  {'ok' if is_within else 'OVER'}"
    print(f"{name:<52}{extra_us:8.2f} us of {found['without_us']:.0f}  ratio {ratio:.3f}{bound}")
    return is_within


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        mixed = measure(Path(folder) / "mixed", PLAIN + MARKED, rounds)
        alone = measure(Path(folder) / "alone", PLAIN, rounds)
    if not mixed["parts"] or alone["parts"]:
        raise SystemExit(f"registered where retries are: {mixed['parts']}; where none are: {alone['parts']}")
    held = [
        tell("a test without the marker, beside marked ones", mixed["plain"], UNMARKED_US),
        tell("a test with the marker", mixed["marked"], MARKED_US),
        tell("a test of a suite without markers (noise)", alone["plain"], None),
    ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
