"""What may be said of an error of WebDriver: the verdicts that its rules share."""

from __future__ import annotations

from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorSeverity, Strategy
from pytest_autorl.resilience.rule import Verdict

_TRANSIENT, _PERMANENT = ErrorCategory.TRANSIENT, ErrorCategory.PERMANENT
_LOW, _MEDIUM, _HIGH = ErrorSeverity.LOW, ErrorSeverity.MEDIUM, ErrorSeverity.HIGH
_TEST, _APP, _DEVICE = ErrorDomain.TEST, ErrorDomain.APP, ErrorDomain.DEVICE
_SERVER, _FARM = ErrorDomain.SERVER, ErrorDomain.FARM

#: The test was quicker than the app, as a person is not.
RACE = Verdict(_TRANSIENT, _LOW, _APP, Strategy.RETRY, "element", "webdriver")
#: What the test looks for is not there: late, or not to come.
ABSENT = Verdict(_TRANSIENT, _MEDIUM, _APP, Strategy.RETRY, "element", "webdriver")
DIALOG = Verdict(_TRANSIENT, _MEDIUM, _APP, Strategy.DISMISS_DIALOG, "dialog", "webdriver")
NO_DIALOG = Verdict(_TRANSIENT, _MEDIUM, _APP, Strategy.RETRY, "dialog", "webdriver")
LATE = Verdict(_TRANSIENT, _MEDIUM, _APP, Strategy.RETRY, "timeout", "webdriver")
WINDOW_GONE = Verdict(_TRANSIENT, _MEDIUM, _APP, Strategy.RETRY, "session", "webdriver")
APP_DIED = Verdict(_TRANSIENT, _HIGH, _APP, Strategy.RESTART_APP, "app", "webdriver")
PAGE_DIED = Verdict(_TRANSIENT, _HIGH, _APP, Strategy.NEW_SESSION, "app", "webdriver")
APP_IS_SO = Verdict(_PERMANENT, _MEDIUM, _APP, Strategy.FAIL, "app", "webdriver")
SCRIPT = Verdict(_PERMANENT, _MEDIUM, _TEST, Strategy.FAIL, "script", "webdriver")
USAGE = Verdict(_PERMANENT, _MEDIUM, _TEST, Strategy.FAIL, "usage", "webdriver")
SET_UP_WRONG = Verdict(_PERMANENT, _HIGH, _FARM, Strategy.FAIL, "usage", "webdriver")
HOST_LACKS = Verdict(_PERMANENT, _HIGH, _SERVER, Strategy.FAIL, "server", "webdriver")
SESSION_GONE = Verdict(_TRANSIENT, _HIGH, _SERVER, Strategy.NEW_SESSION, "session", "webdriver")
SERVER_SICK = Verdict(_TRANSIENT, _HIGH, _SERVER, Strategy.NEW_SESSION, "server", "webdriver")
SERVER_DOWN = Verdict(_TRANSIENT, _HIGH, _SERVER, Strategy.RESTART_SERVER, "server", "webdriver")
SERVER_FULL = Verdict(_TRANSIENT, _HIGH, _SERVER, Strategy.ELSEWHERE, "server", "webdriver")
SERVER_SILENT = Verdict(_TRANSIENT, _HIGH, _SERVER, Strategy.NEW_SESSION, "timeout", "webdriver")
DEVICE_SICK = Verdict(_TRANSIENT, _HIGH, _DEVICE, Strategy.ELSEWHERE, "device", "webdriver")
DEVICE_REFUSED = Verdict(_TRANSIENT, _HIGH, _DEVICE, Strategy.ELSEWHERE, "session", "webdriver")
SCREEN = Verdict(_TRANSIENT, _MEDIUM, _DEVICE, Strategy.RETRY, "device", "webdriver")
KEYBOARD = Verdict(_TRANSIENT, _MEDIUM, _DEVICE, Strategy.ELSEWHERE, "device", "webdriver")
REQUEST_FAILED = Verdict(_PERMANENT, _MEDIUM, _APP, Strategy.FAIL, "network", "webdriver")
REQUEST_UNLUCKY = Verdict(_TRANSIENT, _MEDIUM, _APP, Strategy.RETRY, "network", "webdriver")
UNKNOWN = Verdict(_TRANSIENT, _MEDIUM, _TEST, Strategy.RETRY, "other", "webdriver")
