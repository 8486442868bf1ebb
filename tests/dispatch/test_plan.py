"""The planner's choices, one rule at a time."""

from __future__ import annotations

import math

import pytest

from planning import Farm, job, start
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.jobs import Choice, Job
from pytest_autorl.dispatch.plan import Planner

pytestmark = pytest.mark.unit


def order_of(planner: Planner, device: str = "d1") -> list[str]:
    """What one device runs, one after the other, at time 0."""
    names = []
    while (choice := start(planner, [device])) is not None:
        planner.end(choice.job.name, 0.0)
        names.append(choice.job.name)
    return names


# -- the order of single jobs --------------------------------------------------------------------------------


def test_the_longest_goes_first_when_it_could_decide_the_end() -> None:
    """8 of 16 seconds that are left."""
    planner = Planner(["d1"], map(job, "abc"), Estimates({"a": 2.0, "b": 8.0, "c": 6.0}))

    choice = planner.choose(["d1"], 0.0)

    assert choice is not None
    assert (choice.job.name, choice.devices) == ("b", ("d1",))
    assert choice.why == "longest left, 8.0 s: shared evenly, all that is left takes 16.0 s"


def test_equal_jobs_run_in_the_order_of_the_collection() -> None:
    """Nothing else tells them apart."""
    planner = Planner(["d1"], [job("b", order=1), job("a", order=2), job("c", order=0)], Estimates())

    assert order_of(planner) == ["c", "b", "a"]


def test_a_device_goes_on_with_its_module_while_there_is_time() -> None:
    """Twelve equal tests of two modules, alternating in the collection: each module's fixtures once."""
    jobs = [job(f"{m}{i}", module=m, session="s", order=2 * i + (m == "n")) for i in range(6) for m in "mn"]
    planner = Planner(["d1"], jobs, Estimates())
    planner.warm("d1", session="s", module="n")

    assert "".join(name[0] for name in order_of(planner)) == "nnnnnnmmmmmm"


def test_a_module_that_no_device_has_open_is_opened_before_one_is_shared() -> None:
    """The second device would pay for fixtures that the first has."""
    jobs = [
        job(f"{m}{i}", ["d1", "d2"], module=m, session="s")
        for m, n in (("big", 9), ("small", 7))
        for i in range(n)
    ]
    planner = Planner(["d1", "d2"], jobs, Estimates())

    first, second = start(planner, ["d1", "d2"]), start(planner, ["d2"])

    assert first is not None
    assert second is not None
    assert (first.job.module, second.job.module) == ("big", "small")
    assert second.why == "largest module that no device has open; a new session on d2"


def test_a_module_is_shared_once_all_are_open() -> None:
    """Better a second set of fixtures than an idle device."""
    jobs = [job(f"t{i}", ["d1", "d2"], module="m", session="s") for i in range(20)]
    planner = Planner(["d1", "d2"], jobs, Estimates())

    start(planner, ["d1", "d2"])
    second = start(planner, ["d2"])

    assert second is not None
    assert second.why == "longest of the class that fewest devices fit; a new session on d2"


def test_a_module_that_was_given_up_can_be_opened_again() -> None:
    """The device that had it is gone; its jobs are a module that no device has open."""
    jobs = [job(f"t{i}", ["d1", "d2"], module="m", session="s") for i in range(20)]
    planner = Planner(["d1", "d2"], jobs, Estimates())
    start(planner, ["d1"])

    planner.down("d1", 0.0)
    choice = planner.choose(["d2"], 0.0)

    assert choice is not None
    assert choice.why.startswith("largest module that no device has open")


def test_a_module_of_which_jobs_were_dropped_is_as_large_as_what_is_left() -> None:
    """A run that selects while it goes on: 9 - 4 is less than 7."""
    jobs = [job(f"{m}{i}", module=m, session="s") for m, n in (("big", 9), ("small", 7)) for i in range(n)]
    planner = Planner(["d1"], jobs, Estimates())

    for i in range(4):
        planner.drop(f"big{i}")

    choice = planner.choose(["d1"], 0.0)
    assert choice is not None
    assert choice.job.module == "small"


def test_a_module_whose_jobs_avoid_the_device_is_left_for_others() -> None:
    """The device has its fixtures, but failed what is left of it."""
    jobs = [job(f"t{i}", ["d1", "d2"], module="m", session="s") for i in range(9)]
    planner = Planner(["d1", "d2"], jobs, Estimates())
    planner.warm("d1", session="s", module="failed")
    planner.add(job("again", ["d1", "d2"], module="failed", session="s"), avoid=frozenset({"d1"}))

    choice = planner.choose(["d1"], 0.0)

    assert choice is not None
    assert choice.job.module == "m"


def test_devices_spread_over_sessions_by_the_work_that_each_has() -> None:
    """As D'Hondt gives seats: 30 to 10 tests, three devices."""
    devices = ["d1", "d2", "d3"]
    jobs = [job(f"{s}{i}", devices, session=s) for s, n in (("phone", 30), ("web", 10)) for i in range(n)]
    planner = Planner(devices, jobs, Estimates())

    sessions = [choice.job.session for d in devices if (choice := start(planner, [d])) is not None]

    assert sessions == ["phone", "phone", "web"]


def test_a_session_may_have_jobs_in_one_class_only() -> None:
    """Two classes on one device, each with a session of its own: both run, the open session first."""
    jobs = [job(f"a{i}", ["d1"], session="s") for i in range(5)]
    jobs += [job(f"b{i}", ["d1", "d2"], session="t") for i in range(5)]
    planner = Planner(["d1"], jobs, Estimates())
    planner.warm("d1", session="t")

    names = order_of(planner)

    assert names[0] == "b0"
    assert sorted(names) == sorted(each.name for each in jobs)


def test_a_job_without_a_session_leaves_the_session_as_it_is() -> None:
    """It costs nothing between two that share one, and comes before another session is opened."""
    jobs = [job("plain"), *(job(f"{s}{i}", session=s) for s in ("s", "other") for i in range(5))]
    planner = Planner(["d1"], jobs, Estimates())
    planner.warm("d1", session="s")

    names = order_of(planner)

    assert names.index("s4") < names.index("plain") < names.index("other0")


def test_a_critical_job_waits_for_one_of_the_open_module_that_is_nearly_as_long() -> None:
    """Fixtures of 3 s are dearer than starting 8 s before 10 s."""
    estimates = Estimates({"long": 10.0, "near": 8.0})
    estimates.learn_fixture("m", 3.0)
    planner = Planner(["d1"], [job("long", module="m"), job("near", module="n")], estimates)
    planner.warm("d1", session="", module="n")

    choice = planner.choose(["d1"], 0.0)

    assert choice is not None
    assert choice.job.name == "near"
    assert choice.why == "same module and session as before on d1, about as long as the longest"


def test_a_critical_job_waits_for_one_of_the_open_session_that_is_nearly_as_long() -> None:
    """A session of 10 s is dearer than starting 30 s before 60 s is late."""
    estimates = Estimates({"long": 60.0, "near": 30.0, "short": 1.0})
    estimates.learn_session("d1", 10.0)
    jobs = [
        job("long", ["d1", "d2"], session="s"),
        job("near", session="t"),
        job("short", session="t", module="m"),
    ]
    planner = Planner(["d1"], jobs, estimates)
    planner.warm("d1", session="t", module="m")

    choice = planner.choose(["d1"], 0.0)

    assert choice is not None
    assert choice.job.name == "near"
    assert choice.why == "same session as before on d1, about as long as the longest"


def test_a_critical_job_does_not_wait_for_short_ones() -> None:
    """The same module and session, but they can run at any time."""
    estimates = Estimates({"long": 60.0, "short": 10.0})
    estimates.learn_session("d1", 2.0)
    planner = Planner(
        ["d1"], [job("long", session="s", module="a"), job("short", session="t", module="b")], estimates
    )
    planner.warm("d1", session="t", module="b")

    assert order_of(planner) == ["long", "short"]


def test_what_few_devices_can_run_does_not_wait_for_what_all_can() -> None:
    """The tablet does tablet tests while phones do the others."""
    jobs = [job(f"any{i}", ["phone", "tablet"], order=i) for i in range(10)]
    jobs += [job(f"tablet{i}", ["tablet"], order=10 + i) for i in range(5)]
    planner = Planner(["phone", "tablet"], jobs, Estimates())

    names: dict[str, list[str]] = {"phone": [], "tablet": []}
    for device in ["phone", "tablet"] * 3:
        choice = start(planner, [device])
        assert choice is not None
        planner.end(choice.job.name, 0.0)
        names[device].append(choice.job.name)

    assert all(name.startswith("any") for name in names["phone"])
    assert all(name.startswith("tablet") for name in names["tablet"])


def test_a_device_without_a_share_helps_the_most_loaded_class() -> None:
    """The tablet was to be busy to the end, yet is idle: x lasts until 50 s, y only until 35 s, so not the longest."""
    estimates = Estimates({"t": 100.0, "p": 10.0, "q": 10.0, "x1": 20.0, "x2": 20.0, "y": 25.0})
    jobs = [job("t", ["tablet"]), job("p", ["p"]), job("q", ["q"])]
    planner = Planner(["p", "q", "tablet"], jobs, estimates)
    for device in ("p", "q", "tablet"):
        start(planner, [device])
    for name, phone in (("y", "q"), ("x1", "p"), ("x2", "p")):
        planner.add(job(name, [phone, "tablet"]))
    planner.choose([], 0.0)
    planner.end("t", 0.0)

    choice = planner.choose(["tablet"], 0.0)

    assert choice is not None
    assert choice.job.name == "x1"


def test_a_boosted_job_counts_as_longer() -> None:
    """A retry that comes last would decide the end."""
    planner = Planner(["d1"], [job("a"), job("b")], Estimates({"a": 6.0, "b": 5.0, "c": 4.0}))

    planner.add(job("c"), boost=1.0)

    assert order_of(planner) == ["c", "a", "b"]


def test_a_job_of_several_tests_is_as_long_as_all_of_them() -> None:
    """A module that keeps its device is one job."""
    estimates = Estimates({"a": 6.0, "b1": 4.0, "b2": 4.0})
    planner = Planner(["d1"], [job("a"), job("b", tests=("b1", "b2"))], estimates)

    assert order_of(planner) == ["b", "a"]


# -- where not to go -----------------------------------------------------------------------------------------


def test_a_retry_avoids_the_device_where_it_failed() -> None:
    """It waits for the other one, which is busy."""
    planner = Planner(["d1", "d2"], [job("busy", ["d2"])], Estimates())
    start(planner, ["d2"])

    planner.add(job("again", ["d1", "d2"]), avoid=frozenset({"d1"}))

    assert planner.choose(["d1"], 0.0) is None
    planner.end("busy", 1.0)
    choice = planner.choose(["d1", "d2"], 1.0)
    assert choice is not None
    assert choice.devices == ("d2",)


def test_a_device_to_avoid_is_used_when_it_is_the_only_one_that_is_up() -> None:
    """Failing again there beats not running."""
    planner = Planner(["d1", "d2"], [], Estimates())
    planner.add(job("again", ["d1", "d2"]), avoid=frozenset({"d1"}))

    planner.down("d2", 0.0)

    choice = planner.choose(["d1"], 0.0)
    assert choice is not None
    assert choice.devices == ("d1",)


def test_a_slow_device_takes_nothing_that_would_outlast_the_others() -> None:
    """It takes the longest that ends in time; the long one is for the next fast device."""
    history = {f"learn{i}": 10.0 for i in range(60)} | {"long": 20.0, "mid": 7.0, "tiny": 1.0}
    estimates = Estimates(history)
    for i in range(60):
        estimates.learn(f"learn{i}", ["slow"], 30.0)
    both = ["fast", "slow"]
    planner = Planner(both, [job("long", both), job("mid", both), job("tiny", both)], estimates)

    choice = planner.choose(["slow"], 0.0)

    assert choice is not None
    assert choice.job.name == "tiny"
    assert choice.why == "longest that ends in time on slow, 3.0 times slower"


def test_a_slow_device_would_rather_wait_than_decide_the_end() -> None:
    """But only while others run: alone it does what there is."""
    estimates = Estimates({f"learn{i}": 10.0 for i in range(60)} | {"first": 20.0, "long": 20.0})
    for i in range(60):
        estimates.learn(f"learn{i}", ["slow"], 30.0)
    both = ["fast", "slow"]
    planner = Planner(both, [job("first", both), job("long", both)], estimates)
    start(planner, ["fast"])

    waits = planner.choose(["slow"], 0.0)
    planner.end("first", 20.0)
    alone = planner.choose(["slow"], 20.0)

    assert waits is None
    assert alone is not None
    assert alone.why == "nothing else runs"


def test_the_slow_device_looks_past_many_long_jobs_but_not_past_all() -> None:
    """The look is bounded, so that a decision stays cheap: the 231st is too far, the 131st is not."""
    fast = [f"fast{i:03}" for i in range(250)]
    jobs = [job(f"long{i:03}", [*fast, "slow"], order=i) for i in range(230)] + [
        job("tiny", [*fast, "slow"], order=999)
    ]
    estimates = Estimates(
        {each.name: 1.0 if each.name == "tiny" else 10.0 for each in jobs} | {"learn": 10.0}
    )
    for _ in range(60):
        estimates.learn("learn", ["slow"], 40.0)
    planner = Planner([*fast, "slow"], jobs, estimates, beta=0.0)
    start(planner, ["fast000"])

    too_far = planner.choose(["slow"], 0.0)
    for device in fast[1:101]:
        start(planner, [device])
    near = planner.choose(["slow"], 0.0)

    assert too_far is None
    assert near is not None
    assert near.job.name == "tiny"


# -- the caller's terms --------------------------------------------------------------------------------------


def test_what_no_worker_can_take_is_passed_over() -> None:
    """However much of it there is, and however long it takes."""
    jobs = [job(f"a{i}", session="s", module="m") for i in range(50)] + [job("b", session="t", module="m")]
    planner = Planner(["d1"], jobs, Estimates({f"a{i}": 9.0 for i in range(50)} | {"b": 1.0}))
    planner.warm("d1", session="s", module="m")
    start(planner, ["d1"])
    planner.end("a0", 9.0)

    choice = planner.choose(["d1"], 9.0, takes=lambda one: one.session == "t")

    assert choice is not None
    assert choice.job.name == "b"


@pytest.mark.parametrize("beta", [0.0, 1e9])
def test_a_module_that_no_worker_can_take_is_not_gone_on_with(beta: float) -> None:
    """Neither where the longest goes first nor where what is open does."""
    jobs = [
        job("open", session="s", module="m"),
        job("same", session="s", module="n"),
        job("b", ["d1", "d2"], session="t", module="m"),
    ]
    planner = Planner(["d1", "d2"], jobs, Estimates({"open": 9.0, "same": 9.0, "b": 9.0}), beta=beta)
    planner.warm("d1", session="s", module="m")

    choice = planner.choose(["d1"], 0.0, takes=lambda one: one.session == "t")

    assert choice is not None
    assert choice.job.name == "b"


def test_jobs_that_are_alike_are_asked_for_once() -> None:
    """A caller who cannot start anything gets None, from singles and pairs."""
    jobs = [job(f"a{i}", ["d1", "d2"], session=f"s{i % 2}") for i in range(50)]
    jobs += [job(f"p{i}", ["d1", "d2"], count=2) for i in range(50)]
    planner = Planner(["d1", "d2"], jobs, Estimates())
    offered: list[Job] = []

    def takes(one: Job) -> bool:
        offered.append(one)
        return False

    assert planner.choose(["d1", "d2"], 0.0, takes=takes) is None
    assert sorted((one.count, one.session) for one in offered) == [(1, "s0"), (1, "s1"), (2, "")]


def test_the_wish_to_wait_stands_where_some_cannot_be_taken() -> None:
    """The slow device is not given the only job that a worker can take, as long as that has a better one."""
    estimates = Estimates({"learn": 10.0, "first": 20.0, "long": 20.0, "other": 1.0})
    for _ in range(60):
        estimates.learn("learn", ["slow"], 30.0)
    both = ["fast", "slow"]
    planner = Planner(
        both, [job("first", both), job("long", both), job("other", both, session="s")], estimates
    )
    start(planner, ["fast"])

    assert planner.choose(["slow"], 0.0, takes=lambda one: not one.session) is None
    forced = planner.choose(["slow"], 0.0, takes=lambda one: not one.session, may_wait=False)
    assert forced is not None
    assert (forced.job.name, forced.why) == ("long", "nobody else could use the device")


def test_what_is_to_be_avoided_is_not_forced() -> None:
    """Not even where waiting is out of the question: the other device is up."""
    planner = Planner(["d1", "d2"], [], Estimates())
    planner.add(job("again", ["d1", "d2"]), avoid=frozenset({"d1"}))

    assert planner.choose(["d1"], 0.0, may_wait=False) is None
    assert not planner.may_use("again", ["d1"])
    assert planner.may_use("again", ["d2"])
    planner.down("d2", 0.0)
    assert planner.may_use("again", ["d1"])


# -- devices come and go -------------------------------------------------------------------------------------


def test_unknown_idle_busy_and_lost_devices_do_not_count() -> None:
    """The caller may say more than the planner can use."""
    planner = Planner(["d1", "d2"], [job("a", ["d1", "d2", "d3"]), job("b", ["d1", "d2", "d3"])], Estimates())
    start(planner, ["d1"])
    planner.down("d2", 0.0)
    planner.down("d2", 0.0)
    planner.down("never seen", 0.0)

    assert planner.choose(["d1", "d2", "d3"], 0.0) is None
    assert planner.pending_for("d2") == 0
    assert not planner.has_work_for("d2")


def test_a_device_that_comes_up_is_used() -> None:
    """Known from the jobs alone, or never heard of."""
    planner = Planner([], [job("a", ["late"]), job("b", ["other"])], Estimates())
    before = planner.choose(["late"], 0.0)

    planner.up("late", 1.0)
    planner.up("late", 1.0)
    choice = planner.choose(["late"], 1.0)

    assert before is None
    assert choice is not None
    assert choice.devices == ("late",)


def test_a_running_job_is_not_ended_by_its_device() -> None:
    """The caller says when it is over; the device is free then, once it is up."""
    planner = Planner(["d1"], [job("a"), job("b")], Estimates())
    start(planner, ["d1"])
    planner.down("d1", 1.0)
    planner.up("d1", 2.0)

    busy = planner.choose(["d1"], 2.0)
    planner.end("a", 3.0)
    planner.end("a", 3.0)

    assert busy is None
    assert planner.choose(["d1"], 3.0) is not None


def test_a_session_that_is_gone_draws_no_jobs() -> None:
    """Given back, or lost with its device."""
    jobs = [job(f"{s}{i}", session=s) for s, n in (("many", 20), ("few", 10)) for i in range(n)]
    planner = Planner(["d1"], jobs, Estimates())
    planner.warm("d1", session="few")
    warm = planner.choose(["d1"], 0.0)

    planner.forget("d1")
    planner.forget("never seen")
    planner.warm("never seen", session="few")
    cold = planner.choose(["d1"], 0.0)

    assert warm is not None
    assert cold is not None
    assert (warm.job.session, cold.job.session) == ("few", "many")


def test_what_others_wait_for_counts_as_load() -> None:
    """Another run wants d1 four times: our flexible jobs are predicted, and planned, for d2."""
    jobs = [job(f"t{i}", ["d1", "d2"]) for i in range(4)]
    estimates = Estimates({f"t{i}": 10.0 for i in range(4)})
    planner = Planner(["d1", "d2"], jobs, estimates)
    alone_s = planner.level_s("d2")

    planner.demand([(frozenset({"d1", "unknown"}), 1)] * 4 + [(frozenset({"unknown"}), 1)])
    planner.demand([(frozenset({"d1", "unknown"}), 1)] * 4 + [(frozenset({"unknown"}), 1)])

    assert alone_s == pytest.approx(20.0)
    assert planner.level_s("d2") == pytest.approx(40.0, rel=0.01)
    assert planner.remaining_s() == pytest.approx(40.0, rel=0.01)


# -- cold start ----------------------------------------------------------------------------------------------


def test_new_tests_are_ranked_anew_as_their_modules_become_known() -> None:
    """Nobody knew that `slow.py` is slow until one of its tests had run."""
    jobs = [job(f"{m}{i}", module=m, order=i) for i in range(3) for m in ("quick", "slow")]
    estimates = Estimates({"known": 7.0})
    jobs.append(job("known", ["d1", "d2"]))
    planner = Planner(["d1"], jobs, estimates, beta=0.0)
    for name, work_s in (("quick0", 1.0), ("slow0", 50.0)):
        planner.drop(name)
        estimates.learn(name, ["d1"], work_s)

    assert order_of(planner) == ["slow1", "slow2", "quick1", "quick2", "known"]


# -- looking -------------------------------------------------------------------------------------------------


def test_levels_are_predictions_that_come_nearer_with_time() -> None:
    """20 s of work on two devices; five seconds later, five less."""
    planner = Planner(
        ["d1", "d2", "idle"], [job("a", ["d1"]), job("b", ["d2"])], Estimates({"a": 20.0, "b": 10.0})
    )

    start(planner, ["d1", "d2"])
    start(planner, ["d1", "d2"])
    planner.choose([], 5.0)

    assert planner.level_s("d1") == pytest.approx(15.0)
    assert planner.level_s("d2") == pytest.approx(5.0)
    assert planner.level_s("idle") == planner.level_s("never seen") == 0.0
    assert planner.remaining_s() == pytest.approx(15.0)
    assert Planner([], [], Estimates()).remaining_s() == 0.0


def test_a_slow_device_counts_as_less_than_one() -> None:
    """Three times slower: 40 s of work take 40 / (1 + 1/3) s."""
    estimates = Estimates({"learn": 10.0, **{f"t{i}": 1.0 for i in range(40)}})
    for _ in range(100):
        estimates.learn("learn", ["slow"], 30.0)
    both = ["fast", "slow"]

    planner = Planner(both, [job(f"t{i}", both) for i in range(40)], estimates)

    assert planner.remaining_s() == pytest.approx(30.0, rel=0.01)


def test_pending_jobs_are_counted_by_device() -> None:
    """Pairs count while both of their devices are up."""
    planner = Planner(
        ["d1", "d2"], [job("b", ["d1"], order=2), job("p", ["d1", "d2"], count=2, order=1)], Estimates()
    )

    both = (planner.pending, planner.names, planner.pending_for("d1"), planner.has_work_for("d2"))
    planner.down("d2", 0.0)

    assert both == (2, ("p", "b"), 2, True)
    assert planner.pending_for("d1") == 1


def test_a_device_that_all_jobs_avoid_has_no_work() -> None:
    """It can be given back, although it fits."""
    planner = Planner(["d1", "d2"], [], Estimates())
    planner.add(job("again", ["d1", "d2"]), avoid=frozenset({"d1"}))

    assert (planner.has_work_for("d1"), planner.has_work_for("d2")) == (False, True)


def test_every_job_can_be_explained() -> None:
    """What `autorl why` prints."""
    estimates = Estimates({"known": 7.0, "runs": 70.0})
    estimates.learn("seen", ["d1"], 3.0)
    jobs = [job(n, ["d1", "d2"]) for n in ("known", "seen", "new", "runs")] + [job("stuck", ["d9"])]
    planner = Planner(["d1", "d2"], jobs, estimates)
    start(planner, ["d1"])
    planner.add(job("again", ["d1", "d2"]), boost=1.0, avoid=frozenset({"d1"}))
    planner.start(Choice(job=jobs[2], devices=("d2",)), 0.0)

    texts = {
        name: planner.explain(name) for name in ("known", "seen", "new", "runs", "stuck", "again", "gone")
    }

    assert "(from earlier runs)" in texts["known"]
    assert "may run on d1, d2" in texts["known"]
    assert "waits as number 2 of 3 in the class any" in texts["known"]
    assert "(from this run)" in texts["seen"]
    assert texts["new"] == "runs on d2: started by the caller"
    assert texts["runs"].startswith("runs on d1: longest left, 70.0 s")
    assert "too few of its devices are up" in texts["stuck"]
    assert "(new: from the mean of its module and of all tests, counts 2.0 times)" in texts["again"]
    assert "not again on d1 if that can be avoided" in texts["again"]
    assert texts["gone"] == "is not planned: it is over, was dropped, or never was"


def test_what_a_class_takes_is_told_only_where_it_is_known() -> None:
    """Before anything was planned as well as after."""
    planner = Planner(["d1"], [job("a"), job("b", ["d2"])], Estimates({"a": 8.0, "b": 0.0}))

    assert "its class is done in 8.0 s as planned" in planner.explain("a")
    planner.up("d2", 0.0)
    assert "as planned" not in planner.explain("b")


# -- what is refused -----------------------------------------------------------------------------------------


def test_a_job_cannot_be_planned_twice() -> None:
    """Waiting or running: it would run twice at once."""
    planner = Planner(["d1"], [job("a"), job("b")], Estimates())
    start(planner, ["d1"])

    for name in "ab":
        with pytest.raises(ValueError, match=f"{name} is planned already"):
            planner.add(job(name))
    assert planner.names == ("b",)


@pytest.mark.parametrize("boost", [-0.5, math.nan, math.inf])
def test_a_boost_that_is_none_is_refused(boost: float) -> None:
    """It would spoil the order."""
    with pytest.raises(ValueError, match="boost of a must be finite"):
        Planner([], [], Estimates()).add(job("a"), boost=boost)


def test_a_job_without_a_device_is_none() -> None:
    """Device-less tests are not the planner's."""
    with pytest.raises(ValueError, match="a takes 0 devices"):
        Planner(["d1"], [job("a", count=0)], Estimates())


@pytest.mark.parametrize(
    ("name", "device", "what"),
    [("gone", "d2", "does not wait"), ("b", "d9", "is not known"), ("b", "d1", "has a")],
)
def test_a_start_that_cannot_be_is_refused(name: str, device: str, what: str) -> None:
    """The caller and the planner would disagree from then on."""
    planner = Planner(["d1", "d2"], [job("a"), job("b")], Estimates())
    start(planner, ["d1"])

    with pytest.raises(ValueError, match=what):
        planner.start(Choice(job=job(name), devices=(device,)), 0.0)


def test_what_is_dropped_is_not_run() -> None:
    """It ended otherwise; dropping it again does nothing."""
    planner = Planner(["d1"], [job("a"), job("b")], Estimates())

    planner.drop("a")
    planner.drop("a")

    assert order_of(planner) == ["b"]


def test_a_job_that_ran_can_be_added_again() -> None:
    """A retry is a new job of the same name."""
    planner = Planner(["d1"], [job("a")], Estimates())

    order_of(planner)
    planner.add(job("a"), now_s=1.0)

    assert order_of(planner) == ["a"]


def test_tests_that_take_no_time_run_too() -> None:
    """Zero seconds have no share, but must not be forgotten beside work that has one."""
    planner = Planner(
        ["d1", "d2"], [job("zero", ["d1", "d2"]), job("a", ["d1"])], Estimates({"zero": 0.0, "a": 5.0})
    )

    farm = Farm(planner, ["d1", "d2"], {"zero": 0.0, "a": 5.0}).run()

    assert sorted(farm.done) == ["a", "zero"]
