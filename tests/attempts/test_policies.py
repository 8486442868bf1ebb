"""Which policy a test has: the closest marker, else the option, else none; and what it costs those without."""

from __future__ import annotations

import re
import timeit
from typing import Any

import pytest

from pytest_autorl.attempts.policies import (
    aside_lines,
    defaults_of,
    is_switched_off,
    note_policies,
    policy_key,
    policy_of,
    policy_problem_key,
)
from pytest_autorl.errors import UsageError
from pytest_autorl.farm.policies import Retry
from pytest_autorl.resilience.backoff import Backoff
from pytest_autorl.resilience.policy import RetryPolicy
from pytest_autorl.settings import Settings, resolve

pytestmark = pytest.mark.unit

SUITE = """
import pytest

class TestMarked:
    pytestmark = pytest.mark.retry(max_attempts=5, jitter=False)

    def test_of_the_class(self): ...

    @pytest.mark.retry(on="app")
    def test_of_its_own(self): ...

    @pytest.mark.retry(max_attempts=1)
    def test_once(self): ...

def test_unmarked(): ...

@pytest.mark.retry
def test_bare(): ...

@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.retry(max_attempts=2))])
def test_param(n): ...
"""

NONE = Settings()


def given(retries: str) -> Settings:
    return resolve(cli={"retries": retries})


def policies(
    pytester: pytest.Pytester, settings: Settings, section: Retry | None = None
) -> dict[str, RetryPolicy | None]:
    return {item.name: policy_of(item, settings, section) for item in pytester.getitems(SUITE)}


def test_the_closest_marker_counts_as_a_whole(pytester: pytest.Pytester) -> None:
    assert policies(pytester, NONE) == {
        "test_of_the_class": RetryPolicy(max_attempts=5, backoff=Backoff(jitter=False)),
        "test_of_its_own": RetryPolicy(on=("app",)),  # nothing of the class's marker
        "test_once": None,
        "test_unmarked": None,
        "test_bare": RetryPolicy(),
        "test_param[1]": None,
        "test_param[2]": RetryPolicy(max_attempts=2),
    }


def test_the_option_is_for_those_without_a_marker(pytester: pytest.Pytester) -> None:
    found = policies(pytester, given("4"))

    assert found["test_unmarked"] == found["test_param[1]"] == RetryPolicy(max_attempts=5)
    assert found["test_once"] is None
    assert found["test_param[2]"] == RetryPolicy(max_attempts=2)


def test_the_farm_file_fills_what_both_leave_open(pytester: pytest.Pytester) -> None:
    section = Retry(max_attempts=4, on=("device", "Server"), elsewhere=False, initial_delay=0.5)

    found = policies(pytester, given("1"), section)

    rest = RetryPolicy(on=("device", "server"), elsewhere=False, backoff=Backoff(initial_delay=0.5))
    assert found["test_unmarked"] == RetryPolicy(
        max_attempts=2, on=rest.on, elsewhere=False, backoff=rest.backoff
    )
    assert found["test_bare"] == RetryPolicy(
        max_attempts=4, on=rest.on, elsewhere=False, backoff=rest.backoff
    )
    assert found["test_of_its_own"] == RetryPolicy(
        max_attempts=4, on=("app",), elsewhere=False, backoff=rest.backoff
    )


@pytest.mark.parametrize(
    "settings", [given("0"), resolve(ini={"retries": "0"}), resolve(env={"AUTORL_RETRIES": "0"})]
)
def test_an_explicit_nought_is_for_all(pytester: pytest.Pytester, settings: Settings) -> None:
    assert set(policies(pytester, settings).values()) == {None}
    assert is_switched_off(settings)
    assert not is_switched_off(NONE)
    assert not is_switched_off(given("1"))


@pytest.mark.parametrize("option", ["usepdb", "trace"])
def test_nothing_is_retried_while_somebody_debugs(pytester: pytest.Pytester, option: str) -> None:
    items = pytester.getitems(SUITE)
    setattr(items[0].config.option, option, True)

    assert {policy_of(item, given("3"), None) for item in items} == {None}


def test_only_those_with_a_policy_have_it_in_the_stash(pytester: pytest.Pytester) -> None:
    items = pytester.getitems(SUITE)

    noted = note_policies(items, NONE, None)

    assert noted.has_any
    assert noted.problems == []
    assert [item.name for item in items if policy_key in item.stash] == [
        "test_of_the_class",
        "test_of_its_own",
        "test_bare",
        "test_param[2]",
    ]
    assert not note_policies(items[2:4], NONE, None).has_any


def test_a_marker_that_means_nothing_is_one_tests_problem(pytester: pytest.Pytester) -> None:
    items = pytester.getitems(
        """
        import pytest

        @pytest.mark.retry(max_attempts=0)
        def test_bad(): ...

        @pytest.mark.retry
        def test_good(): ...
        """
    )

    noted = note_policies(items, NONE, None)

    ((nodeid, why),) = noted.problems
    assert nodeid.endswith("::test_bad")
    assert why.startswith("retry(max_attempts=0): must be a whole number from 1 to 100")
    assert str(items[0].stash[policy_problem_key]) == why
    assert policy_key not in items[0].stash
    assert policy_key in items[1].stash


def test_a_section_that_means_nothing_says_where_it_stands(pytester: pytest.Pytester) -> None:
    section = Retry.model_construct({"on"}, on=("transiant",))  # the file's own check lets none through

    with pytest.raises(
        UsageError, match=re.escape("retry: of the farm file: retry(on='transiant'): unknown word")
    ):
        defaults_of(section)

    items = pytester.getitems(SUITE)
    noted = note_policies(items, NONE, section)
    assert len(noted.problems) == 5  # those with a marker: the others need no defaults
    assert not noted.has_any


def test_lines_name_who_runs_them_again() -> None:
    from collections import Counter

    assert aside_lines(Counter({"flaky": 1, "pytest-retry": 2})) == [
        "autorl: 1 test is left to flaky, which runs failed ones again: autorl runs them once",
        "autorl: 2 tests are left to pytest-retry, which runs failed ones again: autorl runs them once",
    ]
    assert aside_lines(Counter()) == []


def test_a_test_without_a_policy_pays_next_to_nothing(pytester: pytest.Pytester) -> None:
    """What is asked of each test while it runs; 1 us is promised, and a slow machine may take five times that."""
    (item, *_) = pytester.getitems("def test_it(): ...")
    note_policies([item], NONE, None)
    rounds = 20_000

    cost_s = min(timeit.repeat(lambda: policy_key in item.stash, number=rounds, repeat=5)) / rounds

    assert cost_s < 5e-6


def test_many_tests_are_read_quickly(pytester: pytest.Pytester) -> None:
    """At collection 10,000 unmarked tests take well under a second."""
    items: list[Any] = pytester.getitems(
        "import pytest\n@pytest.mark.parametrize('n', range(500))\ndef test_it(n): ..."
    )

    cost_s = min(timeit.repeat(lambda: note_policies(items, NONE, None), number=1, repeat=3)) / len(items)

    assert cost_s < 100e-6
