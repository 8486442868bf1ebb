"""Values that a failure shows: nothing is left of a secret, wherever pytest or unittest cut, break or skip.

The run of this suite is guarded itself: the secrets here are such as only a guard of their own knows.
"""

from __future__ import annotations

import importlib
import pprint
import re
import unittest.case
import unittest.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest._io import saferepr
from _pytest._io.pprint import PrettyPrinter
from _pytest.assertion import truncate
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.capture import reprs
from pytest_autorl.capture.guard import Guard, Mode
from pytest_autorl.capture.reprs import guard_reprs

#: Long, so that it can be cut in many places; each part of it is met nowhere else.
PARTS = ("7351", "8462", "9573", "6284")
SECRET = "ACC-" + "-".join(PARTS)
#: Breaks at its blanks.
PHRASE = "corvid heron magpie plover"


def diffs() -> Any:
    """Where pytest compares two texts."""
    try:
        return importlib.import_module("_pytest.assertion.compare_text")
    except ImportError:
        return importlib.import_module("_pytest.assertion.util")


def guard_of(mode: Mode = "on") -> Guard:
    return Guard(mode, patterns=(r"ACC(?:-\d{4}){4}", PHRASE))


@contextmanager
def guarded(mode: Mode = "on") -> Iterator[Guard]:
    guard = guard_of(mode)
    end = guard_reprs(guard)
    try:
        yield guard
    finally:
        end()


def leaks(text: str) -> list[str]:
    """What can still be seen."""
    return [part for part in (*PARTS, *PHRASE.split()) if part in text]


class Opaque:
    """An object with a long representation, or one that cannot be made."""

    def __init__(self, text: str, *, is_broken: bool = False) -> None:
        self._text, self._is_broken = text, is_broken

    def __repr__(self) -> str:
        if self._is_broken:
            raise ValueError(self._text)
        return f"<Opaque {self._text}>"


def diffed(left: str, right: str) -> str:
    return "\n".join(diffs()._diff_text(left, right, lambda text, **_: text, 0))


def contained(term: str, text: str) -> str:
    module = diffs()
    return "\n".join(module._notin_text(term, text, 0))


def cut_lines(text: str) -> str:
    return "\n".join(truncate._truncate_by_char_count(["first", text, "last"], 120))


def unequal(first: object, second: object) -> str:
    case = unittest.TestCase()
    case.maxDiff = None
    with pytest.raises(AssertionError) as caught:
        case.assertEqual(first, second)  # noqa: PT009
    return str(caught.value)


#: Ways to show a text: each is asked with the secret in every place.
WAYS: dict[str, Callable[[str], str]] = {
    "saferepr of a text": lambda text: saferepr.saferepr(text, maxsize=80),
    "saferepr of bytes": lambda text: saferepr.saferepr(text.encode(), maxsize=80),
    "saferepr of a list": lambda text: saferepr.saferepr([text, {"key": text}], maxsize=90),
    "saferepr of an object": lambda text: saferepr.saferepr(Opaque(text), maxsize=80),
    "saferepr of what has no repr": lambda text: saferepr.saferepr(Opaque(text, is_broken=True), maxsize=80),
    "safeformat of a list": lambda text: saferepr.safeformat([text, text.encode(), 1]),
    "pytest's printer, a text": lambda text: PrettyPrinter(width=40).pformat(text),
    "pytest's printer, a list": lambda text: PrettyPrinter(width=40).pformat([{"key": text}, 1]),
    "pytest's printer, bytes": lambda text: PrettyPrinter(width=40).pformat([text.encode()]),
    "pytest's printer, a bytearray": lambda text: PrettyPrinter(width=40).pformat([bytearray(text.encode())]),
    "a diff that skips what is before": lambda text: diffed(text + "a", text + "b"),
    "a diff that skips what is after": lambda text: diffed("ca" + text, "cb" + text),
    "a text that contains another": lambda text: contained("284", text),
    "an explanation that is cut": cut_lines,
    "unittest's short repr": lambda text: unittest.util.safe_repr(text, short=True),
    "unittest's repr in assertions": lambda text: unittest.case.safe_repr(text, short=True),
    "unittest, equal but for their ends": lambda text: unequal(text + "a", text + "b"),
    "unittest, dicts": lambda text: unequal({"key": text}, {"key": "b"}),
    "unittest, dicts with bytes": lambda text: unequal({"key": text.encode()}, {"key": "b"}),
}


def texts() -> Iterator[str]:
    """A secret in every place."""
    for secret in (SECRET, PHRASE):
        for before in range(0, 130, 3):
            for after in (0, 90, 130 - before):
                yield f"{'x' * before} {secret} {'y' * after}"


@pytest.mark.unit
@pytest.mark.parametrize("way", WAYS)
def test_no_part_of_a_secret_is_left_wherever_it_stands(way: str) -> None:
    """One that is shown as a whole is found when the report is redacted."""
    with guarded() as guard:
        shown = [WAYS[way](text) for text in texts()]

    assert [text for text in shown if leaks(guard.redact(text))] == []
    assert any("[REDACTED:CUSTOM#1]" in text for text in shown), "and it says so"


@pytest.mark.unit
@pytest.mark.parametrize("way", WAYS)
def test_each_way_would_leave_a_part_of_it(way: str) -> None:
    """Else the test above proves nothing. Off: nothing is taken out, and it is as if the guard were not there."""
    plain = [WAYS[way](text) for text in texts()]
    with guarded("off"):
        off = [WAYS[way](text) for text in texts()]

    redactor = guard_of().redactor
    assert any(leaks(redactor.redact(text)) for text in off)
    if way != "saferepr of what has no repr":  # it tells the object's address
        assert off == plain


@pytest.mark.unit
@pytest.mark.parametrize("is_turned", [False, True], ids=["left", "right"])
def test_a_diff_with_a_text_that_begins_like_a_secret_skips_no_part_of_it(is_turned: bool) -> None:
    whole, other = "x" * 60 + SECRET, "x" * 60 + SECRET[:-4] + "zzzz"

    with guarded():
        shown = diffed(other, whole) if is_turned else diffed(whole, other)

    assert PARTS[-1] not in shown
    assert "[REDACTED:CUSTOM#1]" in shown


#: Plain words: nobody would take any of them for a secret.
CLEAN = st.text("abcdefgh \n'\"\\äß€", max_size=300)


@pytest.mark.unit
@given(
    st.recursive(
        st.one_of(CLEAN, CLEAN.map(str.encode), st.binary(max_size=60), st.integers(-99, 99), st.none()),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(CLEAN, inner, max_size=3)),
        max_leaves=8,
    ),
    CLEAN,
    CLEAN,
)
def test_what_holds_no_secret_is_shown_as_ever(value: Any, left: str, right: str) -> None:
    def shown() -> list[str]:
        return [
            saferepr.saferepr(value),
            saferepr.saferepr(value, maxsize=40),
            saferepr.safeformat(value),
            PrettyPrinter(width=40).pformat(value),
            unittest.util.safe_repr(value, short=True),
            unittest.case.safe_repr(value),
            diffed(left, right),
            cut_lines(left),
        ]

    before = shown()
    with guarded():
        during = shown()

    assert during == before


def borrowers() -> list[Any]:
    """Modules that use the standard library's printer, those that this pytest has."""
    found = []
    for name in reprs._BORROWERS:
        with suppress(ImportError):
            found.append(importlib.import_module(name))
    return found


def state() -> list[Any]:
    """All that is changed while values are guarded."""
    return [
        saferepr._ellipsize,
        saferepr.SafeRepr.__dict__.get("repr_str"),
        saferepr.SafeRepr.repr_str,
        [vars(module).get("pprint") for module in borrowers()],
        PrettyPrinter._pprint_str,
        PrettyPrinter._pprint_bytes,
        dict(PrettyPrinter._dispatch),
        diffs()._diff_text,
        truncate._truncate_by_char_count,
        unittest.util.safe_repr,
        unittest.case.safe_repr,
        dict(pprint.PrettyPrinter._dispatch),  # type: ignore[attr-defined]
    ]


@pytest.mark.unit
def test_all_is_as_it_was_when_it_ends_also_one_within_another() -> None:
    before = state()

    with guarded():
        once = state()
        with guarded():
            pass
        assert state() == once

    assert state() == before
    assert [a == b for a, b in zip(before, once, strict=True)].count(True) == 1, (
        "the standard library's printer"
    )


@pytest.mark.unit
def test_values_have_the_numbers_of_the_test_that_runs() -> None:
    """So that one value has one number in a report, whether it was cut or not."""
    with guarded() as guard:
        guard.test = "test_it.py::test_it"
        other = SECRET.replace(PARTS[0], "1111")
        shown = saferepr.saferepr([SECRET, other, SECRET])
        report = guard.of_test(guard.test).redact(f"{other} {SECRET}")

    assert shown == "['[REDACTED:CUSTOM#1]', '[REDACTED:CUSTOM#2]', '[REDACTED:CUSTOM#1]']"
    assert report == "[REDACTED:CUSTOM#2] [REDACTED:CUSTOM#1]"


@pytest.mark.unit
def test_a_guard_that_is_taught_later_finds_what_it_was_taught() -> None:
    """It is there before the farm is known."""
    with guarded("off") as guard:
        guard.learn("on", patterns=(r"ACC(?:-\d{4}){4}",))
        shown = saferepr.saferepr(SECRET)

    assert shown == "'[REDACTED:CUSTOM#1]'"


@pytest.mark.unit
@pytest.mark.parametrize(
    ("module", "name", "still"),
    [
        ("_pytest._io.saferepr", "_ellipsize", "pytest's printer, a text"),
        ("_pytest._io.saferepr", "SafeRepr", "an explanation that is cut"),
        ("_pytest._io.pprint", "PrettyPrinter", "saferepr of a text"),
        ("_pytest.assertion.truncate", "_truncate_by_char_count", "saferepr of a text"),
        ("unittest.util", "_MAX_LENGTH", "a diff that skips what is before"),
    ],
)
def test_a_part_of_pytest_that_has_gone_leaves_the_others_guarded(module: str, name: str, still: str) -> None:
    before, guard = state(), guard_of()
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(f"{module}.{name}")
        end = guard_reprs(guard)
    try:
        shown = [WAYS[still](text) for text in texts()]
    finally:
        end()

    assert [text for text in shown if leaks(guard.redact(text))] == []
    assert state() == before


@pytest.mark.integration
def test_a_failure_of_pytest_and_one_of_unittest_show_no_part(pytester: pytest.Pytester) -> None:
    """Through pytest as it is: what it calls of the above, it calls with a guarded value."""
    pytester.makeini(f"[pytest]\nautorl_redact_patterns =\n    ACC(-[0-9]{{4}}){{4}}\n    {PHRASE}\n")
    pytester.makepyfile(
        f"""
        import unittest
        import pytest

        SECRET = "ACC-" + "-".join({PARTS})
        PHRASE = " ".join({PHRASE.split()})

        @pytest.mark.parametrize("n", range(0, 160, 9))
        def test_texts(n):
            assert "x" * n + SECRET + "y" * 80 == "x" * n + SECRET + "z" * 80

        @pytest.mark.parametrize("n", range(540, 600, 5))
        def test_long_explanations(n):
            assert "x" * n + SECRET + "y" * 200 == "z"

        @pytest.mark.parametrize("n", range(0, 80, 9))
        def test_lists(n):
            assert [("x" * n + SECRET).encode(), "x" * n + " " + PHRASE] == [b"x", "y"]

        def mapping(n):
            return {{"text": "x " * n + PHRASE, "bytes": ("x" * n + SECRET).encode()}}

        @pytest.mark.parametrize("n", range(0, 80, 9))
        def test_dicts(n):
            assert {{"a": 1, **mapping(n)}} == {{"a": 1}}

        @pytest.mark.parametrize("n", range(0, 80, 9))
        def test_dicts_with_equal_items(n):
            assert {{"a": 1, **mapping(n)}} == {{"a": 2, **mapping(n)}}

        @pytest.mark.parametrize("n", range(0, 80, 9))
        def test_nearly(n):
            assert {{"a": 1.0}} == pytest.approx({{"a": 1.0, "b": mapping(n)}})

        class TestCase(unittest.TestCase):
            def test_dicts(self):
                self.maxDiff = None
                self.assertEqual({{n: ("x" * n + SECRET).encode() for n in range(80)}}, {{}})
        """
    )

    results = [
        pytester.runpytest_subprocess("--tb=short", "-p", "no:randomly", *options)
        for options in ((), ("-vv",))
    ]

    for result in results:
        shown = "\n".join(line for line in result.outlines if "SECRET" not in line)
        assert leaks(shown) == []
        assert "representation of details failed" not in shown
        assert shown.count("[REDACTED:CUSTOM#1]") > 20


@pytest.mark.unit
def test_whoever_in_pytest_uses_the_standard_librarys_printer_for_values_is_guarded() -> None:
    """A new one would break the secrets that it shows."""
    harmless = {
        "_pytest/_io/pprint.py",  # a copy of it, guarded by itself
        "_pytest/assertion/_compare_any.py",  # names of fields
        "_pytest/recwarn.py",  # warnings: their representation is not broken
        "_pytest/reports.py",  # data of a report, which is redacted
    }
    root = Path(pytest.__file__).parents[1]
    uses = re.compile(r"^(?:import pprint|from pprint import)", re.MULTILINE)

    found = {
        path.relative_to(root).as_posix()
        for path in (root / "_pytest").rglob("*.py")
        if uses.search(path.read_text(encoding="utf-8"))
    }

    guarded_ones = {f"{name.replace('.', '/')}.py" for name in reprs._BORROWERS}
    assert found - guarded_ones <= harmless
