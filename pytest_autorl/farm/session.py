"""WebDriver sessions: the unmodified Appium client, with the guards that it lacks.

What the client does by default and this module ends (seen with Appium-Python-Client 6.0.9, selenium 4.51):
no time limit on any call; three silent retries of every GET and DELETE; an answer that is not of the protocol
(a proxy's HTML page) returned as if it were the value; an idempotency key shared by threads, so that two new
sessions may be one. Only public names of both clients are used: `AppiumConnection.execute`,
`get_remote_connection_headers`, `client_config`.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_autorl.errors import (
    AutorlError,
    DeviceError,
    DeviceProviderError,
    DeviceTimeoutError,
    NoSessionError,
    ServerAnswerError,
    ServerDownError,
    SessionEndedError,
)

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

    from pytest_autorl.farm.drivers.base import AppiumDriver
    from pytest_autorl.farm.pulse import Pulse
    from pytest_autorl.privacy.inputs import InputGuard

#: The client sends it with each new session (https://github.com/appium/appium-base-driver/pull/400).
IDEMPOTENCY_HEADER = "X-Idempotency-Key"
#: (server URL, session id) of each session this process ever opened.
_seen: set[tuple[str, str]] = set()
#: Commands that a client ends its session with; closing the last window of a browser does, too.
_ENDING = frozenset({"quit", "close"})
# The client keeps the idempotency key of a new session on a class: one creation at a time per process.
_creation = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where and how a device's sessions are opened.

    Attributes:
        url: Base URL of the WebDriver server, without user info.
        capabilities: W3C capabilities, extension names with their prefix (``appium:udid``). Not in the repr:
            a farm file may fill them from the environment.
        headers: Sent with every request; may hold secrets, so they stay out of the repr.
        driver: The Appium driver that serves it; None where nobody knows.
    """

    url: str
    capabilities: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    driver: AppiumDriver | None = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Time limits of a session, seconds. The client's own default is to wait for ever."""

    create_s: float = 120.0
    command_s: float = 60.0


def open_session(
    endpoint: Endpoint,
    *,
    device_id: str,
    limits: Limits,
    key: str = "",
    guard: Callable[[], None] | None = None,
    on_trouble: Callable[[], None] | None = None,
    inputs: InputGuard | None = None,
) -> WebDriver:
    """Open a session on a device.

    Args:
        endpoint: Server and capabilities.
        device_id: Stands in every error.
        limits: Deadline of the creation, then of each command.
        key: Idempotency key of the creation; "" leaves it to the client. Whoever knows it can have the answer again.
        guard: Called before every request; what it raises stops the request from leaving.
        on_trouble: Called when a request met no WebDriver answer: time-out, refused connection, a proxy's page.
        inputs: Looks at what is typed, and at shell commands, before they are sent, and refuses what cannot be typed or
            would be another command (`UnsafeInputError`).
    Raises:
        DeviceTimeoutError: No session within ``limits.create_s``, from a server that is well.
        ServerDownError: The server stopped answering meanwhile: a session may have been begun.
        SessionRefusedError: It is well and refused, for the sake of the device.
        NoSessionError: It could not be reached, or refused for the sake of how it was asked or set up.
        DeviceProviderError: It broke off, or gave a session that is not new.
    """
    __tracebackhide__ = True
    from appium.options.common import AppiumOptions
    from appium.webdriver.client_config import AppiumClientConfig
    from appium.webdriver.webdriver import WebDriver
    from selenium.common.exceptions import WebDriverException
    from urllib3 import Retry

    from pytest_autorl.farm.refusal import refused

    config = AppiumClientConfig(
        endpoint.url,
        timeout=limits.create_s,
        # Doubly nested, as the client unpacks it twice (Appium-Python-Client 6.0).
        init_args_for_pool_manager={"init_args_for_pool_manager": {"retries": Retry(0)}},
    )
    connection = _connection(config, endpoint, device_id, key, guard, on_trouble, inputs)
    options = AppiumOptions().load_capabilities(dict(endpoint.capabilities))
    with _creation:
        try:
            driver = WebDriver(command_executor=connection, options=options, client_config=config)
        except AutorlError as error:
            # Without the frames in between: pytest prints their arguments, the capabilities among them.
            raise error.with_traceback(None) from None
        except WebDriverException as error:
            raise refused(
                error.msg or "", url=endpoint.url, device_id=device_id, driver=endpoint.driver
            ) from None
    config.timeout = limits.command_s
    known = (endpoint.url, str(driver.session_id))
    if known in _seen:
        raise DeviceProviderError(
            f"{endpoint.url} answered a new session with {driver.session_id}, which is not new",
            device_id=device_id,
            do="two clients may share one idempotency key; open the session again",
        )
    _seen.add(known)
    return driver


def close_session(driver: WebDriver, *, deadline_s: float = 10.0) -> str:
    """End a session; returns why it could not be ended, or "".

    A session that is already gone counts as ended. Never raises: it is called in teardown.
    """
    from selenium.common.exceptions import InvalidSessionIdException, WebDriverException

    config = driver.command_executor.client_config
    config.timeout = min(config.timeout or deadline_s, deadline_s)
    reason = ""
    try:
        driver.quit()
    except InvalidSessionIdException:
        pass
    except (WebDriverException, AutorlError, OSError) as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    with contextlib.suppress(Exception):  # closing sockets of a dead server has nothing to tell
        driver.command_executor.close()  # type: ignore[no-untyped-call]
    return reason


def check_answer(answer: Any, *, command: str, url: str, device_id: str) -> None:
    """Raise ServerAnswerError for what the client would wrongly pass on as a value.

    ``answer`` is what the client made of the response: for a body that is JSON and a status below 400 the
    decoded object, else ``{"status": ..., "value": text}``. A WebDriver error inside the text is fine: the
    client raises it itself.
    """
    __tracebackhide__ = True
    if not isinstance(answer, dict):
        raise _not_webdriver(repr(answer), command, url, device_id)
    if "status" not in answer or not isinstance(answer.get("value"), str):
        return
    text = answer["value"]
    with contextlib.suppress(ValueError):
        body = json.loads(text)
        value = body.get("value") if isinstance(body, dict) else None
        if isinstance(value, dict) and value.get("error"):
            return
    raise _not_webdriver(
        f"{answer['status'] or 'a success status'} with {text[:120]!r}", command, url, device_id
    )


def _error_of(answer: Any) -> str:
    """WebDriver's error in what the client made of a response; "" where it is none."""
    text = answer.get("value") if isinstance(answer, dict) and "status" in answer else None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(text)["value"]["error"]) if isinstance(text, str) else ""
    return ""


def _not_webdriver(what: str, command: str, url: str, device_id: str) -> ServerAnswerError:
    return ServerAnswerError(
        f"{url} answered {command} with {what}: not a WebDriver answer",
        device_id=device_id,
        do="look at the server or the proxy in front of it",
    )


def _transport_error(
    error: Exception, *, command: str, url: str, limit_s: float, device_id: str
) -> DeviceError:
    """What the transport's error means: the client lets urllib3's own errors through."""
    from urllib3.exceptions import MaxRetryError, NewConnectionError, TimeoutError

    cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    # A refused connection is a kind of time-out in urllib3's tree: it is none.
    if isinstance(cause, TimeoutError) and not isinstance(cause, NewConnectionError):
        return DeviceTimeoutError(
            f"{url} did not answer {command} within {limit_s:g} s",
            device_id=device_id,
            do="look at the device and its server, or raise the limit",
        )
    # Nobody listened: then nothing was begun either. After a broken connection that is not known.
    kind = (
        NoSessionError
        if command == "newSession" and isinstance(cause, NewConnectionError)
        else DeviceProviderError
    )
    return kind(
        f"{url} cannot be reached for {command}: {type(cause).__name__}: {cause}",
        device_id=device_id,
        do="is the server running, and the device connected?",
    )


def _blame_the_server(
    error: DeviceError, endpoint: Endpoint, device_id: str, take: Callable[[str, Mapping[str, str]], Pulse]
) -> None:
    """Raise ServerDownError when the request met no answer because nobody is there to answer.

    A server that says how it is leaves the error as it is: then a time-out is the device's.
    """
    __tracebackhide__ = True
    # One that was never reached has begun nothing, which is worth more to know; a wrong answer is an answer.
    if isinstance(error, NoSessionError | ServerAnswerError):
        return
    found = take(endpoint.url, endpoint.headers)
    if found.kind in ("silent", "unreachable"):
        raise ServerDownError(
            f"{error.args[0]}, and its server is down: {found.why}",
            device_id=device_id,
            do="look at the server and its log; start it again",
        ) from None


def _check_input(command: str, params: Mapping[str, Any], inputs: InputGuard, device_id: str) -> None:
    """Raise UnsafeInputError, with the device's name, for a text that must not be sent."""
    __tracebackhide__ = True
    from pytest_autorl.privacy.commands import check_command
    from pytest_autorl.privacy.inputs import UnsafeInputError

    try:
        check_command(command, params, inputs)
    except UnsafeInputError as error:
        error.device_id = device_id
        raise


def _connection(
    config: Any,
    endpoint: Endpoint,
    device_id: str,
    key: str,
    guard: Callable[[], None] | None,
    on_trouble: Callable[[], None] | None,
    inputs: InputGuard | None,
) -> Any:
    from appium.webdriver.appium_connection import AppiumConnection
    from urllib3.exceptions import HTTPError

    from pytest_autorl.farm import pulse

    class GuardedConnection(AppiumConnection):
        """Asks the guard before, and looks at the answer after, every command."""

        #: The last command, where it may have ended the session.
        _ending = ""

        def get_remote_connection_headers(  # type: ignore[override]  # the client declares a classmethod
            self, parsed_url: Any, keep_alive: bool = True
        ) -> dict[str, Any]:
            found = super().get_remote_connection_headers(parsed_url, keep_alive=keep_alive)
            if key and IDEMPOTENCY_HEADER in found:
                found[IDEMPOTENCY_HEADER] = key
            return {**found, **endpoint.headers}

        def execute(self, command: str, params: dict[str, Any]) -> Any:
            __tracebackhide__ = True
            if guard is not None:
                guard()
            if inputs is not None:
                _check_input(command, params, inputs, device_id)
            try:
                answer = self._answer(command, params)
            except DeviceError as error:
                if on_trouble is not None:
                    on_trouble()
                _blame_the_server(error, endpoint, device_id, pulse.take)
                raise
            what = _error_of(answer)
            if what == "invalid session id" and self._ending and command != "quit":
                raise SessionEndedError(
                    f"{command} after {self._ending}(): the session was ended by the test itself",
                    device_id=device_id,
                    do="leave quit() to the fixture; device.reset('session') gives a new one",
                )
            if not what:
                self._ending = command if command in _ENDING else ""
            return answer

        def _answer(self, command: str, params: dict[str, Any]) -> Any:
            __tracebackhide__ = True
            url = endpoint.url
            try:
                answer = super().execute(command, params)  # type: ignore[no-untyped-call]
            except HTTPError as error:
                limit_s = config.timeout
                raise _transport_error(
                    error, command=command, url=url, limit_s=limit_s, device_id=device_id
                ) from None  # its frames hold the request's headers; the text names the cause
            except (TypeError, AttributeError):
                # JSON that is no object: the client stumbles over it.
                raise _not_webdriver("JSON that is no object", command, url, device_id) from None
            check_answer(answer, command=command, url=url, device_id=device_id)
            return answer

    return GuardedConnection(client_config=config)
