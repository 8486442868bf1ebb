"""Values that a suite plants wherever text can leave a run: no byte that the run leaves holds one of them.

Each configuration runs the same suite twice. With redaction off, every value comes out where it was planted: else
the sink would prove nothing. With it on, none does, and the counts of outcomes are the same.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import canaries
from canaries_endings import ENDINGS

pytestmark = pytest.mark.integration

_EVERYTHING = ("--continue-on-collection-errors", "--doctest-modules", "--strict-markers")
_FILES = (
    *("--junitxml=reports/junit.xml", "-o", "junit_logging=all", "-o", "junit_family=xunit1"),
    *("--log-file=run.log", "--log-file-level=DEBUG"),
)
_LIVE = ("-o", "log_cli=true", "--log-cli-level=DEBUG")
_NEEDS = {"--alluredir=reports/allure": "allure_pytest", "-n": "xdist"}

#: Sinks that only one configuration opens; the others open in `everything`.
_ELSEWHERE = {
    "conftest_import_stdout": "no capture",
    "conftest_import_log": "no capture",
    "crash_id": "workers",
}


#: Sinks that this Python or pytest does not have.
_ABSENT = (
    *(("group", "note") if sys.version_info < (3, 11) else ()),
    *(() if hasattr(pytest, "Subtests") else ("subtest_",)),
)


@dataclass(frozen=True)
class Configuration:
    """How pytest is called."""

    name: str
    options: tuple[str, ...]

    @property
    def missing(self) -> str:
        """A plugin that it needs and that is not installed."""
        needed = (_NEEDS[option] for option in self.options if option in _NEEDS)
        return next((name for name in needed if importlib.util.find_spec(name) is None), "")


CONFIGURATIONS = [
    Configuration(
        "everything",
        (*_FILES, "--alluredir=reports/allure", "-vv", "-rA", "-l", "--tb=long", "--autorl-farm=virtual:1"),
    ),
    Configuration(
        "workers", (*_FILES, "--alluredir=reports/allure", "-n", "2", "-v", "-l", "--autorl-farm=virtual:2")
    ),
    Configuration("live log", (*_LIVE, "--tb=short", "-v", "-rA")),
    Configuration("no capture", (*_LIVE, "-s", "--tb=short", "-l", "--junitxml=reports/junit.xml")),
    Configuration("no capture, workers", ("-s", "-n", "2", "--tb=short", "-rA")),
    Configuration(
        "tb auto", ("--tb=auto", "-l", "-q", "-rfEsxX", "--show-capture=all", "--durations=5", "-vv")
    ),
    Configuration("tb line", ("--tb=line", "-rA", "--setup-show")),
    Configuration("tb native", ("--tb=native", "-l", "-rA")),
    Configuration("tb no", ("--tb=no", "-vv", "-rA", "--capture=sys")),
    Configuration("collect only", ("--collect-only", "-vv")),
]


@dataclass(frozen=True)
class Ran:
    """What a run left."""

    code: int
    outcomes: dict[str, int]
    leaks: list[canaries.Leak]
    folder: Path

    def leaked(self) -> dict[str, set[str]]:
        """Kinds of values by sink."""
        kinds: dict[str, set[str]] = {}
        for leak in self.leaks:
            kinds.setdefault(leak.sink, set()).add(leak.kind)
        return kinds


def run(base: Path, mode: str, options: Sequence[str]) -> Ran:
    """Run the suite with fresh values in a folder of its own."""
    folder = base / mode / "run"
    folder.mkdir(parents=True)
    values = canaries.make_values()
    file = base / mode / "values.json"
    canaries.write_values(file, values)
    canaries.write_suite(folder)
    environment = {**canaries.environment(values), "CANARIES": str(file)}
    done = call(folder, mode, [*_EVERYTHING, *options], environment)
    streams = {"stdout": done.stdout, "stderr": done.stderr}
    found = canaries.leaks(values, canaries.outputs(folder, streams))
    return Ran(done.returncode, outcomes_of(done.stdout), found, folder)


def call(
    folder: Path, mode: str, options: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """Run pytest in a folder. The folder for temporary files lies outside: it is the tests' own, no output."""
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", f"--autorl-redact={mode}", "--rootdir", str(folder)]
    return subprocess.run(
        [*command, "--basetemp", str(folder.parent / "tmp"), *options],
        cwd=folder,
        env={**os.environ, **environment, "COLUMNS": "300"},
        capture_output=True,
        timeout=110,
        check=False,
    )


def outcomes_of(stdout: bytes) -> dict[str, int]:
    """Counts of the last line, by word; "warning" and "warnings" are one."""
    lines = [
        line for line in stdout.decode("utf-8", "replace").splitlines() if re.search(r" in \d+\.\d+s", line)
    ]
    assert lines, "the run says no result"
    return {word.removesuffix("s"): int(count) for count, word in re.findall(r"(\d+) ([a-z]+)", lines[-1])}


def told(leaks: Iterable[canaries.Leak], limit: int = 60) -> str:
    """The leaks for whoever has to close them."""
    lines = [f"{leak.sink} ({leak.kind}, {leak.form}) in {leak.where}: {leak.near!r}" for leak in leaks]
    return "\n".join([f"{len(lines)} leaks", *lines[:limit]])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda configuration: configuration.name)
def test_nothing_planted_leaves(
    configuration: Configuration, pytester: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if configuration.missing:
        pytest.skip(f"{configuration.missing} is not installed")
    base = tmp_path_factory.mktemp("canaries")

    off = run(base, "off", configuration.options)
    on = run(base, "on", configuration.options)

    leaked, kinds = off.leaked(), canaries.planted_kinds()
    own = [
        sink
        for sink in kinds
        if _ELSEWHERE.get(sink, CONFIGURATIONS[0].name) == configuration.name and not sink.startswith(_ABSENT)
    ]
    silent = {sink: kinds[sink] - leaked.get(sink, set()) for sink in own}
    assert {sink: missing for sink, missing in silent.items() if missing} == {}
    assert len(leaked) > 60 or configuration.name == "collect only"
    assert not on.leaks, told(on.leaks)
    assert (on.code, on.outcomes) == (off.code, off.outcomes)


def end(base: Path, mode: str, name: str) -> tuple[int, list[canaries.Leak]]:
    """Exit code of a run that ends so, and what leaks."""
    folder = base / mode / "run"
    folder.mkdir(parents=True)
    ENDINGS[name].write(folder)
    values = canaries.make_values([name])
    value = values[name]
    text = f"mail {value['mail']} key {value['key']} secret {value['secret']}"
    options = [option.replace("KEY", value["key"]) for option in ENDINGS[name].options]
    done = call(folder, mode, options, {"TEXT": text, "LAB_PASSWORD": value["secret"]})
    streams = {"stdout": done.stdout, "stderr": done.stderr}
    return done.returncode, canaries.leaks(values, canaries.outputs(folder, streams))


@pytest.mark.parametrize("name", ENDINGS)
def test_nothing_leaves_at_an_unusual_end(
    name: str, pytester: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if "-n" in ENDINGS[name].options and importlib.util.find_spec("xdist") is None:
        pytest.skip("xdist is not installed")
    base = tmp_path_factory.mktemp("ends")

    code_off, off = end(base, "off", name)
    code_on, on = end(base, "on", name)

    assert off, "the sink is none"
    assert not on, told(on)
    assert code_on == code_off


def test_the_suite_plants_in_more_than_sixty_sinks() -> None:
    kinds = canaries.planted_kinds()

    assert len(kinds) > 200
    assert sum(kind == {"mail", "key", "secret"} for kind in kinds.values()) > 100


def test_a_value_is_found_in_every_form() -> None:
    """The judge itself: a value that it does not see would pass as redacted."""
    import base64
    import html
    import json
    from urllib.parse import quote

    values = canaries.make_values()
    seeker = canaries.Seeker(values)
    for kind, value in values["stdout"].items():
        raw = value.encode()
        forms = [
            raw,
            *(base64.b64encode(b"x" * shift + raw + b"tail") for shift in range(3)),
            base64.urlsafe_b64encode(b"x" + raw),
            raw.hex().encode(),
            raw.hex().upper().encode(),
            quote(value, safe="").encode(),
            json.dumps({"value": value}).encode(),
            html.escape(value).encode(),
            repr(value).encode(),
            value.encode("utf-16-le"),
            value.encode("utf-16-be"),
            value.encode("utf-16"),
            raw[: len(raw) // 2],
            raw[len(raw) // 2 :],
        ]
        for number, form in enumerate(forms):
            found = {(leak.sink, leak.kind) for leak in seeker.seek(b"\x00 some: " + form + b" more", "here")}
            if kind == "mail" and number == len(forms) - 1:
                continue  # half of a domain is no address
            assert found == {("stdout", kind)}, (kind, number)
    assert list(seeker.seek(b"[REDACTED:EMAIL#1] quiet", "here")) == []
