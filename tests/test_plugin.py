"""The plugin as a user meets it: options, markers, needs, errors. No session is opened here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_autorl.options import OPTIONS
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore

pytestmark = pytest.mark.integration

FARM = """
version: 1
devices:
  - {id: phone, provider: virtual, platform: android, os_version: "14", form_factor: phone, tags: [nfc], count: 2}
  - {id: desk, provider: virtual, platform: android, os_version: "15", form_factor: tablet}
"""


#: Options that other programs rely on.
CONTRACT = """
--autorl-farm --autorl-device --autorl-where --autorl-app --autorl-state --autorl-reports --autorl-unhealthy
--autorl-wait --autorl-retries --autorl-retry-budget --autorl-recovery --autorl-resume --autorl-resume-run
--autorl-resume-force --autorl-redact --autorl-run-id --autorl-metrics-push --autorl-push-interval
--autorl-push-required --autorl-metrics-port --autorl-trace --autorl-trace-endpoint --autorl-log-format
--autorl-log-level --autorl-abort-on-critical --autorl-gate
"""


@pytest.fixture
def farm(pytester: pytest.Pytester) -> Path:
    path = pytester.path / "device_farm.yml"
    path.write_text(FARM)
    return path


def rows(pytester: pytest.Pytester) -> list[dict[str, object]]:
    text = (pytester.path / "reports/trace.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_device_test_without_a_farm_is_an_error_that_says_what_to_do(pytester: pytest.Pytester) -> None:
    """Never a silent simulator: a green run must mean that the chosen devices did it."""
    pytester.makepyfile(
        """
        import pytest
        def test_fixture(device): pass
        @pytest.mark.device(platform="android")
        def test_marker_alone(): pass
        def test_plain(): pass
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(errors=2, passed=1)
    result.stdout.fnmatch_lines(["*no farm is configured*", "*autorl init*--autorl-farm virtual*"])


def test_needs_are_met_by_marker_and_fixture_together(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.device(form_factor="tablet")
        def test_tablet(device): assert device.id == "desk"
        @pytest.mark.device(tags=["nfc"], os_version=">=14")
        def test_phone(autorl_device): assert autorl_device.id in ("phone-1", "phone-2")
        @pytest.mark.device(form_factor="tablet")
        def test_marker_alone(): pass
        @pytest.mark.device(count=3)
        def test_all(devices): assert {d.id for d in devices} == {"phone-1", "phone-2", "desk"}
        @pytest.mark.device(where="form_factor == 'tablet'")
        def test_where(device): assert device.id == "desk"
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(passed=5)
    assert {(row["test"], len(row["devices"])) for row in rows(pytester)} >= {  # type: ignore[arg-type]
        ("test_needs_are_met_by_marker_and_fixture_together.py::test_marker_alone", 1),
        ("test_needs_are_met_by_marker_and_fixture_together.py::test_all", 3),
    }
    result.stdout.fnmatch_lines(
        [
            "*farm device_farm.yml: 3 devices (2 android phone, 1 android tablet); 3 available*",
            "*3 of 3 devices used*",
        ]
    )


def test_a_need_no_device_can_meet_is_told_before_the_run_and_is_an_error(
    pytester: pytest.Pytester, farm: Path
) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.device(platform="ios")
        def test_ios(device): pass
        @pytest.mark.device(form_factor="tablet", count=2)
        def test_pair(devices): pass
        def test_any(device): pass
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(errors=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "autorl: 1 test cannot run: *::test_ios",
            "*nearest: phone-1 (android 14 phone): platform is android, needs ios",
            "autorl: 1 test cannot run: *::test_pair",
            "*ERROR at setup of test_ios*",
            "no device of 3 can be had for: platform ios",
        ]
    )


def test_a_marker_that_cannot_be_understood_is_that_tests_error(
    pytester: pytest.Pytester, farm: Path
) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.device(plattform="ios")
        def test_typo(device): pass
        @pytest.mark.device(where="battery > 50")
        def test_reading(device): pass
        @pytest.mark.device(count=2)
        def test_one_of_two(device): pass
        def test_fine(device): pass
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(errors=3, passed=1)
    result.stdout.fnmatch_lines(
        ["*plattform=*", "*did you mean platform*", "*battery*", "*use the fixture `devices`*"]
    )


def test_a_test_has_one_ticket(pytester: pytest.Pytester, farm: Path) -> None:
    """A second ticket could wait for ever for what the first one holds."""
    pytester.makepyfile(
        """
        import pytest
        def test_two_roots(device, module_device): pass
        def test_asks_again(device, request):
            with pytest.raises(Exception, match="holds .* and asks for another"):
                request.getfixturevalue("devices")
        def test_same_root_twice(device, autorl_device, request):
            assert device is autorl_device is request.getfixturevalue("device")
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(errors=1, passed=2)
    result.stdout.fnmatch_lines(["*the test asks for 2 tickets: autorl_device, module_device*"])


def test_scoped_devices_stay_for_their_scope(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_autorl import device_fixture

        tablet = device_fixture(scope="module", form_factor="tablet")
        seen = []

        @pytest.mark.device(tags=["nfc"])
        class TestClass:
            def test_one(self, class_device): seen.append(class_device)
            def test_two(self, class_device):
                assert class_device is seen[-1] and class_device.form_factor == "phone"

        def test_tablet(tablet): assert tablet.id == "desk"
        def test_tablet_again(tablet): assert tablet.id == "desk"
        def test_session(session_device): assert session_device.lease.token == 1 or session_device
        """
    )

    result = pytester.runpytest("-p", "no:randomly")

    result.assert_outcomes(passed=5)
    traced = rows(pytester)
    assert len(traced) == 5
    assert traced[0]["devices"] == traced[1]["devices"]


def test_a_marker_on_a_test_has_no_say_over_a_wider_device(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.device(form_factor="tablet")
        def test_it(module_device): pass
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no say over a module-scoped device*", "*put the marker on the module*"])


def test_parameters_may_differ_in_their_needs(pytester: pytest.Pytester, farm: Path) -> None:
    """pytest shares one list of fixture names between the parameters of a test."""
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("kind", [
            "plain",
            pytest.param("tablet", marks=pytest.mark.device(form_factor="tablet")),
        ])
        def test_it(kind, request):
            assert ("autorl_device" in request.fixturenames) == (kind == "tablet")
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(passed=2)
    assert [row["devices"] for row in rows(pytester)] == [["desk"]]


def test_a_marker_alone_leases_as_many_as_it_counts(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.device(count=3)\ndef test_it(): pass")

    pytester.runpytest().assert_outcomes(passed=1)

    assert len(rows(pytester)[0]["devices"]) == 3  # type: ignore[arg-type]


def test_unittest_classes_lease_by_marker(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile(
        """
        import unittest, pytest
        @pytest.mark.device(form_factor="tablet")
        class TestIt(unittest.TestCase):
            def test_one(self): pass
        """
    )

    result = pytester.runpytest()

    result.assert_outcomes(passed=1)
    assert [row["devices"] for row in rows(pytester)] == [["desk"]]


def test_only_the_chosen_devices_take_part(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile("def test_it(device): assert device.id == 'phone-2'")

    pytester.runpytest("--autorl-device", "phone-2").assert_outcomes(passed=1)
    pytester.runpytest("--autorl-where", "form_factor == 'phone' and id != 'phone-1'").assert_outcomes(
        passed=1
    )
    result = pytester.runpytest("--autorl-device", "phone-3")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--autorl-device phone-3: the farm has no device with this id*", "*did you mean*"]
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ["--autorl-metrics-push", "http://x"],
            "*--autorl-metrics-push is reserved*not part of this version*",
        ),
        (["--autorl-wait", "soon"], "*--autorl-wait='soon'*"),
        (["--autorl-run-id", "../x"], "*--autorl-run-id='../x'*"),
        (["--autorl-state", "postgresql://h/db"], "*database URL is not part of this version*"),
        (["--autorl-farm", "nowhere.yml"], "*nowhere.yml*"),
        (["--autorl-farm", "virtual:0"], "*virtual:0*between 1 and 1000*"),
        (["-o", "autorl_redact_patterns=(unclosed"], "*autorl: *(unclosed*"),
        (["-o", "autorl_mask_selectors=nothing"], "*autorl_mask_selectors: 'nothing' is no selector*"),
        (["--autorl-redact", "sometimes"], "*--autorl-redact*invalid choice: 'sometimes'*"),
        (["-o", "autorl_lease_ttl=5"], "*autorl_lease_ttl is 5 s*must live for three heartbeats*"),
    ],
)
def test_an_option_that_cannot_be_used_says_so(
    pytester: pytest.Pytester, farm: Path, options: list[str], text: str
) -> None:
    pytester.makepyfile("def test_it(device): pass")

    result = pytester.runpytest(*options)

    assert result.ret != 0
    output = result.stdout.str() + result.stderr.str()
    pytest.LineMatcher(output.splitlines()).fnmatch_lines([text])


def test_every_option_of_the_contract_is_registered(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--help")

    for option in OPTIONS:
        if option.surface == "all":
            result.stdout.fnmatch_lines([f"*{option.flag_text}*"])
        if option.surface != "env":
            result.stdout.fnmatch_lines([f"*{option.ini_key}*"])
    assert {option.flag_text for option in OPTIONS if option.surface == "all"} == set(CONTRACT.split())


def test_all_markers_are_known_to_strict_suites(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.retry(max_attempts=2)
        @pytest.mark.recovery("restart_app")
        @pytest.mark.scenario(name="x")
        @pytest.mark.quarantine(reason="x", until="2030-01-01")
        @pytest.mark.security
        @pytest.mark.integration
        @pytest.mark.unit
        @pytest.mark.critical_path
        def test_it(): pass
        """
    )

    pytester.runpytest("--strict-markers").assert_outcomes(passed=1)


def test_a_test_does_not_wait_for_what_its_own_scopes_hold(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.device(form_factor="tablet")
        def test_first(module_device): pass
        def test_second(device): pass
        """
    )

    result = pytester.runpytest("--autorl-wait", "300", "-p", "no:randomly")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["every fitting device that is missing is held here already*: desk"])


def test_waiting_for_another_runs_device_ends_as_an_error_that_names_the_holder(
    pytester: pytest.Pytester, farm: Path, tmp_path: Path
) -> None:
    """Real devices are met by every run on the host; the lease of this process stands for another run's."""
    farm.write_text(
        "providers: {lab: {type: appium, url: 'http://127.0.0.1:9'}}\n"
        "devices: [{id: phone, provider: lab, platform: android}]\n"
    )
    pytester.makepyfile("def test_it(device): pass")
    engine = SqliteEngine(tmp_path / "state.db")
    store = DurableStore(engine, folder=tmp_path / "state.db.holders", devices={"phone": 0})
    store.acquire(["phone"], count=1, owner="nightly", purpose="test_login", wait_s=0)

    # One word: pytest takes an existing path that stands alone for a hint at its root directory.
    result = pytester.runpytest("--autorl-wait", "0.2", f"--autorl-state={tmp_path / 'state.db'}")
    store.close()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*1 devices (1 android); 1 busy*",
            "waited 0.2 s for a device of phone; held by: phone: nightly for test_login, since * s",
            "*1 test gave up waiting for a device*",
        ]
    )


def test_nothing_is_written_by_a_suite_that_uses_no_device(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile("def test_plain(): pass")

    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)

    assert not (pytester.path / "reports").exists()
    assert not (pytester.path / ".autorl").exists()


def test_leases_of_the_run_are_gone_when_it_ends(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile("def test_it(device): pass")

    pytester.runpytest().assert_outcomes(passed=1)

    assert list((pytester.path / ".autorl").rglob("*.lease")) == []


def test_the_reports_folder_can_be_elsewhere(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile("def test_it(device): pass")

    pytester.runpytest("--autorl-reports", "out/here").assert_outcomes(passed=1)

    assert {path.name for path in (pytester.path / "out/here").iterdir()} == {"trace.jsonl", "farm.html"}


def test_run_id_and_seed_can_be_given_and_are_told(
    pytester: pytest.Pytester, farm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTORL_SEED", "42")
    pytester.makepyfile("def test_it(device): pass")

    result = pytester.runpytest("--autorl-run-id", "nightly-7")

    result.stdout.fnmatch_lines(["*run nightly-7, seed 42*"])
    assert rows(pytester)[0]["run"] == "nightly-7"


def test_the_same_seed_gives_the_same_devices(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTORL_SEED", "7")
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('n', range(5))\ndef test_it(devices, n): pass"
    )

    def devices() -> list[object]:
        pytester.runpytest("--autorl-farm", "virtual:9", "-p", "no:randomly").assert_outcomes(passed=5)
        return [row["devices"] for row in rows(pytester)]

    assert devices() == devices()


def test_parameters_named_device_are_the_users_own(pytester: pytest.Pytester, farm: Path) -> None:
    """pytest drops such a fixture from the closure; the test asks for nothing of ours."""
    farm.unlink()
    pytester.makeconftest(
        """
        def pytest_generate_tests(metafunc):
            if "device" in metafunc.fixturenames:
                metafunc.parametrize("device", ["cpu", "cuda"])
        """
    )
    pytester.makepyfile("def test_it(device): assert device in ('cpu', 'cuda')")

    pytester.runpytest().assert_outcomes(passed=2)


def test_a_skipped_test_is_skipped_whatever_it_needs(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.skip
        @pytest.mark.device(platform="ios")
        def test_ios(device): pass
        @pytest.mark.skipif(True, reason="no")
        @pytest.mark.device(plattform="typo")
        def test_typo(device): pass
        """
    )

    pytester.runpytest().assert_outcomes(skipped=2)


def test_two_fixtures_of_one_name_are_two_devices(pytester: pytest.Pytester, farm: Path) -> None:
    for folder in ("a", "b"):
        (pytester.path / folder).mkdir()
        (pytester.path / folder / "conftest.py").write_text(
            "from pytest_autorl import device_fixture\nphone = device_fixture(scope='session')\n"
        )
        (pytester.path / folder / "test_it.py").write_text(
            "def test_1(phone): assert phone.id\ndef test_2(phone): assert phone.id\n"
        )

    result = pytester.runpytest("--import-mode=importlib", "-p", "no:randomly")

    result.assert_outcomes(passed=4)
    found = [row["devices"] for row in rows(pytester)]
    assert found[0] == found[1] != found[2] == found[3]


def test_shares_of_session_and_fixtures_are_told_apart(pytester: pytest.Pytester, farm: Path) -> None:
    """Set-up = fixtures + sessions, whenever the session was opened. Time is spent by waiting on an event."""
    farm.write_text(
        "devices: [{id: d1, provider: virtual, platform: android, virtual: {session_seconds: 0.6}}]\n"
    )
    pytester.makepyfile(
        """
        import threading, pytest
        @pytest.fixture
        def slow(device): threading.Event().wait(0.3)
        def test_it(device, slow): device.driver
        """
    )

    pytester.runpytest().assert_outcomes(passed=1)

    (row,) = rows(pytester)
    assert 0.3 <= row["fixture"] < 0.6  # type: ignore[operator]
    assert row["setup"] >= 0.9  # type: ignore[operator]
    assert row["end"] - row["start"] >= row["setup"]  # type: ignore[operator]


def test_a_run_does_not_show_the_trace_of_an_earlier_one(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile("def test_device(device): pass\ndef test_plain(): pass")
    pytester.runpytest().assert_outcomes(passed=2)

    pytester.runpytest("-k", "plain").assert_outcomes(passed=1)

    assert list((pytester.path / "reports").iterdir()) == []


def test_reports_that_cannot_be_written_are_told_and_change_no_verdict(
    pytester: pytest.Pytester, farm: Path
) -> None:
    (pytester.path / "reports").write_text("a file where the folder should be")
    pytester.makepyfile("def test_it(device): pass")

    result = pytester.runpytest()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*trace.jsonl is incomplete: *", "*farm.html is incomplete: *"])
    result.stdout.no_fnmatch_line("*written:*")


def test_a_failures_blame_is_not_read_from_what_was_silenced(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile(
        """
        from pytest_autorl.errors import DeviceTimeoutError
        def test_own(device):
            try:
                raise DeviceTimeoutError("slow")
            except DeviceTimeoutError:
                raise AssertionError("mine") from None
        def test_theirs(device):
            raise AssertionError("wrapped") from DeviceTimeoutError("slow")
        """
    )

    pytester.runpytest("-p", "no:randomly", "--autorl-retries", "0").assert_outcomes(failed=2)

    assert [row["blame"] for row in rows(pytester)] == ["test", "device"]


def test_junit_names_the_device(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.device(form_factor='tablet')\ndef test_it(device): pass")

    pytester.runpytest("--junitxml=junit.xml").assert_outcomes(passed=1)

    assert '<property name="autorl_device" value="desk"' in (pytester.path / "junit.xml").read_text()


def test_markers_without_effect_are_told(pytester: pytest.Pytester, farm: Path) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.recovery('back')\ndef test_it(): pass")

    result = pytester.runpytest()

    result.stdout.fnmatch_lines(
        ["autorl: markers without effect in this version, with their tests: recovery (1)"]
    )


def test_paths_on_the_command_line_are_meant_from_where_the_user_stands(
    pytester: pytest.Pytester, farm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\n")
    below = pytester.path / "below"
    below.mkdir()
    (below / "test_it.py").write_text("def test_it(device): pass")
    monkeypatch.chdir(below)

    pytester.runpytest("--autorl-farm", "../device_farm.yml", "--autorl-reports", "out").assert_outcomes(
        passed=1
    )

    assert (below / "out/trace.jsonl").exists()


def test_a_native_toml_file_may_hold_numbers_and_switches(pytester: pytest.Pytester, farm: Path) -> None:
    if pytest.version_tuple < (9,):
        pytest.skip("native TOML came with pytest 9")
    (pytester.path / "pyproject.toml").write_text(
        "[tool.pytest]\nautorl_wait = 5\nautorl_plain_fixtures = true\nautorl_log_level = 'INFO'\n"
    )
    pytester.makepyfile("def test_it(device): pass")

    pytester.runpytest().assert_outcomes(passed=1)


def test_an_ini_value_of_the_wrong_type_is_named(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nautorl_wait = soon\n")

    result = pytester.runpytest()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*autorl_wait in the ini file: *soon*"])


def test_a_broken_app_model_is_told_before_the_run(pytester: pytest.Pytester, farm: Path) -> None:
    farm.write_text(
        "providers: {virtual: {app: ./app.yml}}\ndevices: [{id: d1, provider: virtual, platform: android}]\n"
    )
    (pytester.path / "app.yml").write_text("screens: {}\n")
    pytester.makepyfile("def test_it(device): pass")

    result = pytester.runpytest()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*app.yml*"])
