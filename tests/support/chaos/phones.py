"""The devices of a virtual server as a worker drives them: plain HTTP, one connection.

Without the fence no command says its token, and the device has one session for all: what a device is like that
cannot check tokens.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_CAPABILITIES = {"platformName": "Android", "appium:automationName": "UiAutomator2"}


class RefusedError(Exception):
    """The device did not do it. Attribute `why`: ``stale``, ``busy`` (a session is just being made), or the text."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Phones:
    """See the module. Not for several threads.

    Args:
        shared: Session of each device that everybody uses, without a fence; empty: with one.
    """

    def __init__(self, url: str, shared: Mapping[str, str]) -> None:
        self.url = url
        self._shared = shared
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)

    def begin(self, device_id: str, token: int | None) -> str:
        """Begin a session; ends one of a lower token. Returns its id. Raises RefusedError."""
        if device_id in self._shared:
            return self._shared[device_id]
        always = {**_CAPABILITIES, "appium:udid": device_id, "appium:newCommandTimeout": 0}
        body = {"capabilities": {"alwaysMatch": always, "firstMatch": [{}]}}
        return str(self._ask("POST", "/session", token, body)["sessionId"])

    def press(self, session: str, token: int, code: int) -> None:
        """Press a key of which the device only keeps the code. Raises RefusedError."""
        body = {"script": "mobile: pressKey", "args": [{"keycode": code}]}
        self._ask("POST", f"/session/{session}/execute/sync", token, body)

    def quit(self, session: str, token: int) -> None:
        """End a session. Raises RefusedError."""
        if session not in self._shared.values():
            self._ask("DELETE", f"/session/{session}", token, None)

    def _ask(self, method: str, path: str, token: int | None, body: Any) -> Any:
        headers = {"Content-Type": "application/json"}
        if token is not None and not self._shared:
            headers["X-Autorl-Token"] = str(token)
        text = None if body is None else json.dumps(body)
        self._connection.request(method, path, text, headers)
        answer = self._connection.getresponse()
        value = json.loads(answer.read())["value"]
        if answer.status != 200:
            raise RefusedError(_why(value))
        return value


def _why(value: Mapping[str, str]) -> str:
    message = value["message"]
    if "a session is being created" in message:
        return "busy"
    if value["error"] == "invalid session id" or "is stale" in message or "was given to token" in message:
        return "stale"
    return f"{value['error']}: {message}"
