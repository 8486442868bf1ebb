"""Log records: handlers see what may leave, a test's own `caplog` sees what its code has logged."""

from __future__ import annotations

import logging
import sys
import unittest
from collections.abc import Iterator

import pytest

from pytest_autorl.capture.guard import Guard
from pytest_autorl.capture.records import RedactedError, clean, guard_records
from pytest_autorl.privacy.redactor import Redactor

pytestmark = pytest.mark.unit

MAIL = "anna.k" + "@" + "example.com"
GONE = "[REDACTED:EMAIL#1]"


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


def record(message: object, *args: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("app", logging.INFO, "app.py", 1, message, args or None, None)
    vars(made).update(more)
    return made


class Seen(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def guard() -> Iterator[Guard]:
    guard = Guard("on")
    end = guard_records(guard)
    yield guard
    end()


@pytest.fixture
def seen() -> Iterator[Seen]:
    logger, handler = logging.getLogger("seen.by"), Seen()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


# -- one record ----------------------------------------------------------------------------------------------------


def test_a_record_that_holds_nothing_stays_the_same_object(redactor: Redactor) -> None:
    plain = record("tapped %s after %d ms", "login", 17, device="pixel-8")

    assert clean(plain, redactor) is plain


def test_a_value_in_the_arguments_is_out_of_the_message_and_of_the_arguments(redactor: Redactor) -> None:
    raw = record("mail to %s: 100 %% sent", MAIL)

    made = clean(raw, redactor.fresh())

    assert made.getMessage() == f"mail to {GONE}: 100 % sent"
    assert MAIL not in repr(vars(made))
    assert raw.getMessage() == f"mail to {MAIL}: 100 % sent", "others still hold that one"


def test_the_name_of_an_argument_says_that_it_is_a_secret(redactor: Redactor) -> None:
    made = clean(
        record("%(user)s signs in with %(password)s", {"user": "bob", "password": "corvid-9"}), redactor
    )

    assert "corvid-9" not in repr(vars(made))
    assert made.getMessage().startswith("bob signs in with [REDACTED")


def test_named_arguments_without_secrets_are_passed_on(redactor: Redactor) -> None:
    made = clean(record("%(user)s taps %(what)s", {"user": "bob", "what": "send"}), redactor)

    assert made.getMessage() == "bob taps send"


def test_a_message_of_data_stays_data(redactor: Redactor) -> None:
    """A handler may write it as JSON: structlog's messages are dictionaries."""
    made = clean(record({"event": "sent", "to": MAIL, "tries": 2}), redactor.fresh())

    assert made.msg == {"event": "sent", "to": GONE, "tries": 2}


def test_extra_facts_are_redacted_by_their_names_too(redactor: Redactor) -> None:
    made = clean(record("done", to=MAIL, password="corvid-9", tries=2), redactor.fresh())

    assert (made.to, made.tries) == (GONE, 2)  # type: ignore[attr-defined]
    assert "corvid-9" not in repr(vars(made))


@pytest.mark.parametrize("name", ["name", "threadName", "processName", "pathname", "funcName"])
def test_names_that_others_have_given_are_redacted(redactor: Redactor, name: str) -> None:
    made = clean(record("done", **{name: f"for {MAIL}"}), redactor.fresh())

    assert getattr(made, name) == f"for {GONE}"


def test_an_exception_is_out_of_its_text_and_of_its_object(redactor: Redactor) -> None:
    """Handlers format it by themselves, or take the text that another one has left."""
    try:
        raise KeyError(f"no account {MAIL}")
    except KeyError:
        raw = record("failed", exc_info=sys.exc_info())

    made = clean(raw, redactor.fresh())

    assert MAIL not in logging.Formatter().format(made)
    assert MAIL not in logging.Formatter().formatException(made.exc_info)  # type: ignore[arg-type]
    assert "KeyError" in logging.Formatter().formatException(made.exc_info)  # type: ignore[arg-type]
    assert made.exc_info is not None
    assert isinstance(made.exc_info[1], RedactedError)
    assert raw.exc_info is not None
    assert MAIL in str(raw.exc_info[1])


def test_an_exception_whose_text_another_handler_has_left_is_redacted_in_both_places(
    redactor: Redactor,
) -> None:
    try:
        raise ValueError(MAIL)
    except ValueError as error:
        raw = record(
            "failed", exc_info=(type(error), error, error.__traceback__), exc_text=f"ValueError: {MAIL}"
        )

    made = clean(raw, redactor.fresh())

    assert made.exc_text == f"ValueError: {GONE}"
    assert MAIL not in logging.Formatter().formatException(made.exc_info)  # type: ignore[arg-type]


def test_the_text_of_an_exception_and_of_a_stack_alone_is_redacted(redactor: Redactor) -> None:
    made = clean(record("failed", exc_text=f"E: {MAIL}", stack_info=f"Stack of {MAIL}"), redactor.fresh())

    assert (made.exc_text, made.stack_info) == (f"E: {GONE}", f"Stack of {GONE}")


def test_an_exception_without_anything_to_hide_stays_itself(redactor: Redactor) -> None:
    error = ValueError("too small")
    raw = record("failed", exc_info=(ValueError, error, None))

    assert clean(raw, redactor) is raw


def test_arguments_that_do_not_fit_are_redacted_and_still_do_not_fit(redactor: Redactor) -> None:
    """A mistake in the call must look as it would without us."""
    made = clean(record("%s and %s", MAIL), redactor.fresh())

    assert MAIL not in repr(vars(made))
    with pytest.raises(TypeError):
        made.getMessage()


def test_a_value_in_two_arguments_is_found_where_they_meet(redactor: Redactor) -> None:
    user, _, host = MAIL.partition("@")

    made = clean(record("%s@%s", user, host), redactor.fresh())

    assert made.getMessage() == GONE
    assert host not in repr(vars(made))


# -- all records of a process --------------------------------------------------------------------------------------


def test_handlers_get_redacted_records_and_caplog_the_raw_ones(
    guard: Guard, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("seen.by").warning("to %s", MAIL)

    assert [each.getMessage() for each in seen.records] == [f"to {GONE}"]
    assert [each.getMessage() for each in caplog.records] == [f"to {MAIL}"]
    assert caplog.records[0].args == (MAIL,)


def test_what_a_filter_adds_is_redacted_for_handlers_and_there_for_caplog(
    guard: Guard, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    class Adds(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            record.customer = MAIL
            return True

    logger, adds = logging.getLogger("seen.by"), Adds()
    logger.addFilter(adds)
    try:
        logger.warning("to %s", MAIL)
    finally:
        logger.removeFilter(adds)

    assert seen.records[0].customer == GONE  # type: ignore[attr-defined]
    assert caplog.records[0].customer == MAIL  # type: ignore[attr-defined]


def test_a_logger_that_handles_its_records_itself_is_guarded(guard: Guard, seen: Seen) -> None:
    class Own(logging.Logger):
        def handle(self, record: logging.LogRecord) -> None:
            self.callHandlers(record)

    logger = Own("own")
    logger.addHandler(seen)

    logger.warning("to %s", MAIL)
    logging.LoggerAdapter(logger, {"to": MAIL}).warning("and %s", MAIL)

    assert [each.getMessage() for each in seen.records] == [f"to {GONE}", f"and {GONE}"]


def test_a_handler_that_logs_does_not_change_what_caplog_sees(
    guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    class Logs(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logging.getLogger("inner").warning("inner %s", MAIL)

    logger, handler = logging.getLogger("seen.by"), Logs()
    logger.addHandler(handler)
    try:
        logger.warning("outer %s", MAIL)
    finally:
        logger.removeHandler(handler)

    assert [each.getMessage() for each in caplog.records] == [f"inner {MAIL}", f"outer {MAIL}"]


def test_a_run_in_a_run_leaves_caplog_raw_and_logging_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.Logger.callHandlers
    ends = [guard_records(Guard("on")) for _ in range(2)]

    logging.getLogger("nested").warning("to %s", MAIL)
    for end in reversed(ends):
        end()

    assert [each.getMessage() for each in caplog.records] == [f"to {MAIL}"]
    assert logging.Logger.callHandlers is before


def test_one_that_was_laid_over_ours_stays_and_ours_does_nothing_any_more(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.Logger, "callHandlers", lambda self, record: seen.emit(record))
    guard = Guard("on")
    end = guard_records(guard)
    ours = logging.Logger.callHandlers
    theirs = lambda self, record: ours(self, record)  # noqa: E731
    monkeypatch.setattr(logging.Logger, "callHandlers", theirs)

    logging.getLogger("laid").warning(MAIL)
    end()
    logging.getLogger("laid").warning(MAIL)

    assert [each.getMessage() for each in seen.records] == [GONE, MAIL]
    assert logging.Logger.callHandlers is theirs


# -- in pytest -----------------------------------------------------------------------------------------------------

SUITE = """
import logging

MAIL = "anna.k" + "@" + "example.com"
logger = logging.getLogger("app")

def test_logs(caplog):
    logger.warning("sent to %s", MAIL)
    try:
        raise ValueError(MAIL)
    except ValueError:
        logger.exception("not sent", stack_info=True, extra={"who": MAIL})
    assert caplog.messages == ["sent to " + MAIL, "not sent"]
    assert caplog.records[1].who == MAIL
    assert MAIL in caplog.text
    assert caplog.record_tuples[0] == ("app", logging.WARNING, "sent to " + MAIL)

def test_at_level(caplog):
    with caplog.at_level(logging.DEBUG, "app"):
        logger.debug("to %s", MAIL)
    assert caplog.get_records("call")[0].args == (MAIL,)
    caplog.clear()
    assert 0

def test_quiet():
    logger.warning("nothing")
"""


@pytest.mark.integration
@pytest.mark.parametrize("options", [[], ["-n", "2"], ["-o", "log_cli=true"]], ids=["one", "workers", "live"])
def test_log_files_live_logs_and_sections_are_redacted_and_tests_see_what_they_logged(
    pytester: pytest.Pytester, options: list[str]
) -> None:
    pytester.makepyfile(SUITE)
    more = ["--log-file=run.log", "--log-file-level=DEBUG", "--log-file-format=%(message)s %(threadName)s"]

    result = pytester.runpytest_subprocess(
        "-rA", "--junitxml=j.xml", "-o", "junit_logging=all", *more, *options
    )

    result.assert_outcomes(passed=2, failed=1)
    written = "\n".join(
        [result.stdout.str(), result.stderr.str(), (pytester.path / "j.xml").read_text(encoding="utf-8")]
    )
    assert MAIL not in written
    result.stdout.fnmatch_lines(["*sent to ?REDACTED:EMAIL#*", "*nothing*"])
    if "-n" not in options:
        logged = (pytester.path / "run.log").read_text(encoding="utf-8")
        assert MAIL not in logged
        assert "sent to [REDACTED:EMAIL#" in logged
        assert "Stack (most recent call last)" in logged


def test_assert_logs_of_unittest_sees_what_the_code_has_logged(guard: Guard, seen: Seen) -> None:
    case = unittest.TestCase()

    with case.assertLogs("seen.by", "INFO") as got:
        logging.getLogger("seen.by").warning("mail %s", MAIL)
    logging.getLogger("seen.by").warning("again %s", MAIL)

    assert got.output == [f"WARNING:seen.by:mail {MAIL}"]
    assert [each.getMessage() for each in seen.records] == [f"again {GONE}"]
