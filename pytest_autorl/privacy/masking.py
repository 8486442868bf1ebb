"""What is masked in screenshots besides what the redactor finds: the user's selectors, and the status bar.

A selector is one line: a kind, ``=`` (or ``~=``), a value.

    id=card_number              Android's resource id, with or without its package; iOS' name; a page's id
    accessibility id=balance    Android's content-desc, iOS' name, a page's aria-label
    class=EditText              the class, whole or after its last dot; a page's class
    text~=Account \\d+           a regular expression that is found in a text that an element shows
    css=.customer td            a CSS selector; in browsers only
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from pytest_autorl.errors import UsageError

if TYPE_CHECKING:
    from pytest_autorl.privacy.uitree import Element

SelectorKind = Literal["id", "accessibility id", "class", "text", "css"]

_KINDS: tuple[SelectorKind, ...] = get_args(SelectorKind)
_DO = "write one a line: id=NAME, accessibility id=NAME, class=NAME, text~=REGEX or css=SELECTOR"


@dataclass(frozen=True)
class Selector:
    """Elements that are masked whatever they show.

    Attributes:
        pattern: The compiled value of a ``text~=``; None for the other kinds.
    """

    kind: SelectorKind
    value: str
    pattern: re.Pattern[str] | None = None

    def __str__(self) -> str:
        return f"{self.kind}{'~=' if self.kind == 'text' else '='}{self.value}"

    def means(self, element: Element) -> bool:
        """Whether it means an element of a page source; a ``css=`` never does."""
        if self.kind == "id":
            return any(self.value in (each, each.partition(":id/")[2]) for each in element.ids if each)
        if self.kind == "accessibility id":
            return self.value in element.names
        if self.kind == "class":
            return self.value in (element.class_name, element.class_name.rpartition(".")[2])
        return self.pattern is not None and any(map(self.pattern.search, element.shown))

    @property
    def css(self) -> str:
        """The same for a page; "" for a ``text~=``, which pages are not asked."""
        if self.kind == "css":
            return self.value
        if self.kind == "text":
            return ""
        attribute, relation = _IN_PAGES[self.kind]
        return f"[{attribute}{relation}{_css_string(self.value)}]"


_IN_PAGES = {"id": ("id", "="), "accessibility id": ("aria-label", "="), "class": ("class", "~=")}


def _css_string(value: str) -> str:
    """A string of CSS (CSS Syntax Module 3, section 4.3.5), other than letters and digits as code points."""
    return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\{ord(c):x} " for c in value) + '"'


@dataclass(frozen=True)
class Masking:
    """What a run masks in screenshots of its own accord.

    Attributes:
        status_bar: Whether the status bar of phones and tablets is masked.
    """

    selectors: tuple[Selector, ...] = ()
    status_bar: bool = False

    @classmethod
    def of(cls, lines: Iterable[str], *, status_bar: bool = False) -> Masking:
        """From the lines of the setting; empty ones are skipped. Raises UsageError for one that means nothing."""
        return cls(tuple(_selector(line.strip()) for line in lines if line.strip()), status_bar)


def _selector(line: str) -> Selector:
    for kind in _KINDS:
        head, found, value = (part.strip() for part in line.partition("~=" if kind == "text" else "="))
        if found and head == kind and value:
            return Selector(kind, value, _compiled(value, line) if kind == "text" else None)
    raise UsageError(f"autorl_mask_selectors: {line!r} is no selector", do=_DO)


def _compiled(pattern: str, line: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"autorl_mask_selectors: {line!r} has no regular expression: {error}", do=_DO
        ) from None
