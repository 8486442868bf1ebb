"""How a plain WebDriverException ("unknown error") and a refused session are classified: only the message tells.

The messages are those of Appium 3 with its UiAutomator2, XCUITest and Chromium drivers, of ChromeDriver and of the
Selenium client. The table is the only one of messages: what a server says of a session that it refuses means the same
in our NoSessionError as in the client's SessionNotCreatedException; `farm.refusal` makes the one of the other by it.
"""

from __future__ import annotations

from typing import Final

from pytest_autorl.resilience import webdriver_verdicts as verdict
from pytest_autorl.resilience.rule import Rule, Verdict, words
from pytest_autorl.resilience.symptoms import NO_SESSION, WEBDRIVER

_ADB_FAILED: Final = r"\badb(exec)?\b.{0,900}(exited with code|timed out)|\badb: error|adb: failed"


def _said(name: str, says: Verdict, *alternatives: str, why: str = "") -> Rule:
    """A rule for what is said of a command or of a session, by its message."""
    return Rule(name=name, types=(WEBDRIVER, NO_SESSION), verdict=says, message=words(*alternatives), why=why)


def _said_of_session(name: str, says: Verdict, *alternatives: str, why: str = "") -> Rule:
    """The same for what means this only when it is said of a session that was asked for."""
    return Rule(
        name=name,
        types=("selenium.SessionNotCreatedException", NO_SESSION),
        w3c=("session not created",),
        verdict=says,
        message=words(*alternatives),
        why=why,
    )


RULES: Final = (
    # The device first: its messages hold words of what follows.
    _said(
        "appium: instrumentation process gone",
        verdict.DEVICE_SICK,
        r"instrumentation process",
        why="its server on the device, or the device's adb daemon, has ended; the next session may take minutes to "
        "fail, so that another device is the quicker way",
    ),
    _said(
        "appium: device gone",
        verdict.DEVICE_SICK,
        r"connected (android )?devices?\b|no devices/emulators found|unknown device|lost connection to the device",
        r"\bdevice\b.{0,80}\b(not found|offline|unauthorized)",
    ),
    _said(
        "appium: helper not running",
        verdict.DEVICE_SICK,
        r"\bappium settings( app)?\b.{0,60}not running|\bio\.appium\.settings\b.{0,200}not running",
        why="Appium's own app on the device, not the one under test",
    ),
    _said(
        "appium: Xcode or Java missing",
        verdict.HOST_LACKS,
        r"requires.{0,60}(xcode|java)",
        why="before the next one: `xcodebuild` that is missing is no device's",
    ),
    _said(
        "appium: WebDriverAgent",
        verdict.DEVICE_SICK,
        r"webdriveragent|xcodebuild|\bwda\b|testmanagerd",
    ),
    _said(
        "appium: device's storage full",
        verdict.DEVICE_SICK,
        r"insufficient_storage|insufficient storage|not enough (storage|space)",
        why="of this device only, and another one has room; our own disk is another matter",
    ),
    _said(
        "appium: app kept from being installed",
        verdict.DEVICE_SICK,
        r"install_failed_(update_incompatible|version_downgrade|already_exists|uid_changed|shared_user)",
        why="by what an earlier run has left on this device",
    ),
    _said(
        "appium: app cannot be installed",
        verdict.APP_IS_SO,
        r"install_failed|install_parse_failed",
    ),
    _said("webdriver: server's disk full", verdict.SERVER_FULL, r"\benospc\b|no space left on device"),
    _said(
        "webdriver: port in use",
        verdict.SERVER_SICK,
        r"port #?\d* ?is (busy|(already )?(in use|occupied))|\beaddrinuse\b|address already in use",
    ),
    _said(
        "webdriver: server full",
        verdict.SERVER_FULL,
        r"too many|no (free|available) (slot|node|session)|queue (is full|timed? ?out)",
    ),
    # How a session was asked for, or its server set up: the same again fails again, on whatever device.
    _said("appium: no such driver", verdict.SET_UP_WRONG, r"could not find (a|installed) driver"),
    _said("appium: feature not allowed", verdict.SET_UP_WRONG, r"potentially insecure feature"),
    _said(
        "webdriver: capabilities",
        verdict.SET_UP_WRONG,
        r"capabilit(y|ies)\b.{0,90}(not valid|invalid|did not have|must )|invalid capabilit(y|ies)\b",
        r"(could not find|no) matching capabilities",
        r"can't be blank|must be of type|mutually exclusive|only supports w3c",
    ),
    _said(
        "webdriver: browser profile in use",
        verdict.SET_UP_WRONG,
        r"user data directory is already in use",
        why="two sessions are told to use the same one, and will be told so again",
    ),
    _said(
        "appium: no such activity",
        verdict.APP_IS_SO,
        r"\bactivity\b.{0,300}(doesn.t|does not) exist",
        why="this build of the app does not have it, on whatever device",
    ),
    _said(
        "appium: app not found",
        verdict.SET_UP_WRONG,
        r"cannot (fetch|download) the app|new app path",
        r"\bapp(lication)?\b.{0,200}(does not exist|not accessible)",
    ),
    _said_of_session(
        "webdriver: wrong address",
        verdict.SET_UP_WRONG,
        r"unknown (command|method)|requested resource could not be found",
        why="a server that knows no command to begin a session is asked at the wrong path",
    ),
    _said(
        "appium: file not on the device",
        verdict.UNKNOWN,
        r"\bremote (path|object)\b",
        why="the test's own; what the app writes may come late",
    ),
    _said(
        "webdriver: driver and browser do not fit",
        verdict.HOST_LACKS,
        r"\bonly supports\b.{0,40}\bversion \d",
    ),
    _said(
        "webdriver: host lacks something",
        verdict.HOST_LACKS,
        r"android_home|android_sdk_root|java_home|could not find '?adb|chrome ?binary|unable to find executable",
        r"\bspawn\b.{0,200}\benoent\b|\benoent: no such file or directory, ",
        r"no chromedriver found|chromedriver binary at the path.{0,200}doesn.t exist",
        why="programs and files of the server's host; a file that is not on the device is another matter",
    ),
    _said(
        "appium: adb",
        verdict.DEVICE_SICK,
        r"protocol fault|\berror: closed|cannot connect to (the )?(adb )?daemon|\badb\b.{0,80}cannot connect",
        why="adb's own words; those for a device that is gone have come before",
    ),
    _said_of_session("appium: adb failed for a session", verdict.DEVICE_REFUSED, _ADB_FAILED),
    _said(
        "appium: adb failed",
        verdict.UNKNOWN,
        _ADB_FAILED,
        why="most often a shell command of the test's own that has failed on the device, and would on any",
    ),
    _said(
        "webdriver: page crashed",
        verdict.PAGE_DIED,
        r"\b(tab|page|renderer|target)\b.{0,20}\bcrash|crashed (tab|page)",
        why="its session went with it",
    ),
    _said(
        "webdriver: window closed",
        verdict.WINDOW_GONE,
        r"web view not found|target (window )?(already )?closed",
    ),
    _said(
        "webdriver: page's certificate",
        verdict.APP_IS_SO,
        r"\bnet::err_(cert|ssl_pinned|ssl_client_auth_cert|bad_ssl_client_auth_cert)",
        why="as the class for it: it is that of the site under test",
    ),
    _said(
        "webdriver: page not loaded",
        verdict.REQUEST_UNLUCKY,
        r"\bnet::err_",
        why="the browser's own words for it: what serves the page is down, slow or unknown",
    ),
    _said(
        "webdriver: browser gone",
        verdict.SESSION_GONE,
        r"chrome not reachable|chrome (failed to start|instance exited)|devtoolsactiveport",
        r"chrome ?driver.{0,40}(crash|exited)",
        r"\bdisconnected\b|not connected to devtools|unable to connect to renderer|closed the connection",
        r"session (was |has been )?(deleted|terminated)|exited unexpectedly",
    ),
    _said(
        "appium: app died",
        verdict.APP_DIED,
        r"\b(app|application|activity|process)\b.{0,200}\b(crashed|died|has stopped|keeps stopping|not running)",
        r"\bapp(lication)?\b.{0,200}\bterminated unexpectedly",
    ),
    _said(
        "appium: app does not respond",
        verdict.APP_DIED,
        r"\banr\b|isn.t responding|\b(app|application|activity)\b.{0,100}not responding",
    ),
    _said(
        "appium: app does not start",
        verdict.APP_DIED,
        r"never started|cannot (start|launch) (the|app)",
        why="slow to start more often than broken: a broken one fails in every test",
    ),
    _said(
        "webdriver: no answer in time",
        verdict.SERVER_SILENT,
        r"timed out (waiting for response|receiving message)|timeout of \d+ ?ms exceeded|\betimedout\b",
    ),
    _said(
        "webdriver: connection behind the server",
        verdict.SERVER_SICK,
        r"socket hang up|could not proxy|cannot be proxied|\beconn(reset|refused|aborted)\b|\bepipe\b",
        r"\behostunreach\b|bad gateway|service unavailable|gateway time",
    ),
    _said(
        "webdriver: secure screen",
        verdict.APP_IS_SO,
        r"'secure' flag|flag_secure",
        why="the app forbids pictures of it",
    ),
    _said(
        "webdriver: wrong context",
        verdict.USAGE,
        r"could not be executed in the current context",
    ),
    _said(
        "webdriver: not implemented",
        verdict.USAGE,
        r"unknown (command|method)|requested resource could not be found|not (yet )?(been )?implemented",
    ),
    _said(
        "webdriver: local driver",
        verdict.HOST_LACKS,
        r"selenium manager|unable to obtain driver|service path|can ?not connect to the service",
        r"\bservice\b.{0,200}unexpectedly exited|se_manager_path|unsupported platform/architecture",
    ),
    _said(
        "appium: session refused",
        verdict.DEVICE_REFUSED,
        r"a new session could not be created",
        why='the Chromium driver wraps ChromeDriver\'s "session not created" so, and calls it unknown',
    ),
    _said(
        "webdriver: client's usage",
        verdict.USAGE,
        r"you (can only set|may not set|must enable)|must be a positive number|can ?not be null|must be nested",
        r"must be (supplied|given)|must be set to|has to be instance of|when calling (above|below|near|to_)",
    ),
)
