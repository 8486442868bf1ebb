"""The capabilities of a session: what everybody says about them, in one mapping.

The one place where the layers meet, and where what nobody states is filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_autorl.farm.drivers.base import AppiumDriver
from pytest_autorl.farm.drivers.builtin import USUAL

#: A parked session idles up to 30 s, and tests pause; Appium's own is 60. Seconds.
NEW_COMMAND_TIMEOUT_S = 300
#: Without a prefix these are the protocol's own, all others are Appium's.
_STANDARD = frozenset(
    {
        "acceptInsecureCerts",
        "browserName",
        "browserVersion",
        "pageLoadStrategy",
        "platformName",
        "proxy",
        "setWindowRect",
        "strictFileInteractability",
        "timeouts",
        "unhandledPromptBehavior",
        "userAgent",
        "webSocketUrl",
    }
)
_OPTIONS = "appium:options"


def full_name(name: str) -> str:
    """The name of a capability with its prefix, as the client sends it.

    >>> full_name("udid"), full_name("browserName"), full_name("goog:chromeOptions")
    ('appium:udid', 'browserName', 'goog:chromeOptions')
    """
    return name if ":" in name or name in _STANDARD else f"appium:{name}"


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The layers as one, the later over the earlier, however each spells a name.

    What stands in `appium:options` stands beside it afterwards: to the server that is the same.
    """
    found: dict[str, Any] = {}
    for layer in layers:
        options: Any = {}
        for name, value in layer.items():
            if full_name(name) == _OPTIONS and isinstance(value, Mapping):
                options = value
            else:
                found[full_name(name)] = value
        # Within one layer they win, as the server has it.
        found.update({full_name(name): value for name, value in options.items()})
    return found


def automation_name(capabilities: Mapping[str, Any]) -> str:
    """The driver that merged capabilities name, or the usual one of their platform; "" when there is none."""
    named = capabilities.get("appium:automationName")
    return str(named) if named else USUAL.get(str(capabilities.get("platformName", "")).lower(), "")


def session_capabilities(
    *,
    platform: str,
    block: Mapping[str, Any],
    app: str,
    device: Mapping[str, Any],
    marker: Mapping[str, Any],
    ports: Sequence[int],
    driver_named: Callable[[str], AppiumDriver],
) -> tuple[dict[str, Any], AppiumDriver]:
    """What a session asks for, and the driver that serves it.

    From the lowest to the highest: what the driver's sessions usually have and the ports of the lease, the device's
    platform, the provider block, the build under test, the device, the marker. A capability that is null is stated,
    too: the client leaves it out.

    Args:
        platform: "" when the device has none.
        app: Path or URL; "" = whatever the capabilities say.
        ports: As many are given out as there are; those whose capability is stated go to the next.
        driver_named: automationName -> driver.
    """
    base = {"platformName": platform} if platform else {}
    named = automation_name(merged(base, block, device, marker))
    driver = driver_named(named)
    build = {"appium:app": app} if app and driver.takes_app else {}
    stated = merged(base, block, build, device, marker)
    filled: dict[str, Any] = {"appium:newCommandTimeout": NEW_COMMAND_TIMEOUT_S, **driver.defaults}
    if named:
        filled["appium:automationName"] = named
    filled.update(zip((name for name in driver.ports if name not in stated), ports, strict=False))
    # A name that is stated as null would be none at all: then the platform's is meant.
    return {**filled, **{k: v for k, v in stated.items() if k != "appium:automationName" or v}}, driver
