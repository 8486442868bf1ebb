"""What the plugin costs a test in a real browser, and whether four at once ever meet on a port.

Needs the real parts (`make real-parts`): Appium with its Chromium driver, and the system's browser. Every ratio is of
this one invocation; absolute times say little on a shared machine.

    python benchmarks/chromium.py [--rounds 20] [--runs 5]

Parts
  cost   the same test in three arms, in random order each round: by hand (plain Appium client, a fixture of its own
         that opens a session for each test), with our `driver` and `reset: session`, and with our default. Each arm
         is a pytest process of its own that runs when it is told to, while the others stand still. Of two tests in a
         row the second counts: a browser that is ended slows down whatever comes next, which has to be the arm's own.
         The ratio of whole tests swings with the browser by far more than the bound. So what is held against the
         bound is the time outside of WebDriver requests, of which each arm makes as many: everything of ours is there.
  ports  runs of `pytest -n 4`, in each of which four tests hold a session in a browser at the same time
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

SUPPORT = Path(__file__).resolve().parents[1] / "tests" / "support"
sys.path.insert(0, str(SUPPORT))

from overhead import WITH, WITHOUT, environment  # noqa: E402

import lab  # noqa: E402
import real_parts  # noqa: E402
from pages import Pages  # noqa: E402
from real_servers import AppiumServer, free_port  # noqa: E402
from web_farm import alone, capabilities, write_web_farm  # noqa: E402

#: Bound that the project promises: our test takes so much of the time of the one by hand.
RATIO = 1.03
#: Longest wait for one test or one run, seconds.
PATIENCE_S = 120.0

BODY = """
    driver.get("{url}/")
    driver.find_element("css selector", "#name").send_keys("Ada")
    driver.find_element("css selector", "#greet").click()
    assert driver.find_element("css selector", "#greeting").text == "Hello Ada"
"""

OURS = f"""
import pytest
@pytest.mark.parametrize("n", range({{count}}))
def test(driver, n):{BODY}
"""

BY_HAND = f"""
import pytest
from appium import webdriver
from appium.options.common import AppiumOptions

@pytest.fixture
def driver():
    options = AppiumOptions().load_capabilities({{capabilities}})
    driver = webdriver.Remote("{{server}}", options=options)
    yield driver
    driver.quit()

@pytest.mark.parametrize("n", range({{count}}))
def test(driver, n):{BODY}
"""

#: Each test waits for its turn, and tells what it took: outermost, so that everything the plugin does is within.
IN_TURN = """
import os, time, pytest
from urllib3.connectionpool import HTTPConnectionPool

answer, asked_s = HTTPConnectionPool.urlopen, []

def urlopen(self, method, url, *args, **options):
    begun_s = time.perf_counter()
    try:
        return answer(self, method, url, *args, **options)
    finally:
        if "/session" in url:  # else it is our own question how the server is
            asked_s.append(time.perf_counter() - begun_s)

HTTPConnectionPool.urlopen = urlopen

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    turn, told = (int(os.environ[name]) for name in ("BENCH_TURN", "BENCH_TOLD"))
    os.read(turn, 1)
    asked_s.clear()
    begun_s = time.perf_counter()
    result = yield
    took_s = time.perf_counter() - begun_s
    os.write(told, f"{took_s} {took_s - sum(asked_s)} {len(asked_s)}\\n".encode())
    return result
"""

MEET = f"""
import os, time, pytest
from pathlib import Path

@pytest.mark.parametrize("n", range(4))
def test(device, n):
    driver = device.driver{BODY}
    here = Path("here")
    here.mkdir(exist_ok=True)
    (here / device.id).write_text(str(device.lease.ports[0]))
    for _ in range(6000):
        if len(list(here.iterdir())) == 4:
            return
        time.sleep(0.01)
    pytest.fail("the four did not meet")
"""


class Took(NamedTuple):
    """What one test took, what of it was not waiting for an answer, and how many answers it waited for."""

    whole_s: float
    own_s: float
    requests: int


class Arm:
    """A pytest process that runs one test at a time, when asked."""

    def __init__(self, folder: Path, source: str, options: Sequence[str]) -> None:
        (folder / "conftest.py").write_text(IN_TURN)
        (folder / "test_it.py").write_text(source)
        theirs, self._turn = os.pipe()
        self._told, also_theirs = os.pipe()
        env = {**environment(), "BENCH_TURN": str(theirs), "BENCH_TOLD": str(also_theirs)}
        self._log = (folder / "output").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *options],
            cwd=folder,
            env=env,
            pass_fds=(theirs, also_theirs),
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        os.close(theirs)
        os.close(also_theirs)

    def second_test(self) -> Took:
        """Run two tests; the second one: set-up, body and teardown."""
        self._test()
        return self._test()

    def _test(self) -> Took:
        os.write(self._turn, b".")
        answer = os.read(self._told, 100).split()
        if not answer:  # the process has ended
            self._fail()
        return Took(float(answer[0]), float(answer[1]), int(answer[2]))

    def end(self) -> None:
        """Its tests are done."""
        try:
            if self._process.wait(PATIENCE_S):
                self._fail()
        finally:
            self._process.kill()

    def _fail(self) -> NoReturn:
        self._process.wait(PATIENCE_S)
        self._log.seek(0)
        raise SystemExit(self._log.read())


def cost(folder: Path, rounds: int, server: str, pages: str) -> bool:
    """Part `cost`; True within the bound."""
    facts = {"url": pages, "server": server, "count": 2 * (rounds + 1)}
    facts["capabilities"] = {**capabilities(), "appium:chromedriverPort": free_port()}
    arms: dict[str, Arm] = {}
    policies: Mapping[str, Mapping[str, Any]] = {"session": {"reset": "session"}, "default": {}}
    for name in ("by hand", *policies):
        (folder / name).mkdir()
        if name in policies:
            write_web_farm(folder / name, [server], count=1, block=policies[name])
        source = OURS if name in policies else BY_HAND
        options = [*WITH, "--autorl-state", "state.db"] if name in policies else [*WITHOUT]
        arms[name] = Arm(folder / name, source.format(**facts), options)
    took: dict[str, list[Took]] = {name: [] for name in arms}
    for number in range(rounds + 1):
        for name in random.sample(list(arms), len(arms)):
            test = arms[name].second_test()
            if number:  # the first round warms up
                took[name].append(test)
    for arm in arms.values():
        arm.end()
    by_hand = took["by hand"]
    whole_ms = 1000 * statistics.median(test.whole_s for test in by_hand)
    print(f"cost: by hand {whole_ms:.0f} ms a test, {by_hand[0].requests} requests, {rounds} rounds")
    held = [tell(name, took[name], by_hand) for name in policies]
    return all(held)


def tell(name: str, ours: Sequence[Took], by_hand: Sequence[Took]) -> bool:
    """One line; True within the bound."""
    pairs = list(zip(ours, by_hand, strict=True))
    low, whole, high = statistics.quantiles([a.whole_s / b.whole_s for a, b in pairs], n=4)
    added_s = statistics.median(a.own_s - b.own_s for a, b in pairs)
    ratio = 1 + added_s / statistics.median(b.whole_s for b in by_hand)
    # Requests that only we make would hide what they cost.
    has_same = all(a.requests == b.requests for a, b in pairs)
    is_within = has_same and ratio <= RATIO
    print(
        f"cost: reset {name:<8} adds {1000 * added_s:.0f} ms: ratio {ratio:.3f} (bound {RATIO}); whole tests "
        f"{whole:.3f}, half of them {low:.3f} to {high:.3f}{'' if has_same else '; other requests'}  "
        f"{'ok' if is_within else 'MISSED'}"
    )
    return is_within


def ports(folder: Path, runs: int, server: AppiumServer, pages: str) -> bool:
    """Part `ports`; True when nothing went wrong."""
    clashes, failures, seen = 0, 0, set[str]()
    begun_s = time.monotonic()
    for number in range(runs):
        here = folder / f"run-{number}"
        here.mkdir()
        write_web_farm(here, [server.url], count=4)
        (here / "test_it.py").write_text(MEET.format(url=pages))
        run = lab.run(here, "-n", "4", state=folder / "state.db")
        output = lab.close(run, patience_s=PATIENCE_S)
        held = [path.read_text() for path in here.glob("here/*")]
        clashes += len(held) - len(set(held))
        seen |= set(held)
        if run.returncode or len(held) != 4:
            failures += 1
            print(output)
    each_s = (time.monotonic() - begun_s) / max(1, runs)
    is_clean = clashes == failures == 0
    print(
        f"ports: {runs} runs of 4 browsers at once: {clashes} port clashes, {failures} failed runs, "
        f"{len(seen)} ports used, {each_s:.1f} s a run  {'ok' if is_clean else 'MISSED'}"
    )
    return is_clean


@contextlib.contextmanager
def stage() -> Iterator[tuple[Path, AppiumServer, str]]:
    """A folder, a server and pages. Ends the script where a real part is missing."""
    absent = [*real_parts.missing(real_parts.Layout(real_parts.TOOLS)), *real_parts.missing_programs()]
    if absent:
        print(f"skipped: {', '.join(absent)} not there; run `make real-parts`")
        sys.exit(int(os.environ.get("AUTORL_REQUIRE_REAL") == "1"))
    with alone(), tempfile.TemporaryDirectory() as name, Pages() as pages:
        folder = Path(name)
        with AppiumServer(log=folder / "server.log", drivers=("chromium",)) as server:
            yield folder, server, pages.url


def main() -> None:
    """Exit code 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20, help="of part cost; 0 leaves it out")
    parser.add_argument("--runs", type=int, default=5, help="of part ports; 0 leaves it out")
    chosen = parser.parse_args()
    held = []
    with stage() as (folder, server, pages):
        if chosen.rounds:
            held.append(cost(folder, chosen.rounds, server.url, pages))
        if chosen.runs:
            held.append(ports(folder, chosen.runs, server, pages))
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
