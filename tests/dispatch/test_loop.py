"""The worker's loop, in one process: orders go in by a script, and what it tells is looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest

from pytest_autorl.attempts.failures import Failures
from pytest_autorl.attempts.trial import Trials
from pytest_autorl.dispatch.loop import DeviceLoop
from pytest_autorl.dispatch.orders import Order
from pytest_autorl.dispatch.xdist_api import SHUTDOWN, Line
from pytest_autorl.resilience.classify import ErrorClassifier
from pytest_autorl.run import run_key

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]


class Script:
    """A plugin that has a `DeviceLoop` run these orders; it is the loop's line too."""

    def __init__(self, *orders: Mapping[str, Any]) -> None:
        self._orders = list(orders)
        self.told: list[dict[str, Any]] = []
        self.of_test: int | None = None
        #: Of each report: the test that the line was told, phase, outcome.
        self.reports: list[tuple[int | None, str, str]] = []
        self.texts: list[str] = []
        #: What was captured, of each report that failed.
        self.captured: list[dict[str, str]] = []
        self.warnings: list[str] = []
        self.table: Mapping[str, Any] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        run = config.stash[run_key]
        trials = Trials(run, Failures(ErrorClassifier()))
        config.pluginmanager.register(DeviceLoop(run, cast("Line", self), trials))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append((self.of_test, str(report.when), report.outcome))
        self.texts.append(report.longreprtext)
        if report.failed:
            self.captured.append(dict(report.sections))

    def pytest_warning_recorded(self, warning_message: Any) -> None:
        self.warnings.append(str(warning_message.message))

    def open(self) -> None: ...

    def begin(self, index: int) -> None:
        self.of_test = index

    def get(self) -> object:
        return self._orders.pop(0) if self._orders else SHUTDOWN

    def send(self, message: dict[str, Any]) -> None:
        if message["say"] == "needs":
            self.table = message["table"]
        else:
            self.told.append(message)

    @property
    def said(self) -> list[tuple[str, int | None]]:
        """What was told."""
        return [(one["say"], one.get("index")) for one in self.told]


Runs = Callable[..., Script]


@pytest.fixture
def runs(pytester: pytest.Pytester) -> Runs:
    """Have orders run over a virtual farm."""

    def make(
        text: str, *orders: Mapping[str, Any], farm: str = "virtual:2", options: Sequence[str] = ()
    ) -> Script:
        pytester.makepyfile(test_it=text)
        script = Script(*orders)
        given = ("--autorl-farm", farm, "-p", "no:randomly", "-p", "no:xdist", *options)
        pytester.inline_run(*given, plugins=[script])
        return script

    return make


def order(index: int, *devices: str, **more: Any) -> dict[str, Any]:
    return Order(
        index=index, devices=devices, count=more.pop("count", len(devices)), wait_s=10.0, **more
    ).to_wire()


def close(index: int, fixture: str) -> dict[str, Any]:
    return {"do": "close", "index": index, "fixture": fixture}


def test_a_test_runs_on_the_device_that_was_ordered_and_leaves_it_parked(runs: Runs) -> None:
    script = runs(
        """
        def test_one(driver, device): assert device.id == "virtual-2"
        def test_two(driver, device): assert device.id == "virtual-1"
        """,
        order(1, "virtual-1"),
        order(0, "virtual-2"),
    )

    assert [outcome for _, _, outcome in script.reports] == ["passed"] * 6
    assert script.said == [("done", 1), ("done", 0), ("leaving", None), ("left", None)]
    done = next(one for one in script.told if one["say"] == "done")
    assert (done["parked"], done["used"]) == (["virtual-1"], [])


def test_one_of_several_devices_that_was_taken_is_told_before_the_test(runs: Runs) -> None:
    script = runs("def test_it(driver): pass\n", order(0, "virtual-1", "virtual-2", count=1))

    assert [say for say, _ in script.said][:2] == ["took", "done"]
    assert script.told[0]["devices"] == script.told[1]["parked"]
    assert len(script.told[0]["devices"]) == 1


def test_a_device_that_is_not_to_be_had_comes_back_and_nothing_has_run(runs: Runs) -> None:
    """Its holder is this process itself, by a wider scope: waiting would be in vain."""
    script = runs(
        """
        def test_shares(module_device): pass
        def test_it(device): raise AssertionError("it ran")
        """,
        order(0, "virtual-1"),
        order(1, "virtual-1"),
    )

    assert ("refused", 1) in script.said
    refused = next(one for one in script.told if one["say"] == "refused")
    assert refused["used"] == ["virtual-1"]
    assert "virtual-1" in refused["why"]
    assert {index for index, _, _ in script.reports} == {0}


def test_what_a_test_shares_is_torn_down_when_the_next_one_is_known(
    runs: Runs, pytester: pytest.Pytester
) -> None:
    text = """
        import pathlib
        import pytest
        def log(word):
            with pathlib.Path("log").open("a") as file: file.write(word + " ")
        class TestA:
            @pytest.fixture(scope="class")
            def shared(self):
                log("a+"); yield; log("a-")
            def test_1(self, shared, device): log("1")
            def test_2(self, shared, device): log("2")
        class TestB:
            def test_3(self, device): log("3")
        """

    script = runs(text, order(0, "virtual-1"), order(1, "virtual-1"), order(2, "virtual-1"))

    assert (pytester.path / "log").read_text().split() == ["a+", "1", "2", "a-", "3"]
    assert script.said[:5] == [("done", 0), ("done", 1), ("leaving", None), ("left", None), ("done", 2)]


def test_an_error_of_such_a_teardown_is_of_the_test_that_ran_last(runs: Runs) -> None:
    script = runs(
        """
        import pytest
        class TestA:
            @pytest.fixture(scope="class")
            def shared(self):
                yield
                raise RuntimeError("torn")
            def test_1(self, shared, device): pass
        def test_2(device): pass
        """,
        order(0, "virtual-1"),
        order(1, "virtual-1"),
    )

    assert [one for one in script.reports if one[2] == "failed"] == [(0, "teardown", "failed")]
    assert script.reports.index((0, "teardown", "failed")) == 3
    assert [one for one in script.reports if one[0] == 1] == [
        (1, when, "passed") for when in ("setup", "call", "teardown")
    ]


def test_a_scope_is_closed_by_order_and_what_depends_on_it(runs: Runs, pytester: pytest.Pytester) -> None:
    """And made anew when another test asks for it."""
    script = runs(
        """
        import pathlib
        import pytest
        @pytest.fixture(scope="module")
        def on_top(module_device):
            with pathlib.Path("log").open("a") as file: file.write("+")
            yield
            with pathlib.Path("log").open("a") as file: file.write("-")
        def test_1(on_top): pass
        def test_2(on_top): pass
        """,
        order(0, "virtual-1"),
        close(0, "module_device"),
        order(1, "virtual-2"),
    )

    closed = next(one for one in script.told if one["say"] == "closed")
    assert closed["used"] == []
    assert (pytester.path / "log").read_text() == "+-+-"
    assert [outcome for _, _, outcome in script.reports] == ["passed"] * 6


LOSES = """
import pytest
from pytest_autorl.errors import DeviceTimeoutError
class TestIt:
    count = 0
    def test_it(self, device):
        self.count += 1
        assert self.count == 1  # an attempt finds nothing of the one before
        if device.id == "virtual-1":
            raise DeviceTimeoutError("gone", device_id=device.id)
"""


def test_an_attempt_that_is_lost_with_its_device_is_not_reported_and_the_next_is_as_new(runs: Runs) -> None:
    script = runs(
        LOSES, order(0, "virtual-1", may_be_lost=True), order(0, "virtual-2", attempt=2, may_be_lost=True)
    )

    assert [outcome for _, _, outcome in script.reports] == ["passed"] * 3
    again = next(one for one in script.told if one["say"] == "again")
    assert (again["again"]["kind"], again["again"]["devices"]) == ("loss", ["virtual-1"])
    assert (again["earlier"]["number"], again["earlier"]["error"]["error"]) == (1, "DeviceTimeoutError")
    assert [row["outcome"] for row in again["reports"]] == ["passed", "failed", "passed"]
    (lost,) = [facts["attempt"] for facts in again["facts"] if "attempt" in facts]
    assert (lost["attempt"], lost["blame"], lost["devices"]) == (1, "device", ["virtual-1"])
    assert ("done", 0) in script.said


def test_one_that_may_not_be_lost_any_more_is_reported(runs: Runs) -> None:
    script = runs(LOSES, order(0, "virtual-1", attempt=3))

    assert [outcome for _, _, outcome in script.reports] == ["passed", "failed", "passed"]
    assert ("done", 0) in script.said


def test_a_failure_of_the_test_is_reported_though_it_could_be_lost(runs: Runs) -> None:
    script = runs("def test_it(device): assert 0\n", order(0, "virtual-1", may_be_lost=True))

    assert [outcome for _, _, outcome in script.reports] == ["passed", "failed", "passed"]
    assert ("done", 0) in script.said


def test_a_plugin_that_runs_a_test_itself_is_let_and_what_it_reports_counts(
    runs: Runs, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        from _pytest.runner import runtestprotocol
        def pytest_runtest_protocol(item, nextitem):
            for report in runtestprotocol(item, log=False, nextitem=nextitem):
                report.longrepr = f"by the plugin: {report.outcome}"
                item.ihook.pytest_runtest_logreport(report=report)
            return True
        """
    )

    script = runs(LOSES, order(0, "virtual-1", may_be_lost=True))

    assert [outcome for _, _, outcome in script.reports] == ["passed", "failed", "passed"]
    assert script.texts[1] == "by the plugin: failed"
    assert ("done", 0) in script.said


@pytest.mark.parametrize("may_be_lost", [True, False], ids=["kept back", "not kept back"])
def test_a_plugin_that_only_looks_on_is_called_once_and_the_attempt_is_lost_as_ever(
    runs: Runs, pytester: pytest.Pytester, may_be_lost: bool
) -> None:
    pytester.makeconftest(
        """
        import pathlib
        def pytest_runtest_protocol(item, nextitem):
            with pathlib.Path("log").open("a") as file: file.write(item.name + " ")
        """
    )

    script = runs(LOSES, order(0, "virtual-1", may_be_lost=may_be_lost))

    assert (pytester.path / "log").read_text().split() == ["test_it"]
    assert ("again" if may_be_lost else "done", 0) in script.said
    assert bool(script.reports) is not may_be_lost


def test_an_attempt_of_which_a_report_has_gone_out_is_not_lost(runs: Runs) -> None:
    script = runs(
        """
        import pytest
        from pytest_autorl.errors import DeviceTimeoutError
        def test_it(device, request):
            request.config.hook.pytest_runtest_logreport(
                report=pytest.TestReport("part", ("", 0, ""), {}, "failed", "a part", "call")
            )
            raise DeviceTimeoutError("gone", device_id=device.id)
        def test_other(device):
            raise DeviceTimeoutError("gone", device_id=device.id)
        """,
        order(0, "virtual-1", may_be_lost=True),
        order(1, "virtual-2", may_be_lost=True),
    )

    assert [one for one in script.reports if one[0] == 0] == [
        (0, "call", "failed"),
        (0, "setup", "passed"),
        (0, "call", "failed"),
        (0, "teardown", "passed"),
    ]
    assert {("done", 0), ("again", 1)} <= set(script.said)


def test_the_next_test_is_a_test_for_those_who_look_at_it(runs: Runs, pytester: pytest.Pytester) -> None:
    """Also after the last one, and after one that is alone in its class or module; nothing shared is torn down."""
    pytester.makeconftest(
        """
        import pathlib
        def pytest_runtest_teardown(item, nextitem):
            assert nextitem is not item and nextitem.location and nextitem.module is item.module
            assert nextitem.listchain()[:-1] == item.listchain()[:-1]
            with pathlib.Path("log").open("a") as file: file.write(f"{item.name}/{nextitem.name} ")
        """
    )

    script = runs(
        """
        import pathlib, unittest
        import pytest
        @pytest.fixture(scope="module", params=[1, 2])
        def shared():
            yield
            with pathlib.Path("log").open("a") as file: file.write("torn ")
        @pytest.fixture
        def own():
            yield
            with pathlib.Path("log").open("a") as file: file.write("own ")
        def test_1(shared, device, own): pass
        class TestAlone:
            def test_2(self, device, own): pass
        class TestOld(unittest.TestCase):
            def test_3(self): pass
        """,
        *(order(index, "virtual-1") for index in (2, 3, 0, 1)),
    )

    assert {outcome for _, _, outcome in script.reports} == {"passed"}
    assert (pytester.path / "log").read_text().split() == [
        *("test_2/test_2", "own", "test_3/test_3"),
        *("test_1[1]/test_1[2]", "own"),
        *("torn", "test_1[2]/test_1[1]", "own", "torn"),  # by the other parameter; late
    ]


LEAVES = """
import logging, time, warnings
import pytest
@pytest.fixture(scope="module")
def shared():
    yield
    print("said at the end")
    logging.getLogger("of-shared").warning("logged at the end")
    {end}
def test_it(shared, device):
    print("said in the test")
"""


def test_a_late_teardown_has_its_output_logs_and_warnings(runs: Runs) -> None:
    end = 'warnings.warn("warned at the end"); raise RuntimeError("torn")'
    script = runs(LEAVES.format(end=end), order(0, "virtual-1"), options=("-W", "default"))

    assert [outcome for _, _, outcome in script.reports] == ["passed"] * 3 + ["failed"]
    (captured,) = script.captured
    assert captured["Captured stdout call"] == "said in the test\n"
    assert captured["Captured stdout teardown"] == "said at the end\n"
    assert "logged at the end" in captured["Captured log teardown"]
    assert script.warnings == ["warned at the end"]


def test_a_late_teardown_is_bound_by_pytest_timeout(runs: Runs) -> None:
    pytest.importorskip("pytest_timeout", reason="is a plugin of others")

    script = runs(
        LEAVES.format(end="time.sleep(60)"),
        order(0, "virtual-1"),
        options=("--timeout", "1", "--timeout-method", "signal"),
    )

    assert script.reports[-1] == (0, "teardown", "failed")
    assert "Timeout" in script.texts[-1]
    assert script.told[-1]["say"] == "left"


def test_hooks_of_users_are_not_called_for_a_late_teardown(runs: Runs, pytester: pytest.Pytester) -> None:
    """They have been, with the test."""
    pytester.makeconftest(
        """
        import pathlib
        import pytest
        def log(word):
            with pathlib.Path("log").open("a") as file: file.write(word + " ")
        def pytest_runtest_teardown(item): log("teardown")
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(item):
            log("protocol")
            return (yield)
        """
    )

    runs(LEAVES.format(end='open("log", "a").write("late ")'), order(0, "virtual-1"))

    assert (pytester.path / "log").read_text().split() == ["protocol", "teardown", "late"]


def test_the_last_call_says_that_no_device_came(runs: Runs, pytester: pytest.Pytester) -> None:
    (pytester.path / "farm.yml").write_text(
        "health: {heartbeat_interval: 0.2, cool_down: 0}\n"
        "devices:\n  - {id: a, provider: virtual, platform: android, virtual: {available: [[600, null]]}}\n"
    )

    script = runs("def test_it(device): pass\n", order(0, last_call_s=20.0), farm="farm.yml")

    assert script.reports[0][1:] == ("setup", "failed")
    assert "waited 20 s for a device of a" in script.texts[0]
    assert ("done", 0) in script.said


def test_the_table_says_what_every_test_needs(runs: Runs) -> None:
    script = runs(
        "import pytest\ndef test_1(device): pass\ndef test_2(): pass\n"
        "def test_3(module_device): pass\n@pytest.mark.skip\ndef test_4(device): pass\n"
    )

    assert script.table["class_of"] == [0, -1, 0, -1]
    assert script.table["unit_of"] == [-1, -1, 0, -1]


def test_without_any_need_the_loop_is_pytests_own(runs: Runs) -> None:
    script = runs("def test_1(): pass\ndef test_2(): pass\n")

    assert len(script.reports) == 6
    assert script.said == []
