"""Jobs that take several devices: who starts together, and what is kept for whom."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from planning import Farm, job, start
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.jobs import Choice
from pytest_autorl.dispatch.plan import Planner

pytestmark = pytest.mark.unit

FOUR = ["d1", "d2", "d3", "d4"]


def chosen(planner: Planner, idle: list[str], now_s: float = 0.0) -> Choice:
    """Ask, begin, and have got an answer."""
    choice = start(planner, idle, now_s)
    assert choice is not None
    return choice


def test_a_pair_starts_before_single_jobs() -> None:
    """Devices are idle together now; later they would have to wait for each other."""
    planner = Planner(
        FOUR, [job("single", FOUR), job("pair", FOUR, count=2)], Estimates({"single": 99.0, "pair": 1.0})
    )

    first = chosen(planner, FOUR)

    assert (first.job.name, first.devices) == ("pair", ("d1", "d2"))


def test_the_least_flexible_gang_starts_first() -> None:
    """Fewest devices fit, then most are taken."""
    jobs = [job("any", FOUR, count=2), job("three", FOUR, count=3), job("few", ["d3", "d4"], count=2)]
    planner = Planner(FOUR, jobs, Estimates())

    assert [chosen(planner, FOUR).job.name, planner.explain("three")[:5]] == ["few", "waits"]
    planner.end("few", 0.0)
    assert chosen(planner, FOUR).job.name == "three"


def test_a_gang_takes_the_devices_with_its_session() -> None:
    """Two of four have it."""
    planner = Planner(FOUR, [job("pair", FOUR, count=2, session="s")], _with_costs())
    planner.warm("d2", session="s")
    planner.warm("d4", session="s")

    assert chosen(planner, FOUR).devices == ("d2", "d4")


def test_a_gang_leaves_the_devices_that_others_need() -> None:
    """Nothing else tells them apart."""
    planner = Planner(
        FOUR, [job("pair", FOUR, count=2), job("picky", ["d1", "d2"])], Estimates({"picky": 1.0})
    )

    assert chosen(planner, FOUR).devices == ("d3", "d4")


def test_a_gang_stays_together_for_its_module() -> None:
    """While nothing is critical: the module that both have open, else one that nobody has."""
    jobs = [
        job(f"{m}{i}", FOUR, count=2, module=m, session="s")
        for m, n in (("big", 30), ("small", 20))
        for i in range(n)
    ]
    jobs += [job(f"single{i}", FOUR) for i in range(100)]
    planner = Planner(FOUR, jobs, Estimates())

    first, second = chosen(planner, FOUR), chosen(planner, ["d3", "d4"])
    planner.end(second.job.name, 1.0)
    third = chosen(planner, ["d3", "d4"], 1.0)
    planner.end(first.job.name, 1.0)
    mixed = chosen(planner, ["d1"], 1.0)

    assert (first.job.module, second.job.module, third.job.module) == ("big", "small", "small")
    assert first.why == "2 devices that fit are idle"
    assert third.why == "same module and session as before on these 2 devices"
    assert mixed.job.count == 1


def test_a_gang_goes_on_with_another_module_when_its_own_is_done() -> None:
    """All modules are open somewhere: then the longest."""
    jobs = [job(f"a{i}", FOUR, count=2, module="a", session="s") for i in range(1)]
    jobs += [job(f"b{i}", FOUR, count=2, module="b", session="t") for i in range(9)]
    jobs += [job(f"single{i}", FOUR) for i in range(60)]
    planner = Planner(FOUR, jobs, Estimates())
    started = [chosen(planner, FOUR), chosen(planner, ["d3", "d4"])]
    for choice in started:
        planner.end(choice.job.name, 1.0)
    planner.warm("d1", session="s", module="a")

    first = chosen(planner, FOUR, 1.0)
    second = chosen(planner, [device for device in FOUR if device not in first.devices], 1.0)

    assert (first.job.module, second.job.module) == ("b", "b")


def test_devices_are_kept_for_a_pair_that_could_decide_the_end() -> None:
    """d1 is free, d2 for ten more seconds: d1 waits, unless a job ends before that."""
    two = ["d1", "d2"]
    estimates = Estimates({"busy": 10.0, "pair": 60.0, "long": 9.0})
    planner = Planner(two, [job("busy", ["d2"])], estimates)
    chosen(planner, ["d2"])
    planner.add(job("pair", two, count=2))
    planner.add(job("long", ["d1"]))

    waits = planner.choose(["d1"], 0.0)

    assert waits is None  # 1.3 * 9 s > 10 s
    assert planner.explain("pair").endswith("d1, d2 are kept for it")
    planner.end("busy", 10.0)
    assert chosen(planner, two, 10.0).why == "longest of those that take 2 devices"


def test_a_short_job_may_run_where_devices_are_kept() -> None:
    """EASY backfill: 1.3 * 7 s < 10 s. The longer one has to wait."""
    two = ["d1", "d2"]
    estimates = Estimates({"busy": 10.0, "pair": 60.0, "long": 9.0, "short": 7.0})
    planner = Planner(two, [job("busy", ["d2"])], estimates)
    chosen(planner, ["d2"])
    planner.add(job("pair", two, count=2))
    planner.add(job("long", ["d1"]))
    planner.add(job("short", ["d1"]))

    filler = chosen(planner, ["d1"])

    assert filler.job.name == "short"
    assert filler.why == "ends before pair can begin on d1"


def test_a_job_that_fits_anyway_needs_no_other_reason() -> None:
    """The first choice is short enough."""
    two = ["d1", "d2"]
    planner = Planner(two, [job("busy", ["d2"])], Estimates({"busy": 10.0, "pair": 60.0, "short": 1.0}))
    chosen(planner, ["d2"])
    planner.add(job("pair", two, count=2))
    planner.add(job("short", ["d1"]))

    assert chosen(planner, ["d1"]).job.name == "short"


def test_a_second_gang_respects_what_is_kept_for_the_first() -> None:
    """Else the jobs of many devices would wait for ever."""
    three = ["d1", "d2", "d3"]
    estimates = Estimates({"busy": 10.0, "three": 60.0, "pair": 50.0, "quick": 1.0})
    planner = Planner([*three, "d4"], [job("busy", ["d3"])], estimates)
    chosen(planner, ["d3"])
    planner.add(job("three", three, count=3))
    planner.add(job("pair", ["d1", "d2", "d3", "d4"], count=2))

    waits = planner.choose(["d1", "d2"], 0.0)
    planner.add(job("quick", ["d1", "d2", "d3", "d4"], count=2))
    quick = chosen(planner, ["d1", "d2"])

    assert waits is None
    assert quick.job.name == "quick"


def test_a_device_that_somebody_else_has_may_come_at_any_time() -> None:
    """It is neither idle nor ours: what is kept for the pair is free for others until then."""
    two = ["d1", "d2"]
    planner = Planner(
        [*two, "d3"], [job("busy", ["d3"]), job("pair", two, count=2), job("a", ["d1"])], Estimates()
    )
    chosen(planner, ["d3"])

    assert chosen(planner, ["d1"]).job.name == "a"


def test_a_gang_avoids_a_device_while_others_are_enough() -> None:
    """Then it takes it after all."""
    three = ["d1", "d2", "d3"]
    planner = Planner(three, [], Estimates())
    planner.add(job("again", three, count=2), avoid=frozenset({"d1"}))

    first = planner.choose(three, 0.0)
    planner.down("d3", 0.0)
    second = planner.choose(["d1", "d2"], 0.0)

    assert first is not None
    assert second is not None
    assert (first.devices, second.devices) == (("d2", "d3"), ("d1", "d2"))


def test_a_gang_that_would_need_a_device_to_avoid_waits_and_lets_others_go() -> None:
    """d3 is busy, d1 to be avoided: the other pair starts."""
    three = ["d1", "d2", "d3"]
    planner = Planner(three, [job("busy", ["d3"])], Estimates({"again": 50.0, "other": 1.0, "busy": 5.0}))
    chosen(planner, ["d3"])
    planner.add(job("again", three, count=2), avoid=frozenset({"d1"}))
    planner.add(job("other", three, count=2))

    assert chosen(planner, ["d1", "d2"]).job.name == "other"


def test_single_jobs_go_on_where_many_gangs_have_to_wait() -> None:
    """All of them avoid d1, and d3 is busy: only so many are looked at, so that a decision stays cheap."""
    three = ["d1", "d2", "d3"]
    planner = Planner(three, [job("busy", ["d3"]), job("single", three)], Estimates())
    chosen(planner, ["d3"])
    for i in range(20):
        planner.add(job(f"again{i}", three, count=2), avoid=frozenset({"d1"}))

    assert chosen(planner, ["d1", "d2"]).job.name == "single"


def test_a_gang_takes_devices_that_can_be_had_at_once() -> None:
    """d1 and d2 are of one server with one slot; where only they are idle, nothing starts."""
    jobs = [job("a", FOUR, count=2), job("b", FOUR, count=2)]
    planner = Planner(FOUR, jobs, Estimates({"a": 9.0, "b": 8.0}))

    def together(devices: Sequence[str]) -> list[str]:
        return [device for device in devices if device != "d2" or "d1" not in devices]

    choice = planner.choose(FOUR, 0.0, together=together)

    assert choice is not None
    assert (choice.job.name, choice.devices) == ("a", ("d1", "d3"))
    assert planner.choose(["d1", "d2"], 0.0, together=together) is None


def test_gangs_that_no_worker_can_take_are_passed_over() -> None:
    """Neither for the module that is open nor for its length."""
    jobs = [job(f"a{i}", FOUR, count=2, session="s", module="m") for i in range(9)]
    jobs += [job("b", FOUR, count=2, session="t", module="n")]
    jobs += [job(f"single{i}", FOUR) for i in range(60)]
    planner = Planner(FOUR, jobs, Estimates())
    for device in FOUR:
        planner.warm(device, session="s", module="m")

    choice = planner.choose(FOUR, 0.0, takes=lambda one: one.session == "t")

    assert choice is not None
    assert choice.job.name == "b"


def test_the_sessions_of_a_gang_open_one_after_the_other() -> None:
    """Two of 5 s and the fixtures of 3 s once, before 10 s of work: kept for what ends before 23 s."""
    estimates = Estimates({"gang": 10.0, "pair": 60.0, "quick": 22.9 / 1.3, "slow": 23.1 / 1.3})
    estimates.learn_session("d1", 5.0)
    estimates.learn_fixture("m", 3.0)
    planner = Planner(FOUR[:3], [job("gang", FOUR[:2], count=2, session="s", module="m")], estimates)
    chosen(planner, FOUR[:2])
    planner.add(job("pair", FOUR[1:3], count=2))
    planner.add(job("slow", ["d3"]))
    planner.add(job("quick", ["d3"]))

    assert chosen(planner, ["d3"]).job.name == "quick"


def test_a_pair_without_two_devices_is_not_chosen() -> None:
    """The caller waits for another one, or says that there is none."""
    planner = Planner(["d1"], [job("pair", ["d1", "d2"], count=2)], Estimates())
    waits = planner.choose(["d1"], 0.0)

    planner.up("d2", 0.0)

    assert waits is None
    assert chosen(planner, ["d1", "d2"]).devices == ("d1", "d2")


def test_a_pair_among_many_single_jobs_does_not_starve() -> None:
    """One of its devices comes late; from then on both are always busy until different times."""
    seconds = {f"t{i}": 5.0 + i % 7 for i in range(80)} | {"pair": 60.0}
    jobs = [job(f"t{i}", FOUR, order=i) for i in range(80)] + [job("pair", ["d1", "d4"], count=2)]
    planner = Planner(FOUR[:3], jobs, Estimates(seconds))

    farm = Farm(planner, FOUR[:3], seconds, changes=[(20.5, "d4", True)]).run()

    begun = {each.name: each for each in farm.begun}
    assert sorted(farm.done) == sorted(seconds)
    assert sorted(begun["pair"].devices) == ["d1", "d4"]
    assert farm.end_s <= 1.1 * (sum(seconds.values()) + 60.0 + 20.5) / 4


def _with_costs() -> Estimates:
    estimates = Estimates()
    estimates.learn_session("d1", 5.0)
    return estimates
