"""What allure-pytest writes: redacted, still its own files, and its own writer is back at the end."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_autorl.capture.allure_writer import clean_identity, guard_allure, history_id
from pytest_autorl.capture.guard import ENCRYPTION_KEY, Guard
from pytest_autorl.errors import UsageError

pytest.importorskip("allure_pytest", reason="allure-pytest is not installed")

MAIL = "anna.k" + "@" + "example.com"
GONE = "[REDACTED:EMAIL#1]"
SECRET = "corvid-" + "4f81-99" + "-heron"
HIDDEN = "ginger" + "bread9"

SUITE = """
import allure, pytest, pytest_autorl

MAIL = "anna.k" + "@" + "example.com"
SECRET = pytest_autorl.secret("corvid-" + "4f81-99" + "-heron")

@pytest.mark.parametrize("to", [MAIL, "bob.r" + "@" + "example.org"])
def test_to(to): pass

@pytest.mark.parametrize("n", [1, 2])
def test_plain(n): pass

@pytest.mark.parametrize("to", [MAIL], ids=["given"])
def test_given(to): pass

def test_attaches(tmp_path):
    allure.dynamic.parameter("pin", "ginger" + "bread9", mode=allure.parameter_mode.MASKED)
    allure.attach("text " + MAIL, "text", allure.attachment_type.TEXT)
    allure.attach('{"to": "' + MAIL + '"}', "json", allure.attachment_type.JSON)
    allure.attach(("wide " + MAIL).encode("utf-16"), "wide", allure.attachment_type.TEXT)
    allure.attach(b"\\x89PNG\\r\\n\\x1a\\n\\x00\\x01\\x02", "picture", allure.attachment_type.PNG)
    with allure.step("inner step " + MAIL):
        path = tmp_path / "dump.bin"
        path.write_bytes(b"\\x00\\x01\\xff" + SECRET.encode() + b"\\x00\\xfe")
        allure.attach.file(path, "dump")
    raise ValueError(MAIL)
"""


def results(folder: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*-result.json")]
    return {each["name"]: each for each in found}


def attached(result: dict[str, Any]) -> dict[str, str]:
    """File names of attachments by their names, those of steps too."""
    found = {each["name"]: each["source"] for each in result.get("attachments", ())}
    for step in result.get("steps", ()):
        found |= attached(step)
    return found


def raw_in(folder: Path) -> list[str]:
    values = [each.encode(coding) for each in (MAIL, SECRET, HIDDEN) for coding in ("utf-8", "utf-16-le")]
    return [path.name for path in folder.iterdir() if any(value in path.read_bytes() for value in values)]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The suite's results by how it ran."""
    base = tmp_path_factory.mktemp("allure")
    (base / "pytest.ini").write_text("[pytest]\n")
    (base / "test_it.py").write_text(SUITE)
    key = base64.urlsafe_b64encode(os.urandom(32)).decode()
    has_key = not _lacks("cryptography")
    ways: dict[str, tuple[list[str], dict[str, str]]] = {
        "on": ([], {}),
        "strict": (["--autorl-redact=strict"], {}),
        "off": (["--autorl-redact=off"], {}),
    }
    if not _lacks("xdist"):
        ways["workers"] = (["-n", "2"], {})
    if has_key:
        ways |= {"keyed": ([], {ENCRYPTION_KEY: key}), "keyed again": ([], {ENCRYPTION_KEY: key})}
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AUTORL_", "PYTEST_"))}
    for name, (options, more) in ways.items():
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            f"--alluredir={base / name}",
            "-p",
            "no:cacheprovider",
        ]
        environment = {**plain, **more, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        plugins = [
            "-p",
            "allure_pytest.plugin",
            "-p",
            "pytest_autorl.plugin",
            *(["-p", "xdist"] if "-n" in options else []),
        ]
        done = subprocess.run(
            [*command, *plugins, *options],
            cwd=base,
            env=environment,
            capture_output=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 1, done.stdout + done.stderr
        assert b"AssertionError" not in done.stderr, done.stderr
        if name != "off":
            assert MAIL.encode() not in done.stdout + done.stderr
    return {name: base / name for name in ways}


def _lacks(module: str) -> bool:
    return importlib.util.find_spec(module) is None


@pytest.mark.integration
@pytest.mark.timeout(400)
class TestResults:
    def test_no_value_is_in_any_file_and_all_are_without_the_guard(self, ran: dict[str, Path]) -> None:
        assert {way: raw_in(folder) for way, folder in ran.items() if way != "off" and raw_in(folder)} == {}
        assert len(raw_in(ran["off"])) > 5

    def test_texts_are_redacted_in_their_encodings_and_pictures_marked(self, ran: dict[str, Path]) -> None:
        result = results(ran["on"])["test_attaches"]
        files = attached(result)

        assert (ran["on"] / files["text"]).read_text() == f"text {GONE}"
        assert json.loads((ran["on"] / files["json"]).read_text()) == {"to": GONE}
        assert (ran["on"] / files["wide"]).read_bytes().decode("utf-16") == f"wide {GONE}"
        assert (ran["on"] / files["picture (not redacted)"]).read_bytes().startswith(b"\x89PNG")
        assert "dump" not in files, "it holds a registered secret"
        assert result["statusDetails"]["message"] == f"ValueError: {GONE}"
        assert result["steps"][0]["name"] == f"inner step {GONE}"

    def test_in_strict_mode_nothing_is_written_that_nobody_could_look_into(
        self, ran: dict[str, Path]
    ) -> None:
        files = attached(results(ran["strict"])["test_attaches"])

        assert sorted(files) == ["json", "text", "wide"]
        written = {path.name for path in ran["strict"].iterdir() if "attachment" in path.name}
        assert written >= set(files.values())
        assert not any(path.suffix in (".png", ".bin") for path in ran["strict"].iterdir())

    def test_a_masked_parameter_is_masked(self, ran: dict[str, Path]) -> None:
        parameters = results(ran["on"])["test_attaches"]["parameters"]

        assert [(each["name"], each["value"]) for each in parameters] == [("pin", "[REDACTED:FIELD]")]

    def test_history_ids_differ_by_parameter_and_are_the_same_in_all_runs(self, ran: dict[str, Path]) -> None:
        ids = {
            way: {name: each["historyId"] for name, each in results(folder).items()}
            for way, folder in ran.items()
        }
        name, other = "test_to[REDACTED-EMAIL-1]", "test_to[REDACTED-EMAIL-2]"

        assert ids["on"][name] != ids["on"][other]
        for way in ("strict", "workers"):
            if way in ids:
                assert {each: ids[way][each] for each in ids["on"]} == ids["on"]
        assert ids["on"]["test_given[given]"] != ids["off"]["test_given[given]"]
        if "keyed" in ids:
            assert ids["keyed"] == ids["keyed again"]
            assert len({ids[way][name] for way in ("on", "off", "keyed") if name in ids[way]}) == 2
            assert ids["keyed"][name] != ids["keyed"][other]

    def test_history_ids_of_tests_without_personal_data_are_allures_own(self, ran: dict[str, Path]) -> None:
        for way, folder in ran.items():
            for name in ("test_plain[1]", "test_plain[2]"):
                assert results(folder)[name]["historyId"] == results(ran["off"])[name]["historyId"], way


@pytest.mark.unit
def test_history_ids_without_a_key_are_those_of_the_redacted_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENCRYPTION_KEY, raising=False)
    guard = Guard("on")

    made = history_id(guard, "of a guess", "a.py::test[REDACTED-EMAIL-1]")

    assert made == history_id(guard, "of another", "a.py::test[REDACTED-EMAIL-1]")
    assert made != history_id(guard, "of a guess", "a.py::test[REDACTED-EMAIL-2]")
    assert len(made) == 32


@pytest.mark.unit
def test_what_is_told_of_a_test_before_it_runs_is_what_would_be_written() -> None:
    known = {
        "test": "a.py::test_it[REDACTED-EMAIL-1]",
        "name": f"to {MAIL}",
        "fullName": "a#test_it",
        "historyId": "0" * 32,
        "parameters": [{"name": "to", "value": f"'{MAIL}'", "mode": None}, {"name": "n", "value": "1"}],
        "labels": [{"name": "owner", "value": MAIL}],
        "titlePath": ["a.py"],
    }

    made = clean_identity(Guard("on"), known)

    assert MAIL not in repr(made)
    assert made["name"] == f"to {GONE}"
    assert made["historyId"] != known["historyId"]
    assert made["parameters"][1] == {"name": "n", "value": "1"}
    assert clean_identity(Guard("off"), known) == known
    assert clean_identity(Guard("on"), {}) == {}
    plain = {**known, "name": "x", "parameters": [], "labels": []}
    assert clean_identity(Guard("on"), plain) == plain


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Allure's plugins, none of this run among them."""
    import allure_commons
    import pluggy

    own = pluggy.PluginManager("allure")
    monkeypatch.setattr(allure_commons, "plugin_manager", own)
    return own


class Config:
    """As much of pytest's configuration as is needed."""

    def __init__(self, *, has_allure: bool = True) -> None:
        self.cleanups: list[Any] = []
        self.add_cleanup = self.cleanups.append
        self.pluginmanager = SimpleNamespace(has_plugin=lambda name: has_allure and name == "allure_listener")


@pytest.mark.unit
def test_the_writer_is_ours_until_the_end_and_again_the_next_time(manager: Any, tmp_path: Path) -> None:
    from allure_commons.logger import AllureFileLogger

    theirs = AllureFileLogger(str(tmp_path))  # type: ignore[no-untyped-call]
    name = manager.register(theirs)
    for _ in range(2):
        config: Any = Config()
        guard_allure(config, Guard("on"))

        assert theirs not in manager.get_plugins()
        assert len(manager.get_plugins()) == 1
        config.cleanups.pop()()
        assert manager.get_plugins() == {theirs}
        assert manager.get_name(theirs) == name


@pytest.mark.unit
def test_a_writer_that_is_not_as_known_is_refused(manager: Any, tmp_path: Path) -> None:
    from allure_commons.logger import AllureFileLogger

    theirs = AllureFileLogger(str(tmp_path))  # type: ignore[no-untyped-call]
    del theirs._report_dir
    manager.register(theirs)
    config: Any = Config()

    with pytest.raises(UsageError, match="could not be redacted"):
        guard_allure(config, Guard("on"))


@pytest.mark.unit
@pytest.mark.parametrize(("mode", "has_allure"), [("off", True), ("on", False)])
def test_nothing_is_done_where_redaction_is_off_or_allure_is_not_there(
    manager: Any, tmp_path: Path, mode: Any, has_allure: bool
) -> None:
    from allure_commons.logger import AllureFileLogger

    theirs = AllureFileLogger(str(tmp_path))  # type: ignore[no-untyped-call]
    manager.register(theirs)
    config: Any = Config(has_allure=has_allure)

    guard_allure(config, Guard(mode))

    assert manager.get_plugins() == {theirs}
    assert not config.cleanups
