"""Versions of operating systems: which device versions a specifier accepts, and how two compare.

PEP 440 rules through `packaging`, with two additions: a bare version is a prefix ("14" accepts 14 and 14.1,
not 15), and a version that is no number ("4.4W", "Tiramisu") can only be equal or not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

#: Longest version or specifier that is read; real ones have at most about twenty characters.
MAX_LENGTH = 100

_RELEASE = re.compile(r"[0-9]+(\.[0-9]+)*\Z", re.ASCII)
_PREFIX = re.compile(r"([0-9]+(?:\.[0-9]+)*)\.\*\Z", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]*\Z", re.ASCII)
_CLAUSE = re.compile(r"(~=|==|!=|<=|>=|<|>)\s*(.+)\Z", re.DOTALL)

_FORMS = 'accepted: "14" (14 and 14.x), ">=13", ">=13,<15", "~=13.1", "==14.*", or a name such as "4.4W"'


@lru_cache(maxsize=1024)
def number(text: str) -> Version | None:
    """The version as a number that can be ordered; None for "", "4.4W", "Tiramisu"."""
    from packaging.version import InvalidVersion, Version

    if len(text) > MAX_LENGTH:
        return None
    try:
        return Version(text)
    except (InvalidVersion, ValueError):  # ValueError: more digits than Python turns into an int
        return None


def is_same(left: str, right: str) -> bool:
    """Equal as versions (14 and 14.0), or as words whatever their case."""
    a, b = number(left), number(right)
    if a is not None and b is not None:
        return a == b
    return left.strip().casefold() == right.strip().casefold()


def is_ordered(left: str, op: str, right: str) -> bool | None:
    """``left < right`` and its like; None when one of them is no number."""
    a, b = number(left), number(right)
    if a is None or b is None:
        return None
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


@dataclass(frozen=True)
class VersionSpec:
    """What a need says about the version, in one canonical spelling.

    Attributes:
        text: Canonical: clauses sorted, trailing zeros gone (">=13.0" is ">=13"), a prefix as "==14.*",
            a name as "==4.4w".
    """

    text: str

    def __str__(self) -> str:
        return self.text

    def accepts(self, version: str) -> bool:
        """Whether a device of this version fits. An unknown version ("") never does."""
        if not version:
            return False
        wanted = _as_set(self.text)
        found = number(version)
        if wanted is None:
            return is_same(version, self.text[2:])
        return found is not None and wanted.contains(found, prereleases=True)


@lru_cache(maxsize=1024)
def _as_set(text: str) -> SpecifierSet | None:
    """None for the name form, which PEP 440 does not know."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        return None


@lru_cache(maxsize=1024)
def parse_spec(text: str) -> VersionSpec:
    """Read a specifier. Raises ValueError that says which part is not understood and what is accepted."""
    shown = text if len(text) <= MAX_LENGTH else text[:MAX_LENGTH] + "..."
    if len(text) > MAX_LENGTH:
        raise ValueError(f"version specifier {shown!r} is longer than {MAX_LENGTH} characters; {_FORMS}")
    clauses = [part.strip() for part in text.split(",")]
    if len(clauses) == 1 and not clauses[0].startswith(("<", ">", "=", "!", "~")):
        return VersionSpec(_bare(clauses[0]))
    return VersionSpec(",".join(sorted({_clause(clause, shown) for clause in clauses})))


def _bare(text: str) -> str:
    prefix = _PREFIX.match(text)
    if prefix:
        return f"=={_plain(prefix.group(1))}.*"
    if _RELEASE.match(text):
        return f"=={_plain(text)}.*"
    if _NAME.match(text):
        found = number(text)  # "14b1" is a number, though not a prefix
        return f"=={text.casefold() if found is None else found}"
    raise ValueError(f"version {text!r} is not understood; {_FORMS}")


def _clause(clause: str, whole: str) -> str:
    found = _CLAUSE.match(clause)
    if found is None:
        raise ValueError(f"part {clause!r} of version specifier {whole!r} is not understood; {_FORMS}")
    op, text = found.group(1), found.group(2).strip()
    prefix = _PREFIX.match(text)
    if prefix and op in ("==", "!="):
        return f"{op}{_plain(prefix.group(1))}.*"
    version = number(text)
    if version is None:
        if op == "==" and _NAME.match(text) and clause == whole.strip():
            return f"=={text.casefold()}"
        raise ValueError(
            f"part {clause!r} of version specifier {whole!r}: {text!r} is not a number, "
            f"and names can only be asked for alone and exactly; {_FORMS}"
        )
    # "~=13.0" and "~=13" differ (the second is not allowed), so zeros count there.
    canonical = f"{op}{version if op == '~=' else _strip_zeros(version)}"
    if _as_set(canonical) is None:
        raise ValueError(f"part {clause!r} of version specifier {whole!r} is not understood; {_FORMS}")
    return canonical


def _plain(release: str) -> str:
    """Each part without leading zeros: "04.1" is "4.1"."""
    return ".".join(str(int(part)) for part in release.split("."))


def _strip_zeros(version: Version) -> str:
    from packaging.utils import canonicalize_version

    return canonicalize_version(version)
