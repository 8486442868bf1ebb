"""Why a server that is well refused a session: for the sake of its device, or of how it was asked and set up.

What its message means the table of messages says, `resilience.rules_messages`; here are the ways out.
"""

from __future__ import annotations

from typing import Final

from pytest_autorl.errors import NoSessionError, SessionRefusedError
from pytest_autorl.farm.drivers.base import AppiumDriver

_LOOK_AT_LOG: Final = (
    "look at the server's log: what it started for the session has ended, or does not answer"
)
_DOCTOR: Final = (
    "install what the server misses on its host; `autorl doctor` and `appium driver doctor {driver}` help"
)
#: The way out by the rule that has told what the message means.
WAYS_OUT: Final = {
    "appium: no such driver": "{install}; `autorl doctor` lists the drivers",
    "appium: feature not allowed": (
        "start the server with --allow-insecure for this feature, or drop the capability that needs it"
    ),
    "webdriver: capabilities": "mend the capabilities of the provider, the device or the marker",
    "webdriver: browser profile in use": "let each session have a profile of its own: take --user-data-dir out",
    "webdriver: driver and browser do not fit": "install a driver on the server's host that fits the browser",
    "webdriver: wrong address": "is the path of the server's address right (older servers have /wd/hub)?",
    "webdriver: port in use": (
        "end what listens on this port of the server's host, or take the capability out: free ones are leased"
    ),
    "webdriver: server full": "the server is full: lower `slots`, or wait for others to end",
    "webdriver: server's disk full": "make room on the disk of the server's host",
    "webdriver: host lacks something": _DOCTOR,
    "webdriver: local driver": _DOCTOR,
    "appium: Xcode or Java missing": _DOCTOR,
    "appium: app not found": "is the path of `app:` or --autorl-app right, as the server sees it?",
    "appium: no such activity": "is the activity that the capabilities name one of this app?",
    "appium: app cannot be installed": "is the app whole, signed, and built for such a device?",
}
#: The same by the domain of the verdict, for all other rules.
_WAYS_OUT_BY_DOMAIN: Final = {
    "device": "look at the device and its capabilities",
    "server": _LOOK_AT_LOG,
    "farm": "mend how the session is asked for, or how its server is set up",
    "app": "look at the app, and at the log of the device",
    "test": "look at how the session is asked for, and at the server's log",
}


def refused(message: str, *, url: str, device_id: str, driver: AppiumDriver | None = None) -> NoSessionError:
    """The error for a refused session: a SessionRefusedError when it is the device's.

    It is classified as it was judged here, since there is one table for both.

    Args:
        message: What the server said.
        driver: That was asked for; None when that is not known.
    """
    from pytest_autorl.resilience.classify import classify_error
    from pytest_autorl.resilience.symptoms import REFUSED

    what = f"{url}{REFUSED}: {message}"
    info = classify_error(SessionRefusedError(what))
    domain = info.domain.value
    kind = SessionRefusedError if domain == "device" else NoSessionError
    do = WAYS_OUT.get(info.rule, _WAYS_OUT_BY_DOMAIN[domain])
    return kind(what, device_id=device_id, do=_filled(do, driver))


def _filled(do: str, driver: AppiumDriver | None) -> str:
    package = driver.package if driver is not None else ""
    install = (
        f"run `appium driver install {package}` on the server's host"
        if package
        else ("install the driver that `appium:automationName` names")
    )
    return do.format(install=install, driver=driver.name if driver is not None and driver.name else "DRIVER")
