"""Allure's results of several attempts; the contract with the private parts of allure-pytest that are used for them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ordered import DIES_ONCE, rows, run_ordered
from pytest_autorl.attempts.earlier import Earlier
from pytest_autorl.capture import allure as ours
from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorInfo, ErrorSeverity, Strategy

pytestmark = pytest.mark.unit
pytest.importorskip("allure_pytest", reason="allure-pytest is not installed")

CRASH = Earlier(
    kind="crash", number=1, devices=("pixel", "tablet"), worker="gw1", start_s=100.0, stop_s=107.5
)
INFO = ErrorInfo(
    error="X",
    category=ErrorCategory.TRANSIENT,
    severity=ErrorSeverity.HIGH,
    domain=ErrorDomain.APP,
    strategy=Strategy.RETRY,
)

#: Asks for the identity of each test before its attempt, as a worker does, and in the middle of it.
ASKS = """
import json, pathlib
import pytest
from pytest_autorl.capture import allure as ours

HERE = pathlib.Path(__file__).parent

def keep(item, moment):
    with (HERE / "identities.jsonl").open("a") as file:
        file.write(json.dumps([moment, item.nodeid, ours.identity(item), ours.identity_of(item.nodeid)]) + "\\n")

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    keep(item, "before")
    return (yield)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "setup":
        ours.note_devices(["pixel"], ["pixel"])
        keep(item, "set up")
    elif call.when == "teardown":
        keep(item, "torn down")
    return report
"""
TESTS = '''
import unittest
import allure
import pytest

class Thing:
    def __repr__(self): return "a thing"

def test_plain(): """It has a text."""

@pytest.mark.parametrize("value", [1, "one", None, "a b/c::d", "\\u00e9\\u4f60", Thing(), [1, 2]])
@pytest.mark.parametrize("other", [True], ids=["yes"])
def test_parameters(value, other): pass

@pytest.fixture(params=["x", "y"])
def shared(request): return request.param

def test_fixture_parameters(shared): pass

@allure.feature("sign in")
@allure.parent_suite("mine")
@allure.severity("critical")
@pytest.mark.smoke
class TestClass:
    def test_method(self): pass
    class TestInner:
        @allure.title("inner {value}")
        @pytest.mark.parametrize("value", [3])
        def test_deep(self, value): pass

class TestUnit(unittest.TestCase):
    def test_case(self): pass

def test_fails(): assert 0
@pytest.mark.skip
def test_skipped(): pass
'''


def results(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in pytester.path.glob("allure/*-result.json")]


def run(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmarkers = smoke")
    pytester.runpytest_inprocess("--alluredir", "allure", "-p", "no:randomly", "-p", "no:cacheprovider")


def labels(result: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(label["name"], label["value"]) for label in result["labels"]}


def test_the_identity_of_a_test_is_what_allure_pytest_writes_itself(pytester: pytest.Pytester) -> None:
    """Equal histories make attempts of them. The parameter with the device takes no part, whenever it is added."""
    pytester.makeconftest(ASKS)
    (pytester.path / "sub" / "deep").mkdir(parents=True)
    (pytester.path / "sub" / "deep" / "test_it.py").write_text(TESTS, encoding="utf-8")

    run(pytester)

    written = {result["historyId"]: result for result in results(pytester)}
    lines = (pytester.path / "identities.jsonl").read_text().splitlines()
    asked = [json.loads(line) for line in lines]
    assert len(written) == 15
    assert len(asked) == 45
    for moment, nodeid, known, _ in asked:
        result = written[known["historyId"]]
        assert known["test"] == nodeid
        for name in ("fullName", "testCaseId", "titlePath", "name"):
            assert known[name] == result.get(name, known[name]), (moment, nodeid)
        assert {tuple(each) for each in known["labels"]} == labels(result) - {("device", "pixel")}
        values = [each["value"] for each in result["parameters"]]
        assert values[-1:] == ["'pixel'"]
        assert [each["value"] for each in known["parameters"]] == (
            values[:-1] if moment == "before" else values
        )


def test_the_id_of_a_test_without_parameters_is_enough(pytester: pytest.Pytester) -> None:
    """A worker that died before it could tell what it runs."""
    import allure_pytest.utils

    pytester.makeconftest(ASKS)
    pytester.makepyfile(test_it=TESTS)

    run(pytester)

    written = {result["historyId"]: result for result in results(pytester)}
    lines = (pytester.path / "identities.jsonl").read_text().splitlines()
    asked = {nodeid: known for _, nodeid, _, known in map(json.loads, lines)}
    are_classes_known = hasattr(allure_pytest.utils, "ParsedPytestNodeId")
    for nodeid, known in asked.items():
        assert bool(known) is ("[" not in nodeid and (nodeid.count("::") == 1 or are_classes_known))
        if known:
            result = written[known["historyId"]]
            assert [known[name] for name in ("fullName", "testCaseId")] == [
                result[name] for name in ("fullName", "testCaseId")
            ]
    assert ours.identity_of("README.md") == {}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is given to Allure."""
    import allure_commons

    taken: list[Any] = []
    hook = SimpleNamespace(report_result=lambda *, result: taken.append(result))
    monkeypatch.setattr(allure_commons.plugin_manager, "hook", hook)
    return taken


def test_an_attempt_whose_worker_died_is_written_for_it(written: list[Any]) -> None:
    known = ours.identity_of("sub/test_it.py::test_y")

    ours.note_crash(known, CRASH, "worker gw1 died")

    (result,) = written
    assert (result.status, result.statusDetails.message) == ("broken", "worker gw1 died")
    assert (result.start, result.stop) == (100_000, 107_500)
    assert (result.historyId, result.fullName) == (known["historyId"], "sub.test_it#test_y")
    assert [(each.name, each.value, each.excluded) for each in result.parameters] == [
        ("device", "'pixel, tablet'", True)
    ]
    found = [(label.name, label.value) for label in result.labels]
    assert ("device", "pixel") in found
    assert ("device", "tablet") in found
    assert ("suite", "test_it") in found


def test_a_device_that_the_worker_had_told_of_stands_there_once(written: list[Any]) -> None:
    device = {"name": "device", "value": "'old'", "excluded": True, "mode": None}
    value = {"name": "value", "value": "1", "excluded": None, "mode": "masked"}
    known = {**ours.identity_of("a.py::test_x"), "parameters": [device, value]}

    ours.note_crash(known, CRASH, "why")
    ours.note_crash(known, replace(CRASH, devices=()), "why")

    assert [[each.value for each in result.parameters] for result in written] == [
        ["1", "'pixel, tablet'"],
        ["'old'", "1"],
    ]


def test_a_crash_of_which_the_begin_is_not_known_lasts_no_time(written: list[Any]) -> None:
    """A result that began at the epoch would be the earliest of all attempts ever."""
    ours.note_crash(ours.identity_of("a.py::test_x"), replace(CRASH, start_s=0.0), "why")

    assert (written[0].start, written[0].stop) == (107_500, 107_500)


def test_a_crashed_attempt_belongs_to_the_history_of_the_one_that_follows(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import time
        from pytest_autorl.attempts.earlier import Earlier
        from pytest_autorl.capture import allure as ours

        def pytest_runtest_setup(item):
            now_s = time.time()
            crash = Earlier(kind="crash", number=1, worker="gw1", start_s=now_s - 9, stop_s=now_s - 5)
            ours.note_crash(ours.identity(item), crash, "worker gw1 died")
        """
    )
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('n', [1])\ndef test_x(n): pass\n")

    run(pytester)

    first, last = sorted(results(pytester), key=lambda result: result["start"])
    assert (first["status"], last["status"]) == ("broken", "passed")
    assert first["historyId"] == last["historyId"]
    assert first["testCaseId"] == last["testCaseId"]
    assert first["uuid"] != last["uuid"]


SAYS = """
import pytest
from pytest_autorl.capture import allure as ours
from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorInfo, ErrorSeverity, Strategy

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "teardown":
        for severity in ErrorSeverity:
            if severity.value in item.name:
                ours.note_severity(ErrorInfo(
                    error="X", category=ErrorCategory.TRANSIENT, severity=severity,
                    domain=ErrorDomain.APP, strategy=Strategy.RETRY,
                ))
        if "flaky" in item.name:
            ours.mark_flaky()
    return report
"""


def test_a_flaky_test_is_marked_and_a_failed_one_has_a_severity(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SAYS)
    pytester.makepyfile(
        """
        import allure
        def test_flaky(): pass
        def test_low(): assert 0
        def test_medium(): assert 0
        def test_high(): assert 0
        def test_critical(): assert 0
        @allure.severity("trivial")
        def test_low_marked(): assert 0
        def test_low_said():
            allure.dynamic.severity("normal")
            assert 0
        """
    )

    run(pytester)

    found = {result["name"]: result for result in results(pytester)}
    assert found["test_flaky"]["statusDetails"] == {"flaky": True}
    assert found["test_flaky"]["status"] == "passed"
    severities = {
        name: [value for key, value in labels(result) if key == "severity"] for name, result in found.items()
    }
    assert severities == {
        "test_flaky": [],
        "test_low": ["minor"],
        "test_medium": ["normal"],
        "test_high": ["critical"],
        "test_critical": ["blocker"],
        "test_low_marked": ["trivial"],
        "test_low_said": ["normal"],
    }
    assert "flaky" not in found["test_low"]["statusDetails"]


def test_an_allure_that_has_changed_costs_its_results_only(
    written: list[Any], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    import allure_pytest.utils

    monkeypatch.delattr(allure_pytest.utils, "get_history_id")

    assert ours.identity(request.node) == {}
    assert ours.identity_of("a.py::test_x") == {}
    ours.note_crash({}, CRASH, "why")
    ours.note_crash({"of": "another kind"}, CRASH, "why")
    assert written == []


@pytest.mark.parametrize(
    "listener",
    [
        object(),
        SimpleNamespace(allure_logger=None),
        SimpleNamespace(allure_logger=SimpleNamespace(get_test=lambda _: None)),
        SimpleNamespace(allure_logger=SimpleNamespace(get_test=lambda _: object())),
    ],
)
def test_without_a_result_of_the_test_that_runs_nothing_is_written_on_it(
    listener: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    import allure_commons

    monkeypatch.setattr(allure_commons.plugin_manager, "get_plugins", lambda: [listener])

    ours.mark_flaky()
    ours.note_severity(INFO)


@pytest.mark.integration
@pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX")
def test_a_worker_that_dies_over_a_test_leaves_its_attempt_to_everybody(pytester: pytest.Pytester) -> None:
    """The terminal, JUnit, Allure with the history of the parameters, and the trace."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    pytester.makepyfile(
        test_it=DIES_ONCE
        + "import pytest\n"
        + "@pytest.mark.parametrize('value', ['a b'])\n"
        + "def test_dies(device, value): die_once('it')\n"
        + "def test_other(device): pass\n"
    )

    result = run_ordered(pytester, "--alluredir", "allure", "--junitxml", "junit.xml")

    assert result.parseoutcomes() == {"passed": 2, "lost": 1}
    stories = sorted(results(pytester), key=lambda each: each["start"])
    lost, last = [each for each in stories if each["fullName"].endswith("#test_dies")]
    assert (lost["status"], last["status"]) == ("broken", "passed")
    assert lost["historyId"] == last["historyId"]
    assert "flaky" not in last.get("statusDetails", {})
    (row, _) = [each for each in rows(pytester) if "test_dies" in each["test"]]
    assert (row["attempt"], row["outcome"]) == (1, "lost")
    assert ("device", row["devices"][0]) in labels(lost)
    junit = (pytester.path / "junit.xml").read_text()
    assert f'"autorl_attempt_1" value="crash on {row["devices"][0]}: worker {row["worker"]} died, ' in junit
