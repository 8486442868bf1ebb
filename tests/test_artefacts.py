"""What tests leave in the reports folder, over real sessions on virtual devices."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pytest_autorl.capture import bounds

pytestmark = pytest.mark.integration


def kept(pytester: pytest.Pytester, test: str) -> dict[str, Path]:
    """What one test left, by the file's name."""
    return {path.name: path for path in pytester.path.glob(f"reports/artefacts/*{test}-*/*/*")}


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
    assert found == ["device-log.txt", "page-source.xml", "screenshot.png", "server-log.txt"]
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


def test_the_logs_of_a_test_are_its_own(pytester: pytest.Pytester) -> None:
    """Both work in one session on one device, whose log goes on and on."""
    pytester.makepyfile(
        test_it="""
        def test_first(driver):
            driver.orientation
            assert 0
        def test_second(driver):
            driver.contexts
            assert 0
        """
    )

    result = pytester.runpytest("--autorl-farm", "virtual:1", "-p", "no:randomly")

    assert result.ret == 1
    first, second = (
        kept(pytester, f"test_{nth}")["server-log.txt"].read_text() for nth in ("first", "second")
    )
    assert "/orientation" in first
    assert "/orientation" not in second
    assert "/contexts" in second


def test_a_test_can_ask_for_artefacts_of_a_device(pytester: pytest.Pytester) -> None:
    """It passes, and what it asked for is kept: the paths are its own to use."""
    pytester.makepyfile(
        test_it="""
        def test_it(device):
            assert not [path for path in device.capture("early") if path.suffix != ".txt"], "no session is opened"
            device.driver.find_element("id", "sign_in_title")
            paths = device.capture("before sign-in")
            assert paths[0].read_bytes().startswith(b"\\x89PNG")
            assert "sign_in_title" in paths[1].read_text()
            device.capture()
            device.capture()
        """
    )

    result = pytester.runpytest("--autorl-farm", "virtual:1")

    result.assert_outcomes(passed=1)
    found = kept(pytester, "test_it")
    for name in ("before-sign-in", "capture", "capture-2"):
        assert {f"{name}-screenshot.png", f"{name}-page-source.xml", f"{name}-device-log.txt"} <= found.keys()
    assert "early-screenshot.png" not in found


def test_artefacts_asked_for_go_to_allure(pytester: pytest.Pytester) -> None:
    pytest.importorskip("allure_pytest", reason="allure-pytest is not installed")
    pytester.makepyfile(test_it="def test_it(device): device.driver.page_source; device.capture('paid')")

    pytester.runpytest("--autorl-farm", "virtual:1", "--alluredir", "allure").assert_outcomes(passed=1)

    (path,) = pytester.path.glob("allure/*-result.json")
    names = [attachment["name"] for attachment in json.loads(path.read_text())["attachments"]]
    assert {"paid-screenshot", "paid-page-source", "paid-device-log"} <= set(names)


@pytest.mark.parametrize(
    ("choice", "passed", "failed"),
    [("failed", [], ["screenshot.png"]), ("all", ["screenshot.png"], ["screenshot.png"]), ("off", [], [])],
)
def test_whose_artefacts_are_kept_is_chosen(
    pytester: pytest.Pytester, choice: str, passed: list[str], failed: list[str]
) -> None:
    """Without them the failure still says which device it was, and how to run the test there again."""
    pytester.makeini(f"[pytest]\nautorl_artefacts = {choice}")
    pytester.makepyfile(
        test_it="""
        def test_passes(driver): driver.page_source
        def test_fails(device):
            device.driver.page_source
            with open("captured", "w") as seen:
                seen.write("\\n".join(path.name for path in device.capture("mine")))
            assert 0
        """
    )

    result = pytester.runpytest("--autorl-farm", "virtual:1")

    result.assert_outcomes(passed=1, failed=1)
    captured = (pytester.path / "captured").read_text().splitlines()
    assert captured[:2] == ([] if choice == "off" else ["mine-screenshot.png", "mine-page-source.xml"])
    assert [name for name in kept(pytester, "test_passes") if name == "screenshot.png"] == passed
    assert [name for name in kept(pytester, "test_fails") if name == "screenshot.png"] == failed
    assert bool(kept(pytester, "test_fails")) == (choice != "off")
    result.stdout.fnmatch_lines(["device virtual-1 *", "reproduce with: pytest *::test_fails *"])


def test_a_run_keeps_no_more_than_its_share_of_the_disk(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an earlier run's artefacts nothing counts."""
    monkeypatch.setattr(bounds, "RUN_BYTES", 10_000)
    old = pytester.path / "reports/artefacts/old/attempt-1-virtual-1/page-source.xml"
    old.parent.mkdir(parents=True)
    old.write_text("x" * 20_000)
    os.utime(old, (1, 1))
    pytester.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.parametrize("n", [1, 2, 3])
        def test_it(device, n):
            device.driver.page_source
            if n == 3:
                with open("captured", "w") as seen:
                    seen.write(repr(device.capture()))
            assert 0
        """
    )

    result = pytester.runpytest_inprocess("--autorl-farm", "virtual:1", "-p", "no:randomly")

    result.assert_outcomes(failed=3)
    assert kept(pytester, r"test_it-1")
    assert not kept(pytester, r"test_it-3")
    assert (pytester.path / "captured").read_text() == "()"
    result.stdout.fnmatch_lines(["*no artefacts: the run has 0.01 MB of artefacts, no more are taken"])


@pytest.mark.parametrize("asks", ["assert 0", "device.capture()"])
def test_the_summary_says_once_that_a_run_took_no_more(pytester: pytest.Pytester, asks: str) -> None:
    """Of two workers, both of which find it full; a test that passes has no section to say it in."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    pytester.makeconftest("from pytest_autorl.capture import bounds; bounds.RUN_BYTES = 1000")
    pytester.makepyfile(
        test_it=f"""
        import pytest
        @pytest.mark.parametrize("n", range(6))
        def test_it(device, n):
            device.driver.page_source
            {asks}
        """
    )

    result = pytester.runpytest_subprocess("--autorl-farm", "virtual:2", "-n", "2")

    assert result.ret == ("0" in asks)
    _, _, summary = result.stdout.str().partition("autorl: devices")
    assert summary.count("the run has 0.001 MB of artefacts, no more are taken") == 1


def test_a_worker_that_replaces_a_dead_one_keeps_to_the_share_of_the_run(pytester: pytest.Pytester) -> None:
    """What the dead one took counts: a run whose workers die often must not fill the disk."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    pytester.makeconftest("from pytest_autorl.capture import bounds; bounds.RUN_BYTES = 1000")
    pytester.makepyfile(
        test_it="""
        import os
        def test_1_fails(driver):
            driver.page_source
            assert 0
        def test_2_dies(): os._exit(3)
        def test_3_fails(driver):
            driver.page_source
            assert 0
        """
    )

    result = pytester.runpytest_subprocess("--autorl-farm", "virtual:1", "-n", "1", "-p", "no:randomly")

    result.assert_outcomes(failed=3)
    assert kept(pytester, "test_1_fails")
    assert not kept(pytester, "test_3_fails")


def test_a_test_that_is_ended_for_its_time_shows_where_the_threads_stood(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_timeout", reason="pytest-timeout is not installed")
    pytester.makepyfile(
        test_it="""
        import threading, time, pytest
        @pytest.mark.timeout(1, method="signal", func_only=True)
        def test_hangs(device):
            stuck = threading.Thread(target=waits_for_godot, daemon=True)
            stuck.start()
            threading.Event().wait(60)
        def waits_for_godot():
            threading.Event().wait(60)
        def test_fails(driver):
            driver.page_source
            assert 0
        """
    )

    result = pytester.runpytest_subprocess("--autorl-farm", "virtual:1")

    result.assert_outcomes(failed=2)
    assert "in waits_for_godot" in kept(pytester, "test_hangs")["threads.txt"].read_text()
    assert "threads.txt" not in kept(pytester, "test_fails")


def test_stacks_are_written_while_a_test_still_hangs(pytester: pytest.Pytester) -> None:
    """Whoever ends the process then finds them: here the process ends itself, without any report."""
    pytester.makeini("[pytest]\nfaulthandler_timeout = 3")
    pytester.makepyfile(
        test_it="""
        import os, pathlib, time
        def test_hangs(device):
            wait_for_the_stacks()
            os._exit(3)
        def wait_for_the_stacks():
            for _ in range(6000):
                if list(pathlib.Path("reports/artefacts").glob("*/*/threads.txt")):
                    return
                time.sleep(0.01)
        """
    )

    result = pytester.runpytest_subprocess("--autorl-farm", "virtual:1")

    assert result.ret == 3
    assert "in wait_for_the_stacks" in kept(pytester, "test_hangs")["threads.txt"].read_text()


def test_a_device_that_never_had_a_session_leaves_its_log(pytester: pytest.Pytester) -> None:
    """The server was asked for a session in vain: what the device says of it is all there is."""
    pytester.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.device(capabilities={"appium:automationName": "Nobody"})
        def test_it(driver): pass
        """
    )

    result = pytester.runpytest("--autorl-farm", "virtual:1")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*no session was open: neither screenshot nor page source", "*device-log: *"]
    )


def test_a_time_limit_that_runs_out_over_an_artefact_does_not_end_the_run(pytester: pytest.Pytester) -> None:
    """The alarm of pytest-timeout may come while the report is made."""
    pytester.makepyfile(
        test_it="""
        import pytest
        def test_it(driver):
            driver.get_screenshot_as_png = lambda: pytest.fail("Timeout (>1.0s) from pytest-timeout.")
            assert 0
        def test_next(): pass
        """
    )

    result = pytester.runpytest("--autorl-farm", "virtual:1")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*screenshot: not taken: Failed: Timeout*", "*page-source: reports/*"])
