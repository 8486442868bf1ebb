"""Arms of `redaction.py`: each in a process of its own, so that what one has loaded is not in another's way.

    python benchmarks/_redaction_arms.py NAME LINES

answers each line of input, ``round`` or ``alone``, with a line of JSON: what a line took, microseconds.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(ROOT / "benchmarks")]

from _redaction_rivals import eight, presidio, scrubadub  # noqa: E402

from pytest_autorl.privacy.redactor import Redactor  # noqa: E402
from redaction_corpus import clean_lines, samples  # noqa: E402

#: Arms that take milliseconds for a line get so many of them.
FEW = 200

#: Words of credentials: a quarter of the corpus' clean lines were made to hold one, so that it can be judged by them.
NAMED = re.compile(r"pass|token|secret|credential|api.?key|auth", re.I)
#: They are one in so many of the lines that devices, servers and pytest write.
RARE = 16


def mixed_lines(count: int) -> list[str]:
    """Of 200 bytes; one in a hundred holds something, one in `RARE` speaks of credentials and holds none."""
    luck = random.Random(7)
    made = list(clean_lines("held", 6 * count))
    named = [line for line in made if NAMED.search(line)]
    clean = [line for line in made if not NAMED.search(line)][: 2 * count]
    for at in range(0, len(clean), 2 * RARE):
        clean[at] = luck.choice(named)
    luck.shuffle(clean)
    lines = [f"{one} {other}"[:200] for one, other in zip(clean[::2], clean[1::2], strict=True)]
    held = [sample.text for sample in samples("held", max(1, count // 800)) if sample.kind != "PRIVATE_KEY"]
    for number in range(0, count, 100):
        lines[number] = f"{luck.choice(held)} {lines[number]}"[:200]
    return lines


def step_of(name: str) -> Callable[[str], object]:
    """What an arm does with a line. Raises: ImportError where it is not installed."""
    if name == "presidio":
        return presidio(everything=True)
    if name == "scrubadub":
        return scrubadub()
    if name == "eight patterns":
        return eight
    return Redactor(engine=name).redact  # type: ignore[arg-type]


def round_us(step: Callable[[str], object], lines: Sequence[str]) -> float:
    """What a line takes on average: processor time of this thread."""
    begun = time.thread_time()
    for line in lines:
        step(line)
    return (time.thread_time() - begun) / len(lines) * 1e6


def alone_us(step: Callable[[str], object], lines: Sequence[str]) -> list[float]:
    """What each line takes, of two runs the better one: somebody else's turn on the processor is not the line's."""
    runs = []
    for _ in range(2):
        taken = []
        for line in lines:
            begun = time.perf_counter()
            step(line)
            taken.append((time.perf_counter() - begun) * 1e6)
        runs.append(taken)
    return sorted(min(pair) for pair in zip(*runs, strict=True))


class Arm:
    """A process that runs one arm when it is told to. A context; it has seen each line once when it is entered."""

    def __init__(self, name: str, lines: int) -> None:
        self.best_us = float("inf")
        self._process = subprocess.Popen(
            [sys.executable, __file__, name, str(lines)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Arm:
        self._told("round")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def round(self) -> None:
        """Once through all lines; the best of all rounds counts."""
        self.best_us = min(self.best_us, self._told("round")["us"])

    def alone(self) -> tuple[float, float]:
        """Median and 99th percentile of single lines, microseconds."""
        told = self._told("alone")
        return told["p50"], told["p99"]

    def _told(self, word: str) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(word, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the arm has ended: {' '.join(map(str, self._process.args))}")  # type: ignore[arg-type]
        told: dict[str, float] = json.loads(answer)
        return told


def main() -> None:
    name, lines = sys.argv[1], mixed_lines(int(sys.argv[2]))
    step = step_of(name)
    if name in ("presidio", "scrubadub"):
        lines = lines[:FEW]
    for word in sys.stdin:
        if word == "round\n":
            print(json.dumps({"us": round_us(step, lines)}), flush=True)
        else:
            taken = alone_us(step, lines)
            print(
                json.dumps({"p50": taken[len(taken) // 2], "p99": taken[int(len(taken) * 0.99)]}), flush=True
            )


if __name__ == "__main__":
    main()
