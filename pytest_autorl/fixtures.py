"""The public fixtures, each a few lines over a part below.

`autorl_device` and `autorl_driver` always exist. The plain names `device` and `driver` stand in
`plain_fixtures.py`, which is registered unless another plugin has these names.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
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
    from pytest_autorl.observe.actions import ActionLogger
    from pytest_autorl.privacy.corpus import Injection
    from pytest_autorl.privacy.redactor import Redactor
    from pytest_autorl.privacy.vault import SecureDataHandler
    from pytest_autorl.resilience.classify import ErrorClassifier
    from pytest_autorl.resilience.executor import RobustActionExecutor
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
    grant = run.seat.grant(requirement, root, purpose=request.node.nodeid or f"the {root.scope}")
    for handle in grant.devices:
        handle.new_classifier = partial(_classifier, request.config)
    yield grant
    run.seat.give_back(grant, root)


def _classifier(config: pytest.Config) -> ErrorClassifier:
    """Tells which errors of single actions pass."""
    from pytest_autorl.hooks import classification
    from pytest_autorl.resilience.classify import ErrorClassifier

    return ErrorClassifier(classification(config))


def _refuse_second_ticket(run: Run, fixture: str) -> None:
    __tracebackhide__ = True
    held = run.seat.current.handles if run.seat.current is not None else []
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


@pytest.fixture
def robust(request: pytest.FixtureRequest) -> RobustActionExecutor:
    """Runs single actions, again where their errors pass by themselves; leases nothing by itself.

    ``robust.execute(page.refresh)`` calls an action as it is. One that needs an argument gets the driver of the
    test's device: ``robust.execute(lambda driver: driver.back())``.
    """
    from pytest_autorl.resilience.executor import RobustActionExecutor, on_the_only_one

    run = request.config.stash[run_key]
    base = on_the_only_one(lambda: run.seat.current.handles if run.seat.current is not None else [])
    return RobustActionExecutor(base, classifier=_classifier(request.config))


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


@pytest.fixture
def redactor(request: pytest.FixtureRequest) -> Redactor:
    """What the run's own output passes, with numbers of its own: ``redactor.redact(text)``, ``redactor.register(key)``.

    A value that is registered here is taken out of everything that this process writes from then on.
    """
    return request.config.stash[run_key].guard.redactor.fresh()


@pytest.fixture
def vault(request: pytest.FixtureRequest) -> SecureDataHandler:
    """Encrypts fields with the key in ``AUTORL_ENCRYPTION_KEY``, for this run; names values by pseudonyms.

    What it encrypts is read again by ``SecureDataHandler(run_id=...)`` with the id of this run.
    """
    from pytest_autorl.privacy.vault import SecureDataHandler

    run = request.config.stash[run_key]
    return SecureDataHandler(
        run_id=run.identity.run_id, fields=run.settings.redact_fields, redactor=run.guard.redactor.fresh()
    )


@pytest.fixture(scope="session")
def injection_corpus() -> tuple[Injection, ...]:
    """Texts that try to take over a language model, and harmless ones like them: family, text, is_malicious, note."""
    from pytest_autorl.privacy.corpus import injection_corpus

    return injection_corpus()


@pytest.fixture
def autorl_log(request: pytest.FixtureRequest) -> ActionLogger:
    """A logger for steps of a test: ``autorl_log.log_device_action(device.id, "tap", {"on": "sign in"})``.

    Its records carry run, test, worker and device, and are in the run's own log where there is one.
    """
    from pytest_autorl.observe.actions import get_logger

    return get_logger("autorl").bind(nodeid=request.node.nodeid)
