"""What is expected of tests, devices, sessions and fixtures, and what that is learned from."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.dispatch.estimate import Estimates

pytestmark = pytest.mark.unit

SECONDS = st.floats(0, 10_000)
WRONG = pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf, -math.inf])


def test_history_is_believed_before_anything_else() -> None:
    """One attempt of this run may be an outlier; history is the median of five."""
    estimates = Estimates({"a": 10.0})

    estimates.learn("a", ["d1"], 40.0)

    assert estimates.work_s("a") == 10.0
    assert estimates.has_history("a")
    assert estimates.is_known("a")


def test_without_history_this_run_is_believed() -> None:
    """A second attempt of a new test is expected to take as long as the first."""
    estimates = Estimates()

    estimates.learn("a", ["d1"], 40.0)
    estimates.learn("a", ["d1"], 20.0)

    assert estimates.work_s("a") == 30.0
    assert estimates.is_known("a")
    assert not estimates.has_history("a")
    assert estimates.lessons == 2


def test_a_new_test_has_its_modules_mean_drawn_to_that_of_all() -> None:
    """(2 * mean of all + sum of the module) / (2 + tests of the module)."""
    estimates = Estimates(
        {"a": 10.0, "b": 20.0, "c": 60.0}, modules={"a": "m", "b": "m", "c": "other", "new": "m"}
    )

    assert estimates.work_s("new") == pytest.approx((2 * 30.0 + 10.0 + 20.0) / 4)
    assert not estimates.is_known("new")


def test_a_test_of_a_new_module_has_the_mean_of_all() -> None:
    """Nothing else is known of it."""
    assert Estimates({"a": 10.0, "b": 20.0}).work_s("never heard of") == 15.0


def test_while_nothing_is_known_all_are_alike() -> None:
    """The first run of a suite: one second each, since only ratios matter."""
    assert Estimates().work_s("a") == Estimates().work_s("b") == 1.0
    assert Estimates().quantile_99() == 0.0


def test_a_test_keeps_the_module_in_which_it_was_first_known() -> None:
    """A job of several tests has one module; what the collection said before stands."""
    estimates = Estimates({"a": 10.0, "b": 50.0}, modules={"a": "m", "b": "other"})

    estimates.know("a", "other")
    estimates.know("new", "m")

    assert estimates.work_s("new") == pytest.approx((2 * 30.0 + 10.0) / 3)


def test_what_is_learned_on_a_slow_device_is_taken_back_to_a_plain_one() -> None:
    """Else the next estimate of the test would count the device twice."""
    estimates = Estimates({f"t{i}": 10.0 for i in range(200)})
    for i in range(200):
        estimates.learn(f"t{i}", ["slow"], 20.0)

    estimates.learn("new", ["slow"], 60.0)

    assert estimates.factor("slow") == pytest.approx(2.0, rel=1e-3)
    assert estimates.work_s("new") == pytest.approx(30.0, rel=1e-3)


def test_the_first_observation_of_a_device_moves_its_factor_by_a_third() -> None:
    """exp(EWMA(log ratio)) with weight 1 / (n + 3): one test may just have been unlucky."""
    estimates = Estimates({"a": 10.0})

    estimates.learn("a", ["d1"], 20.0)

    assert estimates.factor("d1") == pytest.approx(2 ** (1 / 3))
    assert estimates.factor("d2") == 1.0


@pytest.mark.parametrize(("work_s", "ratio"), [(10_000.0, 4.0), (0.0, 0.5)])
def test_one_outlier_says_little_about_a_device(work_s: float, ratio: float) -> None:
    """Each ratio is kept between a half and four."""
    estimates = Estimates({"a": 10.0})

    estimates.learn("a", ["d1"], work_s)

    assert estimates.factor("d1") == pytest.approx(ratio ** (1 / 3))


def test_only_single_devices_with_history_teach_factors() -> None:
    """Of two devices nobody knows which was slow; of a new test, whether it or the device is."""
    estimates = Estimates({"pair": 10.0, "instant": 0.0})

    estimates.learn("pair", ["d1", "d2"], 40.0)
    estimates.learn("new", ["d1"], 40.0)
    estimates.learn("instant", ["d1"], 40.0)

    assert estimates.factor("d1") == estimates.factor("d2") == 1.0


def test_a_new_test_among_known_ones_counts_as_a_long_one() -> None:
    """Starting it last would be the dearest mistake; its estimate stays what it is."""
    tests = {f"t{i}": float(i + 1) for i in range(100)}
    estimates = Estimates(tests, modules={**dict.fromkeys(tests, "m"), "new": "m"})

    assert estimates.quantile_99() == 99.0
    assert estimates.rank_s("new") == 99.0
    assert estimates.work_s("new") == pytest.approx(50.5)
    assert estimates.rank_s("t3") == 4.0


def test_where_most_tests_are_new_they_are_not_all_long() -> None:
    """An order in which nearly all are first is none."""
    estimates = Estimates({"a": 1.0, "b": 9.0}, modules=dict.fromkeys(["a", "b", "x", "y"], "m"))

    assert estimates.rank_s("x") == estimates.work_s("x")


def test_a_test_that_ran_and_never_passed_is_not_new() -> None:
    """Skipped in its body, or a known failure: it would go before all others in each run."""
    tests = {f"t{i}": float(i + 1) for i in range(100)}
    modules = {**dict.fromkeys(tests, "m"), "fails": "m", "new": "m"}
    estimates = Estimates(tests, ran={"fails"}, modules=modules)

    assert estimates.rank_s("fails") == estimates.work_s("fails") == pytest.approx(50.5)
    assert estimates.rank_s("new") == 99.0
    assert not estimates.has_history("fails")
    assert not estimates.is_known("fails")


def test_a_new_test_among_some_that_never_pass_counts_as_a_long_one() -> None:
    """Most are not new, although few have history."""
    modules = dict.fromkeys(["a", "b", "fails", "too", "new"], "m")

    estimates = Estimates({"a": 1.0, "b": 9.0}, ran={"a", "fails", "too"}, modules=modules)

    assert estimates.rank_s("new") == 9.0
    assert estimates.rank_s("fails") == estimates.work_s("fails") == 5.0


def test_the_quantile_follows_what_is_learned() -> None:
    """It is kept between two questions, but not beyond a lesson."""
    estimates = Estimates({"a": 1.0})
    before = estimates.quantile_99()

    estimates.learn("new", ["d1"], 70.0)

    assert (before, estimates.quantile_99()) == (1.0, 70.0)


def test_sessions_cost_what_they_cost_on_the_device_else_on_the_others() -> None:
    """A device without a session so far is taken for an average one."""
    estimates = Estimates(prior_session_s=5.0)
    prior_s = estimates.session_s("d1")

    estimates.learn_session("d1", 10.0)
    estimates.learn_session("d1", 20.0)
    estimates.learn_session("d2", 30.0)

    assert (prior_s, estimates.session_s("d1"), estimates.session_s("new")) == (5.0, 15.0, 20.0)


def test_fixtures_cost_what_they_cost_in_the_module_else_in_the_others() -> None:
    """A job without a module has no fixtures."""
    estimates = Estimates()
    before_s = estimates.fixture_s("m")

    estimates.learn_fixture("m", 4.0)

    assert (before_s, estimates.fixture_s("m"), estimates.fixture_s("other"), estimates.fixture_s("")) == (
        0.0,
        4.0,
        4.0,
        0.0,
    )


def test_what_sessions_and_fixtures_took_is_told_of_the_whole_run() -> None:
    """A prior is a guess, not a finding."""
    estimates = Estimates(prior_session_s=5.0, prior_fixture_s=6.0)
    before = (estimates.mean_session_s, estimates.mean_fixture_s)

    estimates.learn_session("d1", 10.0)
    estimates.learn_session("d1", 20.0)
    estimates.learn_session("d2", 30.0)
    estimates.learn_fixture("m", 1.0)
    estimates.learn_fixture("n", 4.0)

    assert before == (0.0, 0.0)
    assert (estimates.mean_session_s, estimates.mean_fixture_s) == (20.0, 2.5)


@WRONG
def test_seconds_that_are_none_are_refused_everywhere(wrong: float) -> None:
    """One NaN would spoil every mean and every order."""
    estimates = Estimates()
    for tell in (
        lambda: Estimates({"a": wrong}),
        lambda: Estimates(prior_session_s=wrong),
        lambda: Estimates(prior_fixture_s=wrong),
        lambda: estimates.learn("a", ["d1"], wrong),
        lambda: estimates.learn_session("d1", wrong),
        lambda: estimates.learn_fixture("m", wrong),
    ):
        with pytest.raises(ValueError, match="must be finite and not negative"):
            tell()

    assert estimates.work_s("a") == 1.0


@given(st.lists(st.tuples(st.sampled_from("abcx"), st.sampled_from(["d1", "d2"]), SECONDS), max_size=40))
def test_estimates_stay_sane_whatever_is_learned(lessons: list[tuple[str, str, float]]) -> None:
    """Finite, never negative, factors within the clamp."""
    estimates = Estimates({"a": 3.0, "b": 0.0}, modules={"a": "m", "b": "m", "c": "m", "x": "n"})
    for test, device, work_s in lessons:
        estimates.learn(test, [device], work_s)

    for test in "abcx?":
        assert 0 <= estimates.work_s(test) <= estimates.rank_s(test) < math.inf
    for device in ("d1", "d2"):
        assert 0.5 <= estimates.factor(device) <= 4.0
