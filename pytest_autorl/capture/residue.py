"""In strict mode the last word: what a run has written is read again, and anything left in it fails the run."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl.capture.guard import Guard

if TYPE_CHECKING:
    from pytest_autorl.privacy.scan import Find

#: So many finds are named; the number of the others is.
_NAMED = 20


class Residue:
    """See the module. In the process that ends last.

    Args:
        reports: Folder of the plugin's own files.
        begun_s: Files older than that are another run's; seconds since the epoch.
    """

    def __init__(self, guard: Guard, reports: Path, *, begun_s: float) -> None:
        self._guard = guard
        self._reports = reports
        self._begun_s = begun_s
        self._lines: list[str] = []

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """When everybody has written, and before the summary."""
        result = yield
        if self._guard.is_strict:
            self._lines = list(self._found(_outputs(session.config, self._reports)))
            if self._lines and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return result

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """What was found, without saying what it is."""
        if self._lines:
            terminalreporter.section("not redacted", red=True, bold=True)
            for line in self._lines[:_NAMED]:
                terminalreporter.write_line(line)
            if len(self._lines) > _NAMED:
                terminalreporter.write_line(f"and {len(self._lines) - _NAMED} more")
            terminalreporter.write_line("autorl: the run fails, since --autorl-redact is strict")

    def _found(self, paths: Iterable[Path]) -> Iterable[str]:
        from pytest_autorl.privacy.scan import scan

        for path in paths:
            for find in scan(path, self._guard.redactor.fresh(), since_s=self._begun_s):
                if find.kind != "UNSCANNABLE" and not self._is_shipped(find):
                    yield f"{find.where}: {find.kind}"

    def _is_shipped(self, find: Find) -> bool:
        """Whether it stands in the page's own style or script, which say nothing of the run: a secret may be a word."""
        page = self._reports / "farm.html"
        if not find.line or Path(find.path) != page:
            return False
        from pytest_autorl.capture.farm_page.document import own

        shipped = {line for part in own() for line in part.split("\n")}
        return page.read_text(encoding="utf-8").split("\n")[find.line - 1] in shipped


def _outputs(config: pytest.Config, reports: Path) -> list[Path]:
    """Files and folders that a run writes into."""
    paths = [reports]
    for name in ("xmlpath", "allure_report_dir", "log_file"):
        value = config.getoption(name, None) or _ini(config, name)
        if value:
            paths.append((config.invocation_params.dir / str(value)).resolve())
    outer = {path for path in paths for other in paths if other != path and path.is_relative_to(other)}
    return [path for path in dict.fromkeys(paths) if path not in outer and path.exists()]


def _ini(config: pytest.Config, name: str) -> Any:
    try:
        return config.getini(name)
    except (KeyError, ValueError):
        return None
