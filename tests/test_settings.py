"""Which source wins, what a wrong value says, which names are only reserved."""

from __future__ import annotations

import re

import pytest
from hypothesis import given as given_cases
from hypothesis import strategies as st

from pytest_autorl.errors import FeatureNotBuiltError, UsageError
from pytest_autorl.options import OPTIONS, Option
from pytest_autorl.settings import Settings, resolve

pytestmark = pytest.mark.unit


def test_the_command_line_beats_environment_ini_and_farm_file() -> None:
    settings = resolve(
        cli={"dashboard_port": None, "wait": "1"},
        env={"AUTORL_WAIT": "2", "AUTORL_DASHBOARD_PORT": "9001"},
        ini={"wait": "3"},
        farm_file={"dashboard": {"port": 9000}},
    )

    assert (settings.wait, settings.dashboard_port) == (1.0, 9001)
    assert settings.sources == {"wait": "command line", "dashboard_port": "environment"}


def test_without_any_source_the_defaults_of_the_contract_hold() -> None:
    settings = resolve()

    assert (settings.wait, settings.unhealthy, settings.retries, settings.retry_budget) == (
        300.0,
        "wait",
        0,
        20.0,
    )
    assert (settings.lease_ttl, settings.lease_heartbeat, settings.reports) == (60.0, 15.0, "reports")
    assert settings.sources == {}


def test_an_empty_variable_counts_as_not_given() -> None:
    assert resolve(env={"AUTORL_WAIT": ""}, ini={"wait": "7"}).wait == 7.0


def test_the_prefixed_variable_beats_the_unprefixed_one() -> None:
    assert resolve(env={"AUTORL_LOG_LEVEL": "debug", "LOG_LEVEL": "ERROR"}).log_level == "DEBUG"
    assert resolve(env={"LOG_LEVEL": "error", "LOG_FORMAT": "text"}).log_level == "ERROR"
    assert resolve(env={"LOG_FORMAT": "text"}).log_format == "console"


def test_an_unprefixed_value_of_another_program_is_left_alone() -> None:
    """LOG_LEVEL=trace may be meant for somebody else; AUTORL_LOG_LEVEL=trace is a mistake."""
    assert resolve(env={"LOG_LEVEL": "trace"}).log_level == "INFO"
    with pytest.raises(UsageError, match=re.escape("AUTORL_LOG_LEVEL='trace': expected DEBUG, INFO")):
        resolve(env={"AUTORL_LOG_LEVEL": "trace"})


@pytest.mark.parametrize(
    ("source", "spelling"),
    [
        ({"cli": {"wait": "soon"}}, "--autorl-wait='soon'"),
        ({"env": {"AUTORL_WAIT": "-1"}}, "AUTORL_WAIT='-1': seconds must be 0 or more"),
        ({"ini": {"wait": "nan"}}, "autorl_wait='nan'"),
    ],
)
def test_a_value_that_cannot_be_read_is_named_with_its_source(
    source: dict[str, dict[str, str]], spelling: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(spelling)):
        resolve(**source)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "option", [option for option in OPTIONS if not option.built], ids=lambda option: option.name
)
def test_a_reserved_option_says_so_when_used(option: Option) -> None:
    """Every name of the contract is there from the start, and none is silently without effect."""
    raw = option.choices[0] if option.choices else True if option.flag else "17"
    source = "cli" if option.surface == "all" else "ini"

    with pytest.raises(FeatureNotBuiltError, match="is not part of this version"):
        resolve(**{source: {option.name: raw}})  # type: ignore[arg-type]


def test_what_happens_anyway_may_be_asked_for() -> None:
    settings = resolve(cli={"retries": "0"}, ini={"recovery": "off", "gate": False})

    assert (settings.retries, settings.recovery, settings.gate) == (0, "off", False)


def test_secrets_do_not_stand_in_the_repr() -> None:
    settings = resolve(env={"AUTORL_FARM_TOKEN": "canary-token", "AUTORL_FARM_URL": "http://canary-host"})

    assert settings.farm_token == "canary-token"
    assert "canary" not in repr(settings)


def test_the_holder_is_the_runner_and_its_worker_unless_named() -> None:
    assert re.fullmatch(r"Runner-.+-gw3", Settings().holder("gw3"))
    assert Settings(runner_name="shelf-2").holder("gw3") == "shelf-2"


@given_cases(st.dictionaries(st.sampled_from([o.name for o in OPTIONS]), st.text(max_size=20)))
def test_any_text_is_a_setting_or_a_clear_error(ini: dict[str, str]) -> None:
    outcome: Settings | UsageError
    try:
        outcome = resolve(ini=ini)
    except UsageError as error:
        outcome = error
    if isinstance(outcome, Settings):
        assert outcome.sources.keys() == ini.keys()
    else:
        assert "autorl_" in str(outcome)


def test_options_have_distinct_names_and_help() -> None:
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)
    assert all(option.help for option in OPTIONS)
