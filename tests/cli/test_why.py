"""`autorl why`: what a test needs, from where, and which devices fit. Collected by real pytest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]

SUITE = """
    import pytest
    from pytest_autorl import device_fixture

    tablet = device_fixture(scope="module", form_factor="tablet")

    def test_plain():
        pass

    @pytest.mark.device(platform="android", os_version=">=14")
    def test_marked():
        pass

    def test_by_fixture(device):
        pass

    def test_on_tablet(tablet):
        pass

    @pytest.mark.device(platform="web")
    def test_impossible():
        pass

    @pytest.mark.device(platfrom="android")
    def test_mistyped():
        pass

    @pytest.mark.device(count=2)
    @pytest.mark.parametrize("amount", [1, 2])
    def test_two(devices, amount):
        pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> str:
    """A suite beside a farm of three virtual devices; gives its file name (another one for each test)."""
    pytester.makefile(
        ".yml",
        device_farm="""
            devices:
              - {id: phone, provider: virtual, count: 2, platform: android, os_version: "14", form_factor: phone}
              - {id: pad, provider: virtual, platform: android, os_version: "13", form_factor: tablet}
        """,
    )
    # pytest-asyncio warns about a setting that none of these tests is about.
    pytester.makeini("[pytest]\naddopts = -p no:asyncio")
    return pytester.makepyfile(SUITE).name


def test_a_test_without_need_says_so(autorl: Call, suite: str) -> None:
    said = autorl("why", f"{suite}::test_plain")

    assert (said.code, said.out.splitlines()) == (0, [f"{suite}::test_plain", "  needs no device"])


def test_a_marker_alone_leases_through_the_default_fixture(autorl: Call, suite: str) -> None:
    said = autorl("why", f"{suite}::test_marked")

    assert said.code == 0
    assert said.out.splitlines() == [
        f"{suite}::test_marked",
        "  needs: platform android, os_version >=14",
        "  asked for through the fixture autorl_device",
        "  fits: phone-1, phone-2",
        "    pad: os_version is 13, needs >=14",
        "  takes about 1.0 s, known from nothing yet, a guess",
        "  0 more tests have this need, 3 tests with other needs want some of its devices",
        *said.out.splitlines()[-1:],
    ]


def test_a_fixtures_own_need_counts(autorl: Call, suite: str) -> None:
    data = autorl("why", f"{suite}::test_on_tablet", "--json").data

    (row,) = data["tests"]
    assert row["needs"] == {
        "key": "any/tablet",
        "text": "form_factor tablet",
        "count": 1,
        "fixture": "tablet",
    }
    assert row["fits"] == ["pad"]


def test_a_need_that_cannot_be_met_is_exit_code_1(autorl: Call, suite: str) -> None:
    said = autorl("why", f"{suite}::test_impossible")

    assert said.code == 1
    assert "pad: platform is android, needs web" in said.out
    assert "cannot be met" in said.out


def test_a_marker_that_cannot_be_understood_is_told(autorl: Call, suite: str) -> None:
    said = autorl("why", f"{suite}::test_mistyped")

    assert said.code == 1
    assert "did you mean platform?" in said.out


def test_a_part_of_a_name_finds_all_tests_that_have_it_and_groups_equal_needs(
    autorl: Call, suite: str
) -> None:
    text = autorl("why", "TEST_TWO")
    data = autorl("why", "test_two", "--json").data

    assert text.out.splitlines()[:3] == [
        f"{suite}::test_two[1]",
        f"{suite}::test_two[2]",
        "  needs: any 2 devices",
    ]
    assert [row["test"] for row in data["tests"]] == [f"{suite}::test_two[1]", f"{suite}::test_two[2]"]
    assert data["tests"][0]["needs"]["count"] == 2


def test_a_file_means_all_of_its_tests(autorl: Call, suite: str) -> None:
    data = autorl("why", suite, "--json").data

    assert len(data["tests"]) == 8


def test_an_unknown_test_is_exit_code_2_with_the_nearest_ids(autorl: Call, suite: str) -> None:
    for unknown in (f"{suite}::test_markd", "test_markd"):
        said = autorl("why", unknown)

        assert (said.code, said.out) == (2, "")
        assert f"nearest: {suite}::test_marked" in said.err


def test_more_arguments_go_to_pytest(autorl: Call, suite: str) -> None:
    said = autorl("why", suite, "-k", "plain or marked", "--json")

    assert [row["test"].rpartition("::")[2] for row in said.data["tests"]] == ["test_plain", "test_marked"]


def test_another_farm_can_be_asked_about(autorl: Call, suite: str) -> None:
    data = autorl("why", f"{suite}::test_by_fixture", "--farm", "virtual:2", "--json").data

    assert data["tests"][0]["fits"] == ["virtual-1", "virtual-2"]


def test_without_a_farm_the_need_is_told_and_the_exit_code_is_2(
    autorl: Call, suite: str, pytester: pytest.Pytester
) -> None:
    (pytester.path / "device_farm.yml").unlink()

    needing = autorl("why", f"{suite}::test_marked")
    plain = autorl("why", f"{suite}::test_plain")

    assert needing.code == 2
    assert "needs: platform android" in needing.out
    assert "autorl init" in needing.err
    assert plain.code == 0


def test_a_suite_that_pytest_cannot_collect_is_exit_code_2_with_its_error(
    autorl: Call, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\naddopts = -p no:asyncio")
    name = pytester.makepyfile("import no_such_module_anywhere").name

    said = autorl("why", name)

    assert said.code == 2
    assert "no_such_module_anywhere" in said.err


def test_a_broken_farm_file_is_exit_code_2_with_its_error(
    autorl: Call, suite: str, pytester: pytest.Pytester
) -> None:
    (pytester.path / "device_farm.yml").write_text("devices: 5\n")

    said = autorl("why", f"{suite}::test_marked")

    assert said.code == 2
    assert "device_farm.yml" in said.err


@pytest.mark.parametrize(
    "ini", ["addopts = -n 2", "addopts = -p no:autorl", "filterwarnings = error\naddopts = -p no:asyncio"]
)
def test_the_users_own_settings_stay_in_force(
    autorl_process: Call, suite: str, pytester: pytest.Pytester, ini: str
) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")

    said = autorl_process("why", f"{suite}::test_plain", "--json")

    assert said.code == 0, said.err
    assert said.data == {"tests": [{"test": f"{suite}::test_plain", "needs": None}]}


def test_results_of_the_last_run_are_not_overwritten(
    autorl_process: Call, suite: str, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\naddopts = -p no:asyncio --junitxml=junit.xml --lf")
    (pytester.path / "junit.xml").write_text("the last run")

    said = autorl_process("why", f"{suite}::test_plain")

    assert said.code == 0, said.err
    assert (pytester.path / "junit.xml").read_text() == "the last run"


def test_a_class_means_its_tests_from_any_folder(
    autorl_process: Call, suite: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Node ids start at pytest's root; users type paths from where they are."""
    folder = pytester.mkdir("sub")
    (folder / "test_in_class.py").write_text(
        "class TestPay:\n    def test_a(self): pass\nclass TestPayment:\n    def test_b(self): pass\n"
    )
    monkeypatch.chdir(folder)

    said = autorl_process("why", "test_in_class.py::TestPay", "--json")

    assert [row["test"] for row in said.data["tests"]] == ["sub/test_in_class.py::TestPay::test_a"]


def test_nothing_is_left_behind(autorl_process: Call, suite: str, pytester: pytest.Pytester) -> None:
    before = sorted(path.name for path in pytester.path.iterdir())

    said = autorl_process("why", f"{suite}::test_by_fixture")

    assert said.code == 0
    assert said.err == ""
    left = {path.name for path in Path(pytester.path).iterdir()} - {"__pycache__"}
    assert sorted(left) == before
