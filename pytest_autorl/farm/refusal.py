"""Why a server that is well refused a session: for the sake of its device, or of how it was asked and set up."""

from __future__ import annotations

import re

from pytest_autorl.errors import NoSessionError, SessionRefusedError
from pytest_autorl.farm.drivers.base import AppiumDriver

_CAPABILITIES = (
    r"capabilit(y|ies)\b.{0,90}(not valid|invalid|did not have|must )|could not find matching capabilities"
    r"|can't be blank|must be of type|mutually exclusive|only supports W3C"
)
_APP = (
    r"cannot (fetch|download) the app|new app path|\bapp(lication)?\b.{0,400}(does not exist|not accessible)"
)
_PORT = r"port #?\d* ?is (busy|(already )?(in use|occupied))|EADDRINUSE|address already in use"
_HOST = (
    r"ANDROID_HOME|ANDROID_SDK_ROOT|JAVA_HOME|could not find '?adb|chrome ?binary|unable to find executable|ENOENT"
    r"|no chromedriver|requires.{0,60}(xcode|java)"
)
_SERVER = r"socket hang up|could not proxy command|ECONNRESET|chromedriver (has )?crashed"
_FULL = r"too many|no (free|available) (slot|node|session)|queue (is full|timed? ?out)"

#: What is no device's fault: words of the server's message, and the way out. Appium 3 and its drivers; the first
#: that fits counts.
_NOT_THE_DEVICE = (
    (
        r"could not find a driver|could not find installed driver",
        "{install}; `autorl doctor` lists the drivers",
    ),
    (
        r"potentially insecure feature",
        "start the server with --allow-insecure for this feature, or drop the capability that needs it",
    ),
    (_CAPABILITIES, "mend the capabilities of the provider, the device or the marker"),
    (_APP, "is the path of `app:` or --autorl-app right, as the server sees it?"),
    (
        _PORT,
        "end what listens on this port of the server's host, or take the capability out: free ones are leased",
    ),
    (
        _HOST,
        "install what the server misses on its host; `autorl doctor` and `appium driver doctor {driver}` help",
    ),
    (
        r"unknown (command|method)|requested resource could not be found",
        "is the path of the server's address right (older servers have /wd/hub)?",
    ),
    (
        _SERVER,
        "look at the server's log: what it started for the session has ended, or does not answer",
    ),
    (_FULL, "the server is full: lower `slots`, or wait for others to end"),
)
# Their texts hold words of the others.
_THE_DEVICE = r"connected devices|instrumentation process|device (was )?not found|unknown device"


def refused(message: str, *, url: str, device_id: str, driver: AppiumDriver | None = None) -> NoSessionError:
    """The error for a refused session: a SessionRefusedError when it is the device's.

    Args:
        message: What the server said.
        driver: That was asked for; None when that is not known.
    """
    what = f"{url} refused a session: {message}"
    if not _says(_THE_DEVICE, message):
        for words, do in _NOT_THE_DEVICE:
            if _says(words, message):
                return NoSessionError(what, device_id=device_id, do=_filled(do, driver))
    return SessionRefusedError(what, device_id=device_id, do="look at the device and its capabilities")


def _says(words: str, message: str) -> bool:
    return re.search(words, message, re.IGNORECASE | re.DOTALL) is not None


def _filled(do: str, driver: AppiumDriver | None) -> str:
    package = driver.package if driver is not None else ""
    install = (
        f"run `appium driver install {package}` on the server's host"
        if package
        else ("install the driver that `appium:automationName` names")
    )
    return do.format(install=install, driver=driver.name if driver is not None and driver.name else "DRIVER")
