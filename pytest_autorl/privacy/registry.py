"""Secrets whose exact values are known: these are found in every spelling, whatever they look like.

`pytest_autorl.secret(value)` adds to the registry of the process, which all redactors look into; so do the
environment's variables that are named like secrets.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Final, NamedTuple, Protocol, TypeVar
from urllib.parse import unquote

from pytest_autorl.errors import UsageError
from pytest_autorl.privacy.forms import forms
from pytest_autorl.privacy.locking import Locked
from pytest_autorl.privacy.names import is_password_variable, is_secret_variable, url_password
from pytest_autorl.privacy.placeholders import is_kind
from pytest_autorl.privacy.span import Span

#: A shorter value would be met everywhere by chance, characters.
SHORTEST: Final = 4
_SHORTEST_VARIABLE: Final = 8
_SHORTEST_PASSWORD: Final = 6
#: What a gate looks for in place of a whole form, characters.
_ANCHOR: Final = 16
#: What a look for one anchor costs, and one step through a text, in looks at one character.
_LOOK: Final = 150
_STEP: Final = 300
_BLOCK: Final = 32 * 1024
#: Values that settings have without being secret, and passwords that everybody knows.
_TRIVIAL = frozenset(
    (
        *(
            "true",
            "false",
            "enabled",
            "disabled",
            "default",
            "localhost",
            "none",
            "null",
            "undefined",
            "required",
        ),
        *("optional", "always", "never", "password", "passwd", "secret", "secrets", "changeme", "example"),
        *(
            "postgres",
            "username",
            "administrator",
            "development",
            "production",
            "testing",
            "staging",
            "public",
        ),
        *("private", "internal", "placeholder", "redacted", "notset", "unknown", "12345678", "87654321"),
    )
)
#: ``?password=...`` of a URL, ``;Password=...`` of a connection string.
_PARAMETER = re.compile(r"[?&;](?:password|pwd|token)=([^&;\s]+)", re.IGNORECASE)
_LONGEST_URL: Final = 4096
_T = TypeVar("_T")


class _Form(NamedTuple):
    text: str
    kind: str
    identity: str
    whole: str  # of what it is a part; itself where it is no part


class Listener(Protocol):
    """Who must know of new values."""

    def unsettle(self) -> None:
        """There is one; called under the registry's lock."""


class SecretRegistry(Locked):
    """Exact values and their forms. Safe for threads.

    Attributes:
        version: Grows with each value that is added.
    """

    def __init__(self) -> None:
        super().__init__()
        self.version = 0
        self._values: set[str] = set()
        self._identities: dict[str, str] = {}
        self._numbers = count()
        # Only ever added to, so that other threads may read meanwhile, and in steps between which a signal handler may
        # add another value. Forms stand under the anchor they contain.
        self._anchors: list[str] = []
        self._forms: dict[str, list[_Form]] = {}
        #: Anchors by how they begin.
        self._starts: dict[str, list[str]] = {}
        self._multiline: list[str] = []
        #: Forms by how they begin, and the length of the longest.
        self._heads: dict[str, list[str]] = {}
        self._longest = 0
        self._inner_lines: set[str] = set()
        self._first_lines: list[str] = []
        self._listeners: weakref.WeakSet[Listener] = weakref.WeakSet()

    def __len__(self) -> int:
        return self.version

    def __repr__(self) -> str:
        return f"<SecretRegistry of {self.version} values>"

    def add(self, value: str | bytes, kind: str = "SECRET") -> bool:
        """Take in a value with all its forms; False for one that is too short or known already.

        Raises: UsageError for a kind that cannot stand in a placeholder.
        """
        if not is_kind(kind):
            raise UsageError("the kind of a secret must be capital letters, digits and underscores")
        if len(value.strip()) < SHORTEST:
            return False
        spellings = forms(value)
        text = value if isinstance(value, str) else value.decode("latin-1")
        with self.lock:
            if text in self._values:
                return False
            self._values.add(text)
            identity = f"#{next(self._numbers)}"
            own: list[str] = []
            for form in reversed(spellings):
                part = "" if form == text or len(text) <= len(form) else text
                self._put(_Form(form, kind, identity, part), own)
            self.version = len(self._values)
            for listener in self._listeners:
                listener.unsettle()
        return True

    def tell(self, listener: Listener) -> None:
        """Tell it of each value that is added from now on, before `add` returns."""
        with self.lock:
            self._listeners.add(listener)

    def from_environment(self, environment: Mapping[str, str]) -> int:
        """Take in the values of variables that are named like secrets, and passwords in URLs. How many were taken."""
        return sum(self.add(value) for value in _worthy(environment))

    def identity(self, text: str) -> str | None:
        """A name for the value of which this is a form, the same for all its forms; None for what is none."""
        return self._identities.get(text)

    def anchors(self, since: int = 0) -> tuple[str, ...]:
        """A text that holds a form holds one of these; from the given number on."""
        return tuple(self._anchors[since:])

    def spans(self, text: str) -> list[Span]:
        """All forms in a text, in any order, also overlapping."""
        return [
            span
            for anchor in self._met(text)
            for form in tuple(self._forms[anchor])
            for span in _occurrences(text, form)
        ]

    def held(self, text: str) -> int:
        """How many characters at the end of this text, which ends with a line, may begin a value of several lines."""
        last = text[text.rfind("\n", 0, len(text) - 1) + 1 :]
        # Asked for each line of a stream: nearly none is a line of a value.
        if last not in self._inner_lines and not last.endswith(tuple(self._first_lines)):
            return 0
        longest = 0
        for form in self._multiline:
            end = form.rfind("\n", 0, len(form) - 1) + 1
            while end > longest:
                if text.endswith(form[:end]):
                    longest = end
                end = form.rfind("\n", 0, end - 1) + 1
        return longest

    def begun(self, text: str) -> int:
        """How many characters at the end of this text begin a form that goes on; 0 where none of at least 4 does."""
        for start in range(max(0, len(text) - self._longest), len(text) - SHORTEST + 1):
            rest = text[start:]
            if any(
                len(form) > len(rest) and form.startswith(rest)
                for form in self._heads.get(rest[:SHORTEST], ())
            ):
                return len(rest)
        return 0

    def _met(self, text: str) -> list[str]:
        """The anchors in a text."""
        if len(self._anchors) * (_LOOK + len(text)) < len(text) * _STEP:
            return [anchor for anchor in self._anchors if anchor in text]
        # Thousands of anchors: what begins somewhere in the text is fewer. In blocks, since a long text has everything.
        met: set[str] = set()
        for first in range(0, len(text), _BLOCK):
            block = text[first : first + _BLOCK + _ANCHOR - 1]
            for head in {block[at : at + SHORTEST] for at in range(len(block) - SHORTEST + 1)}:
                met.update(anchor for anchor in self._starts.get(head, ()) if anchor in block)
        # The value that was registered first names what is found twice.
        return sorted(met, key=lambda anchor: int(self._forms[anchor][0].identity[1:]))

    def _put(self, form: _Form, own: list[str]) -> None:
        self._identities.setdefault(form.text, form.identity)
        self._heads.setdefault(form.text[:SHORTEST], []).append(form.text)
        self._longest = max(self._longest, len(form.text))
        # One that begins with an empty line would hold back every line there is; it is known without that line too.
        first, *inner = (f"{line}\n" for line in form.text.split("\n"))
        if inner and not first.isspace():
            self._inner_lines.update(inner)
            self._first_lines.append(first)
            self._multiline.append(form.text)
        for anchor in own:
            if anchor in form.text:
                self._forms[anchor].append(form)
                return
        anchor = form.text[:_ANCHOR]
        is_new = anchor not in self._forms
        self._forms.setdefault(anchor, []).append(form)
        if is_new:
            self._starts.setdefault(anchor[:SHORTEST], []).append(anchor)
            self._anchors.append(anchor)
        own.append(anchor)


_of_process = SecretRegistry()


def default_registry() -> SecretRegistry:
    """The registry of this process."""
    return _of_process


def secret(value: _T, kind: str = "SECRET") -> _T:
    """Register a value that must not leave this process, in any spelling; returns it unchanged.

        PASSWORD = pytest_autorl.secret(vault.read("lab/password"))

    Args:
        value: Text, bytes, or a whole number.
        kind: What stands in its place, capital letters: ``[REDACTED:PIN#1]``.
    Raises: UsageError for a value that is too short to be told from other text, or of another type, or kind.
    """
    if isinstance(value, bool) or not isinstance(value, (str, bytes, int)):
        raise UsageError(
            f"secret() takes text, bytes or a whole number, not {type(value).__name__}",
            do="register the text itself: secret(settings.token.get_secret_value())",
        )
    exact = str(value) if isinstance(value, int) else value
    if len(exact.strip()) < SHORTEST:
        raise UsageError(
            f"a secret of fewer than {SHORTEST} characters would be found in everything",
            do="use a longer one, or put its field into autorl_redact_fields",
        )
    _of_process.add(exact, kind)
    return value


def _worthy(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        bare = value.strip()
        if is_secret_variable(name):
            shortest = _SHORTEST_PASSWORD if is_password_variable(name) else _SHORTEST_VARIABLE
            if len(bare) >= shortest and not _is_trivial(bare):
                yield bare
        for password in (url_password(bare), *_PARAMETER.findall(bare[:_LONGEST_URL])):
            if len(password) >= _SHORTEST_PASSWORD and not _is_trivial(password):
                yield from dict.fromkeys((password, unquote(password)))


def _is_trivial(value: str) -> bool:
    return value.casefold() in _TRIVIAL or (value.isdigit() and len(value) < _SHORTEST_PASSWORD)


def _occurrences(text: str, form: _Form) -> Iterator[Span]:
    length = len(form.text)
    # A short number would be met within longer ones: a PIN in a time stamp.
    is_number = length < 8 and form.text.isdecimal()
    # Those that overlap are one: a text of one letter over and over has a million of them.
    first = last = -1
    start = text.find(form.text)
    while start >= 0:
        end = start + length
        if not (is_number and _is_within_number(text, start, end)):
            start, end = _widened(text, start, end, form)
            if start >= last:
                if first < last:
                    yield Span(first, last, form.kind)
                first = start
            last = end
        # Not after its end: the next may begin within this one.
        start = text.find(form.text, end - length + 1)
    if first < last:
        yield Span(first, last, form.kind)


def _is_within_number(text: str, start: int, end: int) -> bool:
    return bool(re.match(r"\d", text[start - 1 : start])) or bool(re.match(r"\d", text[end : end + 1]))


def _widened(text: str, start: int, end: int, form: _Form) -> tuple[int, int]:
    """A part of a long value, with what stands around it there and here."""
    at = form.whole.find(form.text) if form.whole else -1
    if at < 0:
        return start, end
    first, last = start, end
    left, right = at, at + len(form.text)
    while left > 0 and first > 0 and form.whole[left - 1] == text[first - 1]:
        left, first = left - 1, first - 1
    while right < len(form.whole) and last < len(text) and form.whole[right] == text[last]:
        right, last = right + 1, last + 1
    # The ends of its lines are those of the text as well.
    while first < start and text[first].isspace():
        first += 1
    while last > end and text[last - 1].isspace():
        last -= 1
    return first, last
