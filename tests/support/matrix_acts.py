"""What the tests of the matrix do, in the run itself: this is copied beside them, as ``acts.py``."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from counting import attempt  # type: ignore[import-not-found]  # written beside the copy

from pytest_autorl.run import run_key

if TYPE_CHECKING:
    from pytest_autorl.farm.handle import DeviceHandle

_FOLDER: Final = Path(__file__).parent
_HOW: Final[dict[str, dict[str, float]]] = {
    "slow": {"ms": 50},
    "low_battery": {"level": 3},
    "hot": {"celsius": 52},
}
_BUTTON: Final = ("id", "sign_in_button")


def use(device: DeviceHandle) -> None:
    """The device is well."""
    assert device.driver.page_source


def fresh(device: DeviceHandle) -> None:
    """Its session ends with this test, so that the next one finds none."""
    device.distrust()


def hit(
    config: pytest.Config,
    device: DeviceHandle,
    name: str,
    *whats: str,
    new: bool = False,
    lasting: bool = False,
) -> None:
    """Go wrong as the attempt has it: the first one by the first of `whats`, and so on; those after them go well.

    Args:
        name: Of the cell.
        new: The fault meets the creation of a session, else one that is open.
        lasting: It stays on the device until the next attempt.
    """
    number: int = attempt(name)
    with (_FOLDER / f"{name}.devices").open("a") as file:
        print(device.id, file=file)
    admin = config.stash[run_key].providers["virtual"].admin  # type: ignore[attr-defined]  # of a virtual one
    broken = _FOLDER / f"{name}.broken"
    if broken.exists():
        admin.clear_faults(broken.read_text())
        broken.unlink()
    what = whats[number - 1] if number <= len(whats) else ""
    if what == "sigkill":
        if not new:
            use(device)
        os.kill(os.getpid(), signal.SIGKILL)
    if what in ("", "assertion"):
        use(device)
        assert not what, "not this time"
        return
    try:
        (_open if new else _feel)(admin, device, what)
    finally:
        if lasting:
            broken.write_text(device.id)
        else:
            admin.clear_faults(device.id)


def _open(admin: Any, device: DeviceHandle, what: str) -> None:
    """A session is created under the fault."""
    admin.fault(device.id, what, **_HOW.get(what, {}))
    assert device.driver.session_id


def _feel(admin: Any, device: DeviceHandle, what: str) -> None:
    """An open session is used under the fault, in the way that notices it."""
    driver = device.driver
    button = driver.find_element(*_BUTTON)
    admin.fault(device.id, what, **_HOW.get(what, {}))
    match what:
        case "hang":
            driver.command_executor.client_config.timeout = 0.3  # of this session only
            assert driver.page_source
        case "stale":
            button.click()
        case "disk_full":
            driver.install_app("bank")
        case "low_battery":
            assert driver.battery_info["level"] == 0.03
        case "hot":
            assert device.health.temperature_c == 52
        case _:
            assert driver.find_element(*_BUTTON).is_displayed()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write down what is held when every process has given back what it had, before the run is forgotten."""
    run = session.config.stash[run_key]
    if run.role == "worker":
        return
    admin = run.providers["virtual"].admin  # type: ignore[attr-defined]  # of a virtual one
    forget = run.store.forget_run

    def look_and_forget() -> None:
        states, devices = run.device_states(), admin.devices()
        left = {
            "devices": len(states),
            "leased": [name for name, state in states.items() if state.owner],
            "in session": [device["id"] for device in devices if device["session"]],
            "with faults": [device["id"] for device in devices if device["faults"]],
        }
        (_FOLDER / "left.json").write_text(json.dumps(left))
        forget()

    run.store.forget_run = look_and_forget  # type: ignore[method-assign]
