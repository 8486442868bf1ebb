"""The private parts of pytest-xdist that this package touches, all of them, and nothing else does.

- Worker: the plugin of class ``WorkerInteractor`` with its ``channel``, ``handle_command``, ``sendevent`` and
  ``item_index``; the ``SHUTDOWN`` member of ``xdist.remote.Marker``. A worker's commands come through the channel.
- Controller: ``WorkerController.process_from_remote``, which xdist hands to the channel after
  ``pytest_configure_node``, so that an attribute of the instance takes its place; ``putevent`` and ``sendcommand``.
- ``DSession.queue`` and its dispatch of an event ``name`` to the method ``worker_<name>``; ``shouldstop``,
  ``shuttingdown``, ``_active_nodes``.
- ``LoadScheduling.numnodes``: how many workers it waits for before the first test.

Fall-back where one of them is missing: xdist's own distribution, and the header says so (`why_not`).
`tests/dispatch/test_xdist_api.py` fails when a new xdist changes them. Known to work: 3.6 to 3.8.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

#: Name of our events and commands on xdist's channels.
_EVENT: Final = "autorl"

#: What a worker's `Line.get` returns when the controller wants its end, or is gone.
SHUTDOWN: Final = object()

#: What `MainLoop` reads of an instance of DSession, from its beginning on.
_ATTRIBUTES: Final = ("queue", "shuttingdown", "_active_nodes")

#: A message of ours: plain data, of the types that execnet can carry.
Message = Mapping[str, Any]


def why_not() -> str:
    """Why this xdist cannot be used for dispatch by device; "" when it can."""
    import importlib.metadata

    try:
        version = importlib.metadata.version("pytest-xdist")
        from xdist import dsession, remote, workermanage
    except ImportError:
        return "pytest-xdist is not installed"
    parts = [
        (remote, "WorkerInteractor.handle_command"),
        (remote, "WorkerInteractor.sendevent"),
        (remote, "Marker.SHUTDOWN"),
        (workermanage, "WorkerController.process_from_remote"),
        (workermanage, "WorkerController.sendcommand"),
        (dsession, "DSession.loop_once"),
        (dsession, "DSession.worker_testreport"),
    ]
    for module, path in parts:
        found: Any = module
        for name in path.split("."):
            found = getattr(found, name, None)
        if found is None:
            return f"pytest-xdist {version} has no {path}"
    begin, loop = dsession.DSession.__init__, dsession.DSession.pytest_runtestloop
    for method, names in ((begin, _ATTRIBUTES), (loop, ("shouldstop",))):
        for name in names:
            if name not in method.__code__.co_names:
                return f"pytest-xdist {version} has no DSession.{name}"
    return ""


def other_scheduler(config: pytest.Config, own: object) -> bool:
    """Whether a plugin or conftest makes a scheduler that is neither xdist's nor of the plugin `own`."""
    known = (own, config.pluginmanager.getplugin("dsession"))
    makers = config.hook.pytest_xdist_make_scheduler.get_hookimpls()
    return any(all(maker.plugin is not one for one in known) for maker in makers)


# -- a worker's end ----------------------------------------------------------------------------------------------


class Line:
    """A worker's line to its controller.

    Raises LookupError when this process is no worker of an xdist that we know.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._manager = config.pluginmanager
        self._interactor: Any = next(
            (one for one in self._manager.get_plugins() if type(one).__name__ == "WorkerInteractor"), None
        )
        if self._interactor is None:
            raise LookupError("xdist's WorkerInteractor")
        self._commands: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def open(self) -> None:
        """Take the controller's commands from now on, those that have come already too."""
        from xdist.remote import Marker

        self._end: Any = Marker.SHUTDOWN
        self._manager.register(self, "autorl-line")
        self._interactor.channel.setcallback(self._take, endmarker=self._end)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """``pytest.exit`` too: its reason, which xdist does not pass on."""
        if isinstance(excinfo.value, pytest.exit.Exception):
            with contextlib.suppress(OSError):  # nobody is left to hear it
                self.send({"say": "exit", "why": str(excinfo.value.msg)})

    def _take(self, command: Any) -> None:
        """In execnet's receiving thread: only sorts."""
        name = command if command is self._end else command[0]
        if name is self._end or name == "shutdown":
            self._commands.put(SHUTDOWN)
        elif name == _EVENT:
            self._commands.put(command[1])
        else:
            self._interactor.handle_command(command)

    def get(self) -> Any:
        """The next message, or SHUTDOWN; waits for it."""
        return self._commands.get()

    def send(self, message: Message) -> None:
        """Tell the controller."""
        self._interactor.sendevent(_EVENT, **message)

    def begin(self, index: int) -> None:
        """Reports from here on are of this test: xdist checks that."""
        self._interactor.item_index = index


def count_workers(config: pytest.Config) -> int:
    """How many workers xdist starts, by its documented option ``--tx [N*]spec``, which ``-n`` sets too."""
    counts = [str(spec).rpartition("*")[0] for spec in config.getoption("tx", default=None) or []]
    return sum(int(count) if count.isdigit() else 1 for count in counts)


def stock_scheduling(config: pytest.Config, log: Any) -> Any:
    """xdist's own ``--dist load``."""
    from xdist.scheduler import LoadScheduling

    return LoadScheduling(config, log)


def leave_out(scheduling: Any, node: Any) -> None:
    """Have xdist's own distribution go on without a worker that is there and takes no part."""
    scheduling.remove_node(node)
    if not scheduling.collection_is_completed:
        scheduling.numnodes -= 1


# -- the controller's end ----------------------------------------------------------------------------------------


def intercept(node: Any) -> None:
    """Let messages of this worker through to the main loop (`listen`). To be called in ``pytest_configure_node``."""
    original = node.process_from_remote

    def process(event: Any) -> None:
        if isinstance(event, tuple) and event[0] == _EVENT:
            # In the receiving thread: the main loop sees it in its turn, after what came before.
            node.putevent((_EVENT, {"node": node, "message": event[1]}))
        else:
            original(event)

    node.process_from_remote = process


def send(node: Any, message: Message) -> None:
    """Send a message to a worker; a worker that is gone misses it."""
    with contextlib.suppress(OSError):  # its end is on its way to the main loop
        node.sendcommand(_EVENT, **message)


class MainLoop:
    """The controller's main loop.

    Raises LookupError when there is none, UsageError when it is not as we know it.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._session: Any = config.pluginmanager.getplugin("dsession")
        if self._session is None:
            raise LookupError("xdist's DSession")
        missing = [name for name in _ATTRIBUTES if not hasattr(self._session, name)]
        if missing:
            raise pytest.UsageError(
                f"autorl: this pytest-xdist has no DSession.{missing[0]}; give --dist load to have it distribute"
            )
        #: What waits in the loop's queue to wake it.
        self._waiting: dict[str, Any] | None = None
        self._lock = threading.Lock()

    def listen(self, on_message: Callable[[Any, Message], None]) -> None:
        """Call `on_message(node, message)` from the loop for each message; node is None for those of `wake`."""

        def take(node: Any, message: Message) -> None:
            on_message(node, self._newest(message) if node is None else message)

        self._session.worker_autorl = take

    def wake(self, message: Message) -> None:
        """Have the loop take a message of our own, the newest where several come before its turn; from any thread."""
        with self._lock:
            if self._waiting is not None:
                self._waiting.clear()
                self._waiting.update(message)
                return
            self._waiting = dict(message)
            self._session.queue.put((_EVENT, {"node": None, "message": self._waiting}))

    def _newest(self, message: Message) -> Message:
        with self._lock:
            if message is self._waiting:
                self._waiting = None
            return message

    def stop(self, why: str) -> None:
        """End the run, as a limit of failures ends it: xdist interrupts it and shows why."""
        self._session.shouldstop = why

    @property
    def why_it_stops(self) -> str:
        """Why no more tests are to be run (a limit of failures, Ctrl-C); "" while they are."""
        return str(getattr(self._session, "shouldstop", "") or "")

    @property
    def is_shutting_down(self) -> bool:
        """Whether the workers were told to end."""
        return bool(self._session.shuttingdown)

    @property
    def worker_count(self) -> int:
        """How many workers are there or coming; one that ends just now counts."""
        return len(self._session._active_nodes)
