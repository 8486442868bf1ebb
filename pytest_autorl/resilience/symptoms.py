"""What an exception tells of itself: names, text, numbers. Whatever it does when it is asked, reading never fails.

Nothing is imported to know an exception: the names of its class and of the bases of that are enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Final
from weakref import WeakKeyDictionary

#: As much of a text as is looked at, in characters. Servers' messages say what is wrong in their first lines.
LONGEST_TEXT: Final = 2_000
#: As much of our own errors' text as is passed on, in characters.
LONGEST_REASON: Final = 300
#: The longest name of a class that is passed on, in characters.
LONGEST_NAME: Final = 100

WEBDRIVER: Final = "selenium.WebDriverException"
OURS: Final = "pytest_autorl.AutorlError"
#: No session was begun. `farm.refusal` words those that a server refused: what we say, `REFUSED`, what it said.
NO_SESSION: Final = "pytest_autorl.NoSessionError"
REFUSED: Final = " refused a session"
_WRONG_ANSWER: Final = "pytest_autorl.ServerAnswerError"
_OS_ERROR: Final = "builtins.OSError"
#: They are OSErrors whose number is not one of `errno`: 5 is not EIO there.
_OTHER_NUMBERS: Final = frozenset({"ssl.SSLError", "socket.gaierror", "socket.herror"})
_GROUPS: Final = frozenset({"builtins.BaseExceptionGroup", "exceptiongroup.BaseExceptionGroup"})

#: WebDriver's error string (W3C, section 6.6) for each class that the clients raise for one. They keep no string.
W3C_OF: Final = {
    "DetachedShadowRootException": "detached shadow root",
    "ElementClickInterceptedException": "element click intercepted",
    "ElementNotInteractableException": "element not interactable",
    "ElementNotSelectableException": "element not selectable",
    "ElementNotVisibleException": "element not visible",
    "InsecureCertificateException": "insecure certificate",
    "InvalidArgumentException": "invalid argument",
    "InvalidCookieDomainException": "invalid cookie domain",
    "InvalidCoordinatesException": "invalid coordinates",
    "InvalidElementStateException": "invalid element state",
    "InvalidSelectorException": "invalid selector",
    "InvalidSessionIdException": "invalid session id",
    "JavascriptException": "javascript error",
    "MoveTargetOutOfBoundsException": "move target out of bounds",
    "NoAlertPresentException": "no such alert",
    "NoSuchCookieException": "no such cookie",
    "NoSuchElementException": "no such element",
    "NoSuchFrameException": "no such frame",
    "NoSuchShadowRootException": "no such shadow root",
    "NoSuchWindowException": "no such window",
    "ScreenshotException": "unable to capture screen",
    "SessionNotCreatedException": "session not created",
    "StaleElementReferenceException": "stale element reference",
    "UnableToSetCookieException": "unable to set cookie",
    "UnexpectedAlertPresentException": "unexpected alert open",
    "UnknownMethodException": "unknown method",
}
#: Those that a message may begin with: "stale element reference: ...".
_IN_MESSAGES: Final = frozenset(
    {*W3C_OF.values(), "script timeout", "timeout", "unknown command", "unsupported operation"}
)


#: As many exceptions of a chain or group are looked at; a chain may be made to loop.
MOST_EXCEPTIONS: Final = 64

_names: WeakKeyDictionary[type[BaseException], frozenset[str]] = WeakKeyDictionary()


def names_of(cls: type[BaseException]) -> frozenset[str]:
    """The class and its bases, each as ``package.Class``.

    Only the first part of the module's name counts: packages move classes between modules, and name some of them
    after a module where they are not found (``socket.timeout``, pytest's outcomes), but hardly ever give two of
    their exceptions one name.
    """
    found = _names.get(cls)
    if found is None:
        bases = ((str(base.__module__).partition(".")[0], base.__qualname__) for base in cls.__mro__)
        found = _names[cls] = frozenset(f"{package}.{name}" for package, name in bases)
    return found


class Symptoms:
    """One exception as it presents itself; each part is read when first asked for."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.names = names_of(type(error))

    @cached_property
    def text(self) -> str:
        """Its text in lower case, no more than `LONGEST_TEXT` characters of it; "" when it cannot be had.

        Of a session that we did not get only what the server said: our own words, an address or the way out hold
        words of other failures.
        """
        if NO_SESSION in self.names:
            return self._what.partition(f"{REFUSED}: ")[2][:LONGEST_TEXT].lower()
        return self._raw_text[:LONGEST_TEXT].lower()

    @cached_property
    def w3c(self) -> str:
        """WebDriver's error string; "" when there is none to be seen."""
        if WEBDRIVER not in self.names:
            return ""
        for base in type(self.error).__mro__:
            if base.__name__ in W3C_OF:
                return W3C_OF[base.__name__]
        head = self.text.partition(":")[0].strip()
        return head if head in _IN_MESSAGES else ""

    @cached_property
    def errno(self) -> int | None:
        """The system's error number; None for an error that has none, or one of another numbering."""
        if _OS_ERROR not in self.names or not _OTHER_NUMBERS.isdisjoint(self.names):
            return None
        return _number(_read(self.error, "errno"))

    @property
    def has_filename(self) -> bool:
        """Whether it is an OSError that is about a file."""
        return _OS_ERROR in self.names and _read(self.error, "filename") is not None

    @cached_property
    def status(self) -> int | None:
        """HTTP status, where the clients in use keep it; None when it has none."""
        response = _read(self.error, "response")
        for holder, name in (
            (self.error, "status"),
            (self.error, "code"),
            (response, "status_code"),
            (response, "status"),
        ):
            found = _number(_read(holder, name))
            if found is not None and 100 <= found <= 599:
                return found
        return None

    @cached_property
    def reason(self) -> str:
        """First line of the text of an error of this package, which may be shown; "" for any other.

        It ends before what a server has said, which may hold anything.
        """
        if not self.is_ours:
            return ""
        first = next(iter(self._raw_text[:LONGEST_TEXT].strip().splitlines()), "")
        if NO_SESSION in self.names:
            ours, is_refused, _ = first.partition(REFUSED)
            first = f"{ours}{is_refused}"
        elif _WRONG_ANSWER in self.names:
            first = first.partition(" with ")[0]
        # What cannot be written as UTF-8 cannot be sent by xdist either.
        return first[:LONGEST_REASON].encode("utf-8", "replace").decode("utf-8")

    @property
    def device(self) -> str:
        """Id of the device that an error of this package names; "" when it names none."""
        found = _read(self.error, "device_id") if self.is_ours else None
        return found if isinstance(found, str) else ""

    @property
    def is_ours(self) -> bool:
        """Whether it is an error of this package."""
        return OURS in self.names

    @property
    def name(self) -> str:
        """Of its class."""
        return type(self.error).__name__[:LONGEST_NAME]

    @property
    def _what(self) -> str:
        """What an error of this package says has happened, without the device and the way out."""
        found = _read(self.error, "args")
        return found[0] if isinstance(found, tuple) and found and isinstance(found[0], str) else ""

    @cached_property
    def _raw_text(self) -> str:
        # Of a WebDriverException without its stack trace, which is the server's and may hold any word.
        message = _read(self.error, "msg") if WEBDRIVER in self.names else None
        if isinstance(message, str):
            return message
        try:
            return str(self.error)
        except KeyboardInterrupt:  # somebody's, not the error's
            raise
        except BaseException:
            return ""


def members(error: BaseException, limit: int) -> Iterator[BaseException]:
    """The exceptions that a group stands for, not more than so many; none for what is not a group."""
    if _GROUPS.isdisjoint(names_of(type(error))):
        return
    found = _read(error, "exceptions")
    if isinstance(found, list | tuple):
        yield from (each for each in found[:limit] if isinstance(each, BaseException))


def came_from(error: BaseException) -> BaseException | None:
    """What it was raised from, or else while what else was handled, as a traceback would show it."""
    cause = raised_from(error)
    return cause if cause is not None else _handled(error)


def raised_from(error: BaseException) -> BaseException | None:
    """What its author has named as its cause; None when he named none."""
    return _exception(_read(error, "__cause__"))


def lineage(error: BaseException) -> list[BaseException]:
    """The exception, the members of a group, and what each came from; the newest first, each once.

    No more than `MOST_EXCEPTIONS`.
    """
    return _followed(error, came_from)


def named_lineage(error: BaseException) -> list[BaseException]:
    """`lineage` without what was merely being handled: somebody has said of each that it led to the next."""
    return _followed(error, raised_from)


def _followed(
    error: BaseException, origin_of: Callable[[BaseException], BaseException | None]
) -> list[BaseException]:
    found: list[BaseException] = []
    seen: set[int] = set()
    waiting = [error]
    while waiting and len(found) < MOST_EXCEPTIONS:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        found.append(each)
        origin = origin_of(each)
        if origin is not None:
            waiting.append(origin)
        waiting.extend(reversed(list(members(each, MOST_EXCEPTIONS))))
    return found


def _handled(error: BaseException) -> BaseException | None:
    return None if _read(error, "__suppress_context__") else _exception(_read(error, "__context__"))


def _exception(value: object) -> BaseException | None:
    return value if isinstance(value, BaseException) else None


def _read(holder: Any, name: str) -> Any:
    try:
        return getattr(holder, name, None)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None


def _number(value: object) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31
    return int(value) if is_number else None  # type: ignore[call-overload]
