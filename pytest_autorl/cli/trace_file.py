"""A trace file for ``autorl runs show --trace``: its rows, its figures, and which devices fit each class of needs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_autorl.errors import RequirementError, UsageError

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.farm.requirement import Requirement

Row = Mapping[str, Any]

_DO = "give a trace.jsonl that a run has written"
#: What every row must have. Others are added when they are missing: a trace of another program may lack them.
_NEEDED: Mapping[str, type] = {"test": str, "devices": list, "class": str, "outcome": str}
_ADDED: Mapping[str, Any] = {"module": "", "attempt": 1, "blame": None, "worker": ""}
_SECONDS = ("start", "end")

#: A key as `Requirement.key` has it, without capabilities, of which it does not tell all.
_KEY = re.compile(r"([^/+\[{]+?)((?:/[^/+\[{]+?){0,2})((?:\+[^+\[{]+?)*)(?:\[(.+)\])?(?: x(\d+))?")


def read_trace(path: str) -> list[dict[str, Any]]:
    """The rows, in the file's order. A last line that was not written to its end is left out.

    Raises: UsageError with file, line and key of what cannot be used.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", do=_DO) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no trace: {error}", do=_DO) from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break  # the run was killed while it wrote it
            raise UsageError(f"{path}:{number}: not JSON: {error}", do=_DO) from error
        wrong = _wrong(found)
        if wrong:
            raise UsageError(f"{path}:{number}: {wrong}", do=_DO)
        rows.append({**_ADDED, **found})
    return rows


def _wrong(row: Any) -> str:
    """Why this is no row of a trace; "" when it is one."""
    if not isinstance(row, dict):
        return "not an object"
    for key, kind in _NEEDED.items():
        if not isinstance(row.get(key), kind):
            return f"`{key}` is {row.get(key)!r}, not a {'text' if kind is str else 'list'}"
    if not all(isinstance(device, str) for device in row["devices"]):
        return f"`devices` is {row['devices']!r}, not a list of ids"
    for key in (*_SECONDS, *(key for key in ("setup", "fixture") if key in row)):
        value = row.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return f"`{key}` is {value!r}, not a number of seconds"
    is_in_order = 0 <= row["start"] <= row["end"]
    return "" if is_in_order else f"it runs from {row['start']} to {row['end']} s"


def figures_of(path: str, farm: FarmConfig | None) -> dict[str, Any]:
    """What the rows of a trace say, as `Review.to_dict` has it, and under "assumed" what they do not say, in words.

    The run counts as one of so many workers as the rows name, and where one does not name its worker, of any number.

    Raises: UsageError as `read_trace`.
    """
    from pytest_autorl.dispatch.review import Klass, review

    rows = read_trace(path)
    classes = {
        need: Klass(devices=devices, count=count) for need, (devices, count) in classes_of(rows, farm).items()
    }
    used = {device for row in rows for device in row["devices"]}
    idle = {device.id for device in farm.devices} if farm is not None else set()
    names = {str(row["worker"]) for row in rows}
    workers = len(names) if names and "" not in names else None
    assumed = []
    if rows and farm is None:
        assumed.append(
            "a device counts as fitting a class of needs only where it ran a test of it: no --farm is given"
        )
    if workers is not None:
        counted = "1 worker" if workers == 1 else f"{workers} workers"
        assumed.append(f"{counted}, as the rows name them, count as all that the run had")
    return {**review(rows, classes, sorted(used | idle), workers=workers).to_dict(), "assumed": assumed}


def classes_of(rows: Sequence[Row], farm: FarmConfig | None) -> dict[str, tuple[frozenset[str], int]]:
    """Fitting devices and how many at once, by class of the trace.

    Without a farm, and where a class does not say all that it asks for, those that fit are those that were used.
    """
    found = {}
    for need, mine in _by_class(rows):
        seen = frozenset(device for row in mine for device in row["devices"])
        count = max(len(row["devices"]) for row in mine)
        found[need] = (seen | _fitting(need, farm), count)
    return found


def _by_class(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["class"], []).append(row)
    yield from groups.items()


def _fitting(need: str, farm: FarmConfig | None) -> frozenset[str]:
    from pytest_autorl.farm.requirement import eligible

    requirement = requirement_of(need, farm) if farm is not None else None
    if farm is None or requirement is None:
        return frozenset()
    return frozenset(device.id for device in eligible(farm.devices, requirement))


def requirement_of(need: str, farm: FarmConfig) -> Requirement | None:
    """The need of which this is the key, among those that make sense for the farm; None when it cannot be told."""
    from pytest_autorl.farm import where
    from pytest_autorl.farm.requirement import Requirement

    parts = _KEY.fullmatch(need)
    if parts is None:
        return None
    head, shape, tags, condition, count = parts.groups()
    forms = {device.form_factor for device in farm.devices}
    form_factor, _, model = shape[1:].partition("/")
    if not model and form_factor not in forms:
        form_factor, model = "", form_factor
    platforms = sorted({"any", *(device.platform for device in farm.devices if device.platform)}, key=len)
    platform = next((name for name in reversed(platforms) if head.startswith(name)), None)
    if platform is None:
        return None
    try:
        found = Requirement(
            platform="" if platform == "any" else platform,
            os_version=head[len(platform) :],
            form_factor=form_factor,
            model=model,
            tags=tuple(tags.split("+")[1:]),
            where=where.parse(condition) if condition else None,
            count=int(count or 1),
        )
    except RequirementError:
        return None
    return found if found.key == need else None  # long conditions stand in it in part
