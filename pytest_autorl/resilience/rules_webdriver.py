"""How errors of WebDriver are classified: Selenium's and Appium's classes, W3C error strings, then messages.

A class of its own counts before the message: the server has then understood the command and says what came of it.
"""

from __future__ import annotations

from typing import Final

from pytest_autorl.resilience import rules_messages
from pytest_autorl.resilience import webdriver_verdicts as verdict
from pytest_autorl.resilience.rule import Rule
from pytest_autorl.resilience.symptoms import WEBDRIVER


def _of(*classes: str) -> tuple[str, ...]:
    return tuple(f"selenium.{name}" for name in classes)


_BY_CLASS = (
    Rule(
        name="webdriver: stale element",
        types=_of("StaleElementReferenceException"),
        w3c=("stale element reference",),
        verdict=verdict.RACE,
    ),
    Rule(
        name="webdriver: stale shadow root",
        types=_of("DetachedShadowRootException", "NoSuchShadowRootException"),
        w3c=("detached shadow root", "no such shadow root"),
        verdict=verdict.RACE,
        why="Appium's client raises NoSuchShadowRootException for a detached one too",
    ),
    Rule(
        name="webdriver: click intercepted",
        types=_of("ElementClickInterceptedException"),
        w3c=("element click intercepted",),
        verdict=verdict.RACE,
        why="what lies over an element is an animation more often than a dialog, and soon over",
    ),
    Rule(
        name="webdriver: element not selectable",
        types=_of("ElementNotSelectableException"),
        w3c=("element not selectable",),
        verdict=verdict.USAGE,
        why="a matter of its kind, which does not change",
    ),
    Rule(
        name="webdriver: element not interactable",
        types=_of("ElementNotInteractableException", "ElementNotVisibleException"),
        w3c=("element not interactable", "element not visible"),
        verdict=verdict.RACE,
    ),
    Rule(
        name="webdriver: element state",
        types=_of("InvalidElementStateException"),
        w3c=("invalid element state",),
        verdict=verdict.RACE,
        why="disabled or read-only, most often until something has loaded",
    ),
    Rule(
        name="webdriver: no such element",
        types=_of("NoSuchElementException"),
        w3c=("no such element",),
        verdict=verdict.ABSENT,
        why="after a navigation more often a race than a wrong locator; a wrong one fails in every attempt, so that "
        "a retry costs time and hides nothing",
    ),
    Rule(
        name="webdriver: no such attribute",
        types=_of("NoSuchAttributeException"),
        verdict=verdict.ABSENT,
        why="set late, like the element itself",
    ),
    Rule(
        name="webdriver: no such cookie",
        types=_of("NoSuchCookieException"),
        w3c=("no such cookie",),
        verdict=verdict.ABSENT,
        why="the app's server sets it with some later answer",
    ),
    Rule(
        name="webdriver: timeout",
        types=_of("TimeoutException"),
        w3c=("timeout", "script timeout"),
        verdict=verdict.LATE,
        why="a wait of the test, a page load or a script; a device or server that does not answer at all ends in an "
        "error of ours or of the transport",
    ),
    Rule(
        name="webdriver: dialog in the way",
        types=_of("UnexpectedAlertPresentException"),
        w3c=("unexpected alert open",),
        verdict=verdict.DIALOG,
    ),
    Rule(
        name="webdriver: no dialog",
        types=_of("NoAlertPresentException"),
        w3c=("no such alert",),
        verdict=verdict.NO_DIALOG,
        why="it comes late, as an element does",
    ),
    Rule(
        name="webdriver: no such window",
        types=_of("NoSuchWindowException"),
        w3c=("no such window",),
        verdict=verdict.WINDOW_GONE,
        why="a window or web view that is not open yet, or was closed by the app",
    ),
    Rule(
        name="webdriver: no such frame",
        types=_of("NoSuchFrameException"),
        w3c=("no such frame",),
        verdict=verdict.ABSENT,
    ),
    Rule(
        name="appium: no such context",
        types=("appium.NoSuchContextException",),
        verdict=verdict.WINDOW_GONE,
        why="a web view is listed only once it has something to show",
    ),
    Rule(
        name="webdriver: no such target",
        types=_of("InvalidSwitchToTargetException"),
        verdict=verdict.WINDOW_GONE,
    ),
    Rule(
        name="webdriver: selector",
        types=_of("InvalidSelectorException"),
        w3c=("invalid selector",),
        verdict=verdict.USAGE,
    ),
    Rule(
        name="webdriver: argument",
        types=_of("InvalidArgumentException", "InvalidCoordinatesException", "UnexpectedTagNameException"),
        w3c=("invalid argument", "invalid coordinates"),
        verdict=verdict.USAGE,
    ),
    Rule(
        name="webdriver: out of bounds",
        types=_of("MoveTargetOutOfBoundsException"),
        w3c=("move target out of bounds",),
        verdict=verdict.USAGE,
        why="coordinates that are not on this screen; the test counts on another size",
    ),
    Rule(
        name="webdriver: cookie refused",
        types=_of("InvalidCookieDomainException", "UnableToSetCookieException"),
        w3c=("invalid cookie domain", "unable to set cookie"),
        verdict=verdict.USAGE,
    ),
    Rule(
        name="webdriver: certificate",
        types=_of("InsecureCertificateException"),
        w3c=("insecure certificate",),
        verdict=verdict.APP_IS_SO,
        why="it is that of the site under test",
    ),
    Rule(
        name="webdriver: script",
        types=_of("JavascriptException"),
        w3c=("javascript error",),
        verdict=verdict.SCRIPT,
        why="a script of the test that breaks is a mistake in it; `mobile:` commands that a driver does not know end "
        "here as well",
    ),
    Rule(
        name="webdriver: unknown command",
        types=_of("UnknownMethodException", "UnknownCommandException", "UnsupportedOperationException"),
        w3c=("unknown command", "unknown method", "unsupported operation"),
        verdict=verdict.USAGE,
        why="this driver does not have it, and will not have it the next time",
    ),
    Rule(
        name="webdriver: session gone",
        types=_of("InvalidSessionIdException"),
        w3c=("invalid session id",),
        verdict=verdict.SESSION_GONE,
    ),
    Rule(
        name="webdriver: no keyboard",
        types=_of("ImeNotAvailableException", "ImeActivationFailedException"),
        verdict=verdict.KEYBOARD,
        why="input methods are the device's; another one may have them",
    ),
    Rule(name="webdriver: no local driver", types=_of("NoSuchDriverException"), verdict=verdict.HOST_LACKS),
    Rule(
        name="bidi: gone meanwhile",
        types=_of(
            "NoSuchHandleException",
            "NoSuchNetworkDataException",
            "NoSuchNodeException",
            "NoSuchRequestException",
            "UnavailableNetworkDataException",
        ),
        verdict=verdict.RACE,
        why="the page has moved on, and what was of it is no more",
    ),
    Rule(
        name="bidi: usage",
        types=_of(
            "BiDiSerializationError",
            "InvalidWebExtensionException",
            "NoSuchHistoryEntryException",
            "NoSuchInterceptException",
            "NoSuchNetworkCollectorException",
            "NoSuchScreencastException",
            "NoSuchScriptException",
            "NoSuchStoragePartitionException",
            "NoSuchUserContextException",
            "NoSuchWebExtensionException",
            "UnableToSetFileInputException",
            "UnderspecifiedStoragePartitionException",
        ),
        verdict=verdict.USAGE,
        why="things that the test itself makes, names and ends",
    ),
    Rule(
        name="bidi: browser does not close",
        types=_of("UnableToCloseBrowserException"),
        verdict=verdict.SESSION_GONE,
    ),
    Rule(name="cdp: connection closed", types=_of("CdpConnectionClosed"), verdict=verdict.SESSION_GONE),
    Rule(
        name="cdp: error",
        types=_of("BrowserError", "InternalError"),
        verdict=verdict.UNKNOWN,
        why="the browser names a number and a text of its own",
    ),
    Rule(
        name="selenium request: to be repeated",
        types=_of("APIRequestFailure"),
        statuses=(408, 425, 429, *range(500, 600)),
        verdict=verdict.REQUEST_UNLUCKY,
    ),
    Rule(
        name="selenium request: refused",
        types=_of("APIRequestFailure"),
        verdict=verdict.REQUEST_FAILED,
    ),
    Rule(
        name="appium: local server",
        types=("appium.AppiumServiceError", "appium.AppiumStartupError"),
        verdict=verdict.SERVER_DOWN,
    ),
)

_BY_CLASS_AFTER_MESSAGE = (
    Rule(
        name="webdriver: session refused",
        types=_of("SessionNotCreatedException"),
        w3c=("session not created",),
        verdict=verdict.DEVICE_REFUSED,
        why="of the reasons that are not the device's the message has told",
    ),
    Rule(
        name="webdriver: no screenshot",
        types=_of("ScreenshotException"),
        w3c=("unable to capture screen",),
        verdict=verdict.SCREEN,
    ),
    Rule(
        name="bidi: unknown error",
        types=_of("UnknownErrorException"),
        verdict=verdict.UNKNOWN,
        why="see the last one",
    ),
    Rule(
        name="webdriver: other",
        types=(WEBDRIVER,),
        verdict=verdict.UNKNOWN,
        is_last=True,
        why="the server did not know itself: another try tells, but nothing says that a device is to blame",
    ),
)

RULES: Final = (*_BY_CLASS, *rules_messages.RULES, *_BY_CLASS_AFTER_MESSAGE)
