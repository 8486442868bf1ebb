"""The WebDriver wire format: envelopes, error codes with their HTTP status, and what an answer is.

Texts and status codes follow what Appium 3.8 answers (its base driver), so that nobody can tell from an
error whether a real server or a virtual device sent it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Key of an element reference (WebDriver, section 12.2).
ELEMENT_KEY = "element-6066-11e4-a52e-4f735466cecf"

_DISABLED = (
    "An element command could not be completed because the element is in an invalid state "
    "(e.g. attempting to click a disabled element)."
)
_UNKNOWN = (
    "The requested resource could not be found, or a request was received using an HTTP method that is not "
    "supported by the mapped resource."
)

#: Largest number that a parameter may be; what is beyond a screen, a day or a disk is a mistake.
MAX_NUMBER = 1e12

#: Error code -> (HTTP status, text when there is nothing more exact to say).
ERRORS: dict[str, tuple[int, str]] = {
    "element click intercepted": (400, "The element receiving the events obscures the requested element"),
    "element not interactable": (
        400,
        "A command could not be completed because the element is not pointer- or keyboard interactable",
    ),
    "invalid argument": (400, "The arguments passed to the command are either invalid or malformed"),
    "invalid element state": (400, _DISABLED),
    "invalid selector": (400, "Argument was an invalid selector (e.g. XPath/CSS)."),
    "invalid session id": (404, "A session is either terminated or not started"),
    "move target out of bounds": (500, "The target for the interaction is not in the viewport"),
    "no such alert": (
        404,
        "An attempt was made to operate on a modal dialog when one was not open.",
    ),
    "no such element": (
        404,
        "An element could not be located on the page using the given search parameters.",
    ),
    "no such window": (404, "A request to switch to a window could not be satisfied"),
    "session not created": (500, "A new session could not be created."),
    "stale element reference": (
        404,
        "An element command failed because the referenced element is no longer attached to the DOM.",
    ),
    "timeout": (500, "An operation did not complete before its timeout expired."),
    "unable to capture screen": (500, "A screen capture was made impossible."),
    "unexpected alert open": (500, "A modal dialog was open, blocking this operation"),
    "unknown command": (404, _UNKNOWN),
    "unknown error": (500, "An unknown server-side error occurred while processing the command."),
    "unknown method": (405, "Method has not yet been implemented"),
    "unsupported operation": (500, "A server-side error occurred. Command cannot be supported."),
}

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"
GARBAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"


class ProtocolError(Exception):
    """A WebDriver error: becomes the error envelope with its status."""

    def __init__(self, error: str, message: str = "") -> None:
        status, default = ERRORS[error]
        super().__init__(message or default)
        self.error = error
        self.status = status

    @property
    def message(self) -> str:
        return str(self.args[0])


class ConnectionDroppedError(Exception):
    """No answer at all: the connection is to be closed."""


@dataclass(frozen=True)
class Answer:
    """What goes back over HTTP; `after` is done once it is on its way (ending the server, for one)."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    after: Callable[[], None] | None = None


def success(value: Any) -> Answer:
    """The success envelope."""
    return Answer(200, _json({"value": value}))


def failure(error: ProtocolError) -> Answer:
    """The error envelope."""
    value = {
        "error": error.error,
        "message": error.message,
        "stacktrace": f"{error.error}: {error.message}\n    at virtual device server",
    }
    return Answer(error.status, _json({"value": value}))


def garbage() -> Answer:
    """What a proxy sends when the server behind it is gone."""
    return Answer(502, GARBAGE, HTML_TYPE)


def element(element_id: str) -> dict[str, str]:
    """An element reference."""
    return {ELEMENT_KEY: element_id, "ELEMENT": element_id}


def read_body(body: bytes) -> dict[str, Any]:
    """The parameters of a command; none for an empty body.

    Raises:
        ProtocolError: not JSON.
    """
    if not body.strip():
        return {}
    try:
        parsed = json.loads(body, parse_int=_integer, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as exc:
        raise ProtocolError("invalid argument", f"Request body is not JSON: {exc}") from exc
    if isinstance(parsed, dict):
        return parsed
    if isinstance(parsed, list):
        return {str(index): each for index, each in enumerate(parsed)}
    return {}


def _finite(text: str) -> float:
    """A number that can be answered as JSON again: `NaN`, `Infinity` and 1e999 cannot."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


def _integer(text: str) -> int | float:
    """As JavaScript reads it: beyond 2**53 a double. Python's long integers overflow in later arithmetic."""
    return int(text) if len(text) < 16 else _finite(text)


def number(params: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """A parameter that must be a number, of a size that can be calculated with.

    Raises:
        ProtocolError: invalid argument.
    """
    value = params.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_NUMBER:
        raise ProtocolError("invalid argument", f"'{name}' must be a number, got {value!r}")
    return value


def require(params: dict[str, Any], required: Sequence[str]) -> None:
    """Raise what Appium's base driver raises when a parameter is missing."""
    missing = [name for name in required if name not in params]
    if not missing:
        return
    plural = "parameters are" if len(missing) > 1 else "parameter is"
    provided = json.dumps(list(params), separators=(",", ":")) if params else ""
    raise ProtocolError(
        "invalid argument",
        f"The following required {plural} missing: {_compact(missing)}\n"
        f"Known required parameters are: {_compact(required)}\n"
        f"You have provided{f': {provided}' if provided else ' none'}",
    )


def _compact(names: Sequence[str]) -> str:
    return json.dumps(list(names), separators=(",", ":"))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
