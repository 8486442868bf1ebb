"""The table of routes and `mobile:` scripts; each command module adds its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_autorl.virtual.protocol import ProtocolError, number, require

if TYPE_CHECKING:
    from pytest_autorl.virtual.device import Device
    from pytest_autorl.virtual.farm import Farm
    from pytest_autorl.virtual.node import Node
    from pytest_autorl.virtual.session import Session


@dataclass
class Call:
    """One command under way.

    Attributes:
        args: Variable parts of the path (`element`, `name`, ...).
        params: JSON body, or the arguments of a script.
        token: Fencing token that came with the command.
    """

    farm: Farm
    session: Session
    args: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    token: int | None = None

    @property
    def device(self) -> Device:
        return self.session.device

    def node(self, element_id: str | None = None) -> tuple[Node, bool]:
        """The node of an element id (default: of the path) and whether a finger could reach it."""
        wanted = element_id if element_id is not None else self.args["element"]
        return self.session.node(wanted, self.device.picture())

    def text(self, name: str, default: str = "") -> str:
        """A parameter that must be a text."""
        value = self.params.get(name, default)
        if not isinstance(value, str):
            raise ProtocolError("invalid argument", f"'{name}' must be a string, got {value!r}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A parameter that must be a number."""
        return number(self.params, name, default)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """The device to oneself, for a moment: what is done in the block is done under this session's token.

        The fence is asked again here: between a command's arrival and now the device may have been given to
        another session. Raises ProtocolError (invalid session id) then.
        """
        with self.device.lock:
            self.farm.check(self.session, self.token)
            self.device.actor = (self.session.id, self.session.token)
            yield


Handler = Callable[[Call], Any]


@dataclass(frozen=True)
class Route:
    """One endpoint below /session/{id}.

    Attributes:
        parts: Path parts after the session id; a part in braces is variable.
        waits: The handler may take long and holds the device itself (`Call.holding`), in between.
    """

    method: str
    parts: tuple[str, ...]
    handler: Handler
    required: tuple[str, ...] = ()
    waits: bool = False

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """The variable parts of a path that fits, None when it does not."""
        found = {}
        for own, given in zip(self.parts, parts, strict=True):
            if own.startswith("{"):
                found[own[1:-1]] = given
            elif own != given:
                return None
        return found


@dataclass(frozen=True)
class Script:
    """One `mobile:` command of execute/sync."""

    handler: Handler
    required: tuple[str, ...] = ()
    waits: bool = False
    platforms: tuple[str, ...] = ("android", "ios")


#: (method, number of parts) -> routes.
ROUTES: dict[tuple[str, int], list[Route]] = {}
SCRIPTS: dict[str, Script] = {}


def route(
    method: str, path: str, *, required: tuple[str, ...] = (), waits: bool = False
) -> Callable[[Handler], Handler]:
    """Register an endpoint; `path` is what follows /session/{id} ("" for the session itself)."""

    def register(handler: Handler) -> Handler:
        parts = tuple(part for part in path.split("/") if part)
        ROUTES.setdefault((method, len(parts)), []).append(Route(method, parts, handler, required, waits))
        return handler

    return register


def script(
    name: str,
    *,
    required: tuple[str, ...] = (),
    waits: bool = False,
    platforms: tuple[str, ...] = ("android", "ios"),
) -> Callable[[Handler], Handler]:
    """Register an execute/sync command by its full name ("mobile: activateApp")."""

    def register(handler: Handler) -> Handler:
        SCRIPTS[name] = Script(handler, required, waits, platforms)
        return handler

    return register


def find_route(method: str, parts: Sequence[str]) -> tuple[Route, dict[str, str]]:
    """The route of a path below a session, with its variable parts. Raises unknown command."""
    for candidate in ROUTES.get((method, len(parts)), ()):
        args = candidate.match(parts)
        if args is not None:
            return candidate, args
    raise ProtocolError("unknown command")


def run(call: Call, handler: Handler, required: Sequence[str], *, waits: bool) -> Any:
    """Check the parameters and do a command, holding the device unless it waits."""
    require(call.params, required)
    if waits:
        return handler(call)
    with call.holding():
        return handler(call)
