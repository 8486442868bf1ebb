"""What the root conftest promises to tests that run pytest inside."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_a_run_inside_a_test_inherits_nothing_from_the_run_around_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three runs deep: ours, one with our conftest and a loud environment, and the one that it starts."""
    pytester.makeconftest((ROOT / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(
        """
        import os

        def test_inner(pytester):
            loud = {name for name in os.environ if name.startswith(("AUTORL_", "PYTEST_XDIST"))}
            assert loud <= {"AUTORL_REQUIRE_REAL"}
            assert "CI" not in os.environ
            pytester.makepyfile("import os\\ndef test_x(): assert os.environ['PYTEST_ADDOPTS']")
            run = pytester.runpytest_inprocess("-p", "no:autorl")
            run.assert_outcomes(passed=1)
            run.stdout.no_fnmatch_line("*random seed*")
        """
    )
    for name in ("AUTORL_FARM", "AUTORL_RETRIES", "AUTORL_REQUIRE_REAL", "PYTEST_XDIST_WORKER", "CI"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:autorl")

    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=1)
