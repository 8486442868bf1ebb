"""How long a suite takes on a farm, for real: by this plugin, and by stock xdist with a pool of file locks.

    python benchmarks/_real_makespan.py [--rounds 3] [--tests 500] [--mean 1.8] [--workers 20] [--quick]

The same generated suite (see `_real_suite`) on the same simulated devices over the real protocol, with as many workers:
by the plugin's own scheduler, with the history of earlier runs in its state; and with `-p no:autorl` and the pool of
`_lock_pool` in each of xdist's modes that are asked for. In one round a test takes equally long for all of them.

The makespan is from the instant at which the last worker has collected to the end of the last test, teardown and all;
the suite itself writes both down, for everybody alike. All workers wait for the last one after collection, as xdist's
own modes have it: ours would begin with the first that is there, and how fast a machine starts twenty interpreters is
no matter of scheduling. The wall clock includes it.

It is compared with two lower bounds. "bound" is that of what the suite asks for, the same for everybody: the seconds
for which the tests sleep, a session for each device, so many workers. What talking to the devices, the plugin and a
busy machine add is no part of it. "own" is that of the rows that a run has written, with all of this in it.

Then the gap between two tests on a device that stays with its worker, at `-n 4`: from one's end to the next's start.

Exit code 1 when a promise is not kept, with as many workers as devices: at most 1.08 of "bound", at least 1.25 times as
fast as the best mode, a gap below 5 ms. With fewer workers, and with `--quick`, which shows in half a minute that the
script works, figures are told and promise nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import _real_suite as real_suite

from pytest_autorl.dispatch.bound import Bay, Work, lower_bound
from pytest_autorl.dispatch.review import Klass, review
from pytest_autorl.farm.config import FarmConfig, load_farm
from pytest_autorl.farm.requirement import Requirement, eligible

_HERE = Path(__file__).resolve().parent
#: What the project promises: makespan over bound, stock's best makespan over ours, median gap in milliseconds.
RATIO, FASTER, GAP_MS = 1.08, 1.25, 5.0
MODES = ("load", "loadscope", "loadfile", "worksteal")
#: Longest time for one run, seconds: nobody waits for one that hangs.
PATIENCE_S = 900.0
_GAP_WORKERS, _GAP_TESTS = 4, 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What one run took. Times in seconds; `setup_share` is of the devices' time.

    Attributes:
        bound_s: The lower bound of what the suite asks for.
        own_bound_s: That of the rows that were written.
    """

    makespan_s: float
    bound_s: float
    own_bound_s: float
    wall_s: float
    setup_share: float
    sessions: int

    @property
    def ratio(self) -> float:
        """Makespan over the bound of what the suite asks for."""
        return self.makespan_s / self.bound_s

    @property
    def own_ratio(self) -> float:
        """Makespan over the bound of the rows."""
        return self.makespan_s / self.own_bound_s


class Bench:
    """A suite in a folder, and the ways of running it."""

    def __init__(self, suite: real_suite.Suite, folder: Path, workers: int) -> None:
        self._suite, self._folder, self._workers = suite, folder, workers
        real_suite.write(suite, folder)
        self._farm = load_farm(folder / "device_farm.yml", {})

    def ours(self, number: int, *options: str) -> Taken:
        """By the plugin. Each round has a state of its own with the same history."""
        place = self._round(number, "ours")
        state, suite = str(place / "state.db"), str(self._folder)
        env = {"SUITE_MEETING": self._meeting(place)}
        learn = ["runs", "import-history", "history.json", "--suite", suite, "--state", state]
        _call(["-m", "pytest_autorl.cli", *learn], self._folder)
        farm = ["--autorl-farm", "device_farm.yml", "--autorl-state", state]
        reports = ["--autorl-reports", str(place / "reports")]
        command = [*_pytest(self._workers), "-p", "pytest_autorl.plugin", *farm, *reports, *options]
        wall_s = _call(command, self._folder, env)
        return self._taken(number, place, _rows(place / "reports" / "trace.jsonl"), wall_s)

    def stock(self, number: int, mode: str) -> Taken:
        """By one of xdist's own modes."""
        place = self._round(number, mode)
        with _server(self._farm) as url:
            env = {"POOL_URL": url, "POOL_FOLDER": str(place), "SUITE_MEETING": self._meeting(place)}
            plugins = ["-p", "no:autorl", "-p", "_lock_pool"]
            wall_s = _call([*_pytest(self._workers), *plugins, "--dist", mode], self._folder, env)
        rows = [row for file in sorted(place.glob("rows-*.jsonl")) for row in _rows(file)]
        return self._taken(number, place, rows, wall_s)

    @staticmethod
    def _meeting(place: Path) -> str:
        """Where the workers wait for each other; beside it they say when they have done."""
        (place / "ends").mkdir()
        meeting = place / "meeting"
        meeting.mkdir()
        return str(meeting)

    def _round(self, number: int, who: str) -> Path:
        place = self._folder.parent / f"{who}-{number}"
        place.mkdir()
        real_suite.write_round(self._suite.round_s(number), self._folder)
        return place

    def _taken(self, number: int, place: Path, rows: Sequence[dict[str, Any]], wall_s: float) -> Taken:
        ran = sorted(row["test"] for row in rows)
        if ran != sorted(self._suite.works_s):
            raise SystemExit(f"{len(ran)} of {len(self._suite.works_s)} tests have a row, or some have two")
        # Either side counts from an instant of its own; only differences matter to the bound of the rows.
        zero_s = min(row["start"] for row in rows)
        rows = [{**row, "start": row["start"] - zero_s, "end": row["end"] - zero_s} for row in rows]
        devices = [device.id for device in self._farm.devices]
        seen = review(rows, self._classes(), devices, workers=self._workers)
        if seen.violations:
            raise SystemExit(f"this is no valid run: {seen.violations[:5]}")
        session_s = self._session_s()
        return Taken(
            makespan_s=_latest(place / "ends") - _latest(place / "meeting"),
            bound_s=self._bound_s(number),
            own_bound_s=seen.bound_s,
            wall_s=wall_s,
            setup_share=seen.setup_share,
            sessions=sum(row["setup"] >= session_s[row["devices"][0]] for row in rows),
        )

    def _classes(self) -> dict[str, Klass]:
        needs = [Requirement.from_marker((), module.need) for module in self._suite.modules]
        return {need.key: Klass(devices=self._fitting(need), count=need.count) for need in needs}

    def _fitting(self, need: Requirement) -> frozenset[str]:
        return frozenset(device.id for device in eligible(self._farm.devices, need))

    def _session_s(self) -> dict[str, float]:
        """What a session takes on each device."""
        return {device.id: float(device.settings["session_seconds"]) for device in self._farm.devices}

    def _bound_s(self, number: int) -> float:
        """The lower bound of a round: its sleeps, and a session for each device."""
        seconds = self._suite.round_s(number)
        works = []
        for module in self._suite.modules:
            need = Requirement.from_marker((), module.need)
            fits = self._fitting(need)
            works += [Work(devices=fits, work_s=seconds[test], count=need.count) for test in module.tests]
        bays = [Bay(id=device, session_s=session_s) for device, session_s in self._session_s().items()]
        return lower_bound(works, bays, workers=self._workers).seconds


def _latest(folder: Path) -> float:
    """The latest of the instants that the workers wrote down, seconds since the epoch."""
    return max(float(file.read_text(encoding="utf-8")) for file in folder.iterdir())


def _pytest(workers: int) -> list[str]:
    return ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "xdist", "-n", str(workers)]


def _call(arguments: Sequence[str], folder: Path, env: dict[str, str] | None = None) -> float:
    """Seconds of one process, with the code beside us. No other plugin takes part, nothing is set from outside."""
    ours = ("AUTORL_", "PYTEST_", "PYTHON", "POOL_", "SUITE_")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    fixed = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": f"{_HERE.parent}{os.pathsep}{_HERE}"}
    command = [sys.executable, *arguments]
    begun_s = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**outside, **fixed, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    if done.returncode:
        tail = "\n".join([*done.stdout.splitlines()[-40:], *done.stderr.splitlines()[-20:]])
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")
    return time.perf_counter() - begun_s


@contextlib.contextmanager
def _server(farm: FarmConfig) -> Iterator[str]:
    """The devices, as the plugin's own provider starts them."""
    from pytest_autorl.farm.providers.virtual import spec
    from pytest_autorl.virtual.library import load_app
    from pytest_autorl.virtual.process import VirtualServer

    specs = [spec(device, app="bank") for device in farm.devices]
    with VirtualServer.start(specs, {"bank": load_app("bank")}) as server:
        yield server.url


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def makespans(given: argparse.Namespace, folder: Path) -> bool:
    """Run the rounds and print the table; whether both promises are kept."""
    suite = real_suite.generate(tests=given.tests, mean_s=given.mean, seed=given.seed)
    place = folder / "suite"
    place.mkdir()
    bench = Bench(suite, place, given.workers)
    print(
        f"{len(suite.works_s)} tests in {len(suite.modules)} modules, {given.mean:g} s each on average; "
        f"{real_suite.DEVICES} devices, -n {given.workers}; median of {given.rounds}"
    )
    print(
        f"{'who':<12}{'makespan s':>12}{'bound s':>10}{'ratio':>8}{'own s':>10}{'ratio':>8}{'set-up':>8}"
        f"{'sessions':>10}{'wall s':>9}"
    )
    taken: dict[str, list[Taken]] = {}
    for number in range(given.rounds):
        # Everybody has its turn in each round: a machine that is busy for a while is so for all.
        taken.setdefault("autorl", []).append(bench.ours(number))
        for mode in given.modes:
            taken.setdefault(mode, []).append(bench.stock(number, mode))
    for who, runs in taken.items():
        print(
            f"{who:<12}{_median(runs, 'makespan_s'):>12.2f}{_median(runs, 'bound_s'):>10.2f}"
            f"{_median(runs, 'ratio'):>8.3f}{_median(runs, 'own_bound_s'):>10.2f}"
            f"{_median(runs, 'own_ratio'):>8.3f}{_median(runs, 'setup_share'):>8.1%}"
            f"{_median(runs, 'sessions'):>10.0f}{_median(runs, 'wall_s'):>9.1f}",
            flush=True,
        )
    ratio = _median(taken["autorl"], "ratio")
    is_met = tell("makespan / bound", f"{ratio:.3f}", ratio <= RATIO, f"at most {RATIO:g}")
    own = _median(taken["autorl"], "own_ratio")
    tell("makespan / own bound, told only", f"{own:.3f}", own <= RATIO, f"at most {RATIO:g}")
    if given.modes:
        best = min(given.modes, key=lambda mode: _median(taken[mode], "makespan_s"))
        pairs = zip(taken[best], taken["autorl"], strict=True)
        faster = statistics.median(stock.makespan_s / ours.makespan_s for stock, ours in pairs)
        name = f"faster than --dist {best}"
        is_met &= tell(name, f"{faster:.2f} x", faster >= FASTER, f"at least {FASTER:g} x")
    return is_met


def _median(runs: Sequence[Taken], name: str) -> float:
    return float(statistics.median(getattr(taken, name) for taken in runs))


def gaps(folder: Path, tests: int) -> bool:
    """Print the gap between two tests on a device that its worker keeps; whether its median holds the aim."""
    place = folder / "gaps"
    place.mkdir()
    real_suite.write_trivial([tests] * _GAP_WORKERS, place)
    options = ["--autorl-farm", f"virtual:{_GAP_WORKERS}", "--autorl-state", str(place / "state.db")]
    (place / "meeting").mkdir()
    (place / "ends").mkdir()
    env = {"SUITE_MEETING": str(place / "meeting")}
    _call([*_pytest(_GAP_WORKERS), "-p", "pytest_autorl.plugin", *options], place, env)
    last: dict[str, dict[str, Any]] = {}
    found_ms = []
    for row in sorted(_rows(place / "reports" / "trace.jsonl"), key=lambda row: row["start"]):
        (device,) = row["devices"]
        before = last.get(device)
        if before is not None and before["worker"] == row["worker"]:
            found_ms.append((row["start"] - before["end"]) * 1000)
        last[device] = row
    found_ms.sort()
    p50, p99 = found_ms[len(found_ms) // 2], found_ms[int(len(found_ms) * 0.99)]
    words = f"{p50:.2f} ms, p99 {p99:.2f} ms of {len(found_ms)}"
    return tell(
        f"gap on a parked device, -n {_GAP_WORKERS}", words, p50 < GAP_MS, f"median below {GAP_MS:g} ms"
    )


def tell(name: str, value: str, is_met: bool, bound: str) -> bool:
    """One verdict, which counts for the exit code."""
    print(f"{name:<32}{value:>10} ({bound})  {'ok' if is_met else 'MISSED'}", flush=True)
    return is_met


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tests", type=int, default=500)
    parser.add_argument("--mean", type=float, default=1.8, help="seconds of a test")
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--modes", nargs="*", choices=MODES, default=list(MODES), help="of stock xdist")
    parser.add_argument(
        "--keep", metavar="DIR", type=Path, help="keep suite, traces and pages in this new folder"
    )
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    gap_tests = _GAP_TESTS
    if given.quick:
        given.rounds, given.tests, given.mean, given.workers = 1, 30, 0.1, 4
        given.modes, gap_tests = ["worksteal"], 10
    with contextlib.ExitStack() as stack:
        if given.keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="autorl-makespan-")))
        else:
            folder = given.keep.resolve()
            folder.mkdir(parents=True)
        is_met = makespans(given, folder)
        is_met &= gaps(folder, gap_tests)
    if given.quick or given.workers < real_suite.DEVICES:
        print(
            "the promises are for as many workers as devices and the whole suite: these figures are told only"
        )
        return 0
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
