"""A suite of device tests, its farm and its history, made from a seed. Pure but for `write`.

Twenty simulated devices of nested classes; each module of tests belongs to one class. A test talks to its device
through the Appium client and sleeps for the rest of its time; times are those of a real suite (median 25 s, sessions
of 9 and 25 s), scaled down. The history holds what five earlier runs would have taught; one test in twenty is new.
"""

from __future__ import annotations

import json
import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Word, how many, facts.
SHELF: tuple[tuple[str, int, Mapping[str, str]], ...] = (
    ("a11", 4, {"platform": "android", "os_version": "11"}),
    ("a12", 3, {"platform": "android", "os_version": "12"}),
    ("a13", 3, {"platform": "android", "os_version": "13"}),
    ("a14", 2, {"platform": "android", "os_version": "14"}),
    ("tab13", 2, {"platform": "android", "os_version": "13", "form_factor": "tablet"}),
    ("i16", 3, {"platform": "ios", "os_version": "16"}),
    ("i17", 3, {"platform": "ios", "os_version": "17"}),
)
DEVICES = sum(count for _, count, _ in SHELF)
#: Share of the tests, keywords of the marker `device`.
KINDS: tuple[tuple[float, Mapping[str, Any]], ...] = (
    (0.30, {"platform": "android"}),
    (0.20, {"platform": "android", "os_version": ">=13"}),
    (0.10, {"form_factor": "tablet"}),
    (0.30, {"platform": "ios"}),
    (0.10, {}),
)
#: Of a real suite, seconds: mean time of a test, and what a session costs.
MEAN_S, SESSION_S = 34.0, {"android": 9.0, "ios": 25.0}
#: Spread of times: between modules, within one, between two runs of one test.
_BETWEEN, _WITHIN, _NOISE = 0.45, 0.66, 0.15
_RUNS, _IS_NEW = 5, 0.05
_IS_OUTLIER, _OUTLIER = 0.02, (1.5, 3.0)

CONFTEST = """
import json, os, time
from pathlib import Path
# Page objects would import the client too: before the first test, not within it.
import appium.webdriver
import appium.options.common
import pytest

_SECONDS = json.loads(Path(__file__).with_name("seconds.json").read_text())

@pytest.fixture
def work(request):
    return lambda: time.sleep(_SECONDS[request.node.nodeid])

@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish():
    # All workers begin at one instant, so that starting them is not measured.
    worker, folder = os.environ.get("PYTEST_XDIST_WORKER"), Path(os.environ["SUITE_MEETING"])
    if worker is None:
        return
    (folder / worker).write_text(repr(time.time()))
    late_s = time.monotonic() + 120
    while len(list(folder.iterdir())) < int(os.environ["PYTEST_XDIST_WORKER_COUNT"]):
        if time.monotonic() > late_s:
            raise pytest.UsageError("the other workers did not come")
        time.sleep(0.005)

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    # When the last test of each worker was over, teardown and all, whoever runs the suite.
    result = yield
    folder = Path(os.environ["SUITE_MEETING"]).with_name("ends")
    (folder / os.environ["PYTEST_XDIST_WORKER"]).write_text(repr(time.time()))
    return result
"""
MODULE = """
import pytest

{mark}
@pytest.mark.parametrize("case", range({count}))
def test_app(driver, work, case):
    field = driver.find_element("accessibility id", "username")
    work()
    assert field.is_displayed()
"""
TRIVIAL = """
import pytest

@pytest.mark.parametrize("case", range({count}))
def test_trivial(driver, case):
    pass
"""
INI = "[pytest]\nmarkers = device: what the test needs\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """A file of tests of one need. `works_s`: what each of its tests takes on average, seconds."""

    name: str
    need: Mapping[str, Any]
    works_s: tuple[float, ...]

    @property
    def tests(self) -> list[str]:
        """Node ids."""
        return [f"{self.name}.py::test_app[{number}]" for number in range(len(self.works_s))]


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """The modules in the order of collection; `scale`: seconds here for each second of a real suite."""

    modules: tuple[Module, ...]
    scale: float
    seed: int

    @property
    def works_s(self) -> dict[str, float]:
        """What each test takes on average, seconds."""
        return {
            test: work_s
            for module in self.modules
            for test, work_s in zip(module.tests, module.works_s, strict=True)
        }

    def round_s(self, number: int) -> dict[str, float]:
        """What each test takes in a run of this number: the same for all who run it."""
        chance = random.Random(f"{self.seed}/round/{number}")
        return {test: work_s * _noise(chance) for test, work_s in self.works_s.items()}

    def history_s(self) -> dict[str, float]:
        """Median of earlier runs; new tests have none."""
        chance = random.Random(f"{self.seed}/history")
        return {
            test: round(statistics.median(work_s * _noise(chance) for _ in range(_RUNS)), 6)
            for test, work_s in self.works_s.items()
            if chance.random() >= _IS_NEW
        }

    def farm(self) -> dict[str, Any]:
        """The farm file as plain data."""
        devices = []
        for word, count, facts in SHELF:
            settings = {"session_seconds": round(SESSION_S[facts["platform"]] * self.scale, 3)}
            device = {"id": word, "provider": "virtual", "form_factor": "phone", **facts, "count": count}
            devices.append({**device, "virtual": settings})
        return {"version": 1, "devices": devices}


def generate(*, tests: int, mean_s: float, seed: int) -> Suite:
    """A suite of so many tests, each taking so long on average."""
    chance = random.Random(f"{seed}/suite")
    made: list[tuple[Mapping[str, Any], list[float]]] = []
    for share, need in KINDS:
        left = round(tests * share)
        while left:
            count = min(left, 1 + int(chance.expovariate(1 / 10)))
            level = chance.gauss(0.0, _BETWEEN)
            made.append((need, [level + chance.gauss(0.0, _WITHIN) for _ in range(count)]))
            left -= count
    chance.shuffle(made)
    scale = mean_s / MEAN_S
    # Whatever was drawn, the mean is what was asked for: suites of several seeds take about as long.
    drawn = [_exp(level) for _, levels in made for level in levels]
    factor = mean_s / statistics.fmean(drawn)
    modules = tuple(
        Module(name=f"test_m{number:03}", need=need, works_s=tuple(_exp(level) * factor for level in levels))
        for number, (need, levels) in enumerate(made)
    )
    return Suite(modules=modules, scale=scale, seed=seed)


def write(suite: Suite, folder: Path) -> None:
    """Write the files of the suite; `write_round` completes it."""
    from yaml import safe_dump

    _write_common(folder)
    (folder / "device_farm.yml").write_text(safe_dump(suite.farm(), sort_keys=False), encoding="utf-8")
    (folder / "history.json").write_text(json.dumps(suite.history_s()), encoding="utf-8")
    for module in suite.modules:
        words = ", ".join(f"{name}={value!r}" for name, value in module.need.items())
        text = MODULE.format(mark=f"@pytest.mark.device({words})", count=len(module.works_s))
        (folder / f"{module.name}.py").write_text(text, encoding="utf-8")


def write_round(seconds: Mapping[str, float], folder: Path) -> None:
    """Say how long each test takes in the next run."""
    (folder / "seconds.json").write_text(json.dumps(seconds), encoding="utf-8")


def write_trivial(modules: Sequence[int], folder: Path) -> None:
    """A suite of tests that do nothing but have a device: so many in each module."""
    _write_common(folder)
    write_round({}, folder)
    for number, count in enumerate(modules):
        (folder / f"test_t{number:03}.py").write_text(TRIVIAL.format(count=count), encoding="utf-8")


def _write_common(folder: Path) -> None:
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "pytest.ini").write_text(INI, encoding="utf-8")


def _exp(level: float) -> float:
    return min(math.exp(level), 20.0)


def _noise(chance: random.Random) -> float:
    factor = chance.lognormvariate(0.0, _NOISE)
    return factor * chance.uniform(*_OUTLIER) if chance.random() < _IS_OUTLIER else factor
