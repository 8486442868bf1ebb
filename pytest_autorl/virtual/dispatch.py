"""From an HTTP request to an answer, without any socket: routing, faults, fence, command, envelope."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from pytest_autorl.virtual import commands
from pytest_autorl.virtual.admin_api import AdminApi
from pytest_autorl.virtual.commands.apps import launch
from pytest_autorl.virtual.commands.sessions import note
from pytest_autorl.virtual.expressions import ExpressionError
from pytest_autorl.virtual.farm import Farm, GarbageError
from pytest_autorl.virtual.protocol import (
    Answer,
    ConnectionDroppedError,
    ProtocolError,
    failure,
    read_body,
    success,
)

TOKEN_HEADER = "x-autorl-token"
IDEMPOTENCY_HEADER = "x-idempotency-key"

_STATUS = {
    "ready": True,
    "message": "The server is ready to accept new connections",
    "build": {"version": "3.8.0", "name": "autorl virtual devices"},
}


class Dispatcher:
    """Answers requests for one farm. Called by many threads at once."""

    def __init__(self, farm: Farm, admin: AdminApi) -> None:
        self._farm = farm
        self._admin = admin

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to one request. ``headers`` have lower-case names.

        Raises:
            ConnectionDroppedError: the connection is to be closed without an answer.
        """
        path = target.partition("?")[0]
        parts = [unquote(part) for part in path.split("/") if part]
        try:
            if parts[:1] == ["autorl"]:
                return self._admin.handle(method, parts[1:], headers, body)
            params = read_body(body) if method in ("POST", "PUT", "PATCH") else {}
            return self._webdriver(method, parts, params, headers)
        except GarbageError as exc:
            return exc.answer
        except ProtocolError as exc:
            return failure(exc)
        except ConnectionDroppedError:
            raise
        except ExpressionError as exc:
            return failure(ProtocolError("unknown error", f"The model of the app in front is wrong: {exc}"))
        except Exception as exc:
            return failure(ProtocolError("unknown error", f"{type(exc).__name__}: {exc}"))

    def _webdriver(
        self, method: str, parts: list[str], params: dict[str, Any], headers: Mapping[str, str]
    ) -> Answer:
        if method in ("GET", "HEAD") and parts == ["status"]:
            return success(_STATUS)
        if method == "POST" and parts == ["session"]:
            key = headers.get(IDEMPOTENCY_HEADER)
            if not key:
                return self._create(params, headers)
            return self._farm.once(key, lambda: self._create(params, headers))
        if len(parts) < 2 or parts[0] != "session":
            raise ProtocolError("unknown command")
        route, args = commands.find_route(method, parts[2:])
        session = self._farm.session(parts[1])
        session.begin(time.monotonic())
        started_ms = round(time.time() * 1000)
        try:
            call = commands.Call(self._farm, session, args, params, _token(headers))
            self._farm.admit(session)
            note(call, f"{method} /{'/'.join(parts)}")
            return success(commands.run(call, route.handler, route.required, waits=route.waits))
        finally:
            session.note_command(route.handler.__name__, started_ms, round(time.time() * 1000))
            session.end(time.monotonic())

    def _create(self, params: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        def prepare(device: Any, caps: dict[str, Any]) -> None:
            launch(self._farm, device, caps)

        try:
            session = self._farm.create_session(params, token=_token(headers), launch=prepare)
        except GarbageError as exc:
            return exc.answer
        except ProtocolError as exc:
            return failure(exc)
        return success({"capabilities": session.capabilities, "sessionId": session.id})


def _token(headers: Mapping[str, str]) -> int | None:
    """The fencing token of a request, None without one."""
    given = headers.get(TOKEN_HEADER)
    if given is None:
        return None
    try:
        return int(given)
    except ValueError:
        raise ProtocolError("invalid argument", f"X-Autorl-Token must be an integer, got {given!r}") from None
