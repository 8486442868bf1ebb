"""One season from the command line: `python -m chaos.season --seed 7`, with `tests/support` on PYTHONPATH.

Ends with 0 when the checker finds nothing, 1 when it does; says what, and where the histories are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from chaos import nemesis
from chaos.checker import check
from chaos.history import read
from chaos.plan import GUARDS, Season


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="chaos.season", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument(
        "--without", choices=GUARDS, default="", help="leave a guard out: the end must be red"
    )
    parser.add_argument("--folder", type=Path, help="for state and histories; a new one when it is not named")
    parser.add_argument("--faults", type=float, help="how long faults are made, seconds")
    parser.add_argument("--calm", type=float, help="how long they compete without faults before, seconds")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    season = Season(seed=given.seed, folder=folder / f"seed-{given.seed}", without=given.without)
    if given.faults is not None:
        season = replace(season, faults_s=given.faults)
    if given.calm is not None:
        season = replace(season, calm_s=given.calm)
    nemesis.run(season)
    verdict = check(read(season.histories))
    print(verdict.text())
    print(f"histories: {season.histories}")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
