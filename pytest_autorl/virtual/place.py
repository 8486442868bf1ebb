"""Places in an app model, for error messages: what was expected there, what stands there, what is near."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NoReturn

from pytest_autorl.errors import UsageError
from pytest_autorl.virtual.expressions import Expression, ExpressionError, Template, expression, template

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class AppModelError(UsageError):
    """The app model cannot be used; the text names screen, element and key."""


def nearest(word: object, known: Iterable[object]) -> str:
    """ "; nearest valid: 'x'" for a message, empty when nothing is near."""
    found = difflib.get_close_matches(str(word), [str(each) for each in known], n=1, cutoff=0.5)
    return f"; nearest valid: {found[0]!r}" if found else ""


class Place:
    """Where in the model we are, for messages."""

    def __init__(self, path: str) -> None:
        self.path = path

    def at(self, part: str) -> Place:
        return Place(f"{self.path}, {part}")

    def fail(self, what: str, do: str = "") -> NoReturn:
        raise AppModelError(f"{self.path}: {what}", do=do)

    def mapping(self, value: object, known: Collection[str] | None = None) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self.fail(f"expected a mapping, got {value!r}")
        if known is not None:
            for key in value:
                if key not in known:
                    self.fail(f"unknown key {key!r}{nearest(key, known)}", do=f"known: {', '.join(known)}")
        return value

    def sequence(self, value: object) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            self.fail(f"expected a list, got {value!r}")
        return value

    def name(self, value: object) -> str:
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            self.fail(f"a name is snake_case ([a-z][a-z0-9_]*), got {value!r}")
        return value

    def string(self, value: object) -> str:
        if not isinstance(value, str):
            self.fail(f"expected a text, got {value!r}")
        return value

    def one_of(self, value: object, known: Collection[str], what: str) -> str:
        if value not in known:
            listed = ", ".join(known) or "none"
            self.fail(f"unknown {what} {value!r}{nearest(value, known)}", do=f"known: {listed}")
        return str(value)

    def expression(self, value: object) -> Expression:
        try:
            return expression(value)
        except ExpressionError as exc:
            self.fail(str(exc))

    def template(self, value: object) -> Template:
        try:
            return template(value)
        except ExpressionError as exc:
            self.fail(str(exc))
