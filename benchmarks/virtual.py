"""What the virtual devices cost: latency of commands through the real Appium client, memory of the server.

    python benchmarks/virtual.py [--devices 50] [--rounds 200]

Prints medians in milliseconds and as a ratio of a bare `GET /status` on the same server through the same
client (the ratio is what can be compared between machines), then the server's memory with a session on every
device, before and after each has shown a screenshot. Exit code 1 when memory passes the limit of 150 MB.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pytest_autorl.virtual.library import load_app
from pytest_autorl.virtual.process import VirtualServer

LIMIT_MB = 150


def open_session(url: str, device_id: str) -> Any:
    from appium import webdriver
    from appium.options.common import AppiumOptions

    caps = {"platformName": "Android", "appium:automationName": "UiAutomator2", "appium:udid": device_id}
    return webdriver.Remote(command_executor=url, options=AppiumOptions().load_capabilities(caps))


def rss_mb(pid: int) -> float:
    """Resident memory of a process; NaN where there is no /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float("nan")
    found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text(encoding="utf-8"))
    return int(found[1]) / 1024 if found else float("nan")


def medians_ms(steps: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median of each step; the steps take turns, so that a noisy second hits all of them alike."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            taken[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in taken.items()}


def latency(driver: Any, rounds: int) -> None:
    field = driver.find_element("accessibility id", "username")

    def find_click_text() -> None:
        found = driver.find_element("accessibility id", "username")
        found.click()
        _ = found.text

    steps: dict[str, Callable[[], Any]] = {
        "GET /status": driver.get_status,
        "find accessibility id": lambda: driver.find_element("accessibility id", "username"),
        "find xpath": lambda: driver.find_element("xpath", "//*[@content-desc='username']"),
        "find uiautomator": lambda: driver.find_element(
            "-android uiautomator", 'new UiSelector().description("username")'
        ),
        "click": field.click,
        "text": lambda: field.text,
        "send_keys": lambda: field.send_keys("x"),
        "clear": field.clear,
        "rect": lambda: field.rect,
        "find + click + text": find_click_text,
        "page_source": lambda: driver.page_source,
        "screenshot": driver.get_screenshot_as_png,
    }
    medians = medians_ms(steps, rounds)
    base = medians["GET /status"]
    print(f"{'step':<24}{'median ms':>10}{'x status':>10}")
    for name, value in medians.items():
        print(f"{name:<24}{value:>10.2f}{value / base:>10.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=200)
    asked = parser.parse_args()
    specs = [
        {"id": f"d{n}", "app": "bank", "form_factor": "tablet" if n % 3 == 2 else "phone"}
        for n in range(asked.devices)
    ]
    started = time.perf_counter()
    with VirtualServer.start(specs, {"bank": load_app("bank")}) as server:
        print(f"server up in {(time.perf_counter() - started) * 1000:.0f} ms")
        idle_mb = rss_mb(server.pid)
        started = time.perf_counter()
        drivers = [open_session(server.url, spec["id"]) for spec in specs]
        created_ms = (time.perf_counter() - started) * 1000 / len(drivers)
        print(f"{len(drivers)} sessions, {created_ms:.1f} ms each")
        latency(drivers[0], asked.rounds)
        sessions_mb = rss_mb(server.pid)
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(lambda driver: driver.get_screenshot_as_png(), drivers))
        shown_mb = rss_mb(server.pid)
        print(
            f"memory: {idle_mb:.0f} MB idle, {sessions_mb:.0f} MB in use, {shown_mb:.0f} MB with screenshots"
        )
        for driver in drivers:
            driver.quit()
    if shown_mb > LIMIT_MB:
        print(f"over the limit of {LIMIT_MB} MB", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
