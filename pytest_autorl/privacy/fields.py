"""Fields of nested data: which are sensitive by their name, and what the place of one is called.

A place is the keys on the way to it with dots between them, list indexes as numbers: ``user.cards.0.number``. In a key
a dot is written ``~1``, a tilde ``~0``, and no key at all ``~2``, so that no two places have one name (after RFC 6901).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pytest_autorl.errors import AutorlError
from pytest_autorl.privacy.names import kind_of_name, squeezed

#: Sensitive wherever nothing else is said, beside the names that look like a secret's.
DEFAULT_FIELDS: Final = ("password", "ssn", "credit_card", "api_key")
#: Parts of a name, letters and digits only, that make it a person's, or a secret's that is hashed only.
_PARTS: Final = (
    *("socialsecurity", "creditcard", "cardnumber", "ccnumber", "cardno", "accountnumber", "passportn"),
    *("passwordhash", "passwdhash", "hashedpassword", "ssn4", "ssnlast"),
)
#: Names that stand alone, or last.
_ENDS: Final = ("iban", "passport")
#: Containers in containers; deeper data, and data that holds itself, is refused.
DEEPEST: Final = 64
#: An answer of `changed`'s `decide`: go on inside.
INSIDE: Final = object()


class NestingError(AutorlError):
    """Data is nested too deeply, or holds itself."""


def is_sensitive(name: str) -> bool:
    """Whether a value under this name is taken for a secret or for a person's.

    >>> [is_sensitive(name) for name in ("userSSN", "credit-card", "api_key", "session", "keyboard")]
    [True, True, True, False, False]
    """
    if kind_of_name(name) is not None:
        return True
    plain = squeezed(name)
    return plain.endswith(_ENDS) or any(part in plain for part in _PARTS)


class Fields:
    """Which fields are meant.

    Args:
        names: Names at any depth (case and punctuation do not count), or places (``user.password``); None = those that
            `is_sensitive` and `DEFAULT_FIELDS` name.
        more: More of them.
    """

    def __init__(self, names: Iterable[str] | None = None, more: Iterable[str] = ()) -> None:
        # A lone name is a word, not its letters.
        given = [names] if isinstance(names, str) else None if names is None else list(names)
        wanted = [*(DEFAULT_FIELDS if given is None else given), *more]
        self._names = frozenset(squeezed(name) for name in wanted if "." not in name)
        self._places = frozenset(name for name in wanted if "." in name)
        self._guesses = given is None
        self._known: dict[str, bool] = {}

    def have(self, name: str, place: str) -> bool:
        """Whether the field of this name at this place is meant."""
        if self._places and place in self._places:
            return True
        found = self._known.get(name)
        if found is None:
            found = squeezed(name) in self._names or (self._guesses and is_sensitive(name))
            if len(self._known) < 10_000:  # data may be keyed by something that never repeats
                self._known[name] = found
        return found


def place(around: str, key: object) -> str:
    """The place of a key or index inside another place; "" is the whole."""
    name = str(key).replace("~", "~0").replace(".", "~1") or "~2"
    return f"{around}.{name}" if around else name


def changed(value: Any, decide: Callable[[str, str, Any], Any], *, around: str = "", depth: int = 0) -> Any:
    """A copy of nested dicts, lists and tuples in which `decide` has had a look at each value.

    Args:
        decide: Given name (that of the key that leads to it, also through lists), place and value, it returns what
            takes the place of the value, or `INSIDE` to leave a plain value alone and to go on inside a container.
        around: Place of `value` itself.
    Raises: NestingError.
    """
    __tracebackhide__ = True  # pytest -l would show the values
    return _changed(value, decide, "", around, depth)


def _changed(value: Any, decide: Callable[[str, str, Any], Any], name: str, where: str, depth: int) -> Any:
    __tracebackhide__ = True
    if depth > DEEPEST:
        raise NestingError(
            f"data is nested more than {DEEPEST} deep, or holds itself, at {where[:80]!r}",
            do="give plain data: dicts and lists without a way back",
        )
    new = decide(name, where, value)
    if new is not INSIDE:
        return new
    # Loops, since a comprehension is a frame of its own before Python 3.12, and pytest -l shows it.
    if isinstance(value, Mapping):
        twin: dict[Any, Any] = {}
        for key, item in value.items():
            twin[key] = _changed(item, decide, str(key), place(where, key), depth + 1)
        return twin
    if isinstance(value, list | tuple):
        items: list[Any] = []
        for number, item in enumerate(value):
            items.append(_changed(item, decide, name, place(where, number), depth + 1))
        if isinstance(value, list):
            return items
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value
