"""The admin side of the server, under /autorl/: devices, faults, readings, logs, effects, the run's clock.

Guarded by `X-Autorl-Admin` when the server has an admin key. Answers use the WebDriver envelope.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pytest_autorl.errors import UsageError
from pytest_autorl.virtual.device import Device
from pytest_autorl.virtual.farm import Farm
from pytest_autorl.virtual.faults import FAULTS, parse_fault
from pytest_autorl.virtual.place import nearest
from pytest_autorl.virtual.protocol import Answer, ProtocolError, number, read_body, success
from pytest_autorl.virtual.spec import parse_settings

ADMIN_HEADER = "x-autorl-admin"
_READINGS = ("battery", "battery_state", "temperature_c", "storage_total_mb", "storage_free_mb")


class AdminApi:
    """Answers admin requests.

    Args:
        key: What `X-Autorl-Admin` must say; None: no guard.
        shutdown: Ends the server; called when the answer has been sent.
    """

    def __init__(self, farm: Farm, *, key: str | None, shutdown: Callable[[], None]) -> None:
        self._farm = farm
        self._key = key
        self._shutdown = shutdown

    def handle(self, method: str, parts: list[str], headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to a request for /autorl/<parts>."""
        if self._key is not None:
            given = headers.get(ADMIN_HEADER, "")
            if not hmac.compare_digest(given.encode(), self._key.encode()):
                return refusal("the admin key in X-Autorl-Admin is missing or wrong")
        try:
            if (method, parts) == ("POST", ["shutdown"]):
                return replace(success(None), after=self._shutdown)
            return success(self._do(method, parts, read_body(body)))
        except UsageError as exc:
            raise ProtocolError("invalid argument", str(exc)) from exc

    def _do(self, method: str, parts: list[str], params: dict[str, Any]) -> Any:
        farm = self._farm
        match method, parts:
            case "GET", ["devices"]:
                return [farm.describe(device) for device in list(farm.devices.values())]
            case "POST", ["devices"]:
                return farm.describe(farm.add_device(params))
            case "POST", ["start"]:
                farm.start_clock(number(params, "at"))
                return None
            case _, ["devices", device_id, *rest]:
                return self._device(method, self._find(device_id), rest, params)
        raise ProtocolError("unknown command")

    def _find(self, device_id: str) -> Device:
        device = self._farm.devices.get(device_id)
        if device is None:
            known = list(self._farm.devices)
            raise ProtocolError(
                "invalid argument", f"There is no device {device_id!r}{nearest(device_id, known)}"
            )
        return device

    def _device(self, method: str, device: Device, rest: list[str], params: dict[str, Any]) -> Any:
        farm = self._farm
        match method, rest:
            case "GET", []:
                return farm.describe(device)
            case "DELETE", []:
                return farm.remove_device(device.id)
            case "POST", ["faults"]:
                return farm.put_fault(device, parse_fault(params)).describe()
            case "DELETE", ["faults"]:
                return device.faults.clear()
            case "DELETE", ["faults", name]:
                if name not in FAULTS:
                    raise ProtocolError(
                        "invalid argument", f"There is no fault {name!r}{nearest(name, FAULTS)}"
                    )
                return device.faults.clear(name)
            case "POST", ["reset"]:
                return self._reset(device, params)
            case "POST", ["token"]:
                token = params.get("token")
                if token is not None and (isinstance(token, bool) or not isinstance(token, int)):
                    raise ProtocolError("invalid argument", f"'token' is an integer or null, got {token!r}")
                farm.set_token(device, token)
                return None
            case "POST", ["fence"]:
                token = params.get("token")
                if isinstance(token, bool) or not isinstance(token, int):
                    raise ProtocolError("invalid argument", f"'token' is an integer, got {token!r}")
                return farm.fence(device, token)
            case "POST", ["state"]:
                return self._state(device, params)
            case "GET", ["log"]:
                with device.lock:
                    return [line.text() for line in device.log_lines()]
            case "GET", ["effects"]:
                with device.lock:
                    return device.effects()
        raise ProtocolError("unknown command")

    def _reset(self, device: Device, params: dict[str, Any]) -> None:
        backend = params.get("backend", True)
        if not isinstance(backend, bool):
            raise ProtocolError("invalid argument", f"'backend' is a boolean, got {backend!r}")
        with device.lock:
            device.actor = ("admin", None)
            device.reset(backend=backend)

    def _state(self, device: Device, params: dict[str, Any]) -> Any:
        known = (*_READINGS, "locked", "network")
        for key in params:
            if key not in known:
                raise ProtocolError(
                    "invalid argument",
                    f"unknown reading {key!r}{nearest(key, known)}; known: {', '.join(known)}",
                )
        readings = {key: value for key, value in params.items() if key in _READINGS}
        parse_settings(readings, device.id)  # the same limits as in a farm file
        for key in ("locked", "network"):
            if not isinstance(params.get(key, False), bool):
                raise ProtocolError("invalid argument", f"{key!r} is a boolean, got {params[key]!r}")
        with device.lock:
            device.readings.update(readings)
            if "locked" in params:
                device.is_locked = params["locked"]
            if "network" in params:
                device.is_network_up = params["network"]
        return self._farm.describe(device)


def refusal(reason: str) -> Answer:
    """A 403 in the usual envelope."""
    made = success({"error": "forbidden", "message": reason, "stacktrace": ""})
    return Answer(403, made.body, made.content_type)
