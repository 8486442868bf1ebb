"""Contract with the private parts of pytest-xdist: fails loudly when a new version changes them."""

from __future__ import annotations

import inspect
import os
import queue
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_autorl.dispatch import xdist_api
from pytest_autorl.dispatch.xdist_api import SHUTDOWN, Line, MainLoop, intercept, send, why_not

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]
pytest.importorskip("xdist", reason="pytest-xdist is not installed")

#: Longer than any answer takes, seconds.
PATIENCE_S = 30.0


# -- the installed xdist -------------------------------------------------------------------------------------------


def test_the_installed_xdist_can_be_used() -> None:
    assert why_not() == ""


@pytest.mark.parametrize(
    ("module", "name", "part"),
    [
        ("remote", "WorkerInteractor", "handle_command"),
        ("remote", "WorkerInteractor", "sendevent"),
        ("workermanage", "WorkerController", "process_from_remote"),
        ("workermanage", "WorkerController", "sendcommand"),
        ("dsession", "DSession", "loop_once"),
        ("dsession", "DSession", "worker_testreport"),
    ],
)
def test_an_xdist_that_lacks_a_part_is_not_used_and_the_part_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str, part: str
) -> None:
    import importlib

    monkeypatch.delattr(getattr(importlib.import_module(f"xdist.{module}"), name), part)

    assert f"has no {name}.{part}" in why_not()


@pytest.mark.parametrize(("method", "missing"), [("__init__", "queue"), ("pytest_runtestloop", "shouldstop")])
def test_a_main_loop_that_sets_not_what_we_read_is_not_used(
    monkeypatch: pytest.MonkeyPatch, method: str, missing: str
) -> None:
    from xdist.dsession import DSession

    monkeypatch.setattr(DSession, method, lambda self: None)

    assert f"has no DSession.{missing}" in why_not()


def test_the_main_loop_has_what_is_read_of_it() -> None:
    from xdist.dsession import DSession

    source = inspect.getsource(DSession)
    for name in ("queue", "shouldstop", "shuttingdown", "_active_nodes"):
        assert f"self.{name}" in source, name
    loop = inspect.getsource(DSession.loop_once)
    assert '"worker_" + callname' in loop
    assert "tests_finished" in loop  # after every event: the workers end as soon as we say so


def test_a_worker_is_heard_by_the_attribute_that_we_replace() -> None:
    """xdist takes it from the instance, after `pytest_configure_node`."""
    from xdist.workermanage import WorkerController

    source = inspect.getsource(WorkerController.setup)
    assert 0 < source.index("pytest_configure_node") < source.index("setcallback(self.process_from_remote")


def test_a_worker_passes_commands_that_it_does_not_know() -> None:
    """So that a command of ours that comes before our loop has begun does no harm."""
    from xdist.remote import WorkerInteractor

    interactor = cast("Any", WorkerInteractor.__new__(WorkerInteractor))
    interactor.torun, interactor.log = queue.Queue(), lambda *words: None
    interactor.handle_command(("autorl", {"do": "run", "index": 1}))

    assert interactor.torun.empty()


def test_the_scheduling_protocol_asks_for_nothing_that_ours_lacks() -> None:
    from xdist.scheduler import protocol

    from pytest_autorl.dispatch.scheduler import DeviceScheduling

    asked = [name for name in vars(protocol.Scheduling) if not name.startswith("_")]
    assert {"add_node", "schedule", "tests_finished"} <= set(asked)
    assert [name for name in asked if not hasattr(DeviceScheduling, name)] == []


# -- a worker's end ------------------------------------------------------------------------------------------------


class WorkerInteractor:
    """Stands for xdist's, which is found by the name of its class."""

    def __init__(self) -> None:
        self.commands: list[object] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.item_index: int | None = None
        self.channel = self
        self.take: Any = None
        self.end: Any = None

    def setcallback(self, take: Any, endmarker: Any) -> None:
        self.take, self.end = take, endmarker

    def handle_command(self, command: object) -> None:
        self.commands.append(command)

    def sendevent(self, name: str, **kwargs: Any) -> None:
        self.events.append((name, kwargs))


def line_of(*plugins: object) -> Line:
    manager = SimpleNamespace(get_plugins=lambda: plugins, register=lambda plugin, name: None)
    return Line(cast("pytest.Config", SimpleNamespace(pluginmanager=manager)))


def test_of_a_workers_commands_ours_are_taken_and_others_are_passed_on() -> None:
    interactor = WorkerInteractor()
    line = line_of(object(), interactor)
    line.open()

    interactor.take(("autorl", {"do": "run", "index": 3}))
    interactor.take(("steal", {"indices": [1]}))
    interactor.take(("autorl", {"do": "close"}))
    interactor.take(("shutdown", {}))

    assert [line.get(), line.get(), line.get()] == [{"do": "run", "index": 3}, {"do": "close"}, SHUTDOWN]
    assert interactor.commands == [("steal", {"indices": [1]})]


def test_a_controller_that_is_gone_is_the_end() -> None:
    interactor = WorkerInteractor()
    line = line_of(interactor)
    line.open()

    interactor.take(interactor.end)

    assert line.get() is SHUTDOWN


def test_a_worker_tells_by_an_event_and_says_of_which_test_reports_are() -> None:
    interactor = WorkerInteractor()
    line = line_of(interactor)

    line.send({"say": "done", "index": 2})
    line.begin(7)

    assert interactor.events == [("autorl", {"say": "done", "index": 2})]
    assert interactor.item_index == 7


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (pytest.exit.Exception("the bench is down", returncode=3), ["the bench is down"]),
        (pytest.exit.Exception("enough"), ["enough"]),
        (KeyboardInterrupt(), []),
    ],
)
def test_the_reason_of_an_exit_is_told_since_xdist_does_not(error: BaseException, told: list[str]) -> None:
    interactor = WorkerInteractor()
    manager = pytest.PytestPluginManager()
    manager.register(interactor)
    line = Line(cast("pytest.Config", SimpleNamespace(pluginmanager=manager)))
    line.open()

    excinfo = pytest.ExceptionInfo.from_exc_info((type(error), error, None))  # type: ignore[arg-type]
    manager.hook.pytest_keyboard_interrupt(excinfo=excinfo)

    assert interactor.events == [("autorl", {"say": "exit", "why": why}) for why in told]


def test_no_worker_of_xdist_has_no_line() -> None:
    with pytest.raises(LookupError):
        line_of(object())


# -- the controller's end ------------------------------------------------------------------------------------------


class Node:
    """Stands for a WorkerController."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.queue: list[tuple[str, dict[str, Any]]] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.is_gone = False

    def process_from_remote(self, event: object) -> None:
        self.heard.append(event)

    def putevent(self, event: tuple[str, dict[str, Any]]) -> None:
        self.queue.append(event)

    def sendcommand(self, name: str, **kwargs: Any) -> None:
        if self.is_gone:
            raise OSError("cannot send (already closed?)")
        self.sent.append((name, kwargs))


def test_what_is_ours_goes_into_the_main_loops_queue_and_the_rest_to_xdist() -> None:
    node = Node()
    intercept(node)

    node.process_from_remote(("autorl", {"say": "needs"}))
    node.process_from_remote(("testreport", {}))
    node.process_from_remote("the end")

    assert node.queue == [("autorl", {"node": node, "message": {"say": "needs"}})]
    assert node.heard == [("testreport", {}), "the end"]


def test_a_worker_that_is_gone_misses_its_orders() -> None:
    node = Node()
    send(node, {"do": "run"})
    node.is_gone = True
    send(node, {"do": "close"})

    assert node.sent == [("autorl", {"do": "run"})]


def main_loop(session: object) -> MainLoop:
    manager = SimpleNamespace(getplugin=lambda name: session if name == "dsession" else None)
    return MainLoop(cast("pytest.Config", SimpleNamespace(pluginmanager=manager)))


def test_messages_come_by_the_main_loops_own_dispatch() -> None:
    session: Any = session_stand(shouldstop=False, _active_nodes={1})
    loop = main_loop(session)
    heard: list[tuple[object, object]] = []
    loop.listen(lambda node, message: heard.append((node, message)))

    loop.wake({"say": "seen"})
    name, kwargs = session.queue.get(timeout=PATIENCE_S)
    getattr(session, f"worker_{name}")(**kwargs)

    assert heard == [(None, {"say": "seen"})]
    assert (loop.why_it_stops, loop.is_shutting_down, loop.worker_count) == ("", False, 1)


def test_what_wakes_the_loop_waits_once_and_is_the_newest() -> None:
    """A busy controller finds one sight of the devices, not one for each look since."""
    session: Any = session_stand()
    loop = main_loop(session)
    heard: list[object] = []
    loop.listen(lambda node, message: heard.append(message))
    for number in range(3):
        loop.wake({"say": "seen", "sight": number})
    assert session.queue.qsize() == 1

    def turn() -> None:
        name, kwargs = session.queue.get(timeout=PATIENCE_S)
        getattr(session, f"worker_{name}")(**kwargs)

    turn()
    loop.wake({"say": "seen", "sight": 3})
    turn()

    assert heard == [{"say": "seen", "sight": 2}, {"say": "seen", "sight": 3}]
    assert session.queue.empty()


def session_stand(**more: Any) -> SimpleNamespace:
    """As much of a DSession as is read."""
    return SimpleNamespace(queue=queue.Queue(), **{"shuttingdown": False, "_active_nodes": set(), **more})


def test_why_a_run_stops_is_told() -> None:
    loop = main_loop(session_stand(shouldstop="stopping after 1 failures", shuttingdown=True))

    assert loop.why_it_stops == "stopping after 1 failures"
    assert loop.is_shutting_down
    assert loop.worker_count == 0


def test_a_run_is_stopped_with_a_reason() -> None:
    session = session_stand(shouldstop=False)
    loop = main_loop(session)

    loop.stop("the bench is down")

    assert session.shouldstop == loop.why_it_stops == "the bench is down"


def test_before_a_run_has_begun_nothing_stops_it() -> None:
    assert main_loop(session_stand()).why_it_stops == ""


@pytest.mark.parametrize("part", ["queue", "shuttingdown", "_active_nodes"])
def test_a_main_loop_without_what_is_read_of_it_is_no_run(part: str) -> None:
    """Rather than a run that never ends."""
    session = session_stand()
    delattr(session, part)

    with pytest.raises(pytest.UsageError, match=rf"no DSession\.{part}; give --dist load"):
        main_loop(session)


def test_without_a_controller_there_is_no_main_loop() -> None:
    with pytest.raises(LookupError):
        main_loop(None)


@pytest.mark.parametrize(
    ("specs", "count"), [(["popen"] * 3, 3), (["3*popen", "popen//python=python3.12"], 4), ([], 0), (None, 0)]
)
def test_the_number_of_workers_is_as_many_as_xdist_starts(specs: list[str] | None, count: int) -> None:
    config = SimpleNamespace(getoption=lambda name, default=None: specs if name == "tx" else default)

    assert xdist_api.count_workers(cast("pytest.Config", config)) == count


def test_a_scheduler_of_a_conftest_is_found_and_those_of_xdist_and_ours_are_not() -> None:
    from xdist import newhooks

    class Maker:
        def pytest_xdist_make_scheduler(self) -> None: ...

    manager = pytest.PytestPluginManager()
    manager.add_hookspecs(newhooks)
    own, other = Maker(), Maker()
    manager.register(Maker(), "dsession")
    manager.register(own)
    config = cast("pytest.Config", SimpleNamespace(pluginmanager=manager, hook=manager.hook))
    assert not xdist_api.other_scheduler(config, own)

    manager.register(other, "conftest")

    assert xdist_api.other_scheduler(config, own)


@pytest.mark.parametrize("collected", [0, 1, 2])
def test_xdists_own_distribution_goes_on_without_one_that_is_left_out(collected: int) -> None:
    """It waits for as many workers as it was told to start."""
    from xdist.scheduler import LoadScheduling

    class Config:
        option = SimpleNamespace(debug=False)

        def getvalue(self, name: str) -> object:
            return ["3*popen"]

        def getoption(self, name: str) -> object:
            return None

    scheduling: Any = LoadScheduling(cast("pytest.Config", Config()))
    nodes: list[Any] = [object(), object(), object()]
    for node in nodes:
        scheduling.add_node(node)
    for node in nodes[:collected]:
        scheduling.add_node_collection(node, ["t"])

    xdist_api.leave_out(scheduling, nodes[2])

    assert scheduling.nodes == nodes[:2]
    for node in nodes[collected:2]:
        assert not scheduling.collection_is_completed
        scheduling.add_node_collection(node, ["t"])
    assert scheduling.collection_is_completed
