"""What may stand in a farm file, with which defaults, and how wrong files are told what to change."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.errors import FarmFileError
from pytest_autorl.farm.policies import Policies
from pytest_autorl.farm.schema import FAULT_PARAMETERS, FarmModel, FaultName, VirtualSettings, read_model
from pytest_autorl.farm.source import parse
from pytest_autorl.virtual import faults, spec

ENV = {
    "KEY": "canary-4711",
    "BAD": "canary value",
    "TTL": "20",
    "VERSION": "14.0",
    "URL": "http://u:canary@h:1",
}
LAB = "providers: {lab: {type: appium}}\n"
ONE = "devices:\n  - {id: a, provider: virtual}\n"


def _device(facts: str) -> str:
    return f"devices: [{{id: a, provider: virtual, {facts}}}]"


def _model(text: str, **env: str) -> FarmModel:
    everything = {**ENV, **env}
    return read_model(parse(text, everything, path="farm.yml"), everything)


def _refused(text: str) -> str:
    with pytest.raises(FarmFileError) as caught:
        _model(text)
    assert "canary" not in str(caught.value)
    return str(caught.value)


def test_the_defaults_are_those_of_the_briefs() -> None:
    """Recovery and gate have tests of their own."""
    made = json.loads(_model(ONE).model_dump_json())

    assert made["lease"] == {"ttl": 60, "heartbeat": 15}
    assert made["connection"] == {
        "url": "http://127.0.0.1:4723",
        "initial_delay": 1,
        "max_delay": 300,
        "backoff_multiplier": 2,
        "connection_timeout": 30,
        "session_timeout": 120,
    }
    assert made["circuit_breaker"] == {"failure_threshold": 5, "success_threshold": 2, "timeout": 60}
    assert made["job_execution"] == {
        "max_concurrent_jobs": 3,
        "checkpoint_enabled": True,
        "checkpoint_on_every_node": True,
        "progress_reporting_enabled": True,
        "cancellation_check_interval": 2,
        "node_timeout": 120,
        "lock_timeout": 300,
    }
    assert made["retry"] == {
        "max_attempts": 3,
        "on": ["transient"],
        "elsewhere": True,
        "initial_delay": 1,
        "max_delay": 30,
        "backoff_multiplier": 2,
        "jitter": True,
    }
    assert made["health"] == {
        "heartbeat_interval": 30,
        "battery": {"stop": 20, "resume": 40},
        "temperature": {"stop": 45, "resume": 40},
        "storage_mb": 500,
        "memory_percent": {"stop": 95, "resume": 90},
        "cpu_percent": None,
        "response_s": {"stop": 5, "resume": 2},
        "error_rate_percent": {"stop": 50, "resume": 20},
        "cool_down": 30,
        "probe_timeout": 10,
        "stale_after": None,
    }
    assert made["observability"] == {
        "metrics_enabled": True,
        "resource_monitoring_enabled": True,
        "audit_enabled": True,
        "progress_interval": 1,
        "redact_patterns": [],
        "redact_fields": [],
    }
    assert made["alerts"] == {
        "cpu_percent": 80,
        "memory_percent": 85,
        "disk_percent": 90,
        "failed_tests": 0,
        "security_issues": 0,
        "coverage_min": 70,
    }
    assert made["dashboard"] == {"host": "127.0.0.1", "port": 8080}
    assert made["metrics"] == {"port": 8000, "push_url": None, "push_interval": 10, "push_timeout": 2}
    assert made["tasks"] == made["reports"] == []


def test_the_example_of_the_briefs_is_a_valid_file() -> None:
    text = """
connection: {url: "${APPIUM_SERVER:-localhost:4723}", initial_delay: 1.0, max_delay: 300.0}
tasks:
  - {name: daily_metrics, command: "autorl metrics collect", schedule: "daily at 03:00", priority: 2, timeout: 600}
reports: [{name: daily_health_check, channels: [email, slack, webhook, file]}]
providers: {lab: {type: appium, url: "${APPIUM_SERVER:-http://127.0.0.1:4723}", slots: 1}, virtual: {app: bank}}
devices: [{id: emulator-5554, provider: lab, platform: android, tags: [smoke]}]
"""

    made = _model(text)

    assert made.connection.url == "http://localhost:4723"
    assert made.tasks[0].priority == 2
    assert made.reports[0].channels == ("email", "slack", "webhook", "file")


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({}, "http://127.0.0.1:4723"),
        ({"APPIUM_SERVER": ""}, "http://127.0.0.1:4723"),
        ({"APPIUM_SERVER": "box:4723"}, "http://box:4723"),
        ({"APPIUM_SERVER": "https://hub.example/wd/hub/"}, "https://hub.example/wd/hub"),
    ],
)
def test_the_default_server_comes_from_the_environment(env: dict[str, str], url: str) -> None:
    made = _model("providers: {lab: {type: appium, server: external}}\n" + ONE, **env)

    assert made.connection.url == made.providers["lab"].url == url


def test_the_servers_of_a_block_are_one_several_or_our_own() -> None:
    made = _model(
        """
providers:
  one: {type: appium, url: "h:1", slots: 3}
  several: {type: appium, urls: ["h:1", "https://u:${KEY}@h:2/wd/"]}
  ours: {type: appium, server: managed, managed: {devices: 2, drivers: [fake], home: homes/appium}}
  default: {type: appium}
"""
        + ONE
    ).providers

    assert made["one"].servers == ("http://h:1",)
    assert made["several"].servers == ("http://h:1", "https://u:canary-4711@h:2/wd")
    assert made["ours"].servers == ()
    assert made["default"].servers == ("http://127.0.0.1:4723",)
    assert (made["one"].slots, made["default"].slots) == (3, None)
    assert "canary" not in repr(made)


def test_the_provider_virtual_is_there_without_being_declared() -> None:
    assert _model(ONE).providers["virtual"].model_dump() == {
        "type": "virtual",
        "app": "bank",
        "reset": "app",
        "backend": "reset",
    }
    assert _model("providers: {virtual: {reset: session}}\n" + ONE).providers["virtual"].reset == "session"
    assert _model("providers:\n  virtual:\nlease:\n" + ONE).lease.ttl == 60  # blocks without content


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("leas: {}\n" + ONE, "farm.yml:1: leas: unknown key\n  do: did you mean lease?"),
        (
            ONE + "retry:\n  max_atempts: 3",
            "farm.yml:4: retry.max_atempts: unknown key\n  do: did you mean max_attempts?",
        ),
        (
            ONE + "health: {battery: {stopp: 3}}",
            "health.battery.stopp: unknown key\n  do: did you mean stop? valid keys: resume, stop",
        ),
        (
            "providers: {lab: {type: appium, slot: 3}}\n" + ONE,
            "providers.lab.slot: unknown key\n  do: did you mean slots?",
        ),
        (
            "providers: {virtual: {slots: 3}}\n" + ONE,
            "providers.virtual.slots: unknown key\n  do: valid keys: app, backend, reset, type",
        ),
        (_device("tagz: []"), "devices[0].tagz: unknown key\n  do: did you mean tags?"),
        (
            _device("virtual: {comand_ms: 1}"),
            "devices[0].virtual.comand_ms: unknown key\n  do: did you mean command_ms?",
        ),
        (
            "tasks: [{name: a, command: b, schedule: c, prio: 1}]\n" + ONE,
            "tasks[0].prio: unknown key\n  do: did you mean priority?",
        ),
        ("lease: {}", "devices: this key is missing"),
        ("devices:", "devices: expected a list, got nothing"),
        ("devices: []", "devices: the list is empty"),
        ("devices: {a: 1}", "devices: expected a list, got a mapping"),
        ("devices: [a]", "devices[0]: expected a mapping (key: value), got 'a'"),
        ("devices: [{id: a}]", "devices[0].provider: this key is missing"),
        ("devices: [{provider: virtual}]", "devices[0].id: this key is missing"),
        ("version: 2\n" + ONE, "farm.yml:1: version: expected 1, got 2\n  do: write version: 1"),
        (
            "devices: [{id: 7, provider: virtual}]",
            'devices[0].id: expected a text, got 7\n  do: put it in quotes: "7"',
        ),
        ("devices: [{id: 'a b', provider: virtual}]", "devices[0].id: expected letters, digits"),
        (
            "devices:\n- id: a\n  provider: virtual\n  os_version: 14.10",
            "farm.yml:4: devices[0].os_version: is a number with a point, which loses digits",
        ),
        (
            _device("os_version: 14.10"),
            '(found 14.10)\n  do: put it in quotes: os_version: "14.10"',
        ),
        (
            "devices:\n- id: a\n  provider: virtual\n  os_version: ${VERSION}",
            'do: put it in quotes: os_version: "${VERSION}"',
        ),
        (_device("os_version: true"), "devices[0].os_version: expected a text, got true"),
        (_device("count: 0"), "devices[0].count: expected greater than or equal to 1, got 0"),
        (_device("count: 1001"), "devices[0].count: expected less than or equal to 1000"),
        (_device("count: '2'"), "devices[0].count: expected a whole number, got '2'"),
        (_device("tags: nfc"), "devices[0].tags: expected a list, got 'nfc'"),
        (_device("tags: [a b]"), "devices[0].tags[0]: a tag is one word"),
        (_device("tags: [no]"), 'devices[0].tags[0]: expected a text, got no\n  do: put it in quotes: "no"'),
        (_device("attributes: {battery: 3}"), "devices[0].attributes.battery: is a reading"),
        (_device("attributes: {model: x}"), "attributes.model: is a key of the device itself"),
        (_device("attributes: {'a b': x}"), "attributes.a b: is no name that where= can use"),
        (
            _device("attributes: {a: [1]}"),
            "attributes.a: expected a text or a whole number or a number or true or false, got a list",
        ),
        (_device("attributes: {a: .inf}"), "attributes.a: expected "),
        (
            "devices: [{id: a, provider: virtul}]",
            "devices[0].provider: no provider is named 'virtul'\n  do: did you mean virtual?",
        ),
        (
            "devices: [{id: a, provider: virtual}, {id: a, provider: virtual}]",
            "devices[1].id: the id 'a' stands twice",
        ),
        (_device("count: 2}, {id: a-2, provider: virtual"), "devices[1].id: the id 'a-2' stands twice"),
        (
            "devices: [{id: a-2, provider: virtual}, {id: a, provider: virtual, count: 2}]",
            "the id 'a' stands twice, first in line 1 (count: makes id-1, id-2, ...)",
        ),
        (
            "devices:\n" + "".join(f"- {{id: a{i}, provider: virtual, count: 1000}}\n" for i in range(11)),
            "devices: the farm has more than 10000 devices",
        ),
        (LAB + "devices: [{id: a, provider: lab, virtual: {}}]", "devices[0].virtual: only virtual devices"),
        (
            LAB + "devices: [{id: a, provider: lab, count: 2, capabilities: {'appium:udid': x}}]",
            "one udid is one phone",
        ),
        (
            LAB
            + "devices:\n- {id: a, provider: lab, capabilities: {udid: x}}\n"
            + "- {id: b, provider: lab, capabilities: {'appium:udid': x}}",
            "devices[1].capabilities: one udid is one phone",
        ),
        (
            "providers: {lab: {url: x}}\n" + ONE,
            "providers.lab.type: the type of a provider is appium or virtual (found nothing)",
        ),
        (
            "providers: {lab: {type: selenium}}\n" + ONE,
            "providers.lab.type: the type of a provider is appium or virtual (found 'selenium')",
        ),
        ("providers: {lab: 3}\n" + ONE, "providers.lab: expected "),
        (
            "providers: {virtual: {type: appium}}\n" + ONE,
            "providers.virtual.type: the provider named virtual has simulated devices",
        ),
        (
            "providers: {lab: {type: appium, server: managed, url: 'h:1'}}\n" + ONE,
            "providers.lab.url: we choose the address of a server that we start",
        ),
        (
            "providers: {lab: {type: appium, server: managed, urls: ['h:1']}}\n" + ONE,
            "providers.lab.urls: we choose the address of a server that we start",
        ),
        (
            "providers: {lab: {type: appium, managed: {devices: 2}}}\n" + ONE,
            "providers.lab.managed: nothing is started without server: managed (found a mapping)\n  do: add server",
        ),
        (
            "providers: {lab: {type: appium, url: 'h:1', urls: ['h:2']}}\n" + ONE,
            "providers.lab.url: url is one server, urls are several",
        ),
        (
            "providers: {lab: {type: appium, urls: ['h:1', 'http://h:1/']}}\n" + ONE,
            "providers.lab.urls[1]: this server stands twice",
        ),
        ("providers: {lab: {type: appium, urls: []}}\n" + ONE, "providers.lab.urls: the list is empty"),
        (
            "providers: {lab: {type: appium, urls: ['h:1', 'ftp://x']}}\n" + ONE,
            "providers.lab.urls[1]: is no address of a server",
        ),
        (
            "providers: {lab: {type: appium, slots: 0}}\n" + ONE,
            "providers.lab.slots: expected greater than or equal to 1, got 0",
        ),
        (
            "providers: {lab: {type: appium, server: managed, managed: {devices: 0}}}\n" + ONE,
            "providers.lab.managed.devices: expected greater than or equal to 1, got 0",
        ),
        (
            "providers: {lab: {type: appium, server: manged}}\n" + ONE,
            "providers.lab.server: expected 'external' or 'managed', got 'manged'",
        ),
        (
            "providers: {lab: {type: appium, url: 'ftp://x'}}\n" + ONE,
            "providers.lab.url: is no address of a server (found 'ftp://x')",
        ),
        ("providers: {lab: {type: appium, url: 'x:99999'}}\n" + ONE, "is no address of a server"),
        (
            "providers: {virtual: {reset: ap}}\n" + ONE,
            "providers.virtual.reset: expected 'app', 'session' or 'none', got 'ap'\n  do: did you mean app?",
        ),
        ("lease: {ttl: 20}\n" + ONE, "lease.ttl: must be at least three heartbeats"),
        ("lease:\n  ttl: ${TTL}\n" + ONE, "(found ${TTL})"),
        ("lease: {ttl: .inf}\n" + ONE, "lease.ttl: expected a finite number, got .inf"),
        ("lease: {ttl: true}\n" + ONE, "lease.ttl: expected a number, got true"),
        (
            'lease: {ttl: "${TTL}"}\n' + ONE,
            "lease.ttl: expected a number, got '${TTL}'\n  do: write the reference without quotes",
        ),
        ("health: {battery: {stop: 50}}\n" + ONE, "health.battery.resume: must not be below stop"),
        (
            "health: {temperature: {resume: 50}}\n" + ONE,
            "health.temperature.resume: must not be above stop (found 50)",
        ),
        ("retry: {max_delay: 0.5}\n" + ONE, "retry.max_delay: must not be below initial_delay"),
        (
            "observability:\n  redact_patterns:\n  - fine\n  - '((('\n" + ONE,
            "farm.yml:4: observability.redact_patterns[1]: is no regular expression: missing ), ",
        ),
        (
            "observability: {redact_patterns: [fine, '\\q']}\n" + ONE,
            "is no regular expression: bad escape \\q at position 0 (found '\\\\q')\n  do: correct it",
        ),
        (
            # A look-ahead is nothing for RE2: refused with it and without.
            "observability: {redact_patterns: ['(a+)+(?=x)']}\n" + ONE,
            "a repetition holds another one, or an option (found '(a+)+(?=x)')\n  do: bound its quantifiers",
        ),
        (
            "observability: {redact_patterns: ['(?=a*)']}\n" + ONE,
            "observability.redact_patterns[0]: matches the empty text (found '(?=a*)')\n  do: let it need",
        ),
        (
            "observability: {redact_patterns: [7]}\n" + ONE,
            "observability.redact_patterns[0]: expected a text, got 7\n  do: put it in quotes",
        ),
        (
            "observability:\n  redact_fields:\n  - plate\n  - ---\n" + ONE,
            "farm.yml:4: observability.redact_fields[1]: has no letter from a to z and no digit (found '---')\n",
        ),
        ("recovery: {ladder: [reboott]}\n" + ONE, "recovery.ladder[0]: expected 'dismiss_dialog'"),
        ("gate: {min_coverage: 101}\n" + ONE, "gate.min_coverage: expected less than or equal to 100"),
        ("dashboard: {port: 70000}\n" + ONE, "dashboard.port: expected less than or equal to 65535"),
        ("reports: [{name: a, channels: [emial]}]\n" + ONE, "reports[0].channels[0]: expected 'email'"),
        ("reports: [{name: a, channels: []}]\n" + ONE, "reports[0].channels: the list is empty"),
        (
            "reports: [{name: a, channels: [log]}, {name: a, channels: [log]}]\n" + ONE,
            "reports[1].name: this name stands twice",
        ),
        (
            "tasks: [{name: a, command: x, schedule: y, depends_on: [b]}]\n" + ONE,
            "tasks[0].depends_on[0]: no task has this name (found 'b')",
        ),
        (
            "tasks: [{name: a, command: x, schedule: y, depends_on: [a]}]\n" + ONE,
            "tasks: the tasks depend on each other in a circle",
        ),
        (
            "tasks: [{name: ' ', command: x, schedule: y}]\n" + ONE,
            "tasks[0].name: expected a text that is not empty, got ' '",
        ),
        (
            _device("virtual: {session_seconds: -1}"),
            "devices[0].virtual.session_seconds: expected greater than or equal to 0, got -1",
        ),
        (
            _device("virtual: {available: [[0, 60], [50, null]]}"),
            "virtual.available[1]: windows must be in order",
        ),
        (
            _device("virtual: {available: [[0, null], [50, 60]]}"),
            "virtual.available[1]: windows must be in order",
        ),
        (_device("virtual: {available: [[9, 3]]}"), "virtual.available[0]: the window ends before it starts"),
        (_device("virtual: {available: [[9]]}"), "virtual.available[0]"),
        (_device("virtual: {faults: [slwo]}"), "virtual.faults[0]: expected 'offline'"),
        (
            _device("virtual: {faults: [{name: hot, ms: 3}]}"),
            "virtual.faults[0].ms: the fault hot has no such parameter",
        ),
        (
            _device("virtual: {faults: [{name: anr, time: 3}]}"),
            "virtual.faults[0].time: unknown key\n  do: did you mean times?",
        ),
        (
            _device("virtual: {temperature: 40}"),
            "virtual.temperature: unknown key\n  do: did you mean temperature_c?",
        ),
        (_device("virtual: {faults: [3]}"), "devices[0].virtual.faults[0]: expected "),
    ],
)
def test_a_wrong_file_is_told_file_line_key_value_and_way_out(text: str, message: str) -> None:
    shown = _refused(text)

    assert message in shown
    assert shown.startswith("farm.yml:")
    assert "do: " in shown


def test_everything_that_is_wrong_is_said_at_once_in_the_files_order() -> None:
    text = (
        "lease: {tll: 3}\ndevices:\n- {id: a, provider: virtual, tags: 3}\n- {id: 'b b', provider: virtual}\n"
    )

    lines = _refused(text).splitlines()

    assert [line.partition(": ")[0].strip() for line in lines] == ["farm.yml:1", "farm.yml:3", "farm.yml:4"]
    assert all("(do: " in line for line in lines)


def test_a_file_full_of_faults_is_cut_short() -> None:
    text = ONE + "lease: {" + ", ".join(f"x{i}: 1" for i in range(40)) + "}"

    assert _refused(text).splitlines()[-1].strip() == "and 20 more"


@pytest.mark.parametrize(
    "capability",
    [
        "appium:keystorePassword: canary1",
        "'sauce:options': {accessKey: canary1}",
        "browserstack.key: canary1",
        "API_KEY: canary1",
        "appium:unlockKey: 1234567",
        "accessToken: '${NONE:-canary1}'",
        "secret: [canary1]",
        "hub: 'https://bob:canary1@hub.example/wd'",
        "hub: 'https://bob:${NONE:-canary1}@hub.example/wd'",
        "hub: 'bob:canary1@hub.example'",
    ],
)
def test_a_password_in_the_file_is_refused_and_not_shown(capability: str) -> None:
    shown = _refused(f"providers:\n  lab:\n    type: appium\n    capabilities:\n      {capability}\n{ONE}")

    assert shown.startswith("farm.yml:5: providers.lab.capabilities.")
    assert "not shown here" in shown
    assert "${" in shown.splitlines()[-1]
    assert "1234567" not in shown


@pytest.mark.parametrize(
    "capability",
    [
        "appium:keystorePassword: ${KEY}",
        "accessKey: '${KEY}'",
        "authorization: 'Bearer ${KEY}'",
        "token: ''",
        "useToken: true",
        "hub: '${URL}'",
        "hub: 'https://bob:${KEY}@hub.example/wd'",
        "appium:udid: 0123-4567",
        "note: 'mail bob at host'",
    ],
)
def test_a_password_from_the_environment_is_fine(capability: str) -> None:
    made = _model(f"providers:\n  lab:\n    type: appium\n    capabilities:\n      {capability}\n{ONE}")

    assert "canary" not in repr(made)


def test_wrong_values_of_the_environment_are_shown_as_references() -> None:
    shown = _refused("devices:\n- {id: '${BAD}', provider: '${KEY}', platform: '${KEY}', count: '${KEY}'}")

    assert "'${BAD}'" in shown
    assert "'${KEY}'" in shown


def test_the_settings_of_a_virtual_device_are_those_of_its_server() -> None:
    """The farm model must not import the server, so both have the list: this holds them together."""
    ours = {name: getattr(VirtualSettings(), name) for name in VirtualSettings.model_fields}

    assert ours == {
        field.name: getattr(spec.VirtualSettings(), field.name) for field in fields(spec.VirtualSettings)
    }
    assert set(get_args(FaultName)) == set(faults.FAULTS)
    for name in faults.FAULTS:
        own = FAULT_PARAMETERS.get(name)
        assert set(faults.parse_fault(name).params) == ({own} if own else set())
    text = _device(
        "virtual: {available: [[0, 9], [10, null]], faults: [anr, {name: slow, ms: 20, times: 3}], battery: 9}"
    )
    made = _model(text).devices[0].virtual
    assert made is not None
    assert spec.parse_settings(made.model_dump(mode="json", exclude_unset=True), "a") == spec.VirtualSettings(
        available=((0.0, 9.0), (10.0, None)),
        faults=(faults.parse_fault("anr"), faults.parse_fault({"name": "slow", "ms": 20, "times": 3})),
        battery=9.0,
    )


def test_the_platform_and_the_form_factor_are_kept_in_lower_case() -> None:
    device = _model(_device("platform: iOS, form_factor: Phone, os_version: 17")).devices[0]

    assert (device.platform, device.form_factor, device.os_version) == ("ios", "phone", "17")


def test_models_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        _model(ONE).lease.ttl = 1  # type: ignore[misc]


_KEYS = st.sampled_from(
    [*Policies.model_fields, "version", "providers", "app", "devices", "id", "ttl", "other"]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.one_of(_KEYS, st.sampled_from(["a", "virtual", "type", "count"])), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_no_data_raises_anything_but_a_farm_file_error(data: dict[str, object]) -> None:
    said = "(do: "
    try:
        assert read_model(parse(json.dumps(data), ENV, is_json=True), ENV).devices
    except FarmFileError as error:
        said = f"{error} {error.do and said}"
    assert "(do: " in said
