"""Tokens in a JSON or JSONL text, encrypted anew with the newest key.

A token says its key, not its field and run: these are where it stands. The way to it is known from walking the JSON; as
stored data may have been put inside something else since, every end of that way is tried, from the whole to the last
key. The run is one that the caller names, or one that an object around the token names (``run_id`` or ``run``), or
none. Only the right pair opens it.

Nothing but the tokens changes: not a space, not the order of keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pytest_autorl.errors import UsageError
from pytest_autorl.privacy import tokens
from pytest_autorl.privacy.fields import place
from pytest_autorl.privacy.keyring import Keyring
from pytest_autorl.privacy.tokens import DecryptionError

#: Keys whose text may be the id of the run that wrote the object, or what is inside it.
_RUN_KEYS: Final = ("run_id", "run")
_QUOTED: Final = re.compile(f'"({re.sub("[()]", "", tokens.TOKEN.pattern)}|{tokens.FERNET.pattern})"')

_LOOSE: Final = re.compile(rf"(?<![A-Za-z0-9_.-])(?:{tokens.TOKEN.pattern}|{tokens.FERNET.pattern})")


@dataclass(frozen=True, kw_only=True)
class Rotated:
    """What became of a text.

    Attributes:
        text: The new one; the same where nothing was to be done.
        tokens: How many stand in it.
        rotated: How many of these are new; the others have the newest key already.
        left: How many stand within other text (a log line, JSON in a text), where their field is not known. They are
            as they were, and need their old key.
    """

    text: str
    tokens: int
    rotated: int
    left: int = 0


@dataclass(frozen=True)
class _Found:
    token: str
    way: tuple[str | int, ...]
    runs: tuple[str, ...]


def rotate(text: str, *, ring: Keyring, run_ids: Sequence[str] = (), fields: Sequence[str] = ()) -> Rotated:
    """Encrypt every token in a text anew, for the field and run that it had.

    Args:
        text: One JSON document, or one on each line.
        run_ids: Of the runs that may have written it.
        fields: Names that tokens may have been made for, where these are not the places at which they stand.
    Raises:
        UsageError: It is neither JSON nor JSONL; or a token is a key, or the value of a key that its object has twice.
        DecryptionError: A token opens as no field that it may be of, in no run that is known; nothing is lost.
        UnknownKeyError: A token was made with a key that is not in the ring.
    """
    __tracebackhide__ = True
    found = [one for document in _documents(text) for one in _tokens(document)]
    replaced: dict[str, str] = {}
    for one in found:
        value, field, run_id = _opened(one, ring, run_ids, fields)
        # One with the newest key was opened all the same: what is damaged is found now, not when the old key is gone.
        if one.token not in replaced and tokens.kid_of(one.token) not in ring.names(ring.primary):
            replaced[one.token] = tokens.seal(value, ring=ring, field=field, run_id=run_id)
    new = _QUOTED.sub(lambda match: f'"{replaced.get(match[1], match[1])}"', text)
    written = {match[1] for match in _QUOTED.finditer(text)}
    for one in found:
        if one.token not in written:
            raise UsageError(
                f"the token at {_joined(one.way)!r} is spelled with escapes",
                do="write it as it is: json.dumps does",
            )
    if not written <= {one.token for one in found}:
        raise UsageError(
            "a token is a key, or the value of a key that its object has twice: it would stay with its old key",
            do="give each value a key of its own",
        )
    left = [match[0] for match in _LOOSE.finditer(_QUOTED.sub("", new))]
    newest = ring.names(ring.primary)
    return Rotated(
        text=new,
        tokens=len(found),
        rotated=sum(one.token in replaced for one in found),
        left=sum(tokens.kid_of(token) not in newest for token in left),
    )


def _opened(
    one: _Found, ring: Keyring, run_ids: Sequence[str], fields: Sequence[str]
) -> tuple[Any, str, str]:
    """Value, field and run of a token."""
    __tracebackhide__ = True
    runs = dict.fromkeys((*run_ids, *one.runs, ""))
    places = [_joined(one.way[start:]) for start in range(len(one.way))] or [""]
    for run_id in runs:
        for field in (*places, *fields):
            try:
                return tokens.unseal(one.token, ring=ring, field=field, run_id=run_id), field, run_id
            except DecryptionError:
                continue
    tried = ", ".join(repr(run) for run in runs if run) or "none"
    raise DecryptionError(
        f"the token at {places[0]!r} cannot be decrypted (runs that were tried: {tried})",
        do="name the run that wrote it, --run-id ID; if that is right, it was moved (--field NAME) or damaged",
        field=places[0],
    )


def _joined(way: Sequence[str | int]) -> str:
    where = ""
    for key in way:
        where = place(where, key)
    return where


def _documents(text: str) -> Iterator[Any]:
    text = text.removeprefix("\ufeff")
    try:
        yield json.loads(text)
        return
    except RecursionError:
        raise UsageError("it is nested too deeply", do="give a JSON or JSONL file") from None
    except ValueError:
        pass  # one on each line, then
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            # What the parser says may show a part of the line.
            raise UsageError(f"line {number} is no JSON", do="give a JSON or JSONL file") from None
        yield document


def _tokens(document: Any) -> Iterator[_Found]:
    """All tokens, without recursion: what the parser has taken is not too deep here."""
    waiting: list[tuple[Any, tuple[str | int, ...], tuple[str, ...]]] = [(document, (), ())]
    while waiting:
        value, way, runs = waiting.pop()
        if isinstance(value, str):
            if tokens.is_token(value):
                yield _Found(value, way, runs)
        elif isinstance(value, dict):
            here = (value.get(key) for key in _RUN_KEYS)
            inner = (*runs, *(run for run in here if isinstance(run, str)))
            waiting.extend((item, (*way, key), inner) for key, item in reversed(value.items()))
        elif isinstance(value, list):
            waiting.extend((item, (*way, number), runs) for number, item in reversed(list(enumerate(value))))
