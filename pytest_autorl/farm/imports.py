"""The three JSON files of older set-ups as one mapping for device_farm.yml.

    integration.json  connection, health, observability
    automation.json   tasks
    reporting.json    reports, alerts

A section stands under its name, or its keys stand flat in the file; tasks and reports are lists, or mappings
from name to the rest of the record.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_autorl.errors import FarmFileError

if TYPE_CHECKING:
    from pytest_autorl.farm.policies import Section
    from pytest_autorl.farm.source import Source
    from pytest_autorl.farm.yamlnodes import KeyPath

#: File name to the sections that it may hold.
SECTIONS = {
    "integration.json": ("connection", "health", "observability"),
    "automation.json": ("tasks",),
    "reporting.json": ("reports", "alerts"),
}


def import_json(
    paths: Iterable[str | os.PathLike[str]], report: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """One mapping with `version` and the sections found; the user adds `devices`.

    References such as ``${APPIUM_SERVER}`` stay as they are, so values are checked when the result is loaded.

    Args:
        report: Called with one line for each key that has no place in a farm file and is left out. Without
            it such a key is an error: nothing is dropped in silence.
    Raises: FarmFileError for a file that cannot be read or is none of the three, for a section that is no
        mapping or list, or is given twice, and for unknown keys (see `report`).
    """
    merged: dict[str, Any] = {"version": 1}
    unknown: list[FarmFileError] = []
    for path in map(Path, paths):
        source = _read(path)
        for section, value in _Reading(source, SECTIONS[path.name], unknown).sections().items():
            if section in merged:
                raise source.error((section,), "another file gives this section too", "remove one of them")
            merged[section] = value
    lines = [str(error).partition("\n")[0] for error in unknown]
    if report is not None:
        for line in lines:
            report(line)
    elif unknown:
        first = unknown[0]
        what = "\n  ".join([str(first.args[0]), *lines[1:]])
        raise FarmFileError(what, path=first.path, line=first.line, key=first.key, do="remove or rename it")
    return merged


def _read(path: Path) -> Source:
    from pytest_autorl.farm.predicates import nearest
    from pytest_autorl.farm.source import read

    if path.name not in SECTIONS:
        near = nearest(path.name, SECTIONS)
        raise FarmFileError(
            "is none of the files that can be imported",
            path=str(path),
            do=(f"did you mean {near}? " if near else "") + f"files: {', '.join(SECTIONS)}",
        )
    return read(path, None)


class _Reading:
    """Sorts the keys of one file into sections."""

    def __init__(self, source: Source, allowed: tuple[str, ...], unknown: list[FarmFileError]) -> None:
        from pytest_autorl.farm import policies

        self.source = source
        self.unknown = unknown
        self.records: dict[str, type[Section]] = {"tasks": policies.Task, "reports": policies.Report}
        self.models: dict[str, type[Section]] = {
            name: self.records.get(name) or type(getattr(policies.Policies(), name)) for name in allowed
        }

    def sections(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in self.source.data.items():
            home = self._home(key)
            if key in self.records and key in self.models:
                found[key] = self._list(value, self.records[key], (key,))
            elif key in self.models:
                found[key] = {**found.get(key, {}), **self._known(value, self.models[key], (key,))}
            elif home:
                found.setdefault(home, {})[key] = value
            else:
                self._refuse((key,), (*self.models, *self._flat()))
        return found

    def _flat(self) -> dict[str, list[str]]:
        """Keys that may stand without their section, to the sections that know them."""
        flat: dict[str, list[str]] = {}
        for name, model in self.models.items():
            for key in model.model_fields if name not in self.records else ():
                flat.setdefault(key, []).append(name)
        return flat

    def _home(self, key: str) -> str:
        homes = self._flat().get(key, [])
        return homes[0] if len(homes) == 1 else ""

    def _list(self, value: Any, model: type[Section], at: KeyPath) -> list[Any]:
        if isinstance(value, list):
            return [self._known(item, model, (*at, i)) for i, item in enumerate(value)]
        if not isinstance(value, dict):
            raise self.source.error(at, f"expected a list, got {self.source.shown(at)}", "write [{...}]")
        return [{"name": name, **self._known(item, model, (*at, name))} for name, item in value.items()]

    def _known(self, value: Any, model: type[Section], at: KeyPath) -> dict[str, Any]:
        from pytest_autorl.farm.policies import Section

        if not isinstance(value, dict):
            raise self.source.error(at, f"expected a mapping, got {self.source.shown(at)}", "write {...}")
        found: dict[str, Any] = {}
        for key, inner in value.items():
            field = model.model_fields.get(key)
            if field is None:
                self._refuse((*at, key), model.model_fields)
            elif isinstance(field.default, Section):  # a section within a section: health.battery
                found[key] = self._known(inner, type(field.default), (*at, key))
            else:
                found[key] = inner
        return found

    def _refuse(self, at: KeyPath, valid: Iterable[str]) -> None:
        from pytest_autorl.farm.predicates import nearest

        near = nearest(str(at[-1]), valid)
        hint = f" (did you mean {near}?)" if near else ""
        self.unknown.append(self.source.error(at, f"no key of a farm file, not imported{hint}"))
