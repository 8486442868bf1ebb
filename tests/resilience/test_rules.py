"""Every rule of the table has an example that it is the first to fit, and every class of the clients has a rule."""

from __future__ import annotations

import asyncio
import builtins
import concurrent.futures
import errno
import http.client
import importlib
import inspect
import pkgutil
import queue
import re
import socket
import ssl
import subprocess
import sys
import unittest
import urllib.error
from email.message import Message
from types import SimpleNamespace
from typing import Any

import appium
import hypothesis.errors
import pytest
import selenium
import urllib3
from appium.common.exceptions import NoSuchContextException
from appium.webdriver.appium_service import AppiumStartupError
from selenium.common import exceptions as webdriver
from urllib3 import exceptions as urllib3_errors

from pytest_autorl import errors
from pytest_autorl.resilience.info import ERROR_TYPES, ErrorSeverity
from pytest_autorl.resilience.rules import RULES, rule_for
from pytest_autorl.resilience.symptoms import REFUSED, Symptoms, names_of

pytestmark = pytest.mark.unit

BY_NAME = {rule.name: rule for rule in RULES}


def named(package: str, name: str, *bases: type[BaseException], **attributes: Any) -> BaseException:
    """An exception of a package that need not be installed."""
    made: BaseException = type(name, bases or (Exception,), {"__module__": package, **attributes})("it broke")
    return made


def bidi(name: str) -> BaseException:
    return named("selenium.webdriver.common", name, webdriver.WebDriverException)


def plain(message: str) -> BaseException:
    return webdriver.WebDriverException(message)


def no_session(said: str) -> errors.NoSessionError:
    """As `farm.refusal` makes it."""
    return errors.NoSessionError(f"http://h{REFUSED}: {said}")


def requests_ssl(text: str) -> BaseException:
    connection = type("ConnectionError", (OSError,), {"__module__": "requests.exceptions"})
    return type("SSLError", (connection,), {"__module__": "requests.exceptions"})(text)  # type: ignore[no-any-return]


def os_error(number: int) -> OSError:
    return OSError(number, "it broke")


def response(status: int) -> SimpleNamespace:
    return SimpleNamespace(status_code=status)


def failed(text: str) -> BaseException:
    return pytest.fail.Exception(text)


#: Rule -> exceptions that it is the first to fit.
EXAMPLES: dict[str, list[BaseException]] = {
    "state: damaged or full": [errors.StateDamagedError("x"), errors.StateFullError("x")],
    "state: busy": [errors.StateBusyError("x")],
    "state: unusable": [errors.StateVersionError("x"), errors.StateError("x")],
    "lease: lost": [errors.LeaseLostError("x")],
    "lease: out of service": [errors.OutOfServiceError("x")],
    "lease: none in time": [errors.LeaseTimeoutError("x")],
    "lease: conflict": [errors.LeaseConflictError("x")],
    "lease: other": [errors.LeaseError("x")],
    "session: ended by the test": [errors.SessionEndedError("x")],
    "usage": [errors.UsageError("x"), errors.FeatureNotBuiltError("x"), errors.RequirementError("x")],
    "farm: set up wrongly": [
        errors.FarmFileError("x"),
        errors.NoFarmError("x"),
        errors.UnsatisfiableError("x"),
    ],
    "device: refused the session": [errors.SessionRefusedError("Could not find a driver")],
    "server: no session": [
        errors.NoSessionError("cannot be reached for newSession"),
        # Our own words and the way out are not the server's.
        errors.NoSessionError(
            "http://h refused a session: odd", do="take the port out: too many connected devices"
        ),
        errors.NoSessionError(
            "http://xcodebuild.lab:4723 refused a session: odd", device_id="device not found"
        ),
        errors.NoSessionError("nobody could find a driver there"),
    ],
    "server: down": [errors.ServerDownError("x")],
    "server: answers wrongly": [errors.ServerAnswerError("x")],
    "server: misbehaves": [errors.DeviceProviderError("x")],
    "device: no answer in time": [errors.DeviceTimeoutError("x")],
    "device: sick": [errors.DeviceUnhealthyError("x"), errors.DeviceError("x")],
    "autorl: other": [errors.AutorlError("x")],
    "webdriver: stale element": [
        webdriver.StaleElementReferenceException("x"),
        plain("stale element reference: it is not attached"),
    ],
    "webdriver: stale shadow root": [
        webdriver.DetachedShadowRootException("x"),
        webdriver.NoSuchShadowRootException("x"),
    ],
    "webdriver: click intercepted": [webdriver.ElementClickInterceptedException("x")],
    "webdriver: element not selectable": [webdriver.ElementNotSelectableException("x")],
    "webdriver: element not interactable": [
        webdriver.ElementNotInteractableException("x"),
        webdriver.ElementNotVisibleException("x"),
    ],
    "webdriver: element state": [webdriver.InvalidElementStateException("x")],
    "webdriver: no such element": [webdriver.NoSuchElementException("x"), plain("no such element: nowhere")],
    "webdriver: no such attribute": [webdriver.NoSuchAttributeException("x")],
    "webdriver: no such cookie": [webdriver.NoSuchCookieException("x")],
    "webdriver: timeout": [webdriver.TimeoutException("x"), plain("script timeout: 30 s")],
    "webdriver: dialog in the way": [webdriver.UnexpectedAlertPresentException("x")],
    "webdriver: no dialog": [webdriver.NoAlertPresentException("x")],
    "webdriver: no such window": [
        webdriver.NoSuchWindowException("x"),
        plain("no such window: target window already closed\nfrom unknown error: web view not found"),
    ],
    "webdriver: no such frame": [webdriver.NoSuchFrameException("x")],
    "appium: no such context": [NoSuchContextException("x")],
    "webdriver: no such target": [webdriver.InvalidSwitchToTargetException("x")],
    "webdriver: selector": [webdriver.InvalidSelectorException("x")],
    "webdriver: argument": [
        webdriver.InvalidArgumentException("x"),
        webdriver.InvalidCoordinatesException("x"),
        webdriver.UnexpectedTagNameException("x"),
    ],
    "webdriver: out of bounds": [webdriver.MoveTargetOutOfBoundsException("x")],
    "webdriver: cookie refused": [
        webdriver.InvalidCookieDomainException("x"),
        webdriver.UnableToSetCookieException("x"),
    ],
    "webdriver: certificate": [webdriver.InsecureCertificateException("x")],
    "webdriver: script": [webdriver.JavascriptException("activateApp is not defined")],
    "webdriver: unknown command": [
        webdriver.UnknownMethodException("x"),
        bidi("UnknownCommandException"),
        bidi("UnsupportedOperationException"),
    ],
    "webdriver: session gone": [
        webdriver.InvalidSessionIdException("x"),
        plain("invalid session id: it was deleted"),
    ],
    "webdriver: no keyboard": [
        webdriver.ImeNotAvailableException("x"),
        webdriver.ImeActivationFailedException("x"),
    ],
    "webdriver: no local driver": [webdriver.NoSuchDriverException("x")],
    "bidi: gone meanwhile": [bidi("NoSuchHandleException"), bidi("NoSuchNodeException")],
    "bidi: usage": [bidi("NoSuchScriptException"), bidi("BiDiSerializationError")],
    "bidi: browser does not close": [bidi("UnableToCloseBrowserException")],
    "cdp: connection closed": [named("selenium.webdriver", "CdpConnectionClosed")],
    "cdp: error": [named("selenium.webdriver", "BrowserError"), named("selenium.webdriver", "InternalError")],
    "selenium request: to be repeated": [
        named("selenium.webdriver", "APIRequestFailure", response=SimpleNamespace(status=503))
    ],
    "selenium request: refused": [
        named("selenium.webdriver", "APIRequestFailure", response=SimpleNamespace(status=404))
    ],
    "appium: local server": [AppiumStartupError("x")],
    "appium: instrumentation process gone": [
        plain(
            "'POST /element' cannot be proxied to UiAutomator2 server because the instrumentation process is not "
            "running (probably crashed)"
        ),
        webdriver.SessionNotCreatedException(
            "The instrumentation process cannot be initialized within 30000ms timeout"
        ),
    ],
    "appium: device gone": [
        plain("Device R5CT1 was not in the list of connected devices"),
        plain("Could not find a connected Android device in 20000ms"),
        plain("adb: device offline"),
    ],
    "appium: helper not running": [
        plain("Appium Settings app is not running after 30000ms"),
        no_session("'io.appium.settings' is not running"),
    ],
    "appium: Xcode or Java missing": [
        plain("'xcodebuild' requires Xcode"),
        plain(
            "xcode-select: error: tool 'xcodebuild' requires Xcode, but active developer directory is '/x'"
        ),
    ],
    "appium: WebDriverAgent": [plain("xcodebuild failed with code 65")],
    "appium: device's storage full": [plain("Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE]")],
    "appium: app kept from being installed": [plain("Failure [INSTALL_FAILED_UPDATE_INCOMPATIBLE: ...]")],
    "appium: app cannot be installed": [
        plain("Failure [INSTALL_PARSE_FAILED_NO_CERTIFICATES]"),
        no_session(
            "Error executing adbExec. 'adb install' exited with code 1: INSTALL_FAILED_NO_MATCHING_ABIS"
        ),
    ],
    "webdriver: server's disk full": [
        plain("ENOSPC: no space left on device, write"),
        no_session("ENOSPC: no space left on device, mkdir '/tmp/x'"),
    ],
    "webdriver: port in use": [
        plain("UiAutomator2 Server cannot start because the local port #8300 is busy"),
        plain("listen EADDRINUSE: address already in use :::9515"),
    ],
    "webdriver: server full": [plain("No free slots left"), plain("Too many sessions")],
    "appium: no such driver": [
        plain("Could not find a driver for automationName 'Fake' and platformName 'Nope'"),
        no_session("Could not find a driver for automationName 'X'"),
    ],
    "appium: feature not allowed": [plain("Potentially insecure feature 'adb_shell' has not been enabled.")],
    "webdriver: capabilities": [
        webdriver.SessionNotCreatedException("'platformName' can't be blank"),
        plain(
            "A new session could not be created. Details: session not created: No matching capabilities found"
        ),
        no_session("Session capabilities were not valid for the following reason(s): ..."),
        webdriver.SessionNotCreatedException("Missing or invalid capabilities"),
    ],
    "webdriver: browser profile in use": [
        plain(
            "session not created: probably user data directory is already in use, please specify a unique value"
        )
    ],
    "appium: no such activity": [
        plain("Activity name '.Foo' used to start the app doesn't exist or cannot be launched!"),
        plain("Error type 3: Activity class {com.app/com.app.Foo} does not exist."),
    ],
    "appium: app not found": [no_session("The application at '/no.apk' does not exist or is not accessible")],
    "webdriver: wrong address": [
        no_session("The requested resource could not be found"),
        webdriver.SessionNotCreatedException("Unknown command"),
        plain("session not created: unknown command"),
    ],
    "appium: file not on the device": [
        plain("Remote path '/sdcard/x' ENOENT: no such file or directory, open '/sdcard/x'"),
        plain(
            "Command 'adb pull /sdcard/x' exited with code 1; adb: error: failed to stat remote object '/sdcard/x'"
        ),
    ],
    "webdriver: driver and browser do not fit": [
        plain("session not created: This version of ChromeDriver only supports Chrome version 114"),
        plain("This version of Microsoft Edge WebDriver only supports Microsoft Edge version 120"),
    ],
    "webdriver: host lacks something": [
        plain("No Chromedriver found that can automate Chrome '113'"),
        plain("session not created\nfrom unknown error: no chrome binary at /opt/chrome"),
        plain("Trying to use a chromedriver binary at the path /opt/chromedriver, but it doesn't exist!"),
        plain("spawn /opt/sdk/adb ENOENT"),
        plain("ENOENT: no such file or directory, open '/opt/appium/x.json'"),
        no_session("Neither ANDROID_HOME nor ANDROID_SDK_ROOT environment variable was exported"),
    ],
    "appium: adb": [
        plain("Error executing adbExec. Original error: 'adb: error: cannot connect to daemon'"),
        plain("adb: protocol fault (couldn't read status)"),
        plain("Command 'adb shell ls' exited with code 1; Stderr: 'error: closed'"),
    ],
    "appium: adb failed for a session": [
        no_session(
            "Error executing adbExec. Original error: 'Command 'adb shell pm grant x' exited with code 255'"
        ),
        webdriver.SessionNotCreatedException("Command '/opt/adb install x.apk' timed out after 20000ms"),
    ],
    "appium: adb failed": [
        plain("Error executing adbExec. Original error: 'Command /bin/adb exited with code 1'"),
        plain(
            "Command 'adb -s x shell pm grant com.a CAMERA' exited with code 255; java.lang.SecurityException"
        ),
        plain("Command 'adb -s x shell am start -n a/.B' exited with code 1; Stderr: 'Permission Denial'"),
        plain("Command 'adb -s x shell sleep 60' timed out after 20000ms"),
    ],
    "webdriver: page crashed": [
        plain("unknown error: session deleted because of page crash\nfrom tab crashed"),
        plain("tab crashed"),
    ],
    "webdriver: window closed": [plain("unknown error: web view not found")],
    "webdriver: page's certificate": [
        plain("unknown error: net::ERR_CERT_DATE_INVALID\n  (Session info: chrome=150.0.7871.100)"),
        plain("unknown error: net::ERR_CERT_AUTHORITY_INVALID"),
    ],
    "webdriver: page not loaded": [
        plain("unknown error: net::ERR_CONNECTION_REFUSED\n  (Session info: chrome=150.0.7871.100)"),
        plain("unknown error: net::ERR_NAME_NOT_RESOLVED"),
        plain("unknown error: net::ERR_CONNECTION_RESET"),
        plain("unknown error: net::ERR_SSL_PROTOCOL_ERROR"),
    ],
    "webdriver: browser gone": [
        plain("chrome not reachable"),
        plain("disconnected: not connected to DevTools"),
        plain("ChromeDriver crashed during startup."),
        plain("A session was terminated"),
        plain("A new session could not be created. Details: session not created: Chrome instance exited."),
    ],
    "appium: app died": [
        plain("The application under test with bundle id 'com.app' is not running, possibly crashed"),
        plain("com.app: the app keeps stopping"),
    ],
    "appium: app does not respond": [plain("ANR in com.app"), plain("App isn't responding")],
    "appium: app does not start": [plain("'com.app.Main' or 'com.app' never started. Current: launcher")],
    "webdriver: no answer in time": [
        plain("timeout of 240000ms exceeded"),
        plain("Timed out waiting for response to BiDi command 7"),
    ],
    "webdriver: connection behind the server": [
        plain("Could not proxy. Original error: socket hang up"),
        plain(
            "Could not proxy command to the remote server. Original error: connect ECONNREFUSED 127.0.0.1:1"
        ),
        plain("read ECONNRESET"),
        plain("502 Bad Gateway"),
    ],
    "webdriver: secure screen": [plain("Does the current view have 'secure' flag set?")],
    "webdriver: wrong context": [
        plain("That command could not be executed in the current context."),
    ],
    "webdriver: not implemented": [plain("Method has not yet been implemented")],
    "webdriver: local driver": [plain("Unable to obtain driver for chrome using Selenium Manager")],
    "webdriver: client's usage": [
        plain("You can only set the orientation to 'LANDSCAPE' and 'PORTRAIT'"),
        plain("tag_name can not be null"),
    ],
    "webdriver: session refused": [webdriver.SessionNotCreatedException("the device is asleep")],
    "webdriver: no screenshot": [webdriver.ScreenshotException("x")],
    "bidi: unknown error": [bidi("UnknownErrorException")],
    "appium: session refused": [
        plain("A new session could not be created. Details: session not created: this Chrome is too old")
    ],
    "webdriver: other": [plain("something odd"), webdriver.WebDriverException(None)],
    "urllib3: wrong address or header": [
        urllib3_errors.LocationParseError("x"),
        urllib3_errors.ProxySchemeUnknown("x"),
        urllib3_errors.InvalidHeader("x"),
    ],
    "urllib3: usage": [urllib3_errors.UnrewindableBodyError("x"), urllib3_errors.ResponseNotChunked("x")],
    "urllib3: warning": [urllib3_errors.InsecureRequestWarning("x")],
    "tls: certificate": [
        ssl.SSLCertVerificationError("x"),
        named("urllib3.util", "CertificateError", ValueError),
        named("aiohttp.client_exceptions", "ClientConnectorCertificateError"),
    ],
    "urllib3: certificate refused": [urllib3_errors.SSLError("certificate verify failed")],
    "urllib3: connection": [
        urllib3_errors.ProxyError("x", OSError()),
        urllib3_errors.NewConnectionError(None, "refused"),  # type: ignore[arg-type]
        urllib3_errors.SSLError("unexpected end"),
    ],
    "urllib3: timeout": [
        urllib3_errors.ReadTimeoutError(None, "/", "slow"),  # type: ignore[arg-type]
        urllib3_errors.ConnectTimeoutError("slow"),
        urllib3_errors.TimeoutError("slow"),
    ],
    "urllib3: tries used up": [urllib3_errors.MaxRetryError(None, "/")],  # type: ignore[arg-type]
    "urllib3: broken answer": [
        urllib3_errors.ProtocolError("Connection broken"),
        urllib3_errors.DecodeError("x"),
        urllib3_errors.IncompleteRead(1, 2),
    ],
    "urllib3: other": [urllib3_errors.HTTPError("x")],
    "http: to be repeated": [
        urllib.error.HTTPError("http://h", 503, "busy", Message(), None),
        named("httpx", "HTTPStatusError", response=response(429)),
    ],
    "http: refused": [
        named("requests.exceptions", "HTTPError", OSError, response=response(404)),
        named("aiohttp.client_exceptions", "ClientResponseError", status=401),
    ],
    "http: wrong address": [
        named("requests.exceptions", "MissingSchema", OSError),
        named("httpx", "InvalidURL"),
    ],
    "http: certificate refused": [
        requests_ssl("Max retries exceeded (Caused by SSLError('[SSL: CERTIFICATE_VERIFY_FAILED] expired'))"),
        urllib.error.URLError(ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] expired")),
    ],
    "http: timeout": [
        named("requests.exceptions", "Timeout", OSError),
        named("httpx", "TimeoutException"),
    ],
    "http: connection": [
        named("requests.exceptions", "ConnectionError", OSError),
        urllib.error.URLError("x"),
        requests_ssl("unexpected end of the connection to http://h/certificate"),
    ],
    "http.client: usage": [http.client.CannotSendRequest("x"), http.client.InvalidURL("x")],
    "http.client: broken answer": [
        http.client.RemoteDisconnected("x"),
        http.client.IncompleteRead(b""),
    ],
    # Its number is one of TLS's: it is not EIO.
    "tls: broken": [ssl.SSLError(5, "x"), ssl.SSLSyscallError(5, "x"), ssl.SSLEOFError(8, "x")],
    "dns: name not resolved": [socket.gaierror(-2, "x"), socket.herror(1, "x")],
    "os: disk full": [OSError(errno.ENOSPC, "it broke", "/var/report.xml")],
    "os: disk quota used up": [os_error(errno.EDQUOT)],
    "os: memory or file table exhausted": [os_error(errno.ENOMEM), os_error(errno.ENFILE)],
    "os: too many open files": [os_error(errno.EMFILE)],
    "os: network": [os_error(errno.EADDRINUSE), ConnectionRefusedError(errno.ECONNREFUSED, "x")],
    "os: network timeout": [TimeoutError(errno.ETIMEDOUT, "x")],
    "os: try again": [BlockingIOError(errno.EAGAIN, "x")],
    "connection: broken": [ConnectionResetError(), asyncio.IncompleteReadError(b"", 3)],
    "pytest: timeout": [failed("Timeout >5.0s"), failed("Timeout (>5.0s) from pytest-timeout.")],
    "pytest: skipped or expected": [
        pytest.skip.Exception("x"),
        pytest.xfail.Exception("x"),
        unittest.SkipTest("x"),
    ],
    "pytest: failed": [failed("Expected the Timeout >5.0s to be 3 s")],
    "pytest: usage": [pytest.UsageError("x"), pytest.Collector.CollectError("x")],
    "hypothesis: deadline": [
        named("hypothesis.errors", "DeadlineExceeded", hypothesis.errors.HypothesisException)
    ],
    "hypothesis: flaky": [hypothesis.errors.FlakyReplay("x")],
    "hypothesis: usage": [hypothesis.errors.Unsatisfiable("x"), hypothesis.errors.FailedHealthCheck("x")],
    "python: timeout": [
        TimeoutError(),
        asyncio.TimeoutError(),
        concurrent.futures.TimeoutError(),
        subprocess.TimeoutExpired("x", 1),
        queue.Empty(),
        queue.Full(),
    ],
    "python: cancelled": [asyncio.CancelledError(), concurrent.futures.BrokenExecutor()],
    "asyncio: usage": [asyncio.InvalidStateError(), asyncio.QueueEmpty()],
    "process: failed": [subprocess.CalledProcessError(1, "x")],
    "assertion": [AssertionError(), unittest.TestCase.failureException()],
    "python: no memory": [MemoryError()],
    "python: recursion": [RecursionError()],
    "python: not implemented": [NotImplementedError()],
    "python: import or syntax": [ModuleNotFoundError(), IndentationError()],
    "python: interpreter": [SystemError()],
    "python: exit": [SystemExit(), KeyboardInterrupt(), GeneratorExit(), pytest.exit.Exception("x")],
    "python: warning": [DeprecationWarning()],
    "python: OSError": [
        FileNotFoundError(errno.ENOENT, "x"),
        OSError("x"),
        # The end of a terminal, a medium that is read-only by intent, and the limit of inotify's watches.
        os_error(errno.EIO),
        OSError(errno.EROFS, "it broke", "/proc/x"),
        os_error(errno.ENOSPC),
    ],
    "python: error": [
        KeyError(),
        ValueError(),
        TypeError(),
        AttributeError(),
        ZeroDivisionError(),
        EOFError(),
    ],
    "group": [named("exceptiongroup", "BaseExceptionGroup")],
    "other": [Exception(), RuntimeError(), BaseException()],
}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_rule_is_the_first_to_fit_its_examples(name: str) -> None:
    for example in EXAMPLES[name]:
        assert rule_for(Symptoms(example)).name == name, repr(example)


def test_rules_have_names_of_their_own_and_known_error_types() -> None:
    assert len(BY_NAME) == len(RULES)
    assert set(EXAMPLES) == set(BY_NAME)
    assert {rule.verdict.error_type for rule in RULES} <= set(ERROR_TYPES)


def test_patterns_are_in_lower_case_and_have_no_endless_gaps() -> None:
    """The text they search is in lower case; a gap without a bound makes a long one slow."""
    patterns = [rule.message.pattern for rule in RULES if rule.message is not None]
    assert patterns
    for pattern in patterns:
        plain_words = re.sub(r"\\.", "", pattern)
        assert plain_words == plain_words.lower()
        assert ".*" not in pattern
        assert ".+" not in pattern


def test_what_can_no_longer_be_trusted_and_nothing_else_is_critical() -> None:
    found = {rule.name for rule in RULES if rule.verdict.severity is ErrorSeverity.CRITICAL}
    assert found == {
        "state: damaged or full",
        "os: disk full",
        "os: disk quota used up",
        "os: memory or file table exhausted",
        "python: no memory",
    }


#: Bases that say nothing of a client's class.
PYTHONS = {name for rule in RULES for name in rule.types if name.startswith("builtins.")}


def _classes(package: Any) -> set[type[BaseException]]:
    """Every exception class that a package defines, in all of its modules that can be imported here."""
    found: set[type[BaseException]] = set()
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda name: None):
        try:
            module = importlib.import_module(info.name)
        except Exception:  # needs what is not installed: pyOpenSSL, h2, a browser's Python
            continue
        for value in vars(module).values():
            if not inspect.isclass(value) or not issubclass(value, BaseException):
                continue
            if value.__module__.partition(".")[0] == package.__name__:
                found.add(value)
    return found


def unnamed(classes: set[type[BaseException]]) -> list[type[BaseException]]:
    """Those that no rule names, nor one of their bases, but for the last rule of a family."""
    names = {name for rule in RULES for name in rule.types}
    lasts = {name for rule in RULES if rule.is_last for name in rule.types}
    telling = names - lasts - PYTHONS
    return [
        cls
        for cls in classes
        if f"{cls.__module__.partition('.')[0]}.{cls.__qualname__}" not in names
        and names_of(cls).isdisjoint(telling)
    ]


def test_a_class_that_a_client_has_added_is_found() -> None:
    new = type(named("selenium.common.exceptions", "BrandNewException", webdriver.WebDriverException))
    other = type(named("urllib3.exceptions", "BrandNewError", urllib3_errors.HTTPError, ValueError))
    assert unnamed({new, other, webdriver.TimeoutException}) in ([new, other], [other, new])


@pytest.mark.parametrize("package", [selenium, appium, urllib3], ids=lambda package: package.__name__)
@pytest.mark.filterwarnings("ignore")  # modules that are deprecated say so when they are imported
def test_every_exception_class_of_the_clients_has_a_rule_that_names_it(package: Any) -> None:
    """A new one fails here until somebody has thought about it: what takes the rest does not count."""
    classes = _classes(package)
    assert len(classes) >= {"selenium": 50, "appium": 3, "urllib3": 35}[package.__name__]
    assert unnamed(classes) == []
    # A rule names package and class only, so that no two may share both.
    assert len({cls.__qualname__ for cls in classes}) == len(classes)


def test_every_error_of_ours_has_a_rule_that_names_it() -> None:
    named_types = {name for rule in RULES for name in rule.types}
    own = {
        f"pytest_autorl.{name}"
        for name, cls in vars(errors).items()
        if inspect.isclass(cls) and issubclass(cls, errors.AutorlError)
    }
    assert own
    assert own <= named_types


def test_pytests_own_names_are_those_of_the_table() -> None:
    """They are private in part, and would move without a word."""
    assert "_pytest.FixtureLookupError" in names_of(pytest.FixtureLookupError)
    assert "builtins.Failed" in names_of(pytest.fail.Exception)
    assert "_pytest.Exit" in names_of(pytest.exit.Exception)


def test_a_subclass_is_classified_as_its_base_until_a_rule_names_it() -> None:
    class LoginTimeout(webdriver.TimeoutException):
        pass

    assert "selenium.TimeoutException" in names_of(LoginTimeout)
    assert rule_for(Symptoms(LoginTimeout("x"))).name == "webdriver: timeout"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the builtin came with Python 3.11")
def test_a_group_of_the_language_is_a_group() -> None:
    group = vars(builtins)["ExceptionGroup"]("x", [ValueError()])
    assert rule_for(Symptoms(group)).name == "group"
