"""Who repeats a test when it fails: what is said of the real plugins is what they really do."""

from __future__ import annotations

import json

import pytest

import rerun_plugins

pytestmark = pytest.mark.integration

#: Notes each run of each test, and what is said of it before the first one.
CONFTEST = """
import json
from collections import Counter
from pathlib import Path
import pytest
from pytest_autorl.attempts.rivals import idle_plugins, who_repeats

runs, said, idle = Counter(), {}, {}

def pytest_collection_finish(session):
    for item in session.items:
        said[item.name] = who_repeats(item)
        idle[item.name] = len(idle_plugins(item))

@pytest.fixture(autouse=True)
def counted(request):
    yield
    runs[request.node.name] += 1

def pytest_unconfigure():
    Path("seen.json").write_text(json.dumps({"runs": runs, "said": said, "idle": idle}))
"""

MARKED = """
import pytest

def test_plain(): assert 0

@pytest.mark.flaky
def test_marked(): assert 0

@pytest.mark.flaky(reruns=0)
def test_marked_with_none(): assert 0

@pytest.mark.flaky(2)
def test_marked_with_two(): assert 0

@pytest.mark.flaky(reruns=1)
class TestMarked:
    def test_in_a_class(self): assert 0
"""

DECORATED = """
import unittest
import pytest
from flaky import flaky

def test_plain(): assert 0

@flaky
def test_decorated(): assert 0

@pytest.mark.flaky
def test_marked(): assert 0

@flaky
class TestDecorated:
    def test_in_a_class(self): assert 0

class TestPlain:
    def test_in_a_plain_class(self): assert 0

class TestUnit(unittest.TestCase):
    @flaky
    def test_decorated_method(self): assert 0

    def test_plain_method(self): assert 0
"""

CONDITIONED = """
import pytest

def test_plain(): assert 0

@pytest.mark.flaky
def test_marked(): assert 0

@pytest.mark.flaky(condition=False)
def test_never(): assert 0
"""


@pytest.mark.parametrize(
    ("name", "suite", "options"),
    [
        ("rerunfailures", MARKED, []),
        ("rerunfailures", MARKED, ["--reruns", "1"]),
        ("rerunfailures", MARKED, ["--reruns", "0"]),
        ("rerunfailures", MARKED, ["--force-reruns", "0"]),
        ("rerunfailures", MARKED, ["--force-reruns", "1"]),
        ("rerunfailures", MARKED, ["-o", "reruns=1"]),
        ("rerunfailures", MARKED, ["-o", "reruns=1", "--reruns", "0"]),
        ("rerunfailures", MARKED, ["--reruns", "1", "--reruns-mode", "append"]),
        ("rerunfailures", MARKED, ["--reruns", "1", "--rerun-exclude-path", "test_it.py"]),
        ("flaky", DECORATED, []),
        ("flaky", DECORATED, ["--force-flaky"]),
        ("pytest-retry", CONDITIONED, []),
        ("pytest-retry", CONDITIONED, ["--retries", "2"]),
        ("pytest-retry", CONDITIONED, ["--retries", "0"]),
        ("pytest-retry", CONDITIONED, ["-o", "retries=1"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "" if "\n" in value else value,
)
def test_it_is_said_of_those_that_really_run_again(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str, suite: str, options: list[str]
) -> None:
    alone = rerun_plugins.install(monkeypatch, name)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=suite)

    pytester.runpytest_subprocess(*alone, "-p", "no:autorl", *options)

    seen = json.loads((pytester.path / "seen.json").read_text())
    whole_name = name if name in ("flaky", "pytest-retry") else f"pytest-{name}"
    repeated = {test for test, count in seen["runs"].items() if count > 1}
    assert seen["runs"].keys() == seen["said"].keys()
    assert seen["said"] == {test: whole_name if test in repeated else "" for test in seen["said"]}
    # Those that are not repeated need not be given to it.
    takes_all = name != "pytest-retry"
    assert seen["idle"] == {test: int(takes_all and test not in repeated) for test in seen["said"]}


def test_nobody_is_there_where_none_is_installed(pytester: pytest.Pytester) -> None:
    from pytest_autorl.attempts.rivals import idle_plugins, who_repeats

    pytester.makeini("[pytest]\nmarkers = flaky: as one of those has it")
    items = pytester.getitems("import pytest\n@pytest.mark.flaky(reruns=3)\ndef test_it(): ...")

    assert [who_repeats(item) for item in items] == [""]
    assert [idle_plugins(item) for item in items] == [[]]
