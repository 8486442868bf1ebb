"""The documentation is true: its tables say what the code says, its snippets and outputs are what really comes.

Comments in the pages say what is checked:

    <!-- run passed=1 errors=2 -->    the python block below is a test file, run on `virtual:4` (or `farm=FILE`)
    <!-- file apps/x.yml -->          the block below lies in that file when the page's tests run
    <!-- farm -->                     the yaml block below is a farm file that can be used
    <!-- output of COMMAND -->        the block below is what the command prints (`; exits 1` when not 0)
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import pytest

from pytest_autorl import errors, plugin, resilience
from pytest_autorl.capture.guard import ENCRYPTION_KEY, MODES
from pytest_autorl.dispatch.trace import Attempt, trace_row
from pytest_autorl.farm.config import json_schema, load_farm
from pytest_autorl.farm.policies import Observability
from pytest_autorl.options import OPTIONS, Option
from pytest_autorl.privacy.redactor import Redactor
from pytest_autorl.privacy.span import KINDS
from pytest_autorl.resilience.info import (
    ERROR_TYPES,
    ErrorCategory,
    ErrorDomain,
    ErrorInfo,
    ErrorSeverity,
    Family,
    Strategy,
)
from pytest_autorl.settings import Settings
from pytest_autorl.virtual.faults import EVENTS, FAULTS

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", *DOCS]

_MARKED = re.compile(r"^<!-- (\w+)((?: [^\n]*?)?) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)

#: What a failure is classified by, and the row of errors.md that lists its values.
_CLASSIFIED: dict[type[Enum], str] = {
    ErrorCategory: "category",
    ErrorSeverity: "severity",
    ErrorDomain: "domain",
    Strategy: "strategy",
}

#: Heading of farm-file.md to the part of the schema whose keys its table holds.
BLOCKS = {
    "Simulated devices": "VirtualProvider",
    "An Appium server": "AppiumProvider",
    "Devices": "DeviceModel",
    "Settings of a simulated device": "VirtualSettings",
    "Faults of a simulated device": "Fault",
    "connection": "Connection",
    "tasks": "Task",
    "reports": "Report",
}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def marked(path: Path, kind: str) -> list[tuple[str, str]]:
    """What the comment says, and the block below it."""
    found = _MARKED.findall(path.read_text(encoding="utf-8"))
    return [(words.strip(), block) for name, words, block in found if name == kind]


def tables(text: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Heading, and the rows of each table below it without its head; cells stripped."""
    heading, rows = "", list[list[str]]()
    for line in [*_FENCED.sub("", text).splitlines(), ""]:
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            rows.append([cell.strip().replace("\\|", "|") for cell in cells])
            continue
        if rows:
            yield heading, rows[2:]
            rows = []
        if line.startswith("#"):
            heading = line.lstrip("#").strip()


def first_words(rows: list[list[str]]) -> list[str]:
    """Everything in backticks of the first cells."""
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row[0])]


# Snippets


def _runs(path: Path) -> list[tuple[str, dict[str, int], str]]:
    """Farm, outcomes and source of each snippet of a page."""
    found = []
    for words, source in marked(path, "run"):
        given = dict(word.split("=", 1) for word in words.split())
        farm = given.pop("farm", "virtual:4")
        found.append((farm, {name: int(count) for name, count in given.items()}, source))
    return found


@pytest.mark.integration
@pytest.mark.parametrize("path", [path for path in DOCS if marked(path, "run")], ids=lambda path: path.name)
def test_the_snippets_of_a_page_end_as_it_says(pytester: pytest.Pytester, path: Path) -> None:
    pytest.importorskip("hypothesis")
    pytest.importorskip("pytest_asyncio")
    snippets = _runs(path)
    for name, content in marked(path, "file"):
        (pytester.path / name).parent.mkdir(parents=True, exist_ok=True)
        (pytester.path / name).write_text(content, encoding="utf-8")
    for farm in dict.fromkeys(farm for farm, _, _ in snippets):
        files, expected = [], Counter[str]()
        for number, (its_farm, outcomes, source) in enumerate(snippets):
            if its_farm == farm:
                files.append(f"test_snippet_{number}.py")
                (pytester.path / files[-1]).write_text(source, encoding="utf-8")
                expected.update(outcomes)

        result = pytester.runpytest_subprocess(
            *("-p", "asyncio", "-p", "hypothesispytest", "--strict-markers"),
            *("--autorl-farm", farm, "--autorl-wait", "20"),
            *files,
        )

        result.assert_outcomes(**expected)


@pytest.mark.integration
def test_the_example_of_the_readme_passes_on_simulated_devices(pytester: pytest.Pytester) -> None:
    source = re.search(r"^```python\n(.*?)^```$", page("../README.md"), re.MULTILINE | re.DOTALL)
    assert source is not None
    pytester.makepyfile(source[1])

    pytester.runpytest_subprocess("--autorl-farm", "virtual:4").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("path", "number"),
    [(path, number) for path in DOCS for number in range(len(marked(path, "farm")))],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_farm_files_that_the_documents_show_can_be_used(tmp_path: Path, path: Path, number: int) -> None:
    file = tmp_path / "device_farm.yml"
    file.write_text(marked(path, "farm")[number][1], encoding="utf-8")

    assert load_farm(file, {}).devices


@pytest.mark.parametrize(
    ("said", "printed"),
    [pair for path in DOCS for pair in marked(path, "output")],
    ids=lambda text: text[:60],
)
def test_commands_print_what_the_documents_show(tmp_path: Path, said: str, printed: str) -> None:
    command, _, exits = said.removeprefix("of autorl ").partition("; exits ")

    done = subprocess.run(
        [sys.executable, "-m", "pytest_autorl.cli", *shlex.split(command)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout == printed
    assert done.returncode == int(exits or 0)


# Tables


def _shown(value: Any) -> str:
    if value == "":
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return "`null`" if value is None else f"`{value}`"


def _keys(schema: dict[str, Any], name: str, prefix: str = "") -> dict[str, str]:
    """Each key of a part of the schema with its default as the page writes it."""
    found = {}
    part = schema["$defs"][name]
    for key, value in part["properties"].items():
        inner = value.get("$ref", "").rpartition("/")[2]
        if inner:  # a mapping within: health.battery.stop
            found |= _keys(schema, inner, f"{prefix}{key}.")
        elif key in part.get("required", []):
            found[prefix + key] = "required"
        else:
            found[prefix + key] = _shown(value["default"]) if "default" in value else "`{}`"
    return found


def test_every_key_of_the_farm_file_is_described_with_its_default() -> None:
    schema = json_schema()
    sections = {
        key: value["$ref"].rpartition("/")[2]
        for key, value in schema["properties"].items()
        if "$ref" in value
    }
    described = {heading: {row[0].strip("`"): row[2] for row in rows} for heading, rows in
                 tables(page("farm-file.md"))}  # fmt: skip

    for heading, part in {**BLOCKS, **sections}.items():
        assert described[heading] == _keys(schema, part), heading
    top = next(rows for heading, rows in tables(page("farm-file.md")) if heading == "The file")
    assert sorted(first_words(top)) == sorted(schema["properties"])


def _spellings(option: Option) -> tuple[str, str, str]:
    flag = option.flag_text if option.surface == "all" else ""
    ini = option.ini_key if option.surface in ("all", "ini") else ""
    return flag, ini, ", ".join(filter(None, (option.env_name, option.fallback_env)))


def _as_default(value: Any) -> tuple[str, ...]:
    """How the page may write a default."""
    if isinstance(value, bool):
        return ("on", "true") if value else ("off", "false")
    if value in ("", (), None):
        return ("",)
    return (f"{value:g}" if isinstance(value, float) else str(value),)


def test_every_option_is_described_with_its_spellings_and_default() -> None:
    described = {}
    for heading, rows in tables(page("options.md")):
        for flag, ini, variable, default, meaning in rows:
            names = (flag.strip("`").split(" ")[0], ini.strip("`"), variable.replace("`", ""))
            described[names] = (heading, default.strip("`"), meaning)

    assert set(described) == {_spellings(option) for option in OPTIONS}
    for option in OPTIONS:
        heading, default, meaning = described[_spellings(option)]
        assert default in _as_default(getattr(Settings(), option.name)), option.name
        assert (heading == "Reserved") == (not option.built), option.name
        assert option.farm_key in meaning, option.name


def test_every_fixture_and_marker_is_described(pytester: pytest.Pytester) -> None:
    listed = pytester.runpytest_subprocess("--fixtures", "-v").outlines
    fixtures = {
        line.split()[0] for line in listed if re.search(r"-- .*pytest_autorl/(plain_)?fixtures\.py:", line)
    }
    _, rows = next(tables(page("fixtures.md")))
    markers = {re.split(r"[(:]", marker)[0] for marker in plugin.MARKERS}

    assert {"device", "driver", "mock_device"} <= fixtures
    assert set(first_words(rows)) >= fixtures
    assert [name for name in markers if f"`{name}`" not in page("needs.md")] == []


def test_every_keyword_of_the_marker_is_described() -> None:
    from pytest_autorl.farm.requirement import KEYWORDS

    rows = next(rows for heading, rows in tables(page("needs.md")) if heading == "Keywords")

    assert sorted(row[0].strip("`") for row in rows) == sorted(KEYWORDS)


def test_versions_are_accepted_as_the_table_says() -> None:
    from pytest_autorl.farm.versions import parse_spec

    rows = next(rows for heading, rows in tables(page("needs.md")) if heading == "Versions")

    assert len(rows) > 5
    for spec, accepted, refused in rows:
        parsed = parse_spec(re.findall(r'`"([^"]+)"`', spec)[0])
        assert [version for version in accepted.split(", ") if not parsed.accepts(version)] == [], spec
        assert [version for version in refused.split(", ") if parsed.accepts(version)] == [], spec


def test_every_fault_is_described() -> None:
    rows = next(rows for heading, rows in tables(page("virtual-devices.md")) if heading == "Faults")

    assert [row[0].strip("`") for row in rows] == list(FAULTS)
    assert {row[0].strip("`") for row in rows if row[3] == "once"} == set(EVENTS)


def test_everything_that_a_simulated_device_can_be_asked_is_named() -> None:
    from pytest_autorl.virtual import app, app_loader, commands, expressions
    from pytest_autorl.virtual.commands.registry import SCRIPTS
    from pytest_autorl.virtual.selectors import STRATEGIES

    assert commands  # importing it fills SCRIPTS
    text = _FENCED.sub("", page("virtual-devices.md"))
    names = {strategy for strategies in STRATEGIES.values() for strategy in strategies} | set(app.ROLES)
    names |= {*app_loader._APP_KEYS, *app_loader._SCREEN_KEYS, *app_loader._ELEMENT_KEYS}
    words = {word for group in re.findall(r"`([^`]+)`", text) for word in (group, *group.split())}

    assert names - words == set()
    for platform, intro in (("android", "`mobile:` commands on Android:"), ("ios", "On iOS:")):
        commands_of = re.search(rf"^{intro}(.*?)\.$", text, re.MULTILINE | re.DOTALL)
        assert commands_of is not None
        known = {name for name, each in SCRIPTS.items() if platform in each.platforms}
        told = {f"mobile: {name}" for name in re.findall(r"`(\w+)`", commands_of[1])} - {"mobile: adb_shell"}
        assert told == {name for name in known if name.startswith("mobile:")}
    assert {*expressions.SCOPES, *expressions.FUNCTIONS} - words == set()


def test_every_field_of_the_trace_is_described_in_its_order() -> None:
    attempt = Attempt(
        test="t", module="m", devices=("d",), need="any", attempt=1, outcome="passed", blame=None, worker="main",
        start_s=0, end_s=1, setup_s=0, fixture_s=0, waited_s=0,
    )  # fmt: skip
    rows = next(rows for heading, rows in tables(page("reports.md")) if heading == "trace.jsonl")

    assert [row[0].strip("`") for row in rows] == list(trace_row(attempt, run="r", zero_s=0))


def test_every_error_is_described_with_its_blame() -> None:
    known = {
        name: kind.blame
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.AutorlError)
    }
    _, rows = next(tables(page("errors.md")))

    assert {row[0].strip("`"): row[2] for row in rows} == known


def test_every_value_of_a_classification_is_described() -> None:
    fields, _ = (rows for heading, rows in tables(page("errors.md")) if heading == "Classification")
    described = {name: re.findall(r"`([^`]+)`", row[1]) for row in fields for name in first_words([row])}

    assert list(get_args(Family)) == described["family"]
    assert list(ERROR_TYPES) == described["error_type"]
    for kind, name in _CLASSIFIED.items():
        assert [each.value for each in kind] == described[name], name
    assert {each.name for each in dataclasses.fields(ErrorInfo)} - {"error"} == set(described)


def test_every_public_name_for_errors_and_actions_is_named() -> None:
    text = page("errors.md") + page("fixtures.md")

    assert [name for name in resilience.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_every_command_is_described() -> None:
    import typer

    from pytest_autorl.cli.app import app

    def commands(group: Any, before: str) -> Iterator[str]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from commands(command, f"{before} {name}")
            else:
                yield f"{before} {name}"

    headings = set(re.findall(r"^## (autorl .*)$", page("command-line.md"), re.MULTILINE))

    assert headings == set(commands(typer.main.get_command(app), "autorl"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_options_and_variables_that_a_page_names_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    flags = {word for option in OPTIONS for word in option.flag_text.split()}
    variables = {name for option in OPTIONS for name in (option.env_name, option.fallback_env)}

    assert set(re.findall(r"--autorl-[a-z-]+", text)) <= flags
    assert set(re.findall(r"\bAUTORL_\w+", text)) <= variables | {ENCRYPTION_KEY, "AUTORL_ADMIN_KEY"}


# Redaction


def test_every_kind_of_redacted_value_is_described_in_its_order() -> None:
    kinds = dict(tables(page("redaction.md")))["What is found"]

    assert tuple(first_words(kinds)) == KINDS


def test_placeholders_that_the_pages_show_are_of_kinds_that_exist() -> None:
    """Beside the kinds there are those that a snippet makes up, and texts that could not be looked at."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        shown = set(re.findall(r"REDACTED[:-]([A-Z_]+[A-Z])", text))
        assert shown <= {*KINDS, "UNSCANNABLE", *re.findall(r'kind="(\w+)"', text)}, path.name


def test_ini_keys_and_modes_of_redaction_are_those_that_exist() -> None:
    text = page("redaction.md")
    modes = re.search(r"`--autorl-redact ([^`]+)`", text)
    heads = re.search(r"\| \| `on`, the default \| `(\w+)` \| `(\w+)` \|", text)

    assert set(re.findall(r"\bautorl_\w+", text)) <= {option.ini_key for option in OPTIONS}
    assert modes is not None
    assert modes[1].split("|") == list(MODES)
    assert heads is not None
    assert [Settings().redact, *heads.groups()] == list(MODES)
    assert {"redact_patterns", "redact_fields"} <= set(Observability.model_fields)


def test_methods_of_a_redactor_that_the_page_names_exist() -> None:
    methods = first_words(dict(tables(page("redaction.md")))["In programs"])

    assert methods
    for called in methods:
        name, _, arguments = called.rstrip(")").partition("(")
        member = inspect.getattr_static(Redactor, name)
        if not isinstance(member, property):
            named = [each.partition("=")[0] for each in arguments.split(", ") if each]
            assert list(inspect.signature(member).parameters)[1:] == named, called


# Links


def _anchors(path: Path) -> set[str]:
    """The anchors that a forge makes of the headings."""
    text = _FENCED.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = _FENCED.sub("", path.read_text(encoding="utf-8"))
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        file = (path.parent / target) if target else path
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(link)

    assert broken == []


def test_the_index_names_every_page() -> None:
    assert [
        path.name for path in DOCS if path.name != "README.md" and f"]({path.name})" not in page("README.md")
    ] == []
