"""The fixture `robust` and `device.do` in suites: what an action is called with, what is tried again, what is shown."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.integration

#: Two phones on which the first use of an element finds it gone, once.
STALE = """
version: 1
providers:
  local: {type: virtual}
devices:
  - {id: phone-1, provider: local, platform: android, os_version: 14, model: One, virtual: {faults: [stale]}}
  - {id: phone-2, provider: local, platform: android, os_version: 14, model: Two, virtual: {faults: [stale]}}
"""

#: One process, and two workers.
EACH_WAY = pytest.mark.parametrize("how", [("-n", "0"), ("-n", "2")], ids=["single", "xdist"])


def run(pytester: pytest.Pytester, *options: str, farm: str = "virtual:2") -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:randomly", "--autorl-farm", farm, *options)


@EACH_WAY
def test_an_action_on_the_device_is_tried_again_when_its_element_was_gone(
    pytester: pytest.Pytester, how: tuple[str, str]
) -> None:
    (pytester.path / "farm.yml").write_text(STALE)
    pytester.makepyfile(
        """
        import pytest
        from selenium.common.exceptions import StaleElementReferenceException

        def title(driver): return driver.find_element("id", "sign_in_title").text

        @pytest.mark.device(model="One")
        def test_do(device):
            assert device.do(title) == "Sign in"
            assert device.do(title) == "Sign in"
            stats = device.robust.stats
            assert (stats.actions, stats.attempts, stats.success_rate) == (2, 3, 1.0)
            assert stats.outcomes == {("retry", "success"): 1}

        @pytest.mark.device(model="Two")
        def test_robust(robust, driver):
            assert robust.execute(title) == "Sign in"
            assert robust.stats.retries == 1
        """
    )

    run(pytester, *how, farm="farm.yml").assert_outcomes(passed=2)


@EACH_WAY
def test_an_action_gets_the_driver_of_the_tests_device_if_it_needs_one(
    pytester: pytest.Pytester, how: tuple[str, str]
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_autorl.errors import UsageError

        def test_own(robust, device):
            assert robust.execute(lambda driver: driver) is device.driver
            assert robust.execute(lambda: "as it is") == "as it is"
            assert robust.execute(device.driver.get_window_size)["width"] > 0

        def test_of_the_module(module_device, robust):
            assert robust.execute(lambda driver: driver.session_id) == module_device.driver.session_id

        @pytest.mark.device(count=2)
        def test_two(devices, robust):
            assert robust.execute(lambda: 1) == 1
            with pytest.raises(UsageError, match="the test has 2 devices"):
                robust.execute(lambda driver: driver)
        """
    )

    run(pytester, *how, farm="virtual:3").assert_outcomes(passed=3)


def test_robust_leases_no_device_by_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_autorl.errors import UsageError

        def test_it(robust):
            assert robust.execute(lambda: 1) == 1
            with pytest.raises(UsageError, match="the test has no device"):
                robust.execute(lambda driver: driver)
        """
    )

    run(pytester).assert_outcomes(passed=1)
    assert not (pytester.path / "reports/trace.jsonl").exists()  # it has a row for each use of a device


@EACH_WAY
def test_robust_works_without_a_farm(pytester: pytest.Pytester, how: tuple[str, str]) -> None:
    pytester.makepyfile(
        """
        def test_it(robust, mock_device):
            mock_device.fault("stale")
            driver = mock_device.driver
            assert robust.execute(lambda: driver.find_element("id", "sign_in_title").text) == "Sign in"
            assert robust.stats.retries == 1

        def test_counts_are_those_of_the_test(robust):
            assert robust.stats.actions == 0
        """
    )

    pytester.runpytest_subprocess("-p", "no:randomly", *how).assert_outcomes(passed=2)


def test_what_the_same_again_cannot_mend_is_raised_at_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from selenium.common.exceptions import InvalidSessionIdException

        def test_an_assertion(device):
            def action(driver):
                assert driver is None
            with pytest.raises(AssertionError):
                device.do(action)
            assert device.robust.stats.attempts == 1

        def test_a_session_that_is_gone(robust, mock_device):
            driver = mock_device.driver
            mock_device.fault("session_killed")
            with pytest.raises(InvalidSessionIdException):
                robust.execute(lambda: driver.page_source)
            assert robust.stats.attempts == 1

        def test_skipping(device):
            device.do(lambda driver: pytest.skip("not here"))
        """
    )

    run(pytester).assert_outcomes(passed=2, skipped=1)


@EACH_WAY
def test_a_plugin_may_say_that_an_error_passes(pytester: pytest.Pytester, how: tuple[str, str]) -> None:
    pytester.makeconftest(
        """
        from dataclasses import replace
        from pytest_autorl.resilience import ErrorCategory, Strategy, classify_error

        def pytest_autorl_classify_error(error):
            if isinstance(error, KeyError):
                info = classify_error(ValueError())
                return replace(info, category=ErrorCategory.TRANSIENT, strategy=Strategy.RETRY)
        """
    )
    pytester.makepyfile(
        """
        class FailsOnce:
            calls = 0
            def __call__(self):
                self.calls += 1
                if self.calls == 1:
                    raise KeyError("not yet")
                return "done"

        def test_robust(robust):
            assert robust.execute(FailsOnce()) == "done"

        def test_do(device):
            action = FailsOnce()
            assert device.do(lambda driver: action()) == "done"
        """
    )

    run(pytester, *how).assert_outcomes(passed=2)


def test_a_failure_shows_the_action_and_how_often_it_was_tried(pytester: pytest.Pytester) -> None:
    (pytester.path / "farm.yml").write_text(STALE.replace("[stale]", "[{name: stale, times: 9}]"))
    pytester.makepyfile(
        """
        def title(driver): return driver.find_element("id", "sign_in_title").text

        def test_all_tries(device): device.do(title)

        def test_no_time(device, robust): robust.execute(title, deadline_s=0)
        """
    )

    result = run(pytester, farm="farm.yml")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*_ test_all_tries _*",
            "*def title(driver)*",
            "*autorl: 4 tries in * s failed (4 x StaleElementReferenceException); max_retries is 3",
            "*_ test_no_time _*",
            "*def title(driver)*",
            "*autorl: 1 try in * s failed (StaleElementReferenceException); no time for another within 0 s",
        ]
    )
    for inner in ("tenacity", "executor.py", "retry.py", "handle.py", "one_try"):
        result.stdout.no_fnmatch_line(f"*{inner}*")


def test_coroutines_are_tried_again_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio

        def test_it(async_driver, robust):
            tries = []

            async def title():
                element = await async_driver.find_element("id", "sign_in_title")
                tries.append(element)
                return await element.text

            assert asyncio.run(robust.execute_with_recovery(title)) == "Sign in"
            assert len(tries) == 2
        """
    )
    (pytester.path / "farm.yml").write_text(STALE)

    run(pytester, farm="farm.yml").assert_outcomes(passed=1)
