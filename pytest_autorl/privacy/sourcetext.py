"""The page source as a file: what stands in fields for passwords, and in elements the user masks, is taken out.

Works on the text, tag by tag, since it must do so for what is no XML as well: pages, and sources that are cut off.
Everything else stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from typing import NamedTuple

from pytest_autorl.privacy.masking import Masking
from pytest_autorl.privacy.uitree import Element, element_of, is_page

#: What stands in place of a password, and of another value.
PASSWORD, FIELD = "[REDACTED:PASSWORD]", "[REDACTED:FIELD]"

_NAME = re.compile(r"[A-Za-z_][^\s/<>=\"']*")
_ATTRIBUTE = re.compile(r"[\s/]*([^\s/<>=\"']+)(\s*=\s*)?")
_BARE = re.compile(r"[^\s<>\"'`]*")
_CLOSED = re.compile(r"\s*/>")
#: Attributes that hold what is on the screen. What an element is called by (content-desc, name) finds it, and is the
#: redactor's to judge.
_VALUES = frozenset({"text", "value", "label"})
#: What an empty field shows in place of a value.
_HINTS = frozenset({"hint", "placeholderValue", "placeholder"})


class _Attribute(NamedTuple):
    """Start and end are those of the value, without its quotes."""

    name: str
    value: str
    start: int
    end: int


class _Tag(NamedTuple):
    """`name` is "/" for an end tag; `is_open` says whether one belongs to it."""

    name: str
    attributes: Sequence[_Attribute]
    is_open: bool


def mask_source(source: str, masking: Masking | None = None) -> str:
    """The page source with a placeholder for each value of a password field, and of what the user masks.

    What is in a masked element is masked with it. Of pages, whose tags need no end, that is not known: there a
    selector means the values of the tag itself, and one with ``css=`` nothing. An empty field keeps its hint. Never
    raises.
    """
    selectors = (masking or Masking()).selectors
    if not selectors and "password" not in source.lower() and "SecureTextField" not in source:
        return source
    has_ends = not is_page(source)
    cuts: list[tuple[int, int, str]] = []
    depth = 0  # within a masked element
    for tag in _tags(source):
        if tag.name == "/":
            depth = max(0, depth - 1)
            continue
        element = element_of(tag.name, {each.name: each.value for each in tag.attributes})
        is_chosen = depth > 0 or any(each.means(element) for each in selectors)
        if element.is_secure or _is_secure_input(element):
            cuts += [(each.start, each.end, PASSWORD) for each in _values(tag)]
        elif is_chosen:
            cuts += [(each.start, each.end, FIELD) for each in _values(tag)]
        if is_chosen and has_ends and tag.is_open:
            depth += 1
    return "".join(_without(source, cuts))


def _is_secure_input(element: Element) -> bool:
    return element.tag.lower() == "input" and any(
        name.lower() == "type" and value.strip().lower() == "password"
        for name, value in element.attributes.items()
    )


def _values(tag: _Tag) -> Iterator[_Attribute]:
    hints = {each.value for each in tag.attributes if each.name in _HINTS}
    return (
        each
        for each in tag.attributes
        if each.name.lower() in _VALUES and each.value.strip() and each.value not in hints
    )


def _without(source: str, cuts: Iterable[tuple[int, int, str]]) -> Iterator[str]:
    at = 0
    for start, end, placeholder in sorted(cuts):
        if start < at:  # a value within a value that is gone already
            continue
        yield source[at:start]
        yield placeholder
        at = end
    yield source[at:]


def _tags(source: str) -> Iterator[_Tag]:
    """Start tags with their attributes, and end tags."""
    #: Quote -> where the text has no more of it. What is looked for in vain is looked for once.
    last = {quote: source.rfind(quote) for quote in "\"'"}
    at = source.find("<")
    while at >= 0:
        at += 1
        if source.startswith("/", at):
            yield _Tag("/", (), False)
        elif (name := _NAME.match(source, at)) is not None:
            attributes, end = _attributes(source, name.end(), last)
            yield _Tag(name[0], attributes, _CLOSED.match(source, end) is None)
        # Not from the end of the tag on: what looks like a value of it may hold the tag that matters.
        at = source.find("<", at)


def _attributes(source: str, at: int, last: dict[str, int]) -> tuple[list[_Attribute], int]:
    """The attributes of a tag from there on, and where they end."""
    found: list[_Attribute] = []
    while (match := _ATTRIBUTE.match(source, at)) is not None:
        at = match.end()
        if match[2] is None:
            continue
        quote = source[at : at + 1]
        if quote and quote in last:
            start, end = at + 1, source.find(quote, at + 1) if last[quote] > at else -1
            if end < 0:  # cut off within the value
                found.append(_Attribute(match[1], _plain(source[start:]), start, len(source)))
                return found, len(source)
            at = end + 1
        else:
            start, end = at, _BARE.match(source, at).end()  # type: ignore[union-attr]  # it may be empty
            at = end
        found.append(_Attribute(match[1], _plain(source[start:end]), start, end))
    return found, at


def _plain(value: str) -> str:
    try:
        return unescape(value)
    except ValueError:  # a reference with more digits than Python reads
        return value
