"""The private parts of pytest that this package reads, all of them but two that `capture.retries` names.

- ``FixtureFunctionDefinition`` (what ``@pytest.fixture`` returns since 8.4) and its ``name``: which fixtures a
  plugin defines. Fall-back: assume that it defines none.
- ``item._fixtureinfo.name2fixturedefs``: which fixture function a test's fixture name means.
  Fall-back: none known, so that needs are met when a fixture is set up, not explained before.
- ``session._setupstate`` (its ``stack`` and ``teardown_exact``), ``FixtureDef.finish``, ``item._request``,
  ``session.gethookproxy`` and ``_pytest.runner.runtestprotocol``: scopes that end when the next test is known, and
  reports that are kept back. Fall-back: xdist's own distribution, and no test is run again, see `why_not`.
- ``FixtureDef.cached_result``: fixtures that could not be set up. Fall-back: they fail again.
- ``_pytest.logging.caplog_records_key``: the log records of such a scope's teardown. Fall-back: they are not captured.
- ``_instance``, ``_obj`` and ``_report_sections`` of a test, ``_pytest.subtests.failed_subtests_key``: what an attempt
  leaves behind. Fall-back: the next attempt finds it.
- ``_id`` (pytest 9.2) or ``_nodeid`` of a test, ``_idlist`` of its callspec and ``_markers`` of its keywords: the name
  of a parametrized test. Fall-back: it keeps its name, and what is written of it is redacted all the same.
- ``_hypothesis_internal_use_settings`` of a test function: hypothesis wants one instance for all runs of a method.
  Fall-back: it fails the second attempt of such a method.

`tests/test_private_api.py` fails when a new pytest changes them.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest


def defines_fixture(plugin: object, names: frozenset[str]) -> bool:
    """Whether the plugin (module or object) defines a fixture with one of these names."""
    kind = _fixture_kind()
    # Reading a property of somebody's plugin may run its code, so only what the object itself and its class hold.
    own = vars(plugin) if hasattr(plugin, "__dict__") else {}
    held = {name: value for name, value in own.items() if value is not None}
    return any(
        isinstance(value, kind) and getattr(value, "name", "") in names
        for value in {**vars(type(plugin)), **held}.values()
    )


@cache
def _fixture_kind() -> type:
    """What `pytest.fixture` makes of a function."""
    return type(pytest.fixture(lambda: None))


def fixture_functions(item: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Name and function of each fixture in the test's closure, the overriding definition only."""
    table = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    # A parameter of the same name takes a fixture's place: pytest then drops the name from the closure only.
    wanted = set(getattr(item, "fixturenames", ()))
    for name, defs in table.items():
        if defs and name in wanted:
            yield name, defs[-1].func


def id_parts(item: Any) -> list[str]:
    """The ids of a test's parameters, one for each ``parametrize`` and fixture; none where they are not known."""
    parts = getattr(getattr(item, "callspec", None), "_idlist", None) or ()
    return [str(part) for part in parts]


def rename(item: Any, name: str) -> None:
    """Give a parametrized test another name: what is selected, shown and sent is that one from now on."""
    old, callspec = item.name, getattr(item, "callspec", None)
    nodeid, known = item.nodeid.removesuffix(old) + name, item.keywords._markers
    if hasattr(item, "_id"):
        item._id = type(item._id).parse(nodeid)
    else:
        item._nodeid = nodeid
    item.name = name
    known[name] = known.pop(old, True)
    if callspec is not None:
        params = name.partition("[")[2].removesuffix("]")
        known.pop(callspec.id, None)
        known[params] = True
        object.__setattr__(callspec, "_idlist", [params])  # it is frozen


def why_not() -> str:
    """What this pytest lacks for tests in an order that is not known before; "" when it has all of it."""
    from _pytest import runner

    setup_state = getattr(runner, "SetupState", None)
    lacks = [
        name
        for name, has in (
            ("SetupState.stack", setup_state is not None and hasattr(setup_state(), "stack")),
            ("SetupState.teardown_exact", _takes(getattr(setup_state, "teardown_exact", None), "nextitem")),
            ("FixtureDef.finish", _takes(getattr(pytest.FixtureDef, "finish", None), "request")),
            ("Function._initrequest", _takes(getattr(pytest.Function, "_initrequest", None))),
            ("runtestprotocol", _takes(getattr(runner, "runtestprotocol", None), "item", "log", "nextitem")),
            ("Session.gethookproxy", _takes(getattr(pytest.Session, "gethookproxy", None), "fspath")),
        )
        if not has
    ]
    return f"pytest {pytest.__version__} has no {', '.join(lacks)} that fits" if lacks else ""


def _takes(function: Any, *names: str) -> bool:
    return callable(function) and set(names) <= inspect.signature(function).parameters.keys()


def leave_scopes(session: Any, nextitem: pytest.Item | None) -> None:
    """Tear down what was set up and the next test does not share; everything for None. Raises what they raise."""
    session._setupstate.teardown_exact(nextitem)


def has_scopes_to_leave(session: Any, nextitem: pytest.Item | None) -> bool:
    """Whether `leave_scopes` has anything to do."""
    keeps = set(nextitem.listchain()) if nextitem is not None else set()
    return any(node not in keeps for node in session._setupstate.stack)


def finish_fixture(item: Any, name: str) -> None:
    """End a fixture of any scope now, and what depends on it; set up anew when it is asked for again.

    Raises what its teardown raises.
    """
    defs = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {}).get(name) or ()
    for fixture in reversed(defs):
        if fixture.cached_result is None:
            continue
        item._initrequest()  # a test's own has ended with it
        try:
            fixture.finish(item._request)
        finally:
            item._request = False
            item.funcargs = None


def open_log_records(item: pytest.Item) -> bool:
    """Make room for the log records of a phase without a set-up before it; returns whether that was possible."""
    key = getattr(sys.modules.get("_pytest.logging"), "caplog_records_key", None)
    if key is None:
        return False
    item.stash[key] = {}
    return True


#: Told of each report, and of what it was made of.
Note = Callable[[pytest.TestReport, "pytest.CallInfo[None]"], None]


class _Holding:
    """A test's hooks, but for its reports: those are noted when they are made, and taken when they are handed out."""

    def __init__(self, hooks: Any, note: Note, take: Callable[[pytest.TestReport], bool]) -> None:
        self._hooks = hooks
        self._note = note
        self._take = take

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hooks, name)

    def pytest_runtest_makereport(self, *, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        report = self._hooks.pytest_runtest_makereport(item=item, call=call)
        self._note(report, call)
        return report

    def pytest_runtest_logreport(self, *, report: pytest.TestReport) -> None:
        if not self._take(report):
            self._hooks.pytest_runtest_logreport(report=report)


def run_attempt(
    item: pytest.Item,
    nextitem: Any,
    note: Note = lambda report, call: None,
    is_kept: Callable[[pytest.TestReport], bool] = lambda report: True,
) -> list[pytest.TestReport]:
    """Set-up, call and teardown of a test; the reports are given back, nobody else has them yet.

    Reports of subtests are among them, in the order in which they came.

    Args:
        note: Called with each report as it is made.
        is_kept: Whether a report is kept back; others go out at once, and are not given back.
    """
    from _pytest.runner import runtestprotocol

    session: Any = item.session
    reports: list[pytest.TestReport] = []
    gethookproxy = session.gethookproxy

    def take(report: pytest.TestReport) -> bool:
        if not is_kept(report):
            return False
        reports.append(report)
        return True

    # Every node asks its session for the hooks that it calls: so do subtests, which report in the middle of a test.
    session.gethookproxy = lambda path: _Holding(gethookproxy(path), note, take)
    try:
        runtestprotocol(item, log=True, nextitem=nextitem)
    finally:
        del session.gethookproxy
    return reports


def forget_failures(item: Any) -> None:
    """Forget that fixtures of the test could not be set up, so that the next attempt tries them anew.

    pytest keeps the error of a wider-scoped fixture for all that ask for it later. Raises what their teardowns raise.
    """
    names = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    failed = [
        name
        for name, defs in names.items()
        if any(one.cached_result is not None and one.cached_result[2] is not None for one in defs)
    ]
    for name in failed:
        finish_fixture(item, name)


def renew(item: Any) -> None:
    """Forget what an attempt leaves on its test: the instance of its class, and that subtests of it failed.

    What others have put in the place of the test's function stays, with the instance that it is bound to.
    """
    cls, held = getattr(item, "cls", None), item.__dict__
    if cls is not None and (
        held.get("_obj") is None or isinstance(getattr(held["_obj"], "__self__", None), cls)
    ):
        held.pop("_instance", None)
        if "_obj" in held:
            held["_obj"] = None  # without it, pytest does not cut the traceback of a fixture that fails
        _expect_another_instance(item, cls)
    held.get("_report_sections", []).clear()
    subtests = sys.modules.get("_pytest.subtests")  # there since pytest 9
    key = getattr(subtests, "failed_subtests_key", None)
    if key is not None:
        counts = item.config.stash.get(key, {})
        for key_of_test in (item.nodeid, getattr(item, "id", None)):  # pytest 9.2 counts by the second
            counts.pop(key_of_test, None)


def _expect_another_instance(item: Any, cls: Any) -> None:
    """Have hypothesis accept that a method runs on another instance of its class than before.

    It takes that for a mistake, and its own plugin spares parametrized methods from it in the same way.
    """
    hypothesis = sys.modules.get("hypothesis")
    function = getattr(cls, getattr(item, "originalname", None) or item.name, None)
    given = getattr(function, "_hypothesis_internal_use_settings", None)
    if hypothesis is None or given is None:
        return
    check = hypothesis.HealthCheck.differing_executors
    if check not in given.suppress_health_check:
        function._hypothesis_internal_use_settings = hypothesis.settings(  # type: ignore[union-attr]
            given, suppress_health_check=(*given.suppress_health_check, check)
        )
