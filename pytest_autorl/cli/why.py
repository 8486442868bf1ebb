"""``autorl why TEST``: what a test needs of the farm, from where, which devices fit, and where the plan has it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pytest_autorl.cli.choice import JsonOption
from pytest_autorl.cli.output import show
from pytest_autorl.cli.pytests_options import FarmOption, StateOption
from pytest_autorl.errors import NoFarmError, UsageError

if TYPE_CHECKING:
    from pytest_autorl.cli.collecting import Collected
    from pytest_autorl.cli.outlook import Outlook
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.needs import Need

#: How many tests of one need, and how many ids near an unknown one, are named.
_NAMED = 5


def why(
    ctx: typer.Context,
    test: Annotated[str, typer.Argument(metavar="TEST", help="Node id, file, or a part of node ids.")],
    farm: FarmOption = "",
    state: StateOption = "",
    as_json: JsonOption = False,
) -> None:
    """Explain what a test needs, which devices fit, and where the plan has it. More arguments go to pytest.

    Exit code 1 when a need cannot be met, 2 for an unknown test.
    """
    options = [*(["--autorl-farm", farm] if farm else []), *(["--autorl-state", state] if state else [])]
    matching, found = _matching(test, [*options, *ctx.args])
    explained = [_explained(need, nodeids, found.farm) for need, nodeids in _grouped(matching)]
    outlook = _outlook(found)
    if as_json:  # for many tests each of the two takes its time
        show({"tests": [row for one in explained for row in one.rows(outlook)]}, [], as_json=True)
    else:
        show({}, _lines(explained, outlook), as_json=False)
    if found.farm is None and any(one.data["needs"] is not None for one in explained):
        raise NoFarmError(
            "no farm is configured, so nothing can be said about devices",
            do="run `autorl init` to write a device_farm.yml, or try --farm virtual",
        )
    if not all(one.is_fine for one in explained):
        raise typer.Exit(1)


def _outlook(found: Collected) -> Outlook | None:
    from pytest_autorl.cli.outlook import Outlook

    return Outlook(found, found.table) if found.table is not None else None


def _matching(test: str, options: Sequence[str]) -> tuple[dict[str, Need | None], Collected]:
    """The tests that are meant, and all. Raises UsageError for an unknown test, or when pytest cannot collect."""
    from pytest_autorl.cli.collecting import cannot_collect, collect

    path, _, names = test.partition("::")
    is_path = Path(path).exists()
    found = collect([path, *options] if is_path else options)
    if not found.needs and not found.has_ended_well:
        raise cannot_collect(found.printed)
    matching = {
        nodeid: need
        for nodeid, need in found.needs.items()
        # Node ids start at pytest's root, the user's path here: within one path the names decide.
        if (_is_named(nodeid, names) if is_path else test.casefold() in nodeid.casefold())
    }
    if not matching:
        raise UsageError(f"no test is named {test!r}", do=_near(test, list(found.needs)))
    return matching, found


def _is_named(nodeid: str, names: str) -> bool:
    """Whether the part after the file is the test, its class, or the test without its parameters."""
    own = nodeid.partition("::")[2]
    return not names or own == names or own.startswith((f"{names}[", f"{names}::"))


def _near(test: str, ids: list[str]) -> str:
    if not ids:
        return "pytest finds no test here; name a file, or run it from the project's root"
    by_name: dict[str, str] = {}
    for nodeid in ids:
        by_name.setdefault(nodeid.rpartition("::")[2], nodeid)
    near = difflib.get_close_matches(test, ids, n=_NAMED, cutoff=0.5)
    near += [by_name[name] for name in difflib.get_close_matches(test.rpartition("::")[2], by_name, n=_NAMED)]
    return "nearest: " + ", ".join(list(dict.fromkeys(near))[:_NAMED] or ids[:_NAMED])


def _grouped(needs: dict[str, Need | None]) -> list[tuple[Need | None, list[str]]]:
    """Tests of equal needs together, in the order of collection."""
    groups: dict[tuple[object, ...], tuple[Need | None, list[str]]] = {}
    for nodeid, need in needs.items():
        key: tuple[object, ...] = ()
        if need is not None:
            problem = str(need.problem) if need.requirement is None else ""
            key = (need.requirement, need.fixture, problem)
        groups.setdefault(key, (need, []))[1].append(nodeid)
    return list(groups.values())


@dataclass(frozen=True)
class _Explained:
    """The answer for tests of one need: ``data`` stands in the JSON of each of them."""

    nodeids: list[str]
    data: dict[str, Any]
    lines: list[str]
    is_fine: bool

    def rows(self, outlook: Outlook | None) -> list[dict[str, Any]]:
        rows = [{"test": nodeid, **self.data} for nodeid in self.nodeids]
        return rows if outlook is None else [{**row, **outlook.row(row["test"])} for row in rows]


def _explained(need: Need | None, nodeids: list[str], farm: FarmConfig | None) -> _Explained:
    if need is None:
        return _Explained(nodeids, {"needs": None}, ["needs no device"], is_fine=True)
    if need.requirement is None:
        data = {"needs": {"fixture": need.fixture, "problem": str(need.problem)}, "can_be_met": False}
        return _Explained(nodeids, data, ["cannot run:", *str(need.problem).splitlines()], is_fine=False)
    from pytest_autorl.cli.explain import explained

    asked = f"asked for through the fixture {need.fixture}"
    if farm is None:
        words = {"key": need.requirement.key, "text": str(need.requirement), "count": need.requirement.count}
        data = {"needs": {**words, "fixture": need.fixture}}
        return _Explained(nodeids, data, [f"needs: {need.requirement}", asked], is_fine=False)
    explanation = explained(farm.devices, need.requirement)
    plain = explanation.to_data()
    data = {"needs": {**plain.pop("need"), "fixture": need.fixture}, **plain}
    first, *others = explanation.to_lines()
    return _Explained(nodeids, data, [first, asked, *others], is_fine=explanation.can_be_met)


def _lines(explained: Sequence[_Explained], outlook: Outlook | None) -> list[str]:
    lines: list[str] = []
    for one in explained:
        lines += one.nodeids[:_NAMED]
        if len(one.nodeids) > _NAMED:
            lines.append(f"and {len(one.nodeids) - _NAMED} more tests")
        chances = outlook.lines(one.nodeids) if outlook is not None else []
        lines += [f"  {line}" for line in [*one.lines, *chances]]
    return lines
