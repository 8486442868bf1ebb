"""What the plugin costs: at pytest's start, on a test that asks for nothing, on a test with a device.

Every figure is paired: both arms run in turn in this one invocation, round after round, and the printed ratios
and differences are medians over the rounds. Absolute times say little on a shared machine.

    python benchmarks/overhead.py [--rounds 10]

Arms
  start   `pytest --collect-only` on an empty folder, with the plugin and with `-p no:autorl`
  no-op   N tests `def test(): pass`, with and without; the slope over two N takes the start out
  device  the same test over a virtual device: with our `driver`, and by hand with the Appium client, both with
          one session for the whole run and an app reset before each test
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

HEAVY = (
    "appium",
    "selenium",
    "pydantic",
    "prometheus_client",
    "cryptography",
    "allure",
    "PIL",
    "structlog",
    "yaml",
)
#: Bounds that the project promises.
START_MS, NO_OP_US, DEVICE_MS = 20.0, 30.0, 3.0


def environment() -> dict[str, str]:
    """No other plugin takes part, nothing is set from outside, and bytecode is kept, as on a user's machine."""
    ours = ("AUTORL_", "PYTEST_", "PYTHON")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**env, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def timed(folder: Path, *options: str) -> float:
    """Seconds of one pytest process."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    took = time.perf_counter() - started
    if done.returncode not in (0, 5):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return took


WITH = ("-p", "pytest_autorl.plugin")
WITHOUT = ()


def paired(
    rounds: int, one: Callable[[], float], other: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Both arms in turn; the order changes each round, so that a drift hits both."""
    firsts, seconds = [], []
    for number in range(rounds + 1):
        if number % 2:
            a, b = one(), other()
        else:
            b, a = other(), one()
        if number:  # the first round warms up
            firsts.append(a)
            seconds.append(b)
    return firsts, seconds


def tell(name: str, value: float, unit: str, bound: float, ratio: float) -> bool:
    """One line; True within the bound."""
    is_within = value <= bound
    print(
        f"{name:<46}{value:8.2f} {unit}  (bound {bound:g})  ratio {ratio:.3f}  {'ok' if is_within else 'OVER'}"
    )
    return is_within


def start(folder: Path, rounds: int) -> bool:
    """Loading the plugin."""
    with_it, without = paired(
        rounds,
        lambda: timed(folder, "--collect-only", *WITH),
        lambda: timed(folder, "--collect-only", *WITHOUT),
    )
    extra_ms = 1000 * statistics.median(a - b for a, b in zip(with_it, without, strict=True))
    ratio = statistics.median(a / b for a, b in zip(with_it, without, strict=True))
    is_within = tell("start: added to --collect-only of nothing", extra_ms, "ms", START_MS, ratio)
    script = (
        "import sys, pytest; pytest.main(['--collect-only', '-q', '-p', 'pytest_autorl.plugin'], plugins=[]);"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = next(line for line in done.stdout.splitlines() if line.startswith("LOADED"))
    print(f"start: heavy modules loaded: {loaded.removeprefix('LOADED ')}")
    return is_within and loaded == "LOADED []"


def no_op(folder: Path, rounds: int) -> bool:
    """A test that asks for nothing."""
    few, many = 200, 4200

    def slope(options: tuple[str, ...]) -> float:
        times = []
        for count in (few, many):
            file = folder / f"test_{count}.py"
            file.write_text(
                f"import pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test(n): pass\n"
            )
            times.append(timed(folder, file.name, *options))
        return (times[1] - times[0]) / (many - few)

    held = []
    for name, options in (("", WITH), (", beside a farm", (*WITH, "--autorl-farm", "virtual:4"))):
        with_it, without = paired(rounds, partial(slope, options), partial(slope, WITHOUT))
        extra_us = 1e6 * statistics.median(a - b for a, b in zip(with_it, without, strict=True))
        ratio = statistics.median(a / b for a, b in zip(with_it, without, strict=True))
        held.append(tell(f"no-op: added to a plain test{name}", extra_us, "us", NO_OP_US, ratio))
    return all(held)


BODY = """
    driver.find_element("accessibility id", "username").send_keys("demo")
    assert driver.find_element("accessibility id", "username").text == "demo"
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

@pytest.fixture(scope="session")
def session():
    caps = {{{{"platformName": "Android", "appium:automationName": "UiAutomator2"}}}}
    driver = webdriver.Remote("{{url}}", options=AppiumOptions().load_capabilities(caps))
    yield driver
    driver.quit()

@pytest.fixture
def driver(session):
    session.execute_script("autorl: reset", {{{{"policy": "app", "backend": True}}}})
    return session

@pytest.mark.parametrize("n", range({{count}}))
def test(driver, n):{BODY}
"""


def device(folder: Path, rounds: int) -> bool:
    """A test with a device, per test, the start taken out by two sizes."""
    from pytest_autorl.virtual.library import load_app
    from pytest_autorl.virtual.process import VirtualServer

    few, many = 5, 105
    spec = {"id": "by-hand", "platform": "android", "os_version": "14", "form_factor": "phone", "model": "m"}
    server = VirtualServer.start([{**spec, "app": "bank", "settings": {}}], {"bank": load_app("bank")})

    def slope(template: str, options: tuple[str, ...]) -> float:
        times = []
        for count in (few, many):
            file = folder / "test_device.py"
            file.write_text(template.format(count=count, url=server.url))
            times.append(timed(folder, file.name, *options))
        return (times[1] - times[0]) / (many - few)

    try:
        ours, by_hand = paired(
            rounds,
            lambda: slope(OURS, (*WITH, "--autorl-farm", "virtual:1")),
            lambda: slope(BY_HAND, WITHOUT),
        )
    finally:
        server.stop()
    extra_ms = 1000 * statistics.median(a - b for a, b in zip(ours, by_hand, strict=True))
    ratio = statistics.median(a / b for a, b in zip(ours, by_hand, strict=True))
    print(f"device: by hand {1000 * statistics.median(by_hand):.2f} ms a test")
    return tell("device: added to the same test by hand", extra_ms, "ms", DEVICE_MS, ratio)


def main() -> None:
    """Exit code 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    held = []
    for part in (start, no_op, device):
        with tempfile.TemporaryDirectory() as name:
            held.append(part(Path(name), rounds))
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
