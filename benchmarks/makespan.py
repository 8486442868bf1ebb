"""How much longer a suite takes than the bound that no scheduler can beat: the planner of this project and others.

    python benchmarks/makespan.py [--seeds 20] [--first-seed 100] [--scenario NAME ...] [--big] [--no-rivals]
    python benchmarks/makespan.py --real [options of _real_makespan.py]

With `--real` generated suites run on virtual devices. Else everything is simulated (`_farm_luck.py` says what is
drawn, `_rivals.py` what the others do): 1000 tests on 20 devices, `big` 20 000 on 200. A cell is makespan / lower
bound, the median over the seeds, in parentheses the worst. The planner was tuned with seeds 0 to 19; those from 100
on have never been used for that.

  homogeneous  one kind of device, all tests fit all
  nested       seven kinds, Android and iOS; needs contain each other, 2 tablets bear a tenth of the tests
  two_device   nested, and 5 % of the tests take two devices at once
  dying        nested, and 4 of 20 devices die at 30 to 60 % of the run; two of them come back
  cold         nested, without any history
  slow_device  homogeneous, and one device is three times as slow as it looks
  few_workers  nested, with 8 workers for the 20 devices; not promised yet, so it does not count for the exit code
  big          nested, ten times the farm, twenty times the suite, 1 % of the tests take two devices (`--big`: adds
               it, with a quarter of the seeds)

The second table holds set-up as a share of the bound's device time, the third CPU time of a decision in microseconds
(all that a policy does, by attempt), medians too. Targets, exit code 1 when one is missed: the medians that `TARGETS`
promises for ours; those of `AIMS` are only told. No policy may be better than the bound: that is an error of the
bound, and ends it all.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _farm_luck import SCENARIOS, build
from _farm_world import Policy, Result, World, run
from _ours import Ours
from _rivals import RIVALS

#: Medians that the project promises.
TARGETS = {
    "homogeneous": 1.03,
    "nested": 1.03,
    "two_device": 1.06,
    "dying": 1.04,
    "cold": 1.08,
    "slow_device": 1.05,
}
#: Those that it aims at.
AIMS = {"few_workers": 1.06}
OURS = "> pytest-autorl"
#: Columns are this wide.
NAME, CELL = 36, 15

Table = dict[str, dict[str, list[Result]]]  # by policy and scenario


def measure(
    scenario: str, seeds: Sequence[int], policies: Mapping[str, Callable[[World], Policy]], table: Table
) -> None:
    """All policies on the same worlds, one after the other."""
    bounds_s: list[float] = []
    for seed in seeds:
        world = build(scenario, seed)
        bound = world.bound()
        bounds_s.append(bound.seconds)
        for name, make in policies.items():
            table.setdefault(name, {}).setdefault(scenario, []).append(run(world, make, bound))
    print(
        f"{scenario}: {len(seeds)} seeds, median lower bound {statistics.median(bounds_s):.0f} s", flush=True
    )


def show(title: str, table: Table, cell: Callable[[Sequence[Result]], str]) -> None:
    """One table: a line for each policy, a column for each scenario."""
    scenarios = [*next(iter(table.values()))]
    print(f"\n{title:<{NAME}}" + "".join(f"{name:>{CELL}}" for name in scenarios))
    for name, results in table.items():
        print(f"{name:<{NAME}}" + "".join(f"{cell(results[scenario]):>{CELL}}" for scenario in scenarios))


def ratio(results: Sequence[Result]) -> str:
    return f"{median_ratio(results):.3f} ({max(result.ratio for result in results):.2f})"


def median_ratio(results: Sequence[Result]) -> float:
    return statistics.median(result.ratio for result in results)


def setup_share(results: Sequence[Result]) -> str:
    return f"{statistics.median(result.setup_share for result in results):.3f}"


def decision_us(results: Sequence[Result]) -> str:
    return f"{statistics.median(result.decision_us for result in results):.0f}"


def tell(name: str, value: float, is_met: bool, bound: str) -> bool:
    """One verdict, which counts for the exit code."""
    print(f"{name:<{NAME}}{value:>{CELL}.3f} ({bound})  {'ok' if is_met else 'MISSED'}")
    return is_met


def main() -> int:
    description = (__doc__ or "").partition("\n")[0]
    # `--real` has options of its own, which must not be taken for abbreviations of these.
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, default=[*TARGETS, *AIMS])
    parser.add_argument("--big", action="store_true", help="200 devices x 20 000 tests, too")
    parser.add_argument("--rivals", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--real", action="store_true", help="run suites on virtual devices instead")
    given, others = parser.parse_known_args()
    if given.real:
        import _real_makespan  # with the client and the server, which the simulation does not need

        return _real_makespan.main(others)
    if others or given.seeds < 1:
        parser.error(f"unknown: {' '.join(others)}" if others else "--seeds must be at least 1")
    policies = {**(RIVALS if given.rivals else {}), OURS: Ours}
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    table: Table = {}
    for scenario in dict.fromkeys([*given.scenario, *(["big"] if given.big else [])]):
        few = seeds[: max(1, given.seeds // 4)] if scenario == "big" else seeds
        measure(scenario, few, policies, table)
    show("makespan / lower bound", table, ratio)
    show("set-up / bound", table, setup_share)
    show("CPU of a decision, us", table, decision_us)
    print()
    medians = {scenario: median_ratio(results) for scenario, results in table[OURS].items()}
    is_met = [
        tell(f"{scenario}, ours", medians[scenario], medians[scenario] <= target, f"at most {target:g}")
        for scenario, target in TARGETS.items()
        if scenario in medians
    ]
    for scenario in AIMS.keys() & medians.keys():
        tell(
            f"{scenario}, ours",
            medians[scenario],
            medians[scenario] <= AIMS[scenario],
            f"aim {AIMS[scenario]:g}",
        )
    return 0 if all(is_met) else 1


if __name__ == "__main__":
    sys.exit(main())
