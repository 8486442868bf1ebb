"""What a value looks like: made at random, a stand-in for one, or harmless. Words of keys."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise

from pytest_autorl.privacy.detectors.lazy import Lazy

#: Values that stand for none, in lower case.
_EMPTY_WORDS = (
    "null none nil true false yes no on off undefined nan n/a na void empty redacted masked hidden "
    "filtered removed omitted secret password passwd token unset str string int bool bytes object any "
    "optional secretstr text varchar char 0 1 required invalid incorrect wrong missing expired failed "
    "failure ok success error is was must should not has have had does did can cannot could will would "
    "and or for from the a an to of in with by if this that it your field changed reset updated set "
    "enabled disabled accepted rejected visible default basic bearer digest negotiate function self new "
    "return await lambda const please enter type forgot show hide prompt stdin env file only never "
    "unknown granted denied valid present absent ready pending active inactive standard normal saved "
    "stored loaded found read sent received used checked ignored skipped"
)
EMPTY = frozenset(_EMPTY_WORDS.split())
PLACEHOLDER = Lazy(
    r"\[?\[?(?i:redacted).*|\*{2,}.*|[x*.•●\-_#]{3,}|<[^<>]{0,80}>|&lt;.*|\$\{.*|\$\(.*|\$[A-Z_][A-Z0-9_]*|\$[a-z_]+|"
    r"[(<\[{][A-Za-z ]{2,30}[)>\]}]?|%\w{1,60}%|%[sdr](?:\(.*)?|%\(\w{1,40}\)[sdr]|\{\{?.{0,80}\}?\}"
    r"|@\w{1,20}/.*|\.\.\.|…|"
    r"(?i:your[_\-]?\w{0,40}|my[_\-](?:pass|secret|token|api)\w{0,40}|changeme_?|example|placeholder|"
    r"\[(?:hidden|masked|filtered|removed|secret|protected|secure)[^\]]{0,20}\]?|(?:env|vault"
    r"|secretref|ref|file|ssm|arn):.*)|<<.*",
    re.ASCII | re.DOTALL,
)
#: Code that yields a value, not the value.
CODE = Lazy(
    r"(?:[A-Za-z_]\w{0,60}(?:\.|->|::|\?\.))+[A-Za-z_]\w{0,60}(?:\(.*|\[.*)?|"
    r"[A-Za-z_]{2,60}(?:\([^()]{0,80}\)?|\[[\"'\w].*)|new|await|[A-Za-z]{1,30}\[[A-Za-z, ]{1,30}\]|[A-Za-z]{1,20}\*",
    re.ASCII | re.DOTALL,
)
#: Printed objects, addresses of memory, files, names of packages and settings, moments, numbers.
HARMLESS = Lazy(
    r"[\w.$]{1,120}@[0-9a-f]{1,16}|0x[0-9a-f]{1,16}|\w{1,64}[{\[(].*|/[\w./\-]*|\.{1,2}/.*"
    r"|[a-z][a-z0-9+.\-]{1,20}://.*|"
    r"(?:[a-z]\w{0,40}\.)+[A-Za-z]\w{0,60}|[\w\-]{1,80}\.(?:png|jpg|xml|json|ya?ml|txt|pem|py|js|ts"
    r"|java|kt|log|html|conf|ini|key|crt)|"
    r"\d{1,2}[:.]\d\d(?:[:.]\d\d)?(?:\.\d{1,9})?|\d{4}-\d\d-\d\d.*"
    r"|[+\-]?\d{1,20}(?:\.\d{1,9})?[a-zA-Z%]{0,4}|v?\d{1,4}(?:\.\d{1,6}){1,4}[\w\-]{0,20}",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
#: Words in lower case, joined: the name of something, as references of Kubernetes have it.
NAMED = Lazy(
    r"[a-z]{1,24}(?:[\-_./][a-z]{1,24}){0,8}|[A-Z]{1,24}(?:_[A-Z0-9]{1,24}){0,8}"
    r"|[a-z]{1,16}(?:[A-Z][a-z]{2,16}){0,8}|(?:[A-Z][a-z]{2,16}){1,8}"
)
PROSE = Lazy(
    r"\b(?:your|the|enter|please|must|is|are|was|forgot|forgotten|reset|change|password|characters"
    r"|least|cannot|invalid|"
    r"and|for|with|show|hide|confirm|repeat|sign|log|login|again|too|not|required|should|least|here|to)\b",
    re.ASCII | re.IGNORECASE,
)
HEXED = Lazy(r"[0-9A-Fa-f]+")
UUID = Lazy(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
TRUNCATED = Lazy(r"\w{0,8}(?:\.\.\.|…)\w{0,8}")


def is_in_uuid(text: str, start: int, end: int) -> bool:
    """Whether this is part of the 36 characters of a UUID, as ids of sessions and elements are."""
    found = UUID.search(text, max(0, start - 36), end + 36)
    return found is not None and found.start() <= start and end <= found.end()


def entropy(value: str) -> float:
    """Bits a character, of the characters in it (Shannon)."""
    length = len(value)
    return -sum(count / length * math.log2(count / length) for count in Counter(value).values())


def is_value(value: str) -> bool:
    """Whether it is one at all, and no stand-in, no code that yields it."""
    bare = value.strip()
    if not bare or bare.lower().rstrip(".,;!)") in EMPTY:
        return False
    return not (PLACEHOLDER.fullmatch(bare) or (len(set(bare)) == 1 and not bare.isalnum()))


def is_random(value: str, least: int = 8) -> bool:
    """Whether a machine made it up: digits among letters, or cases mixed as no name has them."""
    if not least <= len(value) <= 4096 or HARMLESS.fullmatch(value) or CODE.fullmatch(value):
        return False
    if any(map(str.isspace, value)):
        return False
    digits = sum(map(str.isdigit, value))
    letters = sum(map(str.isalpha, value))
    if UUID.fullmatch(value):
        return True
    if HEXED.fullmatch(value):
        return len(value) >= 16 and digits > 0 and letters > 0 and entropy(value) > 2.5
    if NAMED.fullmatch(value):
        # All letters: long, of both cases, changing more often than a camel's humps.
        changes = sum(a.islower() != b.islower() for a, b in pairwise(value) if a.isalpha() and b.isalpha())
        return letters == len(value) >= 16 and changes > len(value) / 3
    if not digits:
        if letters < len(value) and any(not c.isalnum() and c not in "-_.:/" for c in value):
            return len(value) >= 10 and entropy(value) >= 3
        changes = sum(a.islower() != b.islower() for a, b in pairwise(value) if a.isalpha() and b.isalpha())
        return len(value) >= 16 and changes > len(value) / 3.5 and entropy(value) >= 3.5
    if not letters:
        return False
    return entropy(value) >= (2.5 if len(value) < 16 else 3.0)


@lru_cache(maxsize=4096)
def words_of(key: str) -> tuple[str, ...]:
    """The words of a name in camel, snake, kebab or dotted case, in lower case."""
    return tuple(word.lower() for word in SPLIT.findall(key))


class _Split:
    """A splitter that is compiled at its first use."""

    def findall(self, key: str) -> list[str]:
        found = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+").findall
        self.findall = found  # type: ignore[method-assign, assignment]
        return found(key)


SPLIT = _Split()
