"""Contract with the private parts of pytest that we read: fails loudly when a new version changes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_autorl.private_api import (
    defines_fixture,
    finish_fixture,
    fixture_functions,
    forget_failures,
    has_scopes_to_leave,
    id_parts,
    leave_scopes,
    open_log_records,
    rename,
    renew,
    run_attempt,
    why_not,
)

pytestmark = pytest.mark.unit


def _of_fixture(function: object) -> object:
    class Plugin:
        named = function

    return Plugin()


def test_fixtures_of_a_plugin_are_seen_by_the_name_under_which_they_are_requested() -> None:
    @pytest.fixture
    def device() -> None: ...

    @pytest.fixture(name="device")
    def other() -> None: ...

    @pytest.fixture
    def unrelated() -> None: ...

    names = frozenset({"device"})
    assert defines_fixture(_of_fixture(device), names)
    assert defines_fixture(_of_fixture(other), names)
    assert not defines_fixture(_of_fixture(unrelated), names)
    assert not defines_fixture(_of_fixture(17), names)
    assert not defines_fixture(object(), names)


def test_a_plugins_properties_are_not_run_by_looking() -> None:
    class Plugin:
        @property
        def device(self) -> None:
            raise AssertionError("somebody else's code was run")

    assert not defines_fixture(Plugin(), frozenset({"device"}))


@pytest.fixture
def marked_fixture() -> str:
    return "here"


def test_the_function_behind_a_fixture_name_is_found(
    request: pytest.FixtureRequest, marked_fixture: str, tmp_path: object
) -> None:
    """Attributes that `device_fixture` puts on the function must be readable from a collected item."""
    functions = dict(fixture_functions(request.node))

    assert {"marked_fixture", "tmp_path"} <= functions.keys()
    assert functions["marked_fixture"]() == marked_fixture


def test_an_item_of_another_kind_has_no_fixtures() -> None:
    assert list(fixture_functions(object())) == []


def test_this_pytest_has_what_an_order_that_is_not_known_before_takes() -> None:
    assert why_not() == ""


@pytest.mark.parametrize(
    ("owner", "name", "instead", "lacks"),
    [
        ("_pytest.runner.SetupState", "teardown_exact", None, "SetupState.teardown_exact"),
        ("_pytest.runner.SetupState", "teardown_exact", lambda self: None, "SetupState.teardown_exact"),
        ("_pytest.runner.SetupState", "__init__", lambda self: None, "SetupState.stack"),
        ("_pytest.runner", "SetupState", None, "SetupState.stack, SetupState.teardown_exact"),
        ("_pytest.runner", "runtestprotocol", None, "runtestprotocol"),
        ("pytest.FixtureDef", "finish", None, "FixtureDef.finish"),
        ("pytest.Function", "_initrequest", None, "Function._initrequest"),
    ],
)
def test_what_another_pytest_lacks_is_said(
    owner: str, name: str, instead: object, lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:  # the test's own runner needs them, so only while we look
        patch.setattr(f"{owner}.{name}", instead)
        why = why_not()

    assert why == f"pytest {pytest.__version__} has no {lacks} that fits"


def test_log_records_need_room_which_is_made_where_pytest_has_such(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from _pytest.logging import caplog_records_key

    item = request.node
    before = item.stash[caplog_records_key]
    is_possible = open_log_records(item)
    fresh, item.stash[caplog_records_key] = item.stash[caplog_records_key], before
    with monkeypatch.context() as patch:  # this test's own end needs it
        patch.delattr("_pytest.logging.caplog_records_key")
        is_possible_without = open_log_records(item)

    assert (is_possible, fresh) == (True, {})
    assert not is_possible_without


# -- scopes, attempts: a loop in the place of pytest's own -----------------------------------------------------------


class Looped:
    """A plugin that runs `work(session)` instead of the tests, and keeps what the tests wrote down."""

    def __init__(self, work: Callable[[pytest.Session], object]) -> None:
        self._work = work
        self.result: object = None
        self.reports: list[pytest.TestReport] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.result = self._work(session)
        leave_scopes(session, None)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(report)


TEXT = """
from pathlib import Path
import pytest

def log(word):
    with Path(__file__).with_name("log").open("a") as file:
        file.write(word + " ")

@pytest.fixture(scope="module")
def below():
    log("below+")
    yield
    log("below-")

@pytest.fixture(scope="module")
def above(below):
    log("above+")
    yield
    log("above-")

class TestIt:
    def setup_method(self): self.is_new = not hasattr(self, "was_used")
    def test_1(self, above):
        log("1")
        assert self.is_new
        self.was_used = True
    def test_2(self, above): log("2")
"""


@pytest.fixture
def looped(pytester: pytest.Pytester) -> Callable[[Callable[[pytest.Session], object]], Looped]:
    """Run `TEXT` by a loop of one's own."""

    def run(work: Callable[[pytest.Session], object]) -> Looped:
        pytester.makepyfile(test_text=TEXT)
        plugin = Looped(work)
        pytester.inline_run("-p", "no:randomly", "-p", "no:xdist", plugins=[plugin])
        return plugin

    return run


Runs = Callable[[Callable[[pytest.Session], object]], Looped]


def log_of(pytester: pytest.Pytester) -> list[str]:
    return (pytester.path / "log").read_text().split()


def test_what_a_test_shares_stays_until_it_is_left(looped: Runs, pytester: pytest.Pytester) -> None:
    def work(session: pytest.Session) -> object:
        seen = [has_scopes_to_leave(session, None)]
        first, second = session.items
        run_attempt(first, first.parent)
        seen += [has_scopes_to_leave(session, second), has_scopes_to_leave(session, None)]
        leave_scopes(session, second)
        run_attempt(second, second.parent)
        leave_scopes(session, None)
        return [*seen, has_scopes_to_leave(session, None)]

    assert looped(work).result == [False, False, True, False]
    assert log_of(pytester) == ["below+", "above+", "1", "2", "above-", "below-"]


def test_the_reports_of_an_attempt_are_given_back_and_nobody_has_heard_of_them(looped: Runs) -> None:
    def work(session: pytest.Session) -> object:
        return [(one.when, one.outcome) for one in run_attempt(session.items[0], session.items[0].parent)]

    done = looped(work)

    assert done.result == [("setup", "passed"), ("call", "passed"), ("teardown", "passed")]
    assert done.reports == []


@pytest.mark.parametrize(
    ("is_renewed", "outcome"), [(True, "passed"), (False, "failed")], ids=["renewed", "as it was"]
)
def test_an_attempt_of_a_renewed_test_gets_an_instance_of_its_own(
    looped: Runs, is_renewed: bool, outcome: str
) -> None:
    """And one that is not renewed gets the old one, or this would be needless."""

    def work(session: pytest.Session) -> object:
        item = session.items[0]
        run_attempt(item, item.parent)
        if is_renewed:
            renew(item)
        return run_attempt(item, item.parent)[1].outcome

    assert looped(work).result == outcome


def test_a_fixture_is_ended_with_what_depends_on_it_and_made_anew(
    looped: Runs, pytester: pytest.Pytester
) -> None:
    def work(session: pytest.Session) -> object:
        first, second = session.items
        run_attempt(first, first.parent)
        finish_fixture(first, "below")
        finish_fixture(first, "no such fixture")
        return [one.outcome for one in run_attempt(second, second.parent)]

    assert looped(work).result == ["passed"] * 3
    assert log_of(pytester) == [
        *("below+", "above+", "1", "above-", "below-"),
        *("below+", "above+", "2", "above-", "below-"),
    ]


def test_a_wider_fixture_that_could_not_be_set_up_is_set_up_anew_once_that_is_forgotten(
    pytester: pytest.Pytester,
) -> None:
    """And not before, or this would be needless."""
    pytester.makepyfile(
        """
        import pytest
        tries = []

        @pytest.fixture(scope="session")
        def well():
            tries.append("well")

        @pytest.fixture(scope="module")
        def bad(well):
            tries.append("bad")
            assert len(tries) > 2

        @pytest.fixture(autouse=True, scope="class")
        def above(bad): pass

        def test_it(): assert tries == ["well", "bad", "bad"]
        """
    )

    def work(session: pytest.Session) -> object:
        item = session.items[0]
        outcomes = []
        for is_forgotten in (False, False, True):
            if is_forgotten:
                forget_failures(item)
            outcomes.append([one.outcome for one in run_attempt(item, item.parent)])
        return outcomes

    plugin = Looped(work)
    pytester.inline_run("-p", "no:randomly", plugins=[plugin])

    assert plugin.result == [["failed", "passed"], ["failed", "passed"], ["passed"] * 3]


def test_reports_of_subtests_are_kept_back_in_their_places(pytester: pytest.Pytester) -> None:
    pytest.importorskip("_pytest.subtests", reason="pytest 9 has them")
    pytester.makepyfile(
        """
        import unittest

        def test_it(subtests):
            for part in range(2):
                with subtests.test(part=part):
                    assert part

        class TestIt(unittest.TestCase):
            def test_other(self):
                for part in range(2):
                    with self.subTest(part=part):
                        assert part
        """
    )

    def work(session: pytest.Session) -> object:
        return [
            [(type(one).__name__, one.when, one.outcome) for one in run_attempt(item, item.parent)]
            for item in session.items
        ]

    plugin = Looped(work)
    pytester.inline_run("-p", "no:randomly", plugins=[plugin])

    parts = [("SubtestReport", "call", "failed"), ("SubtestReport", "call", "passed")]
    first, last = ("TestReport", "setup", "passed"), ("TestReport", "teardown", "passed")
    assert plugin.result == [[first, *parts, ("TestReport", "call", "passed"), last]] * 2
    assert plugin.reports == []


def test_subtests_that_failed_do_not_count_against_the_next_attempt(pytester: pytest.Pytester) -> None:
    subtests = pytest.importorskip("_pytest.subtests", reason="pytest 9 has them")
    pytester.makepyfile(
        """
        failures = [True]
        def test_it(subtests):
            with subtests.test("a part"):
                assert not failures.pop() if failures else True
        """
    )

    def work(session: pytest.Session) -> object:
        item = session.items[0]
        run_attempt(item, item.parent)
        counted = sum(session.config.stash[subtests.failed_subtests_key].values())
        renew(item)
        return [counted, *(one.outcome for one in run_attempt(item, item.parent))]

    plugin = Looped(work)
    pytester.inline_run("-p", "no:randomly", "-p", "no:xdist", plugins=[plugin])

    assert plugin.result == [1, *["passed"] * 4]


def test_output_of_an_attempt_is_not_in_the_reports_of_the_next(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        tries = []
        def test_it():
            tries.append("x")
            print(f"said by attempt {len(tries)}")
        """)

    def work(session: pytest.Session) -> object:
        item = session.items[0]
        run_attempt(item, item.parent)
        renew(item)
        return run_attempt(item, item.parent)[-1].sections

    plugin = Looped(work)
    pytester.inline_run("-p", "no:randomly", plugins=[plugin])

    assert plugin.result == [("Captured stdout call", "said by attempt 2\n")]


def test_a_method_of_hypothesis_accepts_another_instance_once_it_is_renewed(
    pytester: pytest.Pytester,
) -> None:
    pytest.importorskip("hypothesis", reason="hypothesis is not installed")
    pytester.makepyfile("""
        from hypothesis import given, settings, strategies
        class TestIt:
            @settings(database=None, max_examples=3)
            @given(strategies.integers())
            def test_it(self, number): pass
        """)

    def work(session: pytest.Session) -> object:
        item = session.items[0]
        outcomes = []
        for _ in range(2):
            outcomes.append([one.outcome for one in run_attempt(item, item.parent)])
            renew(item)
        return outcomes

    plugin = Looped(work)
    pytester.inline_run("-p", "no:randomly", plugins=[plugin])

    assert plugin.result == [["passed"] * 3] * 2


# -- names of parametrized tests -------------------------------------------------------------------------------------


def test_a_parametrized_test_is_renamed_in_every_place_that_names_it(pytester: pytest.Pytester) -> None:
    """Selection, `-k`, reports, the environment and the cache each read another of them."""
    items, _ = pytester.inline_genitems(
        pytester.makepyfile(
            """
            import pytest
            @pytest.mark.parametrize("b", ["x", "y"])
            @pytest.mark.parametrize("a", [1])
            def test_it(a, b): pass
            """
        )
    )
    first, second = items
    whole = first.nodeid.removesuffix("test_it[1-x]")

    assert id_parts(first) == ["1", "x"]
    rename(first, "test_it[one]")

    assert (first.name, first.nodeid) == ("test_it[one]", f"{whole}test_it[one]")
    assert first.callspec.id == "one"  # type: ignore[attr-defined]
    assert first.originalname == "test_it"  # type: ignore[attr-defined]
    assert {"test_it[one]", "one"} <= set(first.keywords)
    assert not {"test_it[1-x]", "1-x"} & set(first.keywords)
    assert first.location[2] == "test_it[one]"
    assert first.callspec.params == {"a": 1, "b": "x"}  # type: ignore[attr-defined]
    assert second.nodeid == f"{whole}test_it[1-y]", "its neighbour keeps its name"


def test_a_test_without_parameters_has_no_parts(request: pytest.FixtureRequest) -> None:
    assert id_parts(request.node) == []
    assert id_parts(object()) == []
