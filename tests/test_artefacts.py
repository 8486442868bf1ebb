"""What tests leave in the reports folder, over real sessions on virtual devices."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.integration


def test_an_expected_failure_leaves_what_a_failure_leaves(pytester: pytest.Pytester) -> None:
    """Who looks into a known failure wants to see the screen; the verdict stays pytest's."""
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.xfail(reason="known")
        def test_marked(driver):
            assert driver.find_element("id", "sign_in_title").text == "Goodbye"
        def test_said_in_the_test(driver):
            driver.find_element("id", "sign_in_title")
            pytest.xfail("known")
        """
    )

    result = pytester.runpytest("--autorl-farm", "virtual:1", "--xfail-tb")

    result.assert_outcomes(xfailed=2)
    found = sorted(path.name for path in pytester.path.glob("reports/artefacts/*test_marked*/*/*"))
    assert found == ["device-log.txt", "page-source.xml", "screenshot.png"]
    assert len(list(pytester.path.glob("reports/artefacts/*"))) == 2
    result.stdout.fnmatch_lines(["*- autorl -*", "device virtual-1 *", "*screenshot: reports/artefacts/*"])
    rows = [json.loads(line) for line in (pytester.path / "reports/trace.jsonl").read_text().splitlines()]
    assert [(row["outcome"], row["blame"]) for row in rows] == [("skipped", None)] * 2


def test_what_did_not_fail_leaves_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        def test_passed(driver): driver.find_element("id", "sign_in_title")
        def test_skipped(driver):
            driver.find_element("id", "sign_in_title")
            pytest.skip("not now")
        @pytest.mark.xfail(strict=False)
        def test_better_than_expected(driver): driver.find_element("id", "sign_in_title")
        @pytest.mark.xfail(run=False)
        def test_not_run(driver): pass
        """
    )

    result = pytester.runpytest("--autorl-farm", "virtual:1")

    result.assert_outcomes(passed=1, skipped=1, xpassed=1, xfailed=1)
    assert (pytester.path / "reports/farm.html").exists()
    assert not (pytester.path / "reports/artefacts").exists()
