"""Client of the admin API of virtual devices."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from pytest_autorl.errors import DeviceProviderError, UsageError

TIMEOUT_S = 10.0


class AdminClient:
    """Speaks to one server; each call opens a connection of its own, so threads may share a client.

    Every method raises DeviceProviderError when the server cannot be reached or refuses, UsageError when it
    rejects an argument.

    Args:
        limit_s: Longest wait for the server at a time, seconds.
    """

    def __init__(self, url: str, key: str | None = None, *, limit_s: float = TIMEOUT_S) -> None:
        place = urlsplit(url)
        self._host, self._port = place.hostname or "127.0.0.1", place.port or 80
        self._limit_s = limit_s
        self._headers = {"Content-Type": "application/json", **({"X-Autorl-Admin": key} if key else {})}

    def devices(self) -> list[dict[str, Any]]:
        """All devices: facts, readings, faults, session."""
        return list(self._call("GET", "devices"))

    def device(self, device_id: str) -> dict[str, Any]:
        """One device."""
        return dict(self._call("GET", _path(device_id)))

    def add_device(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Put a device on the shelf."""
        return dict(self._call("POST", "devices", spec))

    def remove_device(self, device_id: str) -> None:
        """Take a device off the shelf; its session ends."""
        self._call("DELETE", _path(device_id))

    def fault(self, device_id: str, name: str, **params: Any) -> dict[str, Any]:
        """Put a fault on a device; see `faults.FAULTS` and its parameters."""
        return dict(self._call("POST", _path(device_id, "faults"), {"name": name, **params}))

    def clear_faults(self, device_id: str, name: str | None = None) -> int:
        """Take one fault (or all) off. Returns how many went."""
        return int(self._call("DELETE", _path(device_id, "faults", *([name] if name else []))))

    def reset(self, device_id: str, *, backend: bool = True) -> None:
        """Clear app data, close dialogs, turn upright, start the app anew."""
        self._call("POST", _path(device_id, "reset"), {"backend": backend})

    def set_token(self, device_id: str, token: int | None) -> None:
        """Require a fencing token of session commands; None: none."""
        self._call("POST", _path(device_id, "token"), {"token": token})

    def fence(self, device_id: str, token: int) -> bool:
        """Keep out every token below this one, and end their session. False when a higher one was there before."""
        return bool(self._call("POST", _path(device_id, "fence"), {"token": token}))

    def set_state(self, device_id: str, **readings: Any) -> dict[str, Any]:
        """Set battery (percent), battery_state, temperature_c, storage_free_mb, network, locked."""
        return dict(self._call("POST", _path(device_id, "state"), readings))

    def log(self, device_id: str) -> list[str]:
        """The lines of the device's log that it still holds."""
        return list(self._call("GET", _path(device_id, "log")))

    def effects(self, device_id: str) -> list[dict[str, Any]]:
        """What was done to the device: kind, detail, session, token, time."""
        return list(self._call("GET", _path(device_id, "effects")))

    def start(self, at_s: float) -> None:
        """Set the zero of `available` windows, epoch seconds."""
        self._call("POST", "start", {"at": at_s})

    def shutdown(self) -> None:
        """End the server."""
        self._call("POST", "shutdown", {})

    def _call(self, method: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._limit_s)
        body = None if params is None else json.dumps(dict(params))
        try:
            connection.request(method, f"/autorl/{path}", body, self._headers)
            response = connection.getresponse()
            status, answer = response.status, json.loads(response.read())["value"]
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as exc:
            raise DeviceProviderError(
                f"the server of virtual devices at {self._host}:{self._port} did not answer {method} {path}: {exc!r}",
                do="is it still running?",
            ) from exc
        finally:
            connection.close()
        if status == 400:
            raise UsageError(answer["message"])
        if status != 200:
            raise DeviceProviderError(f"{method} {path} was refused with {status}: {answer['message']}")
        return answer


def _path(device_id: str, *rest: str) -> str:
    return "/".join(["devices", *(quote(each, safe="") for each in (device_id, *rest))])
