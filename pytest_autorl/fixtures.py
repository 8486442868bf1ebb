"""The public fixtures, each a few lines over a part below.

`autorl_device` and `autorl_driver` always exist. The plain names `device` and `driver` stand in
`plain_fixtures.py`, which is registered unless another plugin has these names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_autorl.errors import LeaseConflictError
from pytest_autorl.needs import Root, mark_root, requirement_for
from pytest_autorl.run import Run, run_key

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

    from pytest_autorl.farm.async_driver import AsyncDriver
    from pytest_autorl.farm.handle import DeviceHandle
    from pytest_autorl.farm.pool import Grant
    from pytest_autorl.virtual.mock import MockDevice, MockServer

Scope = Literal["function", "class", "module", "package", "session"]


def device_fixture(*, scope: Scope = "function", name: str | None = None, **need: Any) -> Any:
    """Make a fixture that leases one device for a scope.

        module_phone = device_fixture(scope="module", platform="android", form_factor="phone")

        def test_title(module_phone):
            module_phone.driver.find_element("accessibility id", "title")

    Args:
        scope: pytest's scope; the device is leased once for it and given back at its end.
        name: Name of the fixture; default: of the variable it is assigned to.
        need: What the marker `device` takes (platform, os_version, tags, where, ...), except count. A marker
            on the scope (a class, ``pytestmark`` of a module) is added and wins.
    Returns: a pytest fixture that gives a `DeviceHandle`.
    """
    root = Root(scope=scope, need=need)

    def leased(request: pytest.FixtureRequest) -> Iterator[DeviceHandle]:
        for grant in _granted(request, root):
            yield grant.devices[0]

    mark_root(leased, root)
    # Without a name pytest takes that of the variable which holds the fixture.
    return pytest.fixture(scope=scope, name=name)(leased)


def _granted(request: pytest.FixtureRequest, root: Root) -> Iterator[Grant]:
    __tracebackhide__ = True
    run = request.config.stash[run_key]
    _refuse_second_ticket(run, str(request.fixturename))
    requirement = requirement_for(request.node, root)
    grant = run.grant(requirement, root, purpose=request.node.nodeid or f"the {root.scope}")
    yield grant
    run.give_back(grant, root)


def _refuse_second_ticket(run: Run, fixture: str) -> None:
    __tracebackhide__ = True
    held = run.current.handles if run.current is not None else []
    if held:
        ids = ", ".join(handle.id for handle in held)
        raise LeaseConflictError(
            f"the test holds {ids} and asks for another device through `{fixture}`",
            do="ask for all devices at once: @pytest.mark.device(count=2) with `devices`",
        )


autorl_device = device_fixture(name="autorl_device")
class_device = device_fixture(scope="class", name="class_device")
module_device = device_fixture(scope="module", name="module_device")
session_device = device_fixture(scope="session", name="session_device")

_MANY = Root(scope="function", need={}, is_many=True)


def _devices(request: pytest.FixtureRequest) -> Iterator[list[DeviceHandle]]:
    """As many devices as the marker counts (``device(count=2)``), leased all at once."""
    for grant in _granted(request, _MANY):
        yield list(grant.devices)


mark_root(_devices, _MANY)
devices = pytest.fixture(name="devices")(_devices)


@pytest.fixture
def autorl_driver(autorl_device: DeviceHandle) -> WebDriver:
    """The Appium driver of the test's device."""
    return autorl_device.driver


@pytest.fixture
def drivers(devices: list[DeviceHandle]) -> list[WebDriver]:
    """The Appium drivers of `devices`, in their order."""
    return [device.driver for device in devices]


@pytest.fixture
def async_driver(autorl_driver: WebDriver) -> Iterator[AsyncDriver]:
    """The driver for coroutines: every command is awaited. Needs no asyncio plugin."""
    from pytest_autorl.farm.async_driver import AsyncDriver

    driver = AsyncDriver(autorl_driver)
    yield driver
    driver.close()


@pytest.fixture(scope="class")
def class_driver(class_device: DeviceHandle) -> WebDriver:
    """The driver of `class_device`."""
    return class_device.driver


@pytest.fixture(scope="module")
def module_driver(module_device: DeviceHandle) -> WebDriver:
    """The driver of `module_device`."""
    return module_device.driver


@pytest.fixture(scope="session")
def session_driver(session_device: DeviceHandle) -> WebDriver:
    """The driver of `session_device`."""
    return session_device.driver


@pytest.fixture(scope="session")
def autorl_mock_server() -> Iterator[MockServer]:
    """The server behind `mock_device`: one for each process that asks, apart from any farm."""
    from pytest_autorl.virtual.mock import MockServer

    with MockServer() as server:
        yield server


@pytest.fixture
def mock_device(request: pytest.FixtureRequest, autorl_mock_server: MockServer) -> Iterator[MockDevice]:
    """A private virtual device over the real protocol: no farm, no lease, faults on request.

    ``mock_device.fault("slow", ms=500)`` makes each command slower; `mock_device.driver` is the usual driver.
    Another kind by indirect parameters: ``parametrize("mock_device", [{"platform": "ios"}], indirect=True)``,
    keys are those of `MockServer.device`.
    """
    with autorl_mock_server.device(**getattr(request, "param", {})) as device:
        yield device


@pytest.fixture
def sample_ui_state() -> dict[str, Any]:
    """What a screen analysis of the bank's sign-in page gives: plain data, made from the shipped app model."""
    from pytest_autorl.virtual.mock import sample_ui_state

    return sample_ui_state()
