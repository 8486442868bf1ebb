"""The hook `pytest_autorl_classify_error`: it decides, and a plugin that fails hides no failure."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pluggy
import pytest

from pytest_autorl import hooks
from pytest_autorl.resilience import ErrorCategory, ErrorDomain, ErrorInfo, ErrorSeverity, Strategy
from pytest_autorl.resilience.classify import ErrorClassifier, classify_error

pytestmark = pytest.mark.unit

FAULT = ErrorInfo(
    error="MaintenanceError",
    category=ErrorCategory.TRANSIENT,
    severity=ErrorSeverity.LOW,
    domain=ErrorDomain.APP,
    strategy=Strategy.RETRY,
    rule="mine",
)
PROGRAMS_OWN = classify_error(AssertionError())


def config(**plugins: Any) -> pytest.Config:
    """As much of a config as there is to a hook: the plugins by name, registered in this order."""
    manager = pluggy.PluginManager("pytest")
    manager.add_hookspecs(hooks)
    for name, implementation in plugins.items():
        holder = SimpleNamespace(pytest_autorl_classify_error=pytest.hookimpl(implementation))
        manager.register(holder, name)
    return cast("pytest.Config", SimpleNamespace(hook=manager.hook, rootpath=Path("/suite")))


def classifier(**plugins: Any) -> ErrorClassifier:
    return ErrorClassifier(hooks.classification(config(**plugins)))


def test_the_first_plugin_that_answers_decides() -> None:
    found = classifier(never=lambda: NotImplemented, mine=lambda error: FAULT, quiet=lambda: None)
    assert found.classify(AssertionError()) == FAULT  # pytest calls the last one first


def test_without_a_plugin_or_an_answer_the_table_decides() -> None:
    assert classifier().classify(AssertionError()) == PROGRAMS_OWN
    assert classifier(quiet=lambda: None).classify(AssertionError()) == PROGRAMS_OWN


def _breaks() -> NoReturn:
    raise ValueError("token=hunter2")


def _skips() -> NoReturn:
    pytest.skip("not today")


@pytest.mark.parametrize(
    ("name", "implementation", "told"),
    [
        ("mine", _breaks, "of mine failed: ValueError;"),
        ("/suite/conftest.py", _skips, "of conftest.py failed: Skipped;"),
        ("mine", lambda: {"category": "transient"}, "of mine returned dict, not an ErrorInfo;"),
    ],
)
def test_a_plugin_that_fails_is_told_once_by_name_and_the_table_decides(
    name: str, implementation: Any, told: str
) -> None:
    found = classifier(**{name: implementation})
    with pytest.warns(pytest.PytestWarning) as caught:
        twice = [found.classify(AssertionError()) for _ in range(2)]
    assert twice == [PROGRAMS_OWN, PROGRAMS_OWN]
    assert [str(each.message) for each in caught] == [
        f"pytest_autorl_classify_error {told} the plugin's own table decides"
    ]


def test_an_answer_with_a_word_that_is_none_is_told() -> None:
    wrong = ErrorInfo.from_dict(FAULT.to_dict())
    object.__setattr__(wrong, "domain", "moon")
    with pytest.warns(
        pytest.PytestWarning, match="of mine or other returned 'moon' is not a valid ErrorDomain"
    ):
        found = classifier(other=lambda: None, mine=lambda: wrong).classify(AssertionError())
    assert found == PROGRAMS_OWN


class UnreadableError(Exception):
    """Is raised where an answer is read."""


class UnreadableContext(Mapping[str, Any]):
    """A mapping that breaks when it is read."""

    def __getitem__(self, key: str) -> NoReturn:
        raise UnreadableError("token=hunter2")

    def __iter__(self) -> NoReturn:
        raise UnreadableError("token=hunter2")

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"reason": None}, "reason that is of type NoneType, not str"),
        ({"category": 7}, "category that is of type int, not str"),
        ({"family": "moon"}, "'moon' is not a valid family"),
        ({"context": None}, "context that is of type NoneType, not a mapping"),
        ({"context": {"driver": object()}}, "context with a value of type object, neither str nor int"),
        ({"context": UnreadableContext()}, "what cannot be read: UnreadableError"),
    ],
)
def test_an_answer_that_cannot_be_sent_is_told_and_the_table_decides(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.warns(pytest.PytestWarning) as caught:
        found = classifier(mine=lambda: replace(FAULT, **changes)).classify(AssertionError())
    assert found == PROGRAMS_OWN
    assert [str(each.message) for each in caught] == [
        f"pytest_autorl_classify_error of mine returned {told}; the plugin's own table decides"
    ]


def test_a_person_who_interrupts_while_an_answer_is_read_is_heard() -> None:
    class Slow(UnreadableContext):
        def __iter__(self) -> NoReturn:
            raise KeyboardInterrupt

    answer = replace(FAULT, context=Slow())
    with pytest.raises(KeyboardInterrupt):
        hooks.classification(config(mine=lambda: answer))(AssertionError())


def test_a_suite_that_makes_errors_of_warnings_still_sees_its_own_failure() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        assert classifier(mine=_breaks).classify(AssertionError()) == PROGRAMS_OWN
    assert [type(each.message) for each in caught] == [pytest.PytestWarning]


def test_a_person_who_interrupts_is_heard() -> None:
    def interrupted() -> NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hooks.classification(config(mine=interrupted))(AssertionError())


@pytest.mark.integration
@pytest.mark.parametrize("arguments", [(), ("-W", "error")], ids=["told", "as_an_error"])
def test_in_a_real_run_the_test_fails_as_it_did_and_the_plugin_is_told(
    pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    pytester.makeconftest(
        """
        from pytest_autorl import hooks
        from pytest_autorl.resilience import ErrorClassifier

        def pytest_configure(config):
            config.ours = ErrorClassifier(hooks.classification(config))

        def pytest_autorl_classify_error(error):
            raise ValueError("token=hunter2")

        def pytest_runtest_makereport(item, call):
            if call.excinfo:
                print("classified:", item.config.ours.classify(call.excinfo.value).text)
        """
    )
    pytester.makepyfile("def test_one(): assert False")

    # asyncio's plugin warns of its own settings.
    result = pytester.runpytest_subprocess("-p", "no:asyncio", "-s", *arguments)

    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(
        [
            "*classified: AssertionError (test, permanent)*",
            "*test_one*assert False*",
            "*pytest_autorl_classify_error of conftest.py failed: ValueError; the plugin's own table decides*",
        ],
        consecutive=False,
    )
    result.stdout.no_fnmatch_line("*hunter2*")
