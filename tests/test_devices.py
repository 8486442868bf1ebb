"""Fixtures over simulated devices, with the real client: sessions, resets, handles, failures."""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import shlex
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

SIGN_IN = """
def sign_in(driver):
    driver.find_element("accessibility id", "username").send_keys("demo")
    driver.find_element("accessibility id", "password").send_keys("demo-pass")
    driver.find_element("accessibility id", "sign_in_button").click()
    assert driver.find_element("id", "greeting_text").text == "Hello Dana Demo"
"""


def run(pytester: pytest.Pytester, *options: str, farm: str = "virtual:2") -> pytest.RunResult:
    return pytester.runpytest_subprocess("--autorl-farm", farm, *options)


def rows(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (pytester.path / "reports/trace.jsonl").read_text().splitlines()]


def test_tests_share_a_session_and_never_its_state(pytester: pytest.Pytester) -> None:
    """The default policy `app`: the app is made as new, the session stays."""
    pytester.makepyfile(
        f"""
        import pytest
        {SIGN_IN.replace(chr(10), chr(10) + "        ")}
        sessions = set()
        @pytest.mark.parametrize("n", range(4))
        def test_it(driver, n):
            sessions.add(driver.session_id)
            sign_in(driver)
            assert len(sessions) == 1
        """
    )

    run(pytester, farm="virtual:1").assert_outcomes(passed=4)

    first, *others = rows(pytester)
    assert all(row["setup"] < first["setup"] for row in others)


@pytest.mark.parametrize(
    ("policy", "sessions", "text"), [("session", 3, ""), ("none", 1, "kept"), ("app", 1, "")]
)
def test_the_reset_policy_of_the_farm_file_counts(
    pytester: pytest.Pytester, policy: str, sessions: int, text: str
) -> None:
    (pytester.path / "device_farm.yml").write_text(
        f"providers: {{virtual: {{app: bank, reset: {policy}}}}}\n"
        "devices: [{id: d1, provider: virtual, platform: android}]\n"
    )
    pytester.makepyfile(
        f"""
        seen = set()
        def field(driver):
            seen.add(driver.session_id)
            return driver.find_element("id", "username")
        def test_1(driver): field(driver).send_keys("kept")
        def test_2(driver): assert field(driver).text == ({text!r} or "User name")
        def test_3(driver):
            field(driver)
            assert len(seen) == {sessions}
        """
    )

    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=3)


def test_a_session_that_a_test_has_ended_is_replaced(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_1_quits(driver): driver.quit()
        def test_2_works(driver): assert driver.page_source
        """
    )

    run(pytester, "-p", "no:randomly", farm="virtual:1").assert_outcomes(passed=2)


def test_a_device_used_after_its_lease_is_refused(pytester: pytest.Pytester) -> None:
    """A handle kept in a global must not drive a device that somebody else may hold."""
    pytester.makepyfile(
        """
        import pytest
        from pytest_autorl.errors import LeaseLostError
        kept = []
        def test_1_keeps(device): kept.append(device)
        def test_2_uses():
            with pytest.raises(LeaseLostError, match="has ended"):
                kept[0].driver
        """
    )

    run(pytester, "-p", "no:randomly").assert_outcomes(passed=2)


def test_the_handle_tells_the_device_and_how_it_is(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.device(form_factor="tablet")
        def test_it(device):
            assert (device.id, device.platform, device.form_factor) == ("virtual-3", "android", "tablet")
            assert device.health.battery_pct == 87
            assert device.health.is_online
            assert device.health.storage_free_mb > 1000
            assert device.lease.token == 1
            assert device.do(lambda driver: driver.get_window_size())["width"] > 0
            assert "is up" in device.log
            assert "leased by" in repr(device)
        """
    )

    run(pytester, farm="virtual:3").assert_outcomes(passed=1)


def test_reset_within_a_test_makes_the_app_as_new(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def text(device): return device.driver.find_element("id", "username").text
        def test_it(device):
            before = device.driver.session_id
            for policy, same in (("app", True), ("session", False)):
                device.driver.find_element("id", "username").send_keys("typed")
                device.reset(policy)
                assert text(device) == "User name"
                assert (device.driver.session_id == before) == same
            device.driver.find_element("id", "username").send_keys("typed")
            device.reset("none")
            assert text(device) == "typed"
        """
    )

    run(pytester).assert_outcomes(passed=1)


def test_hypothesis_draws_examples_on_one_wide_device(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from hypothesis import given, settings, strategies as st
        @settings(max_examples=8, deadline=None, database=None)
        @given(st.text("abc", min_size=1, max_size=6))
        def test_it(module_device, name):
            module_device.reset()
            field = module_device.driver.find_element("id", "username")
            field.send_keys(name)
            assert field.text == name
        """
    )

    run(pytester, "-p", "hypothesispytest").assert_outcomes(passed=1)


def test_the_async_driver_works_with_and_without_an_asyncio_plugin(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_asyncio", reason="pytest-asyncio is not installed")
    pytester.makepyfile(
        """
        import asyncio, pytest
        async def use(driver):
            field = await driver.find_element("id", "username")
            await field.send_keys("demo")
            assert await field.text == "demo"
            assert "hierarchy" in await driver.page_source
            assert len(await driver.find_elements("class name", "android.widget.EditText")) == 2
            assert await driver.run(lambda sync: sync.session_id) == driver.session_id
        def test_plain(async_driver): asyncio.run(use(async_driver))
        @pytest.mark.asyncio
        async def test_plugin(async_driver): await use(async_driver)
        """
    )

    run(pytester, "-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function").assert_outcomes(
        passed=2
    )


def test_two_async_sessions_overlap(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio, threading, pytest
        from pytest_autorl.farm.async_driver import AsyncDriver
        @pytest.mark.device(count=2)
        def test_it(drivers):
            both = threading.Barrier(2, timeout=20)
            async def use():
                pair = [AsyncDriver(driver) for driver in drivers]
                def meet(driver):
                    both.wait()  # passes only if the other session's thread gets here too
                    return driver.session_id
                return await asyncio.gather(*(one.run(meet) for one in pair))
            assert len(set(asyncio.run(use()))) == 2
        """
    )

    run(pytester).assert_outcomes(passed=1)


def test_a_mock_device_needs_no_farm_and_fails_on_request(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_autorl.errors import DeviceError
        def test_it(mock_device, sample_ui_state):
            driver = mock_device.driver
            names = {element["id"] for element in sample_ui_state["elements"]}
            assert driver.find_element("id", "username") and "username" in names
            mock_device.fault("offline")
            with pytest.raises(DeviceError):
                driver.page_source
            mock_device.heal()
            assert driver.page_source
            mock_device.set_state(battery=3)
        def test_another_is_as_new(mock_device):
            assert mock_device.driver.find_element("id", "username").text == "User name"
        """
    )

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(passed=2)
    assert not (pytester.path / ".autorl").exists()


def test_a_failure_leaves_screenshot_source_and_log(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(driver):
            driver.hide_keyboard()
            assert driver.find_element("id", "username").text == "wrong"
        """
    )

    result = run(pytester, farm="virtual:1")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- autorl -*",
            "device virtual-1 (android 13 phone), lease token 1",
            "  screenshot: reports/artefacts/*/attempt-1-virtual-1/screenshot.png",
            "  page-source: reports/artefacts/*/attempt-1-virtual-1/page-source.xml",
            "  device-log: reports/artefacts/*/attempt-1-virtual-1/device-log.txt",
            "reproduce with: pytest *::test_it --autorl-farm virtual:1 --autorl-device virtual-1",
        ]
    )
    (folder,) = (pytester.path / "reports/artefacts").glob("*/attempt-1-virtual-1")
    assert (folder / "screenshot.png").read_bytes().startswith(b"\x89PNG")
    assert "username" in (folder / "page-source.xml").read_text()
    assert "Start proc" in (folder / "device-log.txt").read_text()
    assert rows(pytester)[0]["blame"] == "test"


def test_a_device_that_dies_in_a_test_is_blamed_and_costs_little_time(pytester: pytest.Pytester) -> None:
    (pytester.path / "device_farm.yml").write_text(
        "devices:\n"
        "  - {id: d1, provider: virtual, platform: android,"
        " virtual: {faults: [{name: offline, after_commands: 2}]}}\n"
    )
    pytester.makepyfile(
        """
        def test_it(driver):
            driver.find_element("id", "username")
            driver.find_element("id", "password")
            driver.find_element("id", "sign_in_button")
        """
    )

    result = pytester.runpytest_subprocess()

    assert result.ret == 1
    (row,) = rows(pytester)
    assert (row["outcome"], row["blame"]) == ("failed", "farm")
    result.stdout.fnmatch_lines(["*screenshot: not taken: *", "*failures by blame: 1 farm*"])
    assert row["end"] - row["start"] < 30


def test_a_fault_at_the_session_ends_the_test_as_an_error_without_a_traceback(
    pytester: pytest.Pytester,
) -> None:
    (pytester.path / "device_farm.yml").write_text(
        "devices: [{id: d1, provider: virtual, platform: android,"
        " capabilities: {'appium:app': '/builds/missing.apk'}}]\n"
    )
    pytester.makepyfile("def test_it(driver): pass")

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["[[]d1] http://127.0.0.1:* refused a session:*"])
    result.stdout.no_fnmatch_line("*open_session*")


def test_allure_gets_device_and_artefacts(pytester: pytest.Pytester) -> None:
    pytest.importorskip("allure_pytest", reason="allure-pytest is not installed")
    pytester.makepyfile("def test_it(driver): assert 0")

    run(pytester, "--alluredir", "reports/allure-results", farm="virtual:1").assert_outcomes(failed=1)

    (result,) = (pytester.path / "reports/allure-results").glob("*-result.json")
    told = json.loads(result.read_text())
    assert {"name": "device", "value": "virtual-1"} in told["labels"]
    (parameter,) = [one for one in told["parameters"] if one["name"] == "device"]
    assert parameter["excluded"] is True
    assert {one["name"] for one in told["attachments"]} >= {"screenshot", "page-source", "device-log"}


def test_allure_history_does_not_depend_on_the_device(pytester: pytest.Pytester) -> None:
    pytest.importorskip("allure_pytest", reason="allure-pytest is not installed")
    pytester.makepyfile("def test_it(device): pass")
    histories = set()
    for device in ("virtual-1", "virtual-2"):
        folder = pytester.path / device
        run(pytester, "--alluredir", str(folder), "--autorl-device", device).assert_outcomes(passed=1)
        (result,) = folder.glob("*-result.json")
        histories.add(json.loads(result.read_text())["historyId"])

    assert len(histories) == 1


def test_pdb_reaches_the_open_session(pytester: pytest.Pytester) -> None:
    """At the prompt the device is still leased and its session alive."""
    pytester.makepyfile("def test_it(driver):\n    assert driver.session_id == 'no'\n")
    commands = pytester.path / "commands"
    commands.write_text("p 'SOURCE', len(driver.page_source) > 100\nq\n")

    with commands.open() as stdin:
        result = pytester.run(
            sys.executable, "-m", "pytest", "--pdb", "--autorl-farm", "virtual:1", stdin=stdin
        )

    result.stdout.fnmatch_lines(["*('SOURCE', True)*"])
    assert list((pytester.path / ".autorl").rglob("*.lease")) == []


def test_nothing_is_left_running(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import urllib.parse, pathlib
        def test_it(driver):
            pathlib.Path("url").write_text(driver.command_executor.client_config.remote_server_addr)
        """
    )
    run(pytester).assert_outcomes(passed=1)

    from urllib.error import URLError
    from urllib.request import urlopen

    url = Path(pytester.path / "url").read_text()
    with pytest.raises(URLError):
        urlopen(f"{url}/status", timeout=5)


@contextlib.contextmanager
def well_until_asked_for_a_session() -> Iterator[str]:
    """A server that says it is well, and hangs up on whoever asks it for a session; gives its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"value": {"ready": true, "build": {"version": "3.8.0"}}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)


def test_no_secret_of_the_farm_stands_in_a_failure(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest prints the arguments and locals of frames: the client's hold capabilities and headers."""
    token, key = (f"canary{secrets.token_hex(8)}" for _ in range(2))
    monkeypatch.setenv("AUTORL_FARM_TOKEN", token)
    monkeypatch.setenv("LAB_KEY", key)
    pytester.makepyfile(
        """
        def test_in_the_body(device): device.driver
        def test_in_setup(driver): pass
        """
    )

    with well_until_asked_for_a_session() as url:
        monkeypatch.setenv("AUTORL_FARM_URL", url)
        (pytester.path / "device_farm.yml").write_text(
            f"providers: {{lab: {{type: appium, url: '{url}'}}}}\n"
            "devices: [{id: d, count: 2, provider: lab, platform: android,"
            " capabilities: {'lab:accessKey': '${LAB_KEY}'}}]\n"
        )
        once = ("--autorl-retries", "0")  # one that is lost takes its device out of service
        result = pytester.runpytest_subprocess("-l", "-vv", "--autorl-state", "state.db", "--tb=long", *once)

    result.assert_outcomes(failed=1, errors=1)
    output = result.stdout.str() + result.stderr.str()
    assert "cannot be reached for newSession" in output
    assert token not in output
    assert key not in output


def test_threads_that_share_a_device_share_its_session(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from concurrent.futures import ThreadPoolExecutor
        def test_it(device):
            with ThreadPoolExecutor(4) as threads:
                drivers = list(threads.map(lambda _: device.driver, range(4)))
            assert len({driver.session_id for driver in drivers}) == 1
        """
    )

    run(pytester).assert_outcomes(passed=1)


def test_an_assignment_to_an_async_driver_is_refused(pytester: pytest.Pytester) -> None:
    """`driver.orientation = ...` is a command; on the wrapper it would be lost in silence."""
    pytester.makepyfile(
        """
        import asyncio, pytest
        def test_it(async_driver):
            with pytest.raises(AttributeError, match="await async_driver.run"):
                async_driver.orientation = "LANDSCAPE"
            asyncio.run(async_driver.run(lambda driver: setattr(driver, "orientation", "LANDSCAPE")))
            assert async_driver.sync.orientation == "LANDSCAPE"
        """
    )

    run(pytester).assert_outcomes(passed=1)


def test_rows_of_a_wider_device_end_when_it_is_given_back(pytester: pytest.Pytester) -> None:
    """Another worker may have the device while this one's module is still being torn down."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    for name in ("one", "two"):
        pytester.makepyfile(
            **{
                f"test_{name}": """
        import pytest
        @pytest.fixture(scope="module")
        def outer():
            yield
        @pytest.mark.parametrize("n", range(2))
        def test_it(outer, module_device, n): module_device.driver
        """
            }
        )

    result = run(pytester, "-n", "2", "--dist", "loadfile", farm="virtual:1")

    result.assert_outcomes(passed=4)
    lane = sorted(rows(pytester), key=lambda row: row["start"])
    assert all(later["start"] >= earlier["end"] for earlier, later in itertools.pairwise(lane))
    # The first one may count too, on a busy machine: it is asked how it is.
    result.stdout.re_match_lines([r"[12] tests? waited for a device: "])


def test_allure_names_the_device_of_every_test_of_a_scope(pytester: pytest.Pytester) -> None:
    pytest.importorskip("allure_pytest", reason="allure-pytest is not installed")
    pytester.makepyfile("def test_1(module_device): pass\ndef test_2(module_device): pass")

    run(pytester, "--alluredir", "reports/allure-results").assert_outcomes(passed=2)

    results = [
        json.loads(path.read_text()) for path in pytester.path.glob("reports/allure-results/*-result.json")
    ]
    assert [sum(label["name"] == "device" for label in one["labels"]) for one in results] == [1, 1]


def test_what_goes_wrong_with_an_artefact_never_ends_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(driver):
            driver.get_screenshot_as_png = lambda: None.nothing
            type(driver).page_source = property(lambda self: 1 / 0)
            assert 0
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*screenshot: not taken: AttributeError*",
            "*page-source: not taken: ZeroDivisionError*",
            "*device-log.txt",
        ]
    )


def test_one_dead_device_does_not_fail_the_run(pytester: pytest.Pytester) -> None:
    """The first test that meets it fails; the others take a device that works."""
    (pytester.path / "device_farm.yml").write_text(
        "connection: {connection_timeout: 1.0}\n"
        "devices:\n"
        "  - {id: bad, provider: virtual, platform: android,"
        " virtual: {faults: [{name: hang, after_commands: 3, max_seconds: 20}]}}\n"
        "  - {id: good, provider: virtual, platform: android}\n"
        "  - {id: gone, provider: lab, platform: android}\n"
        "providers: {lab: {type: appium, url: 'http://127.0.0.1:9'}}\n"
    )
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("n", range(8))
        def test_it(driver, n):
            for _ in range(4):
                driver.find_element("id", "username")
        """
    )

    result = pytester.runpytest_subprocess("--autorl-state", "state.db")

    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) + outcomes.get("error", 0) <= 2
    assert outcomes["passed"] >= 6


def test_the_line_that_reproduces_a_failure_can_be_pasted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('q', [\"it's\"])\ndef test_it(device, q): assert 0"
    )
    result = run(pytester)
    (line,) = (line for line in result.outlines if line.startswith("reproduce with: "))

    told = shlex.split(line.removeprefix("reproduce with: "))
    again = pytester.run(sys.executable, "-m", *told)

    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*1 devices (1 android phone)*"])


def test_a_device_asked_for_in_the_middle_of_a_test_is_in_its_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(request):
            request.getfixturevalue("driver")
            assert 0
        """
    )

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["device virtual-*", "*screenshot: reports/artefacts/*"])
    (row,) = rows(pytester)
    assert row["fixture"] == 0  # the session is set-up, the rest of the test is not
    assert 0 < row["setup"] < row["end"] - row["start"]
