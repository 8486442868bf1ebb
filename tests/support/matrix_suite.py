"""The suite of the matrix: a module for each cell, over a farm of simulated devices."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from matrix import Cell

_ACTS: Final = Path(__file__).with_name("matrix_acts.py")
#: Devices on which sessions stay open between tests, and others on which each test finds none.
FARM: Final = """
health: {heartbeat_interval: 0.2, cool_down: 0}
connection: {connection_timeout: 30, session_timeout: 3}
lease: {ttl: 30, heartbeat: 5}
devices:
  - {id: used, provider: virtual, platform: android, tags: [used], count: 6}
  - {id: fresh, provider: virtual, platform: android, tags: [fresh], count: 4}
"""

_HEAD: Final = """
import asyncio
import unittest
import pytest
from acts import fresh, hit, use
{imports}

pytestmark = pytest.mark.device(tags=[{tag!r}])

{fixture}
"""

_PLAIN: Final = """
{mark}
def test_{name}(pytestconfig, hurt):
    {body}
"""
_ASYNC: Final = """
{mark}
@pytest.mark.asyncio(loop_scope={loop!r})
async def test_{name}(pytestconfig, hurt):
    await asyncio.sleep(0)
    {body}
"""
_CLASS: Final = """
class TestIt:
{own}
    {mark}
    def test_{name}(self, pytestconfig, hurt):
        assert not hasattr(self, "attempts_before")
        self.attempts_before = True
        {body}
"""
_PARAMETRISED: Final = """
{mark}
@pytest.mark.parametrize("number", [1, 2])
def test_{name}(pytestconfig, hurt, number):
    {body}
"""
_UNITTEST: Final = """
class TestIt(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def given(self, pytestconfig, hurt):
        self.pytestconfig, self.hurt = pytestconfig, hurt

    def setUp(self):
        pytestconfig, hurt = self.pytestconfig, self.hurt
        {before}

    def tearDown(self):
        pytestconfig, hurt = self.pytestconfig, self.hurt
        {after}

    {mark}
    def test_{name}(self):
        pytestconfig, hurt = self.pytestconfig, self.hurt
        {body}
"""
_THEN: Final = """
{mark}
def test_{name}_then(hurt):
    use(hurt)
"""


def write_suite(folder: Path, chosen: Iterable[Cell]) -> None:
    """The farm file, what tests share, and a module for each cell."""
    (folder / "device_farm.yml").write_text(FARM)
    (folder / "acts.py").write_text(_ACTS.read_text())
    (folder / "conftest.py").write_text("from acts import pytest_sessionfinish\n")
    for cell in chosen:
        (folder / f"test_{cell.name}.py").write_text(suite_text(cell))


def suite_text(cell: Cell) -> str:
    """The module of a cell."""
    options = ", new=True" * (cell.where == "session") + ", lasting=True" * cell.is_lasting
    strike = f"hit(pytestconfig, hurt, {cell.name!r}, {', '.join(map(repr, cell.whats))}{options})"
    if cell.kind == "parametrised" and cell.where != "module":
        number = "number" if cell.where == "call" else "request.node.callspec.params['number']"
        strike = f"{strike} if {number} == 1 else use(hurt)"
    is_unittests = cell.kind == "unittest"
    at = {"setup": "pass", "teardown": "pass", "fixture": "pass", "after": "pass", "call": "use(hurt)"}
    match cell.where:
        case "call":
            at["call"] = strike
        case "setup" | "teardown" if is_unittests:
            at[cell.where] = strike
        case "teardown":
            at["after"] = strike
        case _:
            at["fixture"] = strike
    mark = f"@pytest.mark.retry({cell.marker})" if cell.marker is not None else ""
    fixture = _fixture(cell, at["fixture"], at["after"])
    is_own = cell.kind == "class" and cell.where != "module"
    words = {
        "name": cell.name,
        "mark": mark,
        "body": at["call"],
        "before": at["setup"],
        "after": at["teardown"],
        "loop": "module" if cell.where == "module" else "function",
        "own": textwrap.indent(fixture, "    ") if is_own else "",
    }
    head = _HEAD.format(
        imports="import pytest_asyncio" if cell.kind == "async" else "",
        tag="fresh" if cell.where == "session" else "used",
        fixture="" if is_own else fixture,
    )
    body = {
        "plain": _PLAIN,
        "async": _ASYNC,
        "class": _CLASS,
        "parametrised": _PARAMETRISED,
        "unittest": _UNITTEST,
    }[cell.kind]
    then = _THEN.format(**words) if cell.where == "module" and cell.kind != "parametrised" else ""
    return head + body.format(**words) + then


def _fixture(cell: Cell, before: str, after: str) -> str:
    """The fixture `hurt`: the device, and what goes wrong before or after it is used."""
    is_module, is_async = cell.where == "module", cell.kind == "async"
    source = "module_device" if is_module else "device"
    itself = ["self"] if cell.kind == "class" and not is_module else []
    needs = ", ".join([*itself, *([] if is_module else ["request"]), "pytestconfig", source])
    scope = "scope='module'" if is_module else ""
    if is_async and is_module:
        scope += ", loop_scope='module'"
    lines = [
        f"@pytest_asyncio.fixture({scope})" if is_async else f"@pytest.fixture({scope})",
        f"{'async ' if is_async else ''}def hurt({needs}):",
        f"    hurt = {source}",
        *(["    await asyncio.sleep(0)"] if is_async else []),
        *(["    fresh(hurt)"] if cell.where == "session" else []),
        f"    {before}",
        "    yield hurt",
        f"    {after}",
        "",
    ]
    return "\n".join(lines)
