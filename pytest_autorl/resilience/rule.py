"""One row of the table by which failures are classified."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorSeverity, Family, Strategy
from pytest_autorl.resilience.symptoms import WEBDRIVER, Symptoms


class Words:
    """A pattern for texts in lower case, compiled when it is first searched for: in most runs nothing fails."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.DOTALL)

    def search(self, text: str) -> re.Match[str] | None:
        """The first place where it fits."""
        return self._compiled.search(text)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says; the fields are those of `ErrorInfo`. By position, to be read as one line of a table."""

    category: ErrorCategory
    severity: ErrorSeverity
    domain: ErrorDomain
    strategy: Strategy
    error_type: str
    family: Family


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Fits an exception of one of its types that has all the symptoms the rule names.

    Attributes:
        name: For people; no two rules share one.
        types: By package and class, see `symptoms.names_of`; a subclass fits too.
        w3c: WebDriver's error strings; a plain WebDriverException that carries one is of its types as well.
        message: Is searched in the text, in lower case and cut, see `Symptoms.text`.
        errnos: One of them.
        has_filename: It must be about a file.
        statuses: One of them, HTTP.
        is_vague: It knows only that something went wrong: an error that was raised `from` another says more by that.
        is_last: Takes what no rule of its family has named; a class that only it fits is not classified.
        why: Where the verdict is not obvious.
    """

    name: str
    types: tuple[str, ...]
    verdict: Verdict
    w3c: tuple[str, ...] = ()
    message: Words | None = None
    errnos: tuple[int, ...] = ()
    has_filename: bool = False
    statuses: tuple[int, ...] = ()
    is_vague: bool = False
    is_last: bool = False
    why: str = ""

    def may_fit(self, names: frozenset[str]) -> bool:
        """Whether an exception whose class and bases are called so can fit."""
        return not names.isdisjoint(self.types) or (bool(self.w3c) and WEBDRIVER in names)

    def fits(self, symptoms: Symptoms) -> bool:
        """Whether it is this one; only for an exception of which `may_fit` is true."""
        if symptoms.names.isdisjoint(self.types) and symptoms.w3c not in self.w3c:
            return False
        if self.message is not None and not self.message.search(symptoms.text):
            return False
        if self.errnos and symptoms.errno not in self.errnos:
            return False
        if self.has_filename and not symptoms.has_filename:
            return False
        return not self.statuses or symptoms.status in self.statuses


def words(*alternatives: str) -> Words:
    """A pattern for one of these; in lower case, as the text is. A gap is bounded: ``.{0,80}``, never ``.*``."""
    return Words("|".join(alternatives))
