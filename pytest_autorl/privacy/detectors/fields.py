"""Passwords, secrets and tokens in fields: the key says what the value is.

A password may be any word, so the key alone decides. Tokens and keys have a hundred harmless namesakes in the logs of
devices (window tokens, key codes, settings), so their values must look made at random as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.fieldgate import GATE, HINT, may_hold
from pytest_autorl.privacy.detectors.keywords import (
    ABOUT,
    ASKED,
    KEY_BEFORE,
    MEDIUM,
    STEMS,
    STILL,
    STRONG,
    STRONG_ENDS,
)
from pytest_autorl.privacy.detectors.lazy import Lazy, lowered
from pytest_autorl.privacy.detectors.looks import CODE, EMPTY, NAMED, PROSE, is_random, is_value, words_of
from pytest_autorl.privacy.detectors.syntax import FOLLOWERS, Value, after_key, value_at
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Words

#: The small letters with which a word goes on behind these stems: ``keyguard`` and ``author`` are no keys.
GOES_ON = {"key": "s", "sig": "n", "auth": "o", "cred": "es", "token": "s", "secret": "s"}
KEY_TAIL = Lazy(r"[\w.\-]{0,48}")
KEY_HEAD = Lazy(r"[\w.\-@]{0,48}")
HEAD_SPACED = Lazy(
    r"[ ](?:gnisu|htiw|ipa|ssecca|terces|etavirp|tneilc|htua|noitpyrcne|gningis|retsam|bd|nimda|toor)", re.I
)
BEFORE_COMPARED = Lazy(
    r"([\"'])([^\"'\n]{1,100})\1\s{0,3}(?:===?|!==?|\beq\b|\bis\b|\bin\b|\.equals\(|<>)\s{0,3}[\w.\[\]()\"'\-]{0,60}\Z"
)
TYPED_INTO = Lazy(
    r"([\"'])([^\"'\n]{1,100})\1\s{1,2}(?:in|into|to|as|for)\s(?:the\s|a\s|field\s)?[\w \-\"':=.]{0,24}\Z",
    re.I,
)
NEXT_ITEM = Lazy(r"\\{0,3}[\"'],[ ]{0,2}(?=[rbfu]?\\{0,3}[\"'])")
#: So many values of one list are looked at.
LIST_MAX = 64
_SIMPLE_WORD = Lazy(r"[a-z]{1,14}|[A-Z][a-z]{1,14}")
TRAIL = Lazy(r"[ ](?:[a-z]{1,14}\b|\()")


def find(text: str) -> Iterator[Span]:
    low = lowered(text)
    has_quotes = '"' in low or "'" in low
    seen: set[int] = set()
    for stem in STEMS:
        at = low.find(stem)
        while at >= 0:
            then = text[at + len(stem) : at + len(stem) + 1]
            if then.islower() and then not in GOES_ON.get(stem, then):
                at = low.find(stem, at + len(stem))
                continue
            tail = KEY_TAIL.match(text, at)
            end = tail.end() if tail else at + len(stem)
            if end not in seen:
                seen.add(end)
                # A value follows, or stands in quotes before the key.
                if has_quotes or text[end : end + 1] in FOLLOWERS or text[end - 1] in ".-":
                    yield from around(text, at, end, stem)
            at = low.find(stem, end)


def key_around(text: str, at: int, end: int, stem: str) -> tuple[int, str]:
    """The key that holds this stem, and where it begins."""
    head = KEY_HEAD.match(text[max(0, at - 48) : at][::-1]) if text[at - 1 : at] not in " \"'" else None
    start = at - (head.end() if head else 0)
    if stem == "key" and start == at and text[at - 1 : at] == " ":
        spaced = HEAD_SPACED.match(text[max(0, start - 16) : start][::-1])
        start -= spaced.end() if spaced is not None else 0
    return start, text[start:end].rstrip(".-")


def around(text: str, at: int, end: int, stem: str) -> Iterator[Span]:
    """What belongs to the key that holds this stem."""
    start, key = key_around(text, at, end, stem)
    end = start + len(key)
    strength = strength_of(key)
    if not strength:
        return
    is_flag = text[end : end + 1] in " \t" and (
        key[:1] == "-" or text[start - 1 : start] == "/" or is_set_by_word(text, start)
    )
    value = after_key(text, end, is_flag=is_flag, in_tag=is_in_tag(text, start))
    if value is not None and not (value.how not in "=:" and is_path(text, start)):
        span = judged(text, key, strength, value)
        if span is not None:
            yield span
            yield from others_of(text, key, strength, value)
            return
    yield from reversed_ones(text, start, strength)


def is_path(text: str, start: int) -> bool:
    """Whether the key is the last part of one, as in ``/etc/passwd``; a flag may begin with a slash too."""
    return text[start - 1 : start] == "/" and text[start - 2 : start - 1].strip("\"' \t(=,") != ""


def others_of(text: str, key: str, strength: int, value: Value) -> Iterator[Span]:
    """The rest of a list of values: ``tokens: ["...", "..."]``."""
    if not value.is_quoted or "[" not in text[max(0, value.start - 5) : value.start]:
        return
    for _ in range(LIST_MAX):
        step = NEXT_ITEM.match(text, value.end)
        item = value_at(text, step.end(), value.how) if step is not None else None
        if item is None:
            return
        value = item
        span = judged(text, key, strength, value)
        if span is not None:
            yield span


@lru_cache(maxsize=4096)
def strength_of(key: str) -> int:
    """2 if the value of such a key is a password, 1 if it is one when it looks random, 0 if it never is."""
    words = words_of(key)
    for place in range(len(words) - 1, -1, -1):
        word = words[place]
        after, before = words[place + 1 :], words[:place]
        is_strong = word in STRONG or (word.endswith(STRONG_ENDS) and len(word) < 28)
        if not is_strong and word in ("word", "phrase", "code") and place and words[place - 1] == "pass":
            is_strong, before = True, words[: place - 1]
        if is_strong:
            if any(other in ABOUT for other in after) or any(other in ASKED for other in before):
                return 0
            return 2
        is_medium = word in MEDIUM
        if word == "key" and place:
            is_medium = words[place - 1] in KEY_BEFORE or f"{words[place - 1]}key" in MEDIUM
        if (
            not is_medium
            and word.endswith(("token", "secret", "apikey", "accesskey", "secretkey"))
            and len(word) < 24
        ):
            is_medium = True
        if is_medium:
            return 1 if all(other in STILL or other.isdigit() for other in after) else 0
    return 0


#: "ENV", "export" and the like let a space stand for the equals sign; so does `.netrc`.
#: The text before the key is turned round for it: a match from its end is one step.
SETTERS_TURNED = Lazy(
    r"\s{1,3}(?:(?:VNE|tes|TES|xtes|tropxe|vnetup|GRA|ytreporp|YB DEIFITNEDI)\b|[^\s]{1,64} nigol\b)"
)


def is_set_by_word(text: str, start: int) -> bool:
    return (
        start > 3
        and text[start - 1] in " \t"
        and SETTERS_TURNED.match(text[max(0, start - 80) : start][::-1]) is not None
    )


def is_in_tag(text: str, start: int) -> bool:
    """Whether the key is the name of an element, or one of its attributes holds it."""
    opening = text.rfind("<", max(0, start - 120), start)
    return opening >= 0 and ">" not in text[opening:start]


def judged(text: str, key: str, strength: int, value: Value) -> Span | None:
    """A span for a value that is one."""
    word = text[value.start : value.end]
    if not is_value(word):
        return None
    kind = kind_of(key)
    is_ok = is_password(text, key, word, value) if strength == 2 else is_token(key, word, value)
    return Span(value.start, value.end, kind) if is_ok else None


@lru_cache(maxsize=4096)
def kind_of(key: str) -> str:
    low = key.lower()
    if "pass" in low or "pwd" in low or "secret" in low or "cred" in low:
        return "PASSWORD"
    return (
        "API_KEY"
        if any(word in low for word in ("token", "key", "auth", "bearer", "sig", "jwt", "sas"))
        else "PASSWORD"
    )


def is_password(text: str, key: str, word: str, value: Value) -> bool:
    if value.how == "beside":
        return is_random(word) and any(not c.isalnum() and c not in "-_./:" for c in word)
    if len(word) < 2 or word.lower() == key.lower().lstrip("-"):
        return False
    if value.is_quoted:
        if any(char.isspace() for char in word) and (PROSE.search(word) or value.how == "prose"):
            return False
        if value.how == "call" and not is_set(key):
            return not NAMED.fullmatch(word)
        if value.how == "pair" and NAMED.fullmatch(word) and len(word) < 24 and "_" not in word:
            return word.lower() not in EMPTY and "pass" not in word.lower()
        return not looks_like_label(word)
    if CODE.fullmatch(word):
        # `my.pass.word1` is one, `config.password` and `read(x)` are not.
        return any(char.isdigit() for char in word) and not word.endswith((")", "(", "]"))
    if word[0] == "/" and words_of(key)[-1].endswith("pwd"):
        return False
    if _SIMPLE_WORD.fullmatch(word):
        # A sentence goes on; a value stands alone.
        if value.how in ("prose", "flag") and value.how == "prose":
            return False
        return not TRAIL.match(text, value.end)
    if word.isdigit():
        return len(word) >= 4
    return True


def is_set(key: str) -> bool:
    return key.lower().startswith(("set", "with"))


def looks_like_label(word: str) -> bool:
    """Text of a screen, or the name of something that holds a password."""
    low = word.lower()
    return ("password" in low or "passwd" in low) and NAMED.fullmatch(word) is not None


def is_token(key: str, word: str, value: Value) -> bool:
    if value.how in ("prose", "beside") and not value.is_quoted:
        return is_random(word, 16)
    if is_random(word, 8 if value.is_quoted or value.how in ("=", "element") else 10):
        return True
    words = words_of(key)
    if "secret" in words[-1:] and value.is_quoted and value.how in ("=", ":"):
        return len(word) >= 10 and word.isalpha() and word.islower()
    return False


def reversed_ones(text: str, start: int, strength: int) -> Iterator[Span]:
    """The value first: ``"x" == password``, or ``"x" into the password field``."""
    near = text[max(0, start - 80) : start]
    if '"' not in near and "'" not in near:
        return
    window = text[max(0, start - 200) : start]
    match = None
    if any(sign in near for sign in ("==", "!=", "<>", " eq ", " is ", " in ", ".equals(")):
        match = BEFORE_COMPARED.search(window)
    if (
        match is None
        and strength == 2
        and any(word in near for word in (" in ", " into ", " to ", " as ", " for "))
    ):
        match = TYPED_INTO.search(window)
    if match is None:
        return
    word = match.group(2)
    if (
        not is_value(word)
        or (strength == 1 and not is_random(word))
        or (NAMED.fullmatch(word) and len(word) < 5)
    ):
        return
    offset = start - len(window)
    yield Span(offset + match.start(2), offset + match.end(2), "PASSWORD" if strength == 2 else "API_KEY")


def is_of_a_key(figure: bytes) -> bool:
    """Whether one of the keys in a figure may matter; all characters of a key stay together there."""
    text = figure.decode("latin-1")
    low = lowered(text)
    for stem in STEMS:
        at = low.find(stem)
        while at >= 0:
            tail = KEY_TAIL.match(text, at)
            end = tail.end() if tail else at + len(stem)
            start, key = key_around(text, at, end, stem)
            # A word in front, behind a space, may make it one.
            if strength_of(key) or (start == 0 and strength_of(f"api_{key}")):
                return True
            at = low.find(stem, at + 1)
    return False


FIELDS = Detector(
    name="fields",
    gate=GATE,
    hint=HINT,
    words=(
        Words(
            stems=[stem for stem in STEMS if stem.isalpha()],
            within=is_of_a_key,
            confirms=may_hold,
        ),
    ),
    find=find,
)
