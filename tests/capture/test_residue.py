"""In strict mode: what is left in files that a run has written fails it, and is named without being shown."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_autorl.capture.guard import Guard
from pytest_autorl.capture.residue import Residue

MAIL = "anna.k" + "@" + "example.com"

SUITE = """
import os
from pathlib import Path

def test_it():
    Path("reports").mkdir(exist_ok=True)
    Path("reports/own.txt").write_text("by hand: anna.k" + "@" + "example.com")
"""


@pytest.mark.integration
def test_a_file_that_a_test_writes_into_the_reports_fails_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)

    strict = pytester.runpytest_subprocess("--autorl-redact=strict")
    on = pytester.runpytest_subprocess()

    strict.assert_outcomes(passed=1)
    assert (strict.ret, on.ret) == (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.OK)
    strict.stdout.fnmatch_lines(["*not redacted*", "*own.txt*: EMAIL", "autorl: the run fails*"])
    assert MAIL not in strict.stdout.str()


@pytest.mark.integration
def test_what_pytest_and_allure_write_leaves_nothing_behind(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import logging\ndef test_it(): logging.warning('to anna.k' + '@' + 'example.com'); assert 0"
    )

    result = pytester.runpytest_subprocess(
        "--autorl-redact=strict", "--junitxml=j.xml", "--log-file=run.log", "-o", "junit_logging=all"
    )

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*not redacted*")
    for name in ("j.xml", "run.log"):
        written = Path(name).read_text(encoding="utf-8")
        assert "REDACTED" in written
        assert MAIL not in written


@pytest.mark.integration
@pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX")
def test_a_secret_that_is_a_word_of_the_pages_script_fails_no_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page ships it, whatever the run does; what the run itself says there is found as ever."""
    monkeypatch.setenv("SHOP_PASSWORD", "addEventListener")
    pytester.makepyfile("def test_it(autorl_device): pass")

    result = pytester.runpytest_subprocess("--autorl-redact=strict", "--autorl-farm=virtual:1")
    page = Path("reports/farm.html")
    written = page.read_text(encoding="utf-8")
    residue = Residue(Guard("strict"), page.parent, begun_s=0)
    clean = list(residue._found([page]))
    page.write_text(written.replace("<title>", f"<title>{MAIL} "), encoding="utf-8")

    assert result.ret == pytest.ExitCode.OK
    assert "addEventListener" in written
    assert clean == []
    assert [line.rsplit(" ", 1)[1] for line in residue._found([page])] == ["EMAIL"]


class Config:
    """As much of pytest's configuration as is needed."""

    def __init__(self, folder: Path, **options: str) -> None:
        self.invocation_params = SimpleNamespace(dir=folder)
        self._options = options

    def getoption(self, name: str, default: Any) -> Any:
        return self._options.get(name, default)

    def getini(self, name: str) -> Any:
        if name == "xmlpath":
            raise KeyError(name)
        return self._options.get(f"ini_{name}", "")


def ended(guard: Guard, config: Config, *, exit_code: int = 0, begun_s: float = 0.0) -> tuple[int, list[str]]:
    """Exit code and what is said after a session over these files."""
    residue = Residue(guard, config.invocation_params.dir / "reports", begun_s=begun_s)
    session: Any = SimpleNamespace(config=config, exitstatus=exit_code)
    work = residue.pytest_sessionfinish(session)
    next(work)
    with pytest.raises(StopIteration):
        work.send(None)
    lines: list[str] = []
    residue.pytest_terminal_summary(
        SimpleNamespace(section=lambda text, **how: lines.append(text), write_line=lines.append)
    )
    return session.exitstatus, lines


@pytest.mark.unit
class TestResidue:
    def test_files_that_the_options_name_are_looked_into(self, tmp_path: Path) -> None:
        (tmp_path / "run.log").write_text(f"to {MAIL}")
        (tmp_path / "j.xml").write_text("<clean/>")

        code, lines = ended(Guard("strict"), Config(tmp_path, xmlpath="j.xml", ini_log_file="run.log"))

        assert code == pytest.ExitCode.TESTS_FAILED
        assert [line for line in lines if "run.log" in line]
        assert not [line for line in lines if "j.xml" in line]
        assert MAIL not in "".join(lines)

    def test_a_run_that_has_failed_keeps_its_exit_code(self, tmp_path: Path) -> None:
        (tmp_path / "reports").mkdir()
        (tmp_path / "reports" / "a.txt").write_text(MAIL)

        code, lines = ended(Guard("strict"), Config(tmp_path), exit_code=int(pytest.ExitCode.INTERRUPTED))

        assert code == pytest.ExitCode.INTERRUPTED
        assert lines

    def test_files_of_earlier_runs_and_clean_ones_are_no_reason(self, tmp_path: Path) -> None:
        (tmp_path / "reports").mkdir()
        old, new = tmp_path / "reports" / "old.txt", tmp_path / "reports" / "new.txt"
        old.write_text(MAIL)
        new.write_text("clean, to [REDACTED:EMAIL#1]")
        os.utime(old, (1000.0, 1000.0))

        assert ended(Guard("strict"), Config(tmp_path), begun_s=2000.0) == (0, [])

    def test_only_so_many_are_named(self, tmp_path: Path) -> None:
        (tmp_path / "reports").mkdir()
        for number in range(25):
            (tmp_path / "reports" / f"{number}.txt").write_text(MAIL)

        _, lines = ended(Guard("strict"), Config(tmp_path))

        assert len([line for line in lines if line.endswith(": EMAIL")]) == 20
        assert "and 5 more" in lines

    def test_only_strict_looks(self, tmp_path: Path) -> None:
        (tmp_path / "reports").mkdir()
        (tmp_path / "reports" / "a.txt").write_text(MAIL)

        assert ended(Guard("on"), Config(tmp_path)) == (0, [])
