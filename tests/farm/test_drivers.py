"""Appium drivers: which ports and capabilities their sessions get, and how others add one."""

from __future__ import annotations

from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.errors import DeviceProviderError
from pytest_autorl.farm import drivers
from pytest_autorl.farm.drivers import PlainDriver
from pytest_autorl.farm.drivers.builtin import BUILT_IN
from pytest_autorl.farm.drivers.capabilities import automation_name, full_name, merged, session_capabilities
from pytest_autorl.farm.drivers.registry import GROUP, choose

pytestmark = pytest.mark.unit

OURS = PlainDriver(name="flutter", ports=("appium:flutterServerPort",), defaults={"appium:x": 1})
NOT_A_DRIVER = SimpleNamespace(ports="appium:one", log_types=(), takes_app=True, package="", defaults={})


class Flutter(PlainDriver):
    """A driver as a class."""

    def __init__(self) -> None:
        super().__init__(name="flutter", ports=("appium:a", "appium:b"))


class Named(Distribution):
    """A distribution of which only the name is known."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def read_text(self, filename: str) -> str | None:
        return None

    def locate_file(self, path: Any) -> Any:
        return Path(path)


def point(name: str, value: str, distribution: str = "appium-extras") -> EntryPoint:
    made = EntryPoint(name=name, value=value, group=GROUP)
    vars(made)["dist"] = Named(distribution)
    return made


def session(
    *,
    platform: str = "android",
    block: dict[str, Any] | None = None,
    device: dict[str, Any] | None = None,
    marker: dict[str, Any] | None = None,
    app: str = "",
    ports: tuple[int, ...] = (20000, 20001, 20002, 20003, 20004),
) -> dict[str, Any]:
    return session_capabilities(
        platform=platform,
        block=block or {},
        app=app,
        device=device or {},
        marker=marker or {},
        ports=ports,
        driver_named=lambda name: choose(name, ()),
    )[0]


# -- the registry


def test_built_in_drivers_need_no_installed_metadata() -> None:
    assert choose("UiAutomator2", ()).ports[0] == "appium:systemPort"
    assert choose("CHROMIUM", ()).ports == ("appium:chromedriverPort",)
    assert set(BUILT_IN) == {"uiautomator2", "espresso", "xcuitest", "chromium", "gecko", "fake"}


def test_a_driver_that_nobody_describes_wants_no_ports() -> None:
    found = choose("Mac2", ())

    assert (found.name, tuple(found.ports), dict(found.defaults)) == ("mac2", (), {})


@pytest.mark.parametrize("value", [f"{__name__}:OURS", f"{__name__}:Flutter"])
def test_others_add_a_driver_as_an_object_or_a_class(value: str) -> None:
    assert choose("Flutter", [point("flutter", value)]).name == "flutter"


def test_a_driver_of_others_goes_before_a_built_in_one() -> None:
    points = [
        point("chromium", "pytest_autorl.farm.drivers.builtin:CHROMIUM", "pytest-autorl"),
        point("chromium", f"{__name__}:OURS"),
    ]

    assert choose("Chromium", points) is OURS


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no.such.module:driver", "ModuleNotFoundError"),
        (f"{__name__}:missing", "AttributeError"),
        (f"{__name__}:NOT_A_DRIVER", "TypeError: ports is no tuple"),
    ],
)
def test_a_broken_one_is_named_with_its_package_and_only_when_it_is_asked_for(value: str, why: str) -> None:
    points = [point("flutter", value)]

    assert choose("UiAutomator2", points).name == "uiautomator2"
    with pytest.raises(DeviceProviderError, match=r"the Appium driver flutter of appium-extras") as caught:
        choose("Flutter", points)

    assert why in str(caught.value)
    assert caught.value.do == "update or uninstall appium-extras"


def test_two_packages_that_describe_one_driver_are_both_named() -> None:
    points = [point("flutter", f"{__name__}:OURS", "b"), point("Flutter", f"{__name__}:Flutter", "a")]

    with pytest.raises(DeviceProviderError, match="described by a and b"):
        choose("flutter", points)


def test_what_the_project_registers_is_what_it_has() -> None:
    """Where the installed metadata knows the group at all: an older editable install does not."""
    ours = [each for each in entry_points(group=GROUP) if each.value.startswith("pytest_autorl.")]

    for each in ours:
        assert each.load() is BUILT_IN[each.name]
    assert drivers.find("xcuitest") is BUILT_IN["xcuitest"]


# -- the capabilities of a session


def test_a_bare_android_device_gets_driver_ports_and_time_out() -> None:
    assert session() == {
        "platformName": "android",
        "appium:automationName": "UiAutomator2",
        "appium:newCommandTimeout": 300,
        "appium:ignoreHiddenApiPolicyError": True,
        "appium:systemPort": 20000,
        "appium:chromedriverPort": 20001,
        "appium:mjpegServerPort": 20002,
    }


@pytest.mark.parametrize(
    ("platform", "names"),
    [
        ("ios", ["appium:wdaLocalPort", "appium:mjpegServerPort", "appium:webkitDebugProxyPort"]),
        ("web", []),
        ("", []),
    ],
)
def test_ports_are_those_of_the_platforms_driver(platform: str, names: list[str]) -> None:
    made = session(platform=platform)

    assert [name for name, value in made.items() if value in range(20000, 20005)] == names
    assert made.get("platformName", "") == platform


def test_a_marker_that_names_another_driver_gets_that_ones_ports() -> None:
    made = session(marker={"automationName": "Espresso"})

    assert (made["appium:automationName"], made["appium:systemPort"]) == ("Espresso", 20000)
    assert "appium:mjpegServerPort" not in made


def test_what_is_stated_wins_from_block_to_device_to_marker_however_it_is_spelled() -> None:
    made = session(
        block={"appium:newCommandTimeout": 1, "noReset": True, "appium:app": "block.apk"},
        device={"newCommandTimeout": 2, "appium:systemPort": 8201, "appium:udid": "x"},
        marker={"appium:newCommandTimeout": 3, "ignoreHiddenApiPolicyError": False},
        app="build.apk",
    )

    assert made["appium:newCommandTimeout"] == 3
    assert made["appium:noReset"] is True
    assert made["appium:app"] == "build.apk"
    assert made["appium:ignoreHiddenApiPolicyError"] is False
    assert (made["appium:systemPort"], made["appium:chromedriverPort"]) == (8201, 20000)
    assert not any(":" not in name and name != "platformName" for name in made)


@pytest.mark.parametrize("ports", [(), (20000,)])
def test_with_fewer_ports_than_wanted_the_rest_is_left_to_the_driver(ports: tuple[int, ...]) -> None:
    made = session(ports=ports)

    assert [name for name in made if name.endswith("Port")] == ["appium:systemPort"][: len(ports)]


def test_what_stands_in_appium_options_is_stated_too() -> None:
    made = session(
        device={"appium:options": {"automationName": "Espresso", "systemPort": 9, "appium:udid": "u"}}
    )

    assert (made["appium:automationName"], made["appium:systemPort"], made["appium:udid"]) == (
        "Espresso",
        9,
        "u",
    )
    assert "appium:options" not in made


def test_a_browser_is_given_no_app() -> None:
    browser = {"appium:automationName": "Chromium", "browserName": "chrome"}

    assert "appium:app" not in session(device=browser, app="bank.apk")
    assert session(device={**browser, "appium:app": "stated"}, app="bank.apk")["appium:app"] == "stated"


def test_null_takes_a_capability_out() -> None:
    made = session(device={"appium:systemPort": None, "appium:newCommandTimeout": None})

    assert made["appium:systemPort"] is made["appium:newCommandTimeout"] is None
    assert made["appium:chromedriverPort"] == 20000


def test_the_driver_is_the_stated_one_else_that_of_the_platform() -> None:
    assert automation_name({"platformName": "Android"}) == "UiAutomator2"
    assert automation_name({"platformName": "iOS", "appium:automationName": "Safari"}) == "Safari"
    assert automation_name({"platformName": "web"}) == automation_name({}) == ""


NAMES = st.sampled_from(
    ["udid", "appium:udid", "systemPort", "appium:systemPort", "browserName", "automationName", "vendor:x"]
)
LAYERS = st.lists(st.dictionaries(NAMES, st.sampled_from(["a", "Espresso", 7])), min_size=3, max_size=3)


@given(LAYERS, st.lists(st.integers(20000, 29999), unique=True, max_size=5))
def test_nothing_that_is_stated_is_ever_replaced_and_no_port_is_given_twice(
    layers: list[dict[str, Any]], ports: list[int]
) -> None:
    block, device, marker = layers

    made = session(block=block, device=device, marker=marker, ports=tuple(ports))

    for name, value in merged(block, device, marker).items():
        assert made[name] == value
    given_out = [value for name, value in made.items() if name.endswith("Port") and value in ports]
    assert len(given_out) == len(set(given_out))


@given(st.text(max_size=20))
def test_a_full_name_stays_as_it_is(name: str) -> None:
    assert full_name(full_name(name)) == full_name(name)


# -- the app, as new


class Client:
    """What a reset uses of the client, and what it was asked for."""

    def __init__(self, **capabilities: str) -> None:
        self.capabilities = {f"appium:{name}": value for name, value in capabilities.items()}
        self.done: list[Any] = []

    def terminate_app(self, app_id: str) -> None:
        self.done.append(("terminate", app_id))

    def execute_script(self, script: str, params: dict[str, str]) -> None:
        self.done.append((script, params))

    def activate_app(self, app_id: str) -> None:
        self.done.append(("activate", app_id))


def test_an_app_whose_id_is_known_is_cleared_within_the_session() -> None:
    client = Client(appPackage="com.bank")

    assert choose("UiAutomator2", ()).reset(client) is True  # type: ignore[arg-type]

    assert [step[0] for step in client.done] == ["terminate", "mobile: clearApp", "activate"]


@pytest.mark.parametrize(
    ("name", "capabilities"),
    [("uiautomator2", {}), ("chromium", {"appPackage": "x"}), ("fake", {"bundleId": "x"})],
)
def test_else_only_a_new_session_finds_it_as_new(name: str, capabilities: dict[str, str]) -> None:
    client = Client(**capabilities)

    assert choose(name, ()).reset(client) is False  # type: ignore[arg-type]

    assert client.done == []


# -- the page about them


def test_the_page_says_of_each_built_in_driver_what_it_does() -> None:
    text = (Path(__file__).parents[2] / "docs" / "drivers.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("| `")]
    told = {row[0].strip(" `").lower(): row[1:4] for row in rows if len(row) == 5 and ":" not in row[0]}

    assert set(told) == set(BUILT_IN)
    for name, (ports, defaults, logs) in told.items():
        driver = BUILT_IN[name]
        assert ports.strip() == ", ".join(f"`{port}`" for port in driver.ports)
        assert logs.strip() == ", ".join(f"`{kind}`" for kind in driver.log_types)
        asked = ", ".join(f"`{key}: {str(value).lower()}`" for key, value in driver.defaults.items())
        assert defaults.strip() == asked
