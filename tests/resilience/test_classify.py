"""What a failure means: which exception of a chain or group decides, and that nothing can break it."""

from __future__ import annotations

import builtins
import errno
import json
import subprocess
import sys
from dataclasses import fields
from http import HTTPStatus
from typing import Any, NoReturn

import execnet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selenium.common.exceptions import (
    InvalidSessionIdException,
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from urllib3.exceptions import MaxRetryError, ProtocolError, SSLError

from pytest_autorl import errors
from pytest_autorl.errors import (
    DeviceTimeoutError,
    DeviceUnhealthyError,
    LeaseLostError,
    NoSessionError,
    ServerAnswerError,
    ServerDownError,
    SessionRefusedError,
    StateDamagedError,
    StateFullError,
)
from pytest_autorl.resilience.classify import (
    BY_HOOK,
    ErrorClassifier,
    checked,
    classify_error,
)
from pytest_autorl.resilience.info import (
    ERROR_TYPES,
    ErrorCategory,
    ErrorDomain,
    ErrorInfo,
    ErrorSeverity,
    Strategy,
)
from pytest_autorl.resilience.symptoms import MOST_EXCEPTIONS, REFUSED

pytestmark = pytest.mark.unit


class WrapperError(Exception):
    """A class of a suite, of which no rule knows."""


class Group(Exception):  # noqa: N818  # as the language's own
    """A group on every Python: it calls itself as the backport of Python 3.10 does."""

    def __init__(self, exceptions: Any) -> None:
        super().__init__("several")
        self.exceptions = exceptions


Group.__module__, Group.__qualname__ = "exceptiongroup", "BaseExceptionGroup"


def caused(error: BaseException, cause: BaseException) -> BaseException:
    """As ``raise error from cause`` leaves it."""
    error.__cause__ = cause
    return error


def while_handling(error: BaseException, context: BaseException) -> BaseException:
    """As ``raise error`` in the `except` block of another leaves it."""
    error.__context__ = context
    return error


def by(error: BaseException) -> str:
    """Name of the class that has decided."""
    return classify_error(error).error


def test_an_error_of_ours_says_all_that_is_known() -> None:
    error = DeviceTimeoutError("no answer in 30 s", device_id="phone", do="look at it")

    assert classify_error(error) == ErrorInfo(
        error="DeviceTimeoutError",
        category=ErrorCategory.TRANSIENT,
        severity=ErrorSeverity.HIGH,
        domain=ErrorDomain.DEVICE,
        strategy=Strategy.ELSEWHERE,
        error_type="timeout",
        family="autorl",
        rule="device: no answer in time",
        device="phone",
        reason="[phone] no answer in 30 s",
    )


@pytest.mark.parametrize("cls", [cls for cls in vars(errors).values() if isinstance(cls, type)])
def test_the_blame_of_an_error_of_ours_is_that_of_its_class(cls: type[errors.AutorlError]) -> None:
    assert classify_error(cls("it broke")).blame == cls.blame


def test_a_foreign_error_tells_numbers_and_never_its_text() -> None:
    info = classify_error(OSError(errno.ENOENT, "token=hunter2", "/home/somebody"))
    assert (info.context, info.reason, info.device) == ({"errno": errno.ENOENT}, "", "")
    info = classify_error(NoSuchElementException("password=hunter2"))
    assert (info.context, info.reason) == ({"w3c_error": "no such element"}, "")
    assert "hunter2" not in json.dumps(info.to_dict())


def test_an_http_status_is_told_where_it_is_one() -> None:
    def failing(status: Any) -> BaseException:
        members = {"__module__": "requests.exceptions", "response": None, "status": status}
        made: BaseException = type("HTTPError", (OSError,), members)("x")
        return made

    assert classify_error(failing(503)).context == {"http_status": 503}
    for no_status in (True, "503", 7, 2**80, None):
        assert classify_error(failing(no_status)).context == {}


def test_an_assertion_stays_one_whatever_was_handled_when_it_was_raised() -> None:
    """Its author knew of the other error, and judged: a retry is not for a test that has said no."""
    stale = StaleElementReferenceException("x")
    assert by(while_handling(AssertionError("the list is empty"), stale)) == "AssertionError"
    assert by(caused(AssertionError("the list is empty"), stale)) == "AssertionError"


def test_a_wrapper_that_no_rule_knows_gives_way_to_what_it_was_raised_from() -> None:
    stale = StaleElementReferenceException("x")
    assert by(caused(WrapperError(), stale)) == "StaleElementReferenceException"
    assert by(caused(RuntimeError(), caused(ValueError(), stale))) == "StaleElementReferenceException"
    # Not to what was merely being handled: then nobody has said that one led to the other.
    assert by(while_handling(WrapperError(), stale)) == "WrapperError"
    assert by(caused(WrapperError(), KeyError())) == "KeyError"


def test_what_the_last_of_several_tries_came_to_is_told() -> None:
    reset = ProtocolError("reset")
    assert by(caused(MaxRetryError(None, "/"), reset)) == "ProtocolError"  # type: ignore[arg-type]
    refused = caused(MaxRetryError(None, "/"), SSLError("certificate verify failed"))  # type: ignore[arg-type]
    assert not classify_error(refused).is_transient
    assert by(MaxRetryError(None, "/")) == "MaxRetryError"  # type: ignore[arg-type]


@pytest.mark.parametrize("link", [caused, while_handling])
@pytest.mark.parametrize("infrastructure", [ServerDownError("down"), InvalidSessionIdException("gone")])
def test_the_infrastructure_is_the_cause_of_what_was_raised_over_it(
    link: Any, infrastructure: BaseException
) -> None:
    failed = link(AssertionError("not logged in"), link(WrapperError(), infrastructure))
    assert by(failed) == type(infrastructure).__name__
    # The newest of them: it is what came of the others.
    assert by(link(LeaseLostError("gone"), infrastructure)) == "LeaseLostError"


def test_what_a_test_has_put_away_does_not_count() -> None:
    """``raise ... from None``."""
    error = while_handling(AssertionError(), ServerDownError("down"))
    error.__suppress_context__ = True
    assert by(error) == "AssertionError"


def test_a_critical_error_ends_it_where_nobody_has_dealt_with_it() -> None:
    full = OSError(errno.ENOSPC, "full", "/var/report.xml")
    assert classify_error(full).is_critical
    assert classify_error(caused(AssertionError(), full)).is_critical
    assert classify_error(caused(WrapperError(), caused(AssertionError(), full))).is_critical
    assert by(Group([ServerDownError("x"), MemoryError()])) == "MemoryError"
    assert by(caused(WrapperError(), Group([AssertionError(), full]))) == "OSError"
    # Handled, and what was raised then speaks for itself.
    assert by(while_handling(AssertionError(), full)) == "AssertionError"
    assert by(caused(WrapperError(), while_handling(AssertionError(), full))) == "AssertionError"
    assert by(while_handling(ServerDownError("down"), MemoryError())) == "ServerDownError"


@pytest.mark.parametrize("state", [StateDamagedError("x"), StateFullError("x")])
def test_a_state_that_is_broken_ends_it_wherever_it_stands(state: BaseException) -> None:
    assert by(state) == type(state).__name__
    for link in (caused, while_handling):
        assert by(link(AssertionError(), link(LeaseLostError("x"), state))) == type(state).__name__
    assert by(Group([while_handling(AssertionError(), state)])) == type(state).__name__


def test_what_breaks_in_a_clean_up_after_an_assertion_is_not_its_cause() -> None:
    """``try: assert x finally: clean_up()``: the test had said no before the session was gone."""
    gone, down = InvalidSessionIdException("gone"), ServerDownError("down")
    assert by(while_handling(gone, AssertionError("no"))) == "AssertionError"
    assert by(while_handling(gone, pytest.fail.Exception("no"))) == "Failed"
    assert by(while_handling(gone, while_handling(WrapperError(), AssertionError("no")))) == "AssertionError"
    assert by(while_handling(WrapperError(), while_handling(down, AssertionError("no")))) == "AssertionError"
    # Two of them, and another assertion at the end: the oldest decides.
    twice = while_handling(gone, while_handling(down, AssertionError("no")))
    assert by(twice) == "AssertionError"
    assert by(while_handling(AssertionError("and no"), twice)) == "AssertionError"


def test_what_broke_before_an_assertion_is_its_cause_whatever_breaks_after_it() -> None:
    for link in (caused, while_handling):
        failed = link(AssertionError("no"), LeaseLostError("lost"))
        assert by(failed) == "LeaseLostError"
        assert classify_error(while_handling(ServerDownError("down"), failed)).is_infrastructure


def test_who_raises_infrastructures_failure_from_an_assertion_means_it() -> None:
    failed = caused(DeviceUnhealthyError("its screen is dark"), AssertionError("no picture"))
    assert by(failed) == "DeviceUnhealthyError"


def test_other_failures_than_assertions_leave_it_to_what_came_after_them() -> None:
    """``except NoSuchElementException: driver.back()`` on a device that is gone."""
    down = while_handling(ServerDownError("down"), NoSuchElementException("x"))
    assert by(down) == "ServerDownError"


def test_of_a_group_the_worst_member_decides() -> None:
    stale, claim, odd = StaleElementReferenceException("x"), AssertionError("x"), WebDriverException("odd")
    assert by(Group([stale, claim])) == "AssertionError"  # a retry would have to mend both
    assert by(Group([stale, Group([odd])])) == "WebDriverException"  # medium is worse than low
    assert by(Group((claim, ValueError()))) == "AssertionError"  # the first of equals
    assert by(Group([claim, SessionRefusedError("no")])) == "SessionRefusedError"
    assert by(Group([while_handling(claim, ServerDownError("x"))])) == "ServerDownError"
    # Of two that broke after one assertion neither is its cause.
    no = AssertionError("no")
    one, other = (while_handling(InvalidSessionIdException("x"), no) for _ in range(2))
    assert by(Group([one, other])) == "AssertionError"
    assert by(Group([one, SessionRefusedError("no")])) == "SessionRefusedError"
    assert by(caused(WrapperError(), Group([stale]))) == "StaleElementReferenceException"


@pytest.mark.parametrize("odd", [[], None, "text", [1, "two"]])
def test_a_group_without_members_is_classified_by_itself(odd: Any) -> None:
    assert classify_error(Group(odd)).rule == "group"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the builtin came with Python 3.11")
def test_a_group_of_the_language_is_one() -> None:
    group = vars(builtins)["ExceptionGroup"]("x", [ValueError(), ServerDownError("down")])
    assert by(group) == "ServerDownError"


def test_loops_and_endless_chains_come_to_an_end() -> None:
    one, two = WrapperError(), WrapperError()
    one.__cause__, two.__cause__ = two, one
    assert by(one) == "WrapperError"

    own_member = Group([])
    own_member.exceptions = [own_member, own_member]
    assert classify_error(own_member).rule == "group"

    chain: BaseException = ServerDownError("too far away to be seen")
    for _ in range(MOST_EXCEPTIONS):
        chain = caused(WrapperError(), chain)
    assert by(chain) == "WrapperError"

    nested: BaseException = AssertionError()
    for _ in range(5_000):
        nested = Group([nested, nested])
    assert classify_error(nested).rule == "group"


def test_a_text_that_cannot_be_had_is_none() -> None:
    class UnprintableError(WebDriverException):
        msg: Any = None

        def __str__(self) -> str:
            raise SystemExit

    class UnreadableError(OSError):
        @property
        def errno(self) -> int:  # type: ignore[override]
            raise RuntimeError

    assert classify_error(UnprintableError()).rule == "webdriver: other"
    assert classify_error(UnreadableError()).rule == "python: OSError"


def test_huge_texts_are_cut_before_they_are_looked_at() -> None:
    late = WebDriverException("x" * 1_000_000 + "socket hang up")
    assert classify_error(late).rule == "webdriver: other"
    info = classify_error(ServerDownError("é\ud800" * 1_000_000 + "\nnext line"))
    assert len(info.reason) == 300
    info.reason.encode()
    assert len(by(type("E" * 10_000, (Exception,), {})())) == 100


def test_the_first_line_of_our_text_is_the_reason() -> None:
    assert classify_error(ServerDownError("down", do="start it")).reason == "down"
    assert classify_error(ServerDownError("")).reason == ""
    assert classify_error(ServerDownError("x", device_id=7)).device == ""  # type: ignore[arg-type]


def test_the_reason_ends_before_what_a_server_has_said() -> None:
    said = f"http://h:1{REFUSED}: cannot download http://store/app.apk?token=hunter2\ntoken=hunter2"
    info = classify_error(NoSessionError(said, device_id="phone", do="token"))
    assert info.reason == "[phone] http://h:1 refused a session"
    info = classify_error(
        ServerAnswerError("http://h:1 answered newSession with 502 with '<p>hunter2': no WebDriver")
    )
    assert info.reason == "http://h:1 answered newSession"


@pytest.mark.parametrize("args", [(), (7,)])
def test_an_error_of_ours_without_a_text_is_classified_by_its_class(args: tuple[Any, ...]) -> None:
    error = SessionRefusedError("x")
    error.args = args
    assert classify_error(error).rule == "device: refused the session"


def test_a_class_that_breaks_when_it_is_looked_at_is_classified_all_the_same() -> None:
    class BrokenError(Exception):
        @property
        def __cause__(self) -> NoReturn:  # type: ignore[override]
            raise ValueError("no cause for you")

    class Broken(type):
        @property
        def __mro__(cls) -> NoReturn:
            raise ValueError("no bases for you")

    class UnreadableError(Exception, metaclass=Broken):
        pass

    assert classify_error(BrokenError()).error == "BrokenError"
    unreadable = classify_error(UnreadableError())
    assert (unreadable.error, unreadable.rule) == ("unreadable exception", "other")


def test_an_exception_that_says_it_is_false_is_one() -> None:
    class EmptyError(ServerDownError):
        def __len__(self) -> int:
            return 0

    assert by(caused(AssertionError(), EmptyError("down"))) == "EmptyError"


def test_a_person_who_interrupts_is_heard() -> None:
    class InterruptedError(WebDriverException):
        msg: Any = None

        def __str__(self) -> str:
            raise KeyboardInterrupt

    class NoCauseError(Exception):
        @property
        def __cause__(self) -> NoReturn:  # type: ignore[override]
            raise KeyboardInterrupt

    class NoNumberError(OSError):
        @property
        def errno(self) -> int:  # type: ignore[override]
            raise KeyboardInterrupt

    def interrupted(error: BaseException) -> NoReturn:
        raise KeyboardInterrupt

    for error in (InterruptedError(), NoCauseError(), NoNumberError()):
        with pytest.raises(KeyboardInterrupt):
            classify_error(error)
    with pytest.raises(KeyboardInterrupt):
        ErrorClassifier(interrupted).classify(AssertionError())


def said(**changes: Any) -> ErrorInfo:
    fields: dict[str, Any] = {
        "error": "MaintenanceError",
        "category": ErrorCategory.TRANSIENT,
        "severity": ErrorSeverity.LOW,
        "domain": ErrorDomain.APP,
        "strategy": Strategy.RETRY,
    }
    return ErrorInfo(**{**fields, **changes})


def test_the_hook_is_asked_first_and_believed() -> None:
    """Even against CRITICAL."""
    asked: list[BaseException] = []

    def hook(error: BaseException) -> ErrorInfo:
        asked.append(error)
        return said()

    error = MemoryError()
    assert ErrorClassifier(hook).classify(error) == said(rule=BY_HOOK)
    assert asked == [error]


def test_the_hooks_answer_is_brought_into_our_terms() -> None:
    words = said(
        category="permanent", severity="high", domain="app", strategy="fail", error_type="odd", rule="mine"
    )
    assert checked(words) == said(
        category=ErrorCategory.PERMANENT,
        severity=ErrorSeverity.HIGH,
        strategy=Strategy.FAIL,
        error_type="other",
        rule="mine",
    )
    assert checked(words).category is ErrorCategory.PERMANENT
    with pytest.raises(TypeError, match=r"^dict, not an ErrorInfo$"):
        checked({})
    with pytest.raises(ValueError, match="sometimes"):
        checked(said(category="sometimes"))
    with pytest.raises(ValueError, match=r"^'moon' is not a valid family$"):
        checked(said(family="moon"))


class Text(str):
    """A text that no channel between processes takes."""


@pytest.mark.parametrize("name", [each.name for each in fields(ErrorInfo) if each.name != "context"])
@pytest.mark.parametrize("value", [None, 7, b"x", True, ["x"]])
def test_a_text_of_the_hooks_answer_is_one(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{name} that is of type {type(value).__name__}, not str$"):
        checked(said(**{name: value}))


@pytest.mark.parametrize("name", ["category", "severity", "domain", "strategy"])
def test_a_word_of_the_hooks_answer_is_one_of_ours(name: str) -> None:
    with pytest.raises(ValueError, match=r"^'moon' is not a valid (Error|Strategy)"):
        checked(said(**{name: "moon"}))


@pytest.mark.parametrize(
    "context",
    [None, "x", [("a", 1)], {"a": None}, {"a": True}, {"a": 1.5}, {"a": object()}, {1: "a"}, {"a": {}}],
)
def test_the_context_of_the_hooks_answer_holds_plain_values(context: Any) -> None:
    with pytest.raises(TypeError, match=r"^context "):
        checked(said(context=context))


def test_what_the_hook_answers_can_be_sent_between_processes() -> None:
    odd = said(
        error=Text("Odd\ud800"),
        reason=Text("why"),
        context={Text("http"): ErrorSeverity.LOW, "n": HTTPStatus.OK},
    )
    row = checked(odd).to_dict()
    assert row == said(error="Odd?", reason="why", rule=BY_HOOK, context={"http": "low", "n": 200}).to_dict()
    assert {type(value) for value in row.values()} == {str, dict}
    assert execnet.loads(execnet.dumps(row)) == row


def _breaks(error: BaseException) -> NoReturn:
    raise SystemExit


@pytest.mark.parametrize(
    "hook",
    [
        None,
        lambda error: None,
        lambda error: "fatal",
        lambda error: said(domain="moon"),
        lambda error: said(context={"driver": object()}),
        _breaks,
    ],
)
def test_without_an_answer_that_can_be_used_the_table_decides(hook: Any) -> None:
    assert ErrorClassifier(hook).classify(AssertionError()) == classify_error(AssertionError())


_leaves: st.SearchStrategy[BaseException] = st.one_of(
    st.builds(AssertionError, st.text(max_size=9)),
    st.builds(WebDriverException, st.one_of(st.none(), st.text(max_size=40), st.integers())),
    st.builds(StaleElementReferenceException, st.text(max_size=9)),
    st.builds(OSError, st.one_of(st.integers(), st.text(max_size=3)), st.text(max_size=3)),
    st.builds(LeaseLostError, st.text(max_size=40), device_id=st.one_of(st.none(), st.text(max_size=9))),
    st.builds(ValueError),
    st.builds(WrapperError, st.integers()),
    st.builds(MemoryError),
    st.builds(KeyboardInterrupt),
)
_trees = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(caused, _leaves, inner),
        st.builds(while_handling, _leaves, inner),
        st.builds(Group, st.lists(inner, max_size=4)),
    ),
    max_leaves=12,
)


def _all_of(error: BaseException, *, is_named: bool = False) -> list[BaseException]:
    """All of a tree; `is_named`: without what was merely being handled."""
    found = [
        error,
        *(each for part in getattr(error, "exceptions", ()) for each in _all_of(part, is_named=is_named)),
    ]
    handled = None if error.__suppress_context__ or is_named else error.__context__
    for origin in (error.__cause__, handled):
        found += _all_of(origin, is_named=is_named) if origin is not None else []
    return found


@given(_trees)
def test_any_tree_of_exceptions_is_classified_as_one_of_its_members(error: BaseException) -> None:
    info = classify_error(error)

    row = json.loads(json.dumps(info.to_dict()))
    assert ErrorInfo.from_dict(row) == info
    assert classify_error(error) == info
    assert info.error_type in ERROR_TYPES
    own = [classify_error(_alone(each)) for each in _all_of(error)]
    assert info in own
    named = [classify_error(_alone(each)) for each in _all_of(error, is_named=True)]
    assert info.is_critical is any(each.is_critical for each in named)
    is_anywhere = any(each.is_infrastructure for each in own)
    if any(each.error_type == "assertion" for each in own):
        assert is_anywhere or not info.is_infrastructure
    elif not info.is_critical:
        assert info.is_infrastructure is is_anywhere


def _alone(error: BaseException) -> BaseException:
    """The same without what it came from."""
    if isinstance(error, Group):
        return Group([])
    copy = type(error)(*error.args)
    if isinstance(error, WebDriverException):
        copy = type(error)(error.msg)
    if isinstance(error, LeaseLostError):
        copy = LeaseLostError(error.args[0], device_id=error.device_id)
    return copy


def test_it_imports_none_of_what_it_knows() -> None:
    program = """
import sys
from pytest_autorl.resilience.classify import classify_error
assert classify_error(AssertionError()).rule == "assertion"
heavy = ("selenium", "appium", "urllib3", "pytest", "_pytest", "hypothesis", "tenacity", "pydantic", "requests")
print(sorted(set(heavy) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
