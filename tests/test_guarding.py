"""The guard of a run: there before anything is printed, taught by the settings, gone when the run has ended."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_autorl import guarding
from pytest_autorl.capture.streams import is_guarded
from pytest_autorl.guarding import guard_key

MAIL = "anna.k" + "@" + "example.com"

PRINTS = """
def test_it(): assert 0, "ACC-1234 of anna.k" + "@" + "example.com at 10.20.30.40"
"""


def shown(result: pytest.RunResult) -> str:
    return result.stdout.str() + result.stderr.str()


# -- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.integration
@pytest.mark.parametrize("way", ["ini", "farm file"])
def test_patterns_and_fields_of_the_user_are_taken_out_too(pytester: pytest.Pytester, way: str) -> None:
    if way == "ini":
        pytester.makeini("[pytest]\nautorl_redact_patterns = ACC-\\d{4}\nautorl_redact_fields = shelf_mark\n")
    else:
        (pytester.path / "device_farm.yml").write_text(
            "version: 1\ndevices: [{id: phone, provider: virtual, platform: android}]\n"
            "observability: {redact_patterns: ['ACC-\\d{4}'], redact_fields: [shelf_mark]}\n"
        )
    pytester.makepyfile(
        """
        def test_it(record_property):
            record_property("shelf_mark", "north-17")
            assert 0, {"id": "ACC-1234", "shelf_mark": "north-17"}
        """
    )

    result = pytester.runpytest_subprocess("--junitxml=j.xml")

    result.assert_outcomes(failed=1)
    written = (pytester.path / "j.xml").read_text()
    assert "ACC-1234" not in shown(result) + written
    assert "north-17" not in written.partition("</properties>")[0]


@pytest.mark.integration
@pytest.mark.parametrize("option", ["-s", "--capture=fd"])
@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "autorl_redact_patterns = (((",
            "pattern 1 of autorl_redact_patterns, '(((', is no regular expression",
        ),
        ("autorl_redact_fields = ---", "autorl_redact_fields: '---' has no letter"),
    ],
    ids=["pattern", "field"],
)
def test_a_pattern_or_a_field_that_cannot_be_used_is_wrong_use(
    pytester: pytest.Pytester, option: str, line: str, told: str
) -> None:
    """Said once, though the conftest prints before it is known."""
    pytester.makeini(f"[pytest]\n{line}\n")
    pytester.makeconftest("print('loaded')")
    pytester.makepyfile(PRINTS)

    result = pytester.runpytest_subprocess(option)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    errors = result.stderr.str()
    assert errors.count(told) == 1
    assert errors.count("\n  do: ") == 1
    assert "Traceback" not in shown(result)


@pytest.mark.integration
def test_one_of_the_farm_file_is_told_with_its_line(pytester: pytest.Pytester) -> None:
    """What belongs into which line is said of both at once."""
    (pytester.path / "device_farm.yml").write_text(
        "version: 1\ndevices: [{id: phone, provider: virtual, platform: android}]\n"
        "observability:\n  redact_patterns: [fine, '(((']\n  redact_fields:\n    - '---'\n"
    )
    pytester.makepyfile(PRINTS)

    result = pytester.runpytest_subprocess()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "*device_farm.yml:4: observability.redact_patterns[[]1]: is no regular expression*'((('*(do: *)",
            "*device_farm.yml:6: observability.redact_fields[[]0]: has no letter*'---'*(do: *)",
        ]
    )
    assert "Traceback" not in shown(result)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("variable", "options", "is_shown"),
    [("off", [], True), ("strict", [], False), ("off", ["--autorl-redact=on"], False)],
    ids=["off", "strict", "the option wins"],
)
def test_a_variable_sets_the_mode(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    options: list[str],
    is_shown: bool,
) -> None:
    monkeypatch.setenv("AUTORL_REDACT", variable)
    pytester.makepyfile(PRINTS)

    result = pytester.runpytest_subprocess(*options)

    result.assert_outcomes(failed=1)
    assert (MAIL in shown(result)) is is_shown
    assert ("redaction is strict" in shown(result)) is (variable == "strict")


@pytest.mark.integration
def test_devices_and_their_servers_stay_and_secrets_of_the_farm_file_go(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report without the device's name would be of no use to anybody."""
    secret, word = "heron" + os.urandom(8).hex(), "corvid" + os.urandom(8).hex()
    monkeypatch.setenv("SHOP_API_TOKEN", word)
    monkeypatch.setenv("LAB_URL", f"http://robot:{secret}@10.20.30.40:4723")
    (pytester.path / "device_farm.yml").write_text(
        "version: 1\n"
        "providers: {lab: {type: appium, url: '${LAB_URL}'}}\n"
        "devices: [{id: '358240051111110', provider: lab, platform: android}]\n"
    )
    pytester.makepyfile(
        f"def test_it(): assert 0, 'at 10.20.30.40:4723 and 10.20.30.41, 358240051111110, {secret[:9]}' "
        f"+ '{secret[9:]} {word[:9]}' + '{word[9:]}'"
    )

    result = pytester.runpytest_subprocess("--tb=line")

    result.assert_outcomes(failed=1)
    assert "at 10.20.30.40:4723 and [REDACTED:IP" in shown(result)
    assert "358240051111110" in shown(result)
    assert secret not in shown(result)
    assert word not in shown(result)


# -- errors that end a run -----------------------------------------------------------------------------------------


@pytest.mark.integration
@pytest.mark.parametrize(
    "conftest",
    [
        "raise RuntimeError('for ' + MAIL)",
        "import pytest\nraise pytest.UsageError('for ' + MAIL)",
        "def pytest_addoption(parser): raise RuntimeError('for ' + MAIL)",
        "def pytest_configure(config): raise RuntimeError('for ' + MAIL)",
        "import pytest\ndef pytest_configure(config): raise pytest.UsageError('for ' + MAIL)",
        "import pytest\ndef pytest_collection_modifyitems(): raise pytest.UsageError('for ' + MAIL)",
        "import pytest\ndef pytest_sessionstart(): pytest.exit('for ' + MAIL)",
        "def pytest_sessionfinish(): raise RuntimeError('for ' + MAIL)",
    ],
    ids=[
        "import",
        "import, usage",
        "options",
        "configure",
        "configure, usage",
        "collection",
        "exit",
        "finish",
    ],
)
def test_the_text_of_an_error_that_ends_the_run_is_redacted(pytester: pytest.Pytester, conftest: str) -> None:
    """pytest and Python print some of them when the plugins have gone."""
    pytester.makeconftest(f"MAIL = 'anna.k' + '@' + 'example.com'\n{conftest}")
    pytester.makepyfile("def test_it(): pass")

    result = pytester.runpytest_subprocess("-q")

    assert result.ret != pytest.ExitCode.OK
    assert MAIL not in shown(result)
    assert "for [REDACTED:EMAIL#" in shown(result)


@pytest.mark.integration
def test_an_unknown_test_is_named_without_its_value(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")

    result = pytester.runpytest_subprocess(f"test_no_such_file_{MAIL}.py")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert MAIL not in shown(result)


# -- beside other options ------------------------------------------------------------------------------------------


@pytest.mark.integration
def test_other_plugins_may_be_missing_and_other_views_asked_for(pytester: pytest.Pytester) -> None:
    """Each combination is one more way to crash."""
    pytester.makepyfile(
        """
        import pytest
        MAIL = "anna.k" + "@" + "example.com"
        @pytest.fixture(params=[MAIL])
        def account(request): return request.param
        def test_it(account): assert account
        def test_fails(account): assert 0, account
        """
    )
    missing = [
        f"-pno:{name}" for name in ("cacheprovider", "logging", "junitxml", "warnings", "faulthandler")
    ]
    for options, code in (
        (missing, 1),
        (["-pno:terminal"], 1),
        (["-pno:capture"], 1),
        (["--autorl-redact=strict", *missing, "-s"], 1),
        (["--setup-show", "--durations=5", "-vv"], 1),
        (["--collect-only"], 0),
        (["--fixtures-per-test", "-v"], 0),
    ):
        result = pytester.runpytest_subprocess(*options)

        assert result.ret == code, (options, shown(result))
        assert MAIL not in shown(result), options
        assert "Traceback" not in result.stderr.str(), (options, result.stderr.str())


# -- one run within another ----------------------------------------------------------------------------------------


@pytest.mark.integration
def test_a_run_in_this_process_leaves_streams_logging_and_cache_as_they_were(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(PRINTS)
    parts: list[tuple[Any, str]] = [
        *((sys, name) for name in ("stdout", "stderr", "__stdout__", "__stderr__")),
        *((logging.Logger, name) for name in ("handle", "callHandlers")),
        (pytest.Cache, "set"),
    ]
    before = [getattr(owner, name) for owner, name in parts]

    for options in ([], ["-s"], ["--autorl-redact=off"], ["--autorl-redact=strict"]):
        result = pytester.runpytest_inprocess(*options)

        result.assert_outcomes(failed=1)
        assert [getattr(owner, name) for owner, name in parts] == before, options
        assert (MAIL in shown(result)) is ("--autorl-redact=off" in options)


@pytest.mark.integration
def test_a_script_that_runs_pytest_has_its_streams_back(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=PRINTS)
    script = pytester.makepyfile(
        run="""
        import sys, pytest
        before = sys.stdout, sys.stderr
        codes = [int(pytest.main(["-q", "-p", "no:cacheprovider", "test_it.py"])) for _ in range(2)]
        assert (sys.stdout, sys.stderr) == before
        print("codes", codes)
        """
    )

    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )

    assert "codes [1, 1]" in done.stdout, done.stderr
    assert MAIL not in done.stdout + done.stderr


@pytest.mark.unit
def test_this_run_is_guarded(pytestconfig: pytest.Config) -> None:
    guard = pytestconfig.stash[guard_key]

    assert guarding.begin(pytestconfig) is guard, "a second time changes nothing"
    if not guard.is_off:
        reporter: Any = pytestconfig.pluginmanager.get_plugin("terminalreporter")
        assert reporter is None or is_guarded(reporter._tw._file)


@pytest.mark.unit
def test_a_mode_that_does_not_exist_means_on_until_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has mistyped `strict` does not get `off`."""
    monkeypatch.setenv("AUTORL_REDACT", "stirct")
    config: Any = SimpleNamespace(known_args_namespace=None, getini=lambda name: None)

    assert guarding._early_guard(config).mode == "on"
