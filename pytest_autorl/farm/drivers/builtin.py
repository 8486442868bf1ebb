"""The drivers that are known without anybody's doing, and what stands in for one that is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pytest_autorl.farm.drivers.base import AppiumDriver, PlainDriver

# With it the server survives a phone that goes away: without it the clean-up of the session, which comes
# `newCommandTimeout` later, ends the whole Appium process and every other session (Appium 3.8, driver 8.7).
_SURVIVES = {"appium:ignoreHiddenApiPolicyError": True}

UIAUTOMATOR2 = PlainDriver(
    name="uiautomator2",
    ports=("appium:systemPort", "appium:chromedriverPort", "appium:mjpegServerPort"),
    defaults=_SURVIVES,
    log_types=("logcat",),
    package="uiautomator2",
    has_apps=True,
)
ESPRESSO = PlainDriver(
    name="espresso",
    ports=("appium:systemPort",),
    defaults=_SURVIVES,
    log_types=("logcat",),
    package="espresso",
    has_apps=True,
)
XCUITEST = PlainDriver(
    name="xcuitest",
    ports=("appium:wdaLocalPort", "appium:mjpegServerPort", "appium:webkitDebugProxyPort"),
    log_types=("syslog",),
    package="xcuitest",
    has_apps=True,
)
# A session begins with a new browser profile. Nothing less makes it as new: storage, workers, permissions and open
# windows of every page that was visited would have to go, and the browser does not list them.
CHROMIUM = PlainDriver(
    name="chromium",
    ports=("appium:chromedriverPort",),  # else every session asks for 9515, and the second one breaks both
    log_types=("browser", "driver"),
    takes_app=False,
    package="chromium",
)
# It looks for a free port by itself, and its server has no log to ask for.
GECKO = PlainDriver(name="gecko", takes_app=False, package="gecko")
FAKE = PlainDriver(name="fake", log_types=("actions",), package="--source=npm @appium/fake-driver")

BUILT_IN: Mapping[str, AppiumDriver] = {
    driver.name: driver for driver in (UIAUTOMATOR2, ESPRESSO, XCUITEST, CHROMIUM, GECKO, FAKE)
}

#: automationName for a platform, where nobody states one.
USUAL = {"android": "UiAutomator2", "ios": "XCUITest", "tvos": "XCUITest"}

_UNKNOWN = PlainDriver(name="", log_types=("logcat", "syslog", "browser"), has_apps=True)


def generic(name: str) -> AppiumDriver:
    """What is supposed of a driver that nobody has described: it wants no ports."""
    return replace(_UNKNOWN, name=name)
