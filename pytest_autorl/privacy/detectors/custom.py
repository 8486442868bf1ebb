"""What the users name: fields whose values must not leave, and patterns of their own."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pytest_autorl.errors import UsageError
from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.lazy import lowered
from pytest_autorl.privacy.detectors.looks import is_value, words_of
from pytest_autorl.privacy.detectors.syntax import after_key
from pytest_autorl.privacy.latin import blurred
from pytest_autorl.privacy.span import Span

#: Without RE2, patterns see so much of a text at a time, and what overlaps two windows.
WINDOW = 4096
OVERLAP = 1024
#: Surrogates that stand alone.
HALVES = re.compile("[\ud800-\udfff]")


def field_detector(names: Sequence[str]) -> Detector:
    """Values of fields with these names, in any case and with any separator between their words."""
    spellings = tuple(dict.fromkeys(spelling(name) for name in names))
    gate = "(?i:" + "|".join(spellings) + ")"
    whole = re.compile("|".join(spellings), re.I | re.A)

    def find(text: str) -> Iterator[Span]:
        low = lowered(text)
        for match in whole.finditer(low):
            start, end = match.span()
            if text[start - 1 : start].isalnum() and not text[start : start + 1].isupper():
                continue
            if text[end : end + 1].isalnum() or text[end : end + 1] == "_":
                continue
            is_flag = text[start - 2 : start] == "--"
            opening = text.rfind("<", max(0, start - 120), start)
            is_in_tag = opening >= 0 and ">" not in text[opening:start]
            value = after_key(text, end, is_flag=is_flag, in_tag=is_in_tag)
            if value is not None and value.how != "prose" and is_value(text[value.start : value.end]):
                yield Span(value.start, value.end, "FIELD")

    return Detector(
        name="fields_named",
        gate=gate,
        # Digits are parts of names here and never counts.
        hint=blurred(gate),
        shape=lambda low, drawn: whole.search(low.decode("latin-1")) is not None,
        find=find,
    )


def spelling(name: str) -> str:
    """A pattern for one name; `employee_id` stands for `employeeId`, `employee-id` and `EMPLOYEE ID` too."""
    words = words_of(name)
    if not words:
        raise UsageError(
            f"autorl_redact_fields: {name!r} has no letter from a to z and no digit",
            do="name it in letters from a to z or digits; for another name write a pattern",
        )
    return r"[_\-. ]?".join(re.escape(word) for word in words)


def pattern_detectors(patterns: Sequence[str]) -> tuple[Detector, ...]:
    """One for each pattern of the user. Raises: UsageError for one that cannot be used."""
    return tuple(pattern_detector(number, source) for number, source in enumerate(patterns, start=1))


def pattern_detector(number: int, source: str) -> Detector:
    searched = by_re2(source) or by_re(number, source)

    def find(text: str) -> Iterator[Span]:
        for start, end in searched(text):
            if end > start:
                yield Span(start, end, "CUSTOM")

    return Detector(name=f"pattern_{number}", gate="", shape=lambda low, drawn: True, find=find)


Search = Callable[[str], Iterator[tuple[int, int]]]


def by_re2(source: str) -> Search | None:
    """A search that takes linear time whatever the pattern is, None if RE2 is missing or does not know its syntax."""
    try:
        import re2
    except ImportError:
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        pattern = re2.compile(source, options)
    except Exception:
        return None

    def search(text: str) -> Iterator[tuple[int, int]]:
        # RE2 reads UTF-8, which has no half of a pair: such stand for bytes that are no UTF-8.
        for match in pattern.finditer(text if text.isascii() else HALVES.sub("\ufffd", text)):
            yield match.span()

    return search


def fault_of(source: str) -> tuple[str, str] | None:
    """What is wrong with a pattern, and the way out; None for one that can be used."""
    return None if by_re2(source) is not None else fault_for_re(source)


def fault_for_re(source: str) -> tuple[str, str] | None:
    """The same where `re` is to search."""
    try:
        pattern = compiled(source)
        tree = parsed(source)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}", "correct it, or take it out"
    reason = danger(tree)
    if reason:
        return f"may take time without bound: {reason}", (
            "bound its quantifiers (`{1,64}` for `+`), or pip install 'pytest-autorl[privacy]', whose engine"
            " has no such texts"
        )
    if pattern.search("") is not None:
        return "matches the empty text", "let it need at least one character"
    return None


def compiled(source: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(source, re.ASCII)


def by_re(number: int, source: str) -> Search:
    """A search by `re`, in windows, so that a bad pattern costs a bounded time for each."""
    fault = fault_for_re(source)
    if fault is not None:
        what, do = fault
        raise UsageError(f"pattern {number} of autorl_redact_patterns, {source!r}, {what}", do=do)
    pattern = compiled(source)

    def search(text: str) -> Iterator[tuple[int, int]]:
        at = 0
        while True:
            stop = min(len(text), at + WINDOW)
            for match in pattern.finditer(text, at, stop):
                yield match.span()
            if stop == len(text):
                return
            at = stop - OVERLAP

    return search


def parsed(source: str) -> Any:
    try:
        from re import _parser as parser  # type: ignore[attr-defined]
    except ImportError:  # Python 3.10
        import sre_parse as parser  # type: ignore[import-not-found, no-redef, unused-ignore]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parser.parse(source, re.ASCII)


def danger(tree: Any) -> str:
    """Why a search with this pattern may take exponential or high polynomial time; empty if it does not."""
    loose = 0
    for operator, argument in tree:
        name = str(operator)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, inner = argument
            if most - least > 1 and varies(inner):
                return "a repetition holds another one, or an option"
            if most > 1000:
                loose += 1
                if loose > 2:
                    return "more than two repetitions without bound follow each other"
            reason = danger(inner)
        elif name == "SUBPATTERN":
            reason = danger(argument[-1])
        elif name == "BRANCH":
            reason = next((found for branch in argument[1] if (found := danger(branch))), "")
        elif name in ("ASSERT", "ASSERT_NOT"):
            reason = danger(argument[1])
        else:
            reason = ""
        if reason:
            return reason
    return ""


def varies(tree: Any) -> bool:
    """Whether one text can be matched by it in several ways."""
    for operator, argument in tree:
        name = str(operator)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            if argument[0] != argument[1] or varies(argument[2]):
                return True
        elif name == "BRANCH" or (name == "SUBPATTERN" and varies(argument[-1])):
            return True
    return False
