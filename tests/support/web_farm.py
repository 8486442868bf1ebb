"""A farm of browsers: the system's Chromium behind real Appium servers, each browser a device."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from real_parts import BROWSER, CHROMEDRIVER, missing_programs
from real_servers import require_real

#: Only pages of our own are loaded: no sandbox is needed, and root and containers have none.
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Nobody else on this machine works with such a farm as long as the block.

    Two states know nothing of each other's ports; and eight browsers at once are more than two cores can bear.
    """
    path = Path(tempfile.gettempdir()) / f"autorl-browsers-{os.getuid()}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def capabilities() -> dict[str, Any]:
    """Of a session in the system's browser. Skips or fails the test where there is none."""
    absent = missing_programs([BROWSER, CHROMEDRIVER])
    if absent:
        require_real("browser", f"{', '.join(absent)} is not installed; run `make real-parts`")
    return {
        "platformName": "mac" if sys.platform == "darwin" else "linux",
        "browserName": "chrome",
        "appium:automationName": "Chromium",
        "appium:executable": CHROMEDRIVER.path,
        "goog:chromeOptions": {"binary": BROWSER.path, "args": [*ARGUMENTS]},
    }


def write_web_farm(
    folder: Path, urls: Sequence[str], *, count: int, block: Mapping[str, Any] | None = None, **policies: Any
) -> Path:
    """A farm file with devices web-1, web-2, ... behind these servers.

    Args:
        block: More keys of the provider block.
        policies: More keys of the file.
    """
    servers: dict[str, Any] = {"url": urls[0]} if len(urls) == 1 else {"urls": list(urls)}
    device = {"id": "web", "provider": "browsers", "platform": "web", "count": count}
    farm = {
        **policies,
        "providers": {"browsers": {"type": "appium", **servers, **(block or {})}},
        "devices": [{**device, "capabilities": capabilities()}],
    }
    path = folder / "device_farm.yml"
    path.write_text(json.dumps(farm, indent=2))
    return path
