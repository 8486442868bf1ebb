"""Prompt injection: text of an app or page that speaks to the language model which reads it.

The phrases of `phrases` and the patterns of `markup` are looked for in all readings that `unmasking` finds. All
quantifiers are bounded: the time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from pytest_autorl.privacy.markup import MARKUP
from pytest_autorl.privacy.phrases import JOINED, PROSE, SETS, UNSPACED
from pytest_autorl.privacy.unmasking import has_hidden_text, readings, words

_HIDDEN: Final = "hidden_text"
_LANGUAGE: Final = "other_language"
#: Names of all families.
FAMILIES: Final = tuple(dict.fromkeys((*PROSE, *MARKUP, _HIDDEN)))

_OPTIONAL: Final = re.compile(r"\(\?:(.*)\)\?")
_GAP: Final = re.compile(r"\.\.(\d+)")
_WORD: Final = re.compile(r"[^ ]+")
_UNSPACED: Final = re.compile(UNSPACED)
#: Phrases are found by so many letters of their first word, or by fewer where it has no more that are certain.
_LETTERS: Final = 4


class Finding(NamedTuple):
    """One family that speaks in a text.

    Attributes:
        family: One of `FAMILIES`.
        disguise: What it was hidden by (``base64``), "" where it stands there openly.
    """

    family: str
    disguise: str


class _Phrase(NamedTuple):
    family: str
    pattern: re.Pattern[str]


def findings(text: str) -> list[Finding]:
    """Which families speak in a text, each once, those that stand there openly first."""
    found: dict[str, str] = {}
    for line, disguise in readings(text).items():
        for family in (*_in_prose(words(line)), *_in_markup(line)):
            found.setdefault(family, disguise)
    if has_hidden_text(text):
        found.setdefault(_HIDDEN, "tag characters")
    return sorted((Finding(*one) for one in found.items()), key=lambda one: bool(one.disguise))


def _in_prose(line: str) -> Iterator[str]:
    # A phrase is tried only where its first word may begin: trying all of them everywhere takes fifty times as long.
    index = _index()
    for word in _WORD.finditer(line):
        start = word.start()
        for length in range(1, _LETTERS + 1):
            for phrase in index.get(line[start : start + length], ()):
                if phrase.pattern.match(line, start):
                    yield phrase.family


def _in_markup(line: str) -> Iterator[str]:
    for family, hints, pattern in _markup():
        if any(hint in line for hint in hints) and pattern.search(line):
            yield family
    if not line.isascii() and _UNSPACED.search(line):
        yield _LANGUAGE


@cache
def _index() -> dict[str, tuple[_Phrase, ...]]:
    """The phrases by the letters that their first word begins with."""
    index: dict[str, list[_Phrase]] = {}
    for family, block in PROSE.items():
        for phrase in phrases_in(block):
            found = _Phrase(family, re.compile(pattern_of(phrase)))
            for letters in _beginnings(_alternatives(phrase.split()[0])):
                index.setdefault(letters, []).append(found)
    for family, joined in JOINED.items():
        found = _Phrase(family, re.compile(joined))
        for letters in _beginnings(joined):
            index.setdefault(letters, []).append(found)
    return {letters: tuple(phrases) for letters, phrases in index.items()}


@cache
def _markup() -> tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...]:
    return tuple((family, hints, re.compile(pattern)) for family, (hints, pattern) in MARKUP.items())


def _beginnings(pattern: str) -> set[str]:
    """What matches begin with, up to `_LETTERS` letters each, by the letters, classes and groups of a pattern."""
    found: set[str] = set()
    for alternative in _split(pattern):
        open_ones, at = {""}, 0
        while at < len(alternative) and any(len(one) < _LETTERS for one in open_ones):
            if alternative.startswith("(?:", at):
                end = _closing(alternative, at)
                options = _beginnings(alternative[at + 3 : end])
            elif alternative[at] == "[":
                end = alternative.index("]", at)
                options = set(alternative[at + 1 : end])
            elif alternative[at].isalnum() or alternative[at] == " ":
                end, options = at, {alternative[at]}
            else:
                break
            at = end + 1
            if alternative.startswith("?", at):
                options, at = options | {""}, at + 1
            open_ones = {(one + option)[:_LETTERS] for one in open_ones for option in options}
        found |= open_ones
    return found


def _split(pattern: str) -> list[str]:
    """The alternatives of a pattern, those in groups left alone."""
    parts, depth = [""], 0
    for char in pattern:
        depth += (char == "(") - (char == ")")
        if char == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _closing(pattern: str, start: int) -> int:
    depth = 0
    for at in range(start, len(pattern)):
        depth += (pattern[at] == "(") - (pattern[at] == ")")
        if not depth:
            return at
    raise ValueError(f"a group is not closed: {pattern}")


def phrases_in(block: str) -> list[str]:
    """The phrases of a block of lines; a line that is set in further belongs to the one before it."""
    whole = re.sub(r"\n {9,}(\|?)", lambda match: match[1] or " ", block.rstrip())
    return [line.strip() for line in whole.splitlines() if line.strip()]


def pattern_of(phrase: str) -> str:
    r"""A phrase in the notation of `phrases` as a regular expression.

    >>> pattern_of("stop|give_up ..2 (?:the)? tests?")
    '\\b(?:stop|give up)(?: \\w{1,30}){0,2}?(?: (?:the))? (?:tests?)\\b'
    """
    parts: list[str] = []
    for item in phrase.split():
        gap, optional = _GAP.fullmatch(item), _OPTIONAL.fullmatch(item)
        lead = " " if parts else ""
        if gap:
            parts.append(rf"(?: \w{{1,30}}){{0,{gap[1]}}}?")
        elif optional:
            parts.append(f"(?:{lead}(?:{_alternatives(optional[1])}))?")
        else:
            parts.append(f"{lead}(?:{_alternatives(item)})")
    return rf"\b{''.join(parts)}\b"


def _alternatives(item: str) -> str:
    named = re.sub(r"@(\w+)", lambda match: SETS[match[1]], item)
    return named.replace("_?", " ?").replace("_", " ")
