"""The tool as a whole: help, version, exit codes, and that asking for help is quick."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl import __version__
from pytest_autorl.cli.output import table

Call = Callable[..., Any]


def test_version_is_the_packages(autorl_process: Call) -> None:
    said = autorl_process("--version")

    assert (said.code, said.out) == (0, f"pytest-autorl {__version__}\n")


def test_help_lists_the_commands_and_loads_nothing_heavy() -> None:
    code = """if True:
        import sys
        sys.argv = ["autorl", "--help"]
        from pytest_autorl.cli import main
        try:
            main()
        finally:
            heavy = {"appium", "selenium", "PIL", "yaml", "pytest", "pytest_autorl.farm.config"} & set(sys.modules)
            print("heavy:", sorted(heavy), file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    for command in ("init", "doctor", "farm", "why", "virtual"):
        assert f" {command} " in done.stdout
    assert "heavy: []" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["farm", "nonsense"],
        ["farm", "list", "--nonsense"],
        ["why"],
        ["farm", "why", "--count", "x"],
    ],
)
def test_wrong_use_is_exit_code_2(autorl: Call, here: Path, arguments: list[str]) -> None:
    said = autorl(*arguments)

    assert said.code == 2
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["farm", "list"], ["no device_farm.yml here", "autorl init"]),
        (["farm", "list", "--farm", "none.yml"], ["none.yml: the farm file does not exist"]),
        (["farm", "list", "--farm", "virtual:0"], ["virtual:0", "between 1 and"]),
        (["farm", "why", "--farm", "virtual", "--count", "0"], ["device(count=0)", "1 to 100"]),
        (["farm", "why", "--farm", "virtual", "--where", "ram >"], ["where"]),
    ],
)
def test_missing_or_unusable_input_is_exit_code_2_with_a_message(
    autorl: Call, here: Path, arguments: list[str], words: list[str]
) -> None:
    said = autorl(*arguments)

    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("autorl: ")
    assert "do: " in said.err
    assert all(word in said.err for word in words), said.err


def test_an_unreadable_state_is_exit_code_1(autorl: Call, here: Path) -> None:
    """Nothing was used wrongly: something does not work."""
    (here / "device_farm.yml").write_text(
        "providers: {lab: {type: appium}}\ndevices: [{id: a, provider: lab}]\n"
    )
    (here / "s.db").write_text("no database")

    said = autorl("farm", "list", "--state", "s.db")

    assert (said.code, said.out) == (1, "")
    assert "s.db is no state of pytest-autorl" in said.err


def test_a_table_leaves_out_columns_without_content() -> None:
    assert table(["ID", "WHY", "OS"], [["a", "", 14], ["pixel", "", 9]]) == [
        "ID     OS",
        "a      14",
        "pixel  9",
    ]
    assert table(["ID"], []) == [""]
