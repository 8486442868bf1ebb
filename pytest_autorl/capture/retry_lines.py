"""What is said of attempts that others have followed: pure text, for the terminal and for JUnit."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_autorl.attempts.earlier import Earlier, Kind

#: How many flaky tests, and how many that failed after several attempts, the summary lists.
_LISTED = 10
#: So many characters of what an error says of itself.
_LONGEST = 200

_WORDS: dict[Kind, str] = {"retry": "RETRY", "loss": "LOST", "crash": "LOST"}


@dataclass(kw_only=True, slots=True)
class Story:
    """A test that took more than one attempt.

    Attributes:
        earlier: Its attempts but the last, in order.
        outcome: Of the last one; None while it has not ended.
        devices: Ids of those of the last one.
        is_taken_back: An attempt that was told of as earlier turned out to be the last.
    """

    earlier: list[Earlier] = field(default_factory=list)
    outcome: Literal["passed", "failed", "skipped"] | None = None
    devices: tuple[str, ...] = ()
    is_taken_back: bool = False

    @property
    def is_flaky(self) -> bool:
        """It failed by itself, and has passed since. Losing a device or a worker makes nothing flaky."""
        return self.outcome == "passed" and any(
            each.kind == "retry" and not (each.error is not None and each.error.is_infrastructure)
            for each in self.earlier
        )

    @property
    def number(self) -> int:
        """Of its last attempt."""
        return 1 + max((each.number for each in self.earlier), default=0)


def cause_of(earlier: Earlier) -> str:
    """What ended an attempt: ``StaleElementReferenceException (app, transient)``."""
    if earlier.kind == "crash":
        return f"worker {earlier.worker} died"
    return earlier.error.text if earlier.error is not None else "it failed without an error"


def verbose_word(earlier: Earlier) -> str:
    """In place of pytest's PASSED: ``RETRY on pixel-1: TimeoutError (app, transient), attempt 2 follows in 0.4 s``."""
    soon = f" in {earlier.delay_s:.1f} s" if earlier.delay_s >= 0.05 else ""
    where = _on(earlier.devices)
    return f"{_WORDS[earlier.kind]}{where}: {cause_of(earlier)}, attempt {earlier.number + 1} follows{soon}"


def property_text(earlier: Earlier) -> str:
    """Value of the JUnit property of an attempt: ``retry on pixel-1: TimeoutError (app, transient), 3.2 s``."""
    took = f", {earlier.took_s:.1f} s" if earlier.start_s else ""
    return f"{earlier.kind}{_on(earlier.devices)}: {cause_of(earlier)}{took}"


def properties(earlier: Sequence[Earlier]) -> list[tuple[str, str]]:
    """JUnit properties of a test with these attempts before its last."""
    return [(f"autorl_attempt_{each.number}", property_text(each)) for each in earlier]


def summary_lines(
    stories: Mapping[str, Story], refused: Mapping[str, int], *, options: Sequence[str]
) -> list[str]:
    """Flaky tests with their attempts and how to see them fail again, failed ones, and retries that were refused.

    Args:
        stories: By test.
        refused: How many retries there were not, by reason.
        options: Those of the command line by which a test finds its devices again.
    """
    flaky = [(test, story) for test, story in stories.items() if story.is_flaky]
    lines = []
    if flaky:
        lines.append(f"{_tests(len(flaky))} flaky: failed, and passed when tried again")
    for test, story in flaky[:_LISTED]:
        lines += [test, *(f"    {line}" for line in _story_lines(test, story, options))]
    if flaky[_LISTED:]:
        lines.append(f"and {len(flaky) - _LISTED} more")
    failed = [(test, story) for test, story in stories.items() if story.outcome == "failed"]
    lines += [_failed_line(test, story) for test, story in failed[:_LISTED]]
    if failed[_LISTED:]:
        lines.append(f"and {len(failed) - _LISTED} more that failed after several attempts")
    return [*lines, *_refused_lines(refused)]


def reproduce(test: str, devices: Sequence[str], options: Sequence[str]) -> str:
    """The command that runs a test once, on these devices, for a shell."""
    chosen = [part for device in devices for part in ("--autorl-device", device)]
    return shlex.join(["pytest", test, *options, *chosen, "--autorl-retries", "0"])


def failure_rows(failures: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    """Failed attempts, counted by (worker, error type), as plain data for the history of runs."""
    return [
        {"agent": agent, "error_type": error_type, "count": count}
        for (agent, error_type), count in sorted(failures.items())
    ]


def failure_line(rows: Sequence[Mapping[str, Any]]) -> str:
    """What `failure_rows` made, for people, by error type; "" when nothing failed."""
    counts: dict[str, int] = {}
    for row in rows:
        count, error_type = row.get("count"), str(row.get("error_type"))
        if isinstance(count, int):  # another version may have written it
            counts[error_type] = counts.get(error_type, 0) + count
    if not counts:
        return ""
    return "failed attempts: " + ", ".join(
        f"{count} {error_type}" for error_type, count in sorted(counts.items())
    )


def _story_lines(test: str, story: Story, options: Sequence[str]) -> list[str]:
    lines = [f"attempt {each.number}{_on(each.devices)}: {_told(each)}" for each in story.earlier]
    lines.append(f"attempt {story.number}{_on(story.devices)}: passed")
    first = next(each for each in story.earlier if each.kind == "retry")
    return [*lines, f"reproduce with: {reproduce(test, first.devices, options)}"]


def _refused_lines(refused: Mapping[str, int]) -> list[str]:
    """Reasons that differ in their numbers alone, as these grow in the course of a run, are one: the last."""
    last: dict[str, str] = {}
    counts: dict[str, int] = {}
    for why, count in refused.items():
        kind = re.sub(r"\d+", "", why)
        last[kind], counts[kind] = why, counts.get(kind, 0) + count
    return [f"not tried again: {_tests(counts[kind])}: {last[kind]}" for kind in sorted(last)]


def _told(earlier: Earlier) -> str:
    reason = earlier.error.reason if earlier.error is not None else ""
    short = reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}..."
    return cause_of(earlier) + (f": {short}" if short else "")


def _failed_line(test: str, story: Story) -> str:
    ways = [*(each.devices for each in story.earlier), story.devices]
    on = ", ".join("+".join(devices) or "none" for devices in ways) if any(ways) else ""
    return f"failed after {len(ways)} attempts: {test}" + (f" (on {on})" if on else "")


def _on(devices: Sequence[str]) -> str:
    return f" on {', '.join(devices)}" if devices else ""


def _tests(count: int) -> str:
    return "1 test" if count == 1 else f"{count} tests"
