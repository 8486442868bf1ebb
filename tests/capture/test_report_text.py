"""Reports: every text in them is looked at, their kinds stay, nothing beside them is touched."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple

import pytest
from _pytest._code.code import ExceptionInfo, TerminalRepr

from pytest_autorl.capture.report_text import is_bare, redact_report, redact_trace
from pytest_autorl.privacy.redactor import Redactor

pytestmark = pytest.mark.unit

MAIL = "anna.k" + "@" + "example.com"
GONE = "[REDACTED:EMAIL#1]"


@pytest.fixture(scope="module")
def shared() -> Redactor:
    return Redactor()


@pytest.fixture
def redactor(shared: Redactor) -> Redactor:
    return shared.fresh()


def report(longrepr: Any = None, **more: Any) -> pytest.TestReport:
    outcome: Literal["passed", "failed"] = "passed" if longrepr is None else "failed"
    return pytest.TestReport(
        "test_a.py::test_it", ("test_a.py", 1, "test_it"), {}, outcome, longrepr, "call", **more
    )


def failing(work: Callable[[], object], **style: Any) -> Any:
    try:
        work()
    except Exception:
        return ExceptionInfo.from_current().getrepr(**style)
    raise AssertionError("it was to fail")


def boom() -> None:
    customer = MAIL
    try:
        raise KeyError(customer)
    except KeyError as error:
        raise ValueError(f"no {customer}") from error


@pytest.mark.parametrize("style", ["long", "short", "line", "native", "value"])
@pytest.mark.parametrize("showlocals", [True, False], ids=["with locals", "without"])
def test_a_traceback_of_every_style_keeps_its_kind(redactor: Redactor, style: str, showlocals: bool) -> None:
    made = report(failing(boom, style=style, showlocals=showlocals, funcargs=True))
    kind = type(made.longrepr)

    redact_report(made, redactor)

    assert type(made.longrepr) is kind
    assert MAIL not in str(made.longrepr)
    assert f"no {GONE}" in str(made.longrepr)
    assert made.longrepr.reprcrash.message == f"ValueError: no {GONE}"  # type: ignore[union-attr]


def test_a_redacted_report_can_be_sent_and_read(redactor: Redactor, pytestconfig: pytest.Config) -> None:
    """xdist sends it, and has it made again on the other side."""
    made = report(failing(boom, style="long", showlocals=True, funcargs=True))
    redact_report(made, redactor)

    data = pytestconfig.hook.pytest_report_to_serializable(config=pytestconfig, report=made)
    back = pytestconfig.hook.pytest_report_from_serializable(config=pytestconfig, data=data)

    assert MAIL not in repr(data)
    assert str(back.longrepr) == str(made.longrepr)


def test_an_argument_is_redacted_by_its_name() -> None:
    def login(user: str, password: str) -> None:
        raise ValueError("no")

    made = report(failing(lambda: login("bob", "corvid-9"), style="long", funcargs=True))
    redact_report(made, Redactor())

    assert "corvid-9" not in "".join(
        f"{name}{value}"
        for entry in made.longrepr.reprtraceback.reprentries  # type: ignore[union-attr]
        for name, value in (entry.reprfuncargs.args if entry.reprfuncargs else ())
    )
    assert "user = 'bob'" in str(made.longrepr)


def test_a_key_over_many_lines_is_gone_as_a_whole(redactor: Redactor) -> None:
    body = "\n".join("A1b2C3d4" * 8 for _ in range(4))
    label = " ".join(("RSA", "PRIVATE", "KEY"))

    def fails() -> None:
        raise ValueError(f"-----BEGIN {label}-----\n{body}\n-----END {label}-----")

    made = report(failing(fails, style="long"))
    redact_report(made, redactor)

    assert "A1b2C3d4" not in str(made.longrepr)


def test_texts_pairs_and_facts_of_others_are_redacted(redactor: Redactor) -> None:
    made = report(
        f"failed for {MAIL}",
        sections=[(f"Captured {MAIL}", MAIL), ("Captured log", "quiet")],
        user_properties=[("customer", MAIL), ["token", "corvid-9-corvid"], ("tries", 3)],
        wasxfail=f"reason: {MAIL}",
        theirs={"a": [MAIL]},
    )

    redact_report(made, redactor)

    assert made.longrepr == f"failed for {GONE}"
    assert made.sections == [(f"Captured {GONE}", GONE), ("Captured log", "quiet")]
    assert made.user_properties[0] == ("customer", GONE)
    assert made.user_properties[2] == ("tries", 3)
    assert "corvid-9-corvid" not in repr(made.user_properties)
    assert (made.wasxfail, made.theirs) == (f"reason: {GONE}", {"a": [GONE]})
    assert made.nodeid == "test_a.py::test_it"


def test_a_skip_keeps_its_place(redactor: Redactor) -> None:
    made = report(("test_a.py", 7, f"Skipped: no {MAIL}"))

    redact_report(made, redactor)

    assert made.longrepr == ("test_a.py", 7, f"Skipped: no {GONE}")


def test_a_subtest_is_redacted_in_its_message_and_its_parameters(redactor: Redactor) -> None:
    made = report()
    made.context = SimpleNamespace(msg=f"for {MAIL}", kwargs={"to": MAIL, "n": 1})  # type: ignore[attr-defined]

    redact_report(made, redactor)

    assert vars(made.context) == {"msg": f"for {GONE}", "kwargs": {"to": GONE, "n": 1}}


def test_a_second_time_changes_nothing(redactor: Redactor) -> None:
    made = report(failing(boom, style="long", showlocals=True), sections=[("out", MAIL)])
    redact_report(made, redactor)
    once = str(made.longrepr), list(made.sections)

    redact_report(made, redactor)

    assert (str(made.longrepr), made.sections) == once


class Foreign:
    """Another plugin's view of a failure, which holds its test."""

    def __init__(self, item: object) -> None:
        self.item, self.me, self.text = item, self, MAIL

    def __str__(self) -> str:
        return f"seen: {self.text}"

    def toterminal(self, tw: Any) -> None:
        tw.line(str(self))


@pytest.mark.parametrize("is_of_pytest", [True, False], ids=["of pytest's kind", "of its own kind"])
def test_a_view_that_holds_its_test_is_redacted_and_the_test_is_not(
    redactor: Redactor, is_of_pytest: bool
) -> None:
    """To walk over all that it holds would take for ever, and change what the tests use."""
    item = SimpleNamespace(account=MAIL)
    item.children = [SimpleNamespace(parent=item, other=item) for _ in range(8)]
    kind = type("Ours", (Foreign, TerminalRepr), {"__str__": Foreign.__str__}) if is_of_pytest else Foreign
    made = report(kind(item))

    redact_report(made, redactor)

    assert str(made.longrepr) == f"seen: {GONE}"
    assert item.account == MAIL


def test_a_view_that_cannot_be_shown_is_not_shown(redactor: Redactor) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError(MAIL)

    made = report(Broken())

    redact_report(made, redactor)

    assert made.longrepr == "Broken could not be redacted: RuntimeError"


def test_a_view_that_holds_a_named_tuple_stays(redactor: Redactor) -> None:
    class Place(NamedTuple):
        path: str
        line: int

    class View(TerminalRepr):
        def __init__(self) -> None:
            self.place, self.text = Place("a.py", 3), MAIL

        def __str__(self) -> str:
            return f"{self.place.path}:{self.place.line} {self.text}"

    made = report(View())

    redact_report(made, redactor)

    assert str(made.longrepr) == f"a.py:3 {GONE}"


def test_a_traceback_beside_reports_is_redacted_in_place(redactor: Redactor) -> None:
    """That of an internal error, which JUnit keeps."""
    trace = failing(boom, style="long")

    redact_trace(trace, redactor)

    assert MAIL not in str(trace)
    assert f"no {GONE}" in str(trace)


@pytest.mark.parametrize(
    ("made", "bare"),
    [
        (report(), True),
        (report("failed"), False),
        (report(sections=[("out", "x")]), False),
        (report(user_properties=[("a", "b")]), False),
        (report(wasxfail="reason"), False),
        (SimpleNamespace(nodeid="a", outcome="passed"), True),
        (SimpleNamespace(nodeid="a", context=SimpleNamespace(msg=MAIL)), False),
    ],
    ids=["passed", "failed", "output", "property", "fact", "of another kind", "subtest"],
)
def test_only_a_report_without_texts_is_passed_over(made: Any, bare: bool) -> None:
    assert is_bare(made) is bare
