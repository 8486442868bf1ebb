"""What the selector languages share: their one error, their limits, and regular expressions in their terms.

Selectors arrive over HTTP, so each of them is bounded three ways: length of the text, depth of nesting
(the parsers recurse), and number of elements looked at (`Budget`).
"""

from __future__ import annotations

from pytest_autorl.virtual.regex import Regex, RegexError, regex

#: Longest selector taken, characters; generated absolute XPaths of real apps stay below 3 000.
MAX_LENGTH = 10_000
#: Deepest nesting of parentheses, predicates and sub-selectors; keeps the parsers off Python's stack limit.
MAX_DEPTH = 40
#: Elements one search may look at; a screen has some hundreds, so only runaway selectors get there.
MAX_STEPS = 1_000_000


class InvalidSelector(ValueError):  # noqa: N818 - the protocol's name for it
    """A selector that cannot be understood: WebDriver's ``invalid selector``, with its message."""


class Budget:
    """Counts the elements one search looks at and stops a search that would not end in time."""

    def __init__(self, selector: str, steps: int = MAX_STEPS) -> None:
        self._selector = selector
        self._left = steps

    def spend(self, steps: int) -> None:
        """Raises InvalidSelector once the whole budget is gone."""
        self._left -= steps
        if self._left < 0:
            raise InvalidSelector(
                f"gave up on {shorten(self._selector)} after looking at {MAX_STEPS} elements; "
                "use fewer nested predicates, or an id"
            )


def shorten(text: str, limit: int = 200) -> str:
    """The text in backquotes, cut in the middle when long: it goes into messages."""
    if len(text) > limit:
        text = f"{text[: limit // 2]}...{text[-limit // 2 :]}"
    return f"`{text}`"


def check_length(text: str, language: str) -> None:
    """Raises InvalidSelector for an empty or over-long selector."""
    if not text.strip():
        raise InvalidSelector(f"the {language} selector is empty")
    if len(text) > MAX_LENGTH:
        raise InvalidSelector(
            f"the {language} selector has {len(text)} characters, more than {MAX_LENGTH} are not taken"
        )


def pattern(text: str, flags: int = 0) -> Regex:
    """Compile a regex that a user wrote; raises InvalidSelector when it is no regex or not supported.

    The devices' own dialects (Java, ICU) are close to Python's for what selectors use.
    """
    try:
        return regex(text, flags)
    except RegexError as bad:
        raise InvalidSelector(str(bad)) from bad


def matches(compiled: Regex, subject: str) -> bool:
    """Whether the whole subject matches. Raises InvalidSelector when that is too much work."""
    try:
        return compiled.matches(subject)
    except RegexError as bad:
        raise InvalidSelector(str(bad)) from bad


def searches(compiled: Regex, subject: str) -> bool:
    """Whether any part of the subject matches. Raises InvalidSelector when that is too much work."""
    try:
        return compiled.searches(subject)
    except RegexError as bad:
        raise InvalidSelector(str(bad)) from bad
