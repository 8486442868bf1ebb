"""The table of needs: read from tests, sent on the line, and asked."""

from __future__ import annotations

import json

import pytest

from broker_world import LOOSE, klass, table, unit
from pytest_autorl.dispatch.needs_table import NONE, NeedsTable, read_needs
from pytest_autorl.errors import AutorlError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.requirement import Requirement
from pytest_autorl.needs import Need, need_key, note_needs

NEEDS = table(
    (0, NONE),
    (0, 0),
    LOOSE,
    (0, 0),
    (1, 1),
    classes=[klass("a", "b"), klass("c", "d", count=2)],
    units=[unit("m", "module"), unit("s", "session")],
)


@pytest.mark.unit
def test_a_table_survives_the_line() -> None:
    """The node ids travel otherwise."""
    wire = json.loads(json.dumps(NEEDS.to_wire()))

    assert NeedsTable.from_wire(wire, NEEDS.tests) == NEEDS


@pytest.mark.unit
def test_a_table_of_other_tests_is_refused() -> None:
    """As many as there are needs."""
    with pytest.raises(ValueError, match="needs of 5 tests, and 1 tests"):
        NeedsTable.from_wire(NEEDS.to_wire(), ["t"])


@pytest.mark.unit
def test_who_stays_together_is_one_group() -> None:
    """Tests of a session are spread, and tests without devices are in no group."""
    assert NEEDS.groups(range(5)) == [[0], [1, 3], [4]]
    assert [NEEDS.stays_together(index) for index in range(5)] == [False, True, False, True, False]


@pytest.mark.unit
def test_a_job_of_several_tests() -> None:
    """It has the first one's place, and a session of its unit's own."""
    job = NEEDS.job([1, 3], name="both")

    assert (job.name, job.order, job.module) == ("both", 1, "m0.py")
    assert job.tests == ("m0.py::t1", "m0.py::t3")
    assert (job.devices, job.count, job.need) == (frozenset("ab"), 1, "1 of a/b")
    assert job.session == "m device {}"
    assert NEEDS.job([0]).session == "{}"
    assert NEEDS.job([0]).name == "m0.py::t0"


@pytest.mark.unit
def test_no_job_without_a_need() -> None:
    """Nothing would hold it back."""
    with pytest.raises(ValueError, match=r"m0\.py::t2 needs no device"):
        NEEDS.job([2])
    assert NEEDS.klass(2) is None
    assert NEEDS.unit(2) is None


SUITE = """
    import pytest

    @pytest.fixture(scope="module")
    def page(module_device):
        return module_device

    def test_plain(): pass

    @pytest.mark.device(platform="android")
    def test_android(): pass

    @pytest.mark.device(platform="android", count=2)
    def test_two(): pass

    @pytest.mark.device(platform="android")
    def test_android_too(device): pass

    @pytest.mark.device(platform="tizen")
    def test_unmet(): pass

    @pytest.mark.device(platform="android")
    @pytest.mark.skip
    def test_skipped(): pass

    def test_page(page): pass
    def test_page_too(page): pass
    def test_session(session_device): pass
"""


def test_a_suite_becomes_a_table(pytester: pytest.Pytester) -> None:
    """Classes by requirement, units by scope; a test that cannot run or is skipped has no device wait for it."""
    items, _ = pytester.inline_genitems(pytester.makepyfile(SUITE), "-p", "no:randomly")
    devices = [
        Device(id="a", provider="virtual", platform="android", os_version="14"),
        Device(id="b", provider="virtual", platform="android", os_version="15"),
        Device(id="i", provider="virtual", platform="ios", os_version="17"),
    ]
    note_needs(items)
    unmet = next(item for item in items if item.name == "test_unmet")
    unmet.stash[need_key] = Need(
        requirement=Requirement(platform="tizen"), fixture="device", problem=AutorlError("no device")
    )

    needs = read_needs(items, devices)

    by_name = {item.name: index for index, item in enumerate(items)}
    devices_of = {
        name: None if (found := needs.klass(index)) is None else (found.devices, found.count)
        for name, index in by_name.items()
    }
    assert devices_of == {
        "test_plain": None,
        "test_android": (("a", "b"), 1),
        "test_two": (("a", "b"), 2),
        "test_android_too": (("a", "b"), 1),
        "test_unmet": None,
        "test_skipped": None,
        "test_page": (("a", "b", "i"), 1),
        "test_page_too": (("a", "b", "i"), 1),
        "test_session": (("a", "b", "i"), 1),
    }
    assert needs.class_of[by_name["test_android"]] == needs.class_of[by_name["test_android_too"]]
    page, session = needs.unit(by_name["test_page"]), needs.unit(by_name["test_session"])
    assert page is not None
    assert (page.scope, page.fixture, page.name) == (
        "module",
        "module_device",
        "test_a_suite_becomes_a_table.py module_device",
    )
    assert needs.unit(by_name["test_page_too"]) == page
    assert session is not None
    assert (session.scope, session.name) == ("session", "session session_device")
    assert needs.unit(by_name["test_android"]) is None
