"""Where the value of a field begins and ends, in the many ways in which people write fields.

``key=value``, ``"key": "value"``, ``key: value``, elements and attributes of XML, name and value apart, calls, flags,
comparisons. Given where a key ends, these functions say where its value is; what the key means is for others.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pytest_autorl.privacy.detectors.lazy import Lazy


class Value(NamedTuple):
    """Part of a text: the value only, without quotes.

    Attributes:
        how: ``=``, ``:``, ``call``, ``element``, ``flag``, ``prose``, ``pair``, ``beside``: what stood between.
    """

    start: int
    end: int
    is_quoted: bool
    how: str


_QUOTE = r"\\{0,3}[\"'`]|&quot;|&\#34;|&\#39;|&apos;|%22|\\u0022"
ASSIGNED = Lazy(
    rf"(?:{_QUOTE})?\]?\)?[ \t]{{0,20}}(?::[ ]?(?:str|String|string|bytes|SecretStr|Optional\[str\])["
    rf" ]?=|=>|:=|->|===?|!==?|\?=|\+=|[=:]|%3[AaDd])"
    r"[ \t]{0,20}(?:\r?\n[ \t]{1,40}(?![\w.\-]{1,40}[\"']?:[ \r\n]))?(?:!\w{1,12}[ ])?(?:[|>][\-+]?["
    r" ]{0,4}\r?\n[ \t]{1,40})?"
)
SPLIT_LINE = Lazy(rf"(?:{_QUOTE})?[ \t]{{0,4}}[=:][ \t]{{0,4}}(?:\\r)?(?:\\n|\r?\n)[ \t]{{0,40}}(?=[\"'])")
WRAPPED = Lazy(
    r"(?:b64decode|SecretStr|String|Secret|new String|str|Some|Buffer\.from|Redacted|encode|quote|bytes)\((?=b?[\"'])"
)
#: A quotation, perhaps the first one of a list.
OPENED = Lazy(rf"(?:[\[(][ ]?)?[rbfuRBFU]{{0,2}}({_QUOTE})")
#: ``<password type="x">value</``; and ``name="password">value</`` as Android keeps preferences.
ELEMENT = Lazy(
    r"(?:[\"'][^<>]{0,160}|\s[^<>]{0,100})?>(?:\s{0,20}<!\[CDATA\[)?\s{0,40}([^<>\s][^<>]{0,300}?)\s{0,40}(?:\]\]>)?<"
)
PLIST = Lazy(r"</key>\s{0,80}<(?:string|data|integer)>\s{0,20}([^<>]{1,300}?)\s{0,20}<")
PAIR = Lazy(
    rf"(?:{_QUOTE})(?:[ \t]?,)?\s{{0,40}}(?:\w{{1,12}}=\"[^\"<>]{{0,40}}\"\s{{1,4}}){{0,2}}(?:{_QUOTE})?(?:value"
    rf"|val|content|text|data|secret|string)(?:{_QUOTE})?\s{{0,5}}[=:]\s{{0,5}}(?=[\"'\\])",
    re.ASCII | re.IGNORECASE,
)
CALLED = Lazy(r"\(\s{0,8}(?:[\w.]{1,30},\s{0,4})?(?=[rbfu]?[\"'])")
NEXT_KEY = Lazy(r"\\{0,3}[\"']\s{0,4}:")
TUPLED = Lazy(r"(?:[\"'])\s?,\s{0,4}(?=[rbfu]?[\"'])")
PROSE = Lazy(
    r"[\"'`)\]]?\s{1,4}(?:is|was|were|as|set to|changed to|reset to|to|of|will be|used|entered|typed"
    r"|equals)?(?::)?\s{0,4}(?=[\"'`])"
    r"|\s{1,3}(?:is|was|set to|changed to|reset to|will be|equals)(?: now)?:?\s{1,3}(?=[^\s\"'`])",
    re.ASCII | re.IGNORECASE,
)
BESIDE = Lazy(r"[ ]{1,2}(?=[^\s\-|&<>=:;]{8})")
SPACED = Lazy(r"[ \t]{1,4}(?=[^\s\-|&<>=:;])")
WORD = Lazy(r"[^\s]{1,512}")
#: Where an unquoted value ends although no space follows.
ENDS = Lazy(
    r"&(?:amp;)?(?=[\w.\-\[\]%]{1,40}=)|;(?=\s|$|[\w.\-]{1,40}[ \w]{0,20}=)|,(?=$"
    r"|[\"']?[\w.\-]{1,40}[\"']?\s?[=:]|\s)|</|/>|<br|<[a-z]|\\+[nrt](?![\w]{0,2}[^\w\s])|"
    r"\\+[\"']|&quot;|&lt;|&#3[49];|%22|%26(?=\w{1,40}%3D)|\|(?=[\w.\-]{1,40}[=:])|[\"'`](?=[\s,;:)\]}>]|$)|#$"
)
CLOSERS = {")": "(", "]": "[", "}": "{", ">": "<"}


#: What a key may be followed by if a value belongs to it; after a space, the signs that assign.
FOLLOWERS = frozenset(" \t\r\n:=\"'`\\&%])-!?+<>(")
_SIGNS = frozenset(":=-!?+ \t\"'")


def after_key(text: str, end: int, *, is_flag: bool = False, in_tag: bool = False) -> Value | None:
    """The value of the key that ends here, None if none follows."""
    follows = text[end : end + 1]
    if follows not in FOLLOWERS:
        return None
    then = text[end + 1 : end + 2]
    step = ASSIGNED.match(text, end) if follows != " " or then in _SIGNS else None
    if step is not None:
        at = step.end()
        if text[at : at + 1] in "\\\r\n" or "\n" in step.group():
            split = SPLIT_LINE.match(text, end)
            at = split.end() if split else at
        wrap = WRAPPED.match(text, at) if text[at : at + 1] in "bnqesBRS" else None
        return value_at(text, wrap.end() if wrap else at, "=" if "=" in step.group() else ":")
    if follows in ('"', "'", "\\", "&") and (then in ", \t\r\n" or follows in "\\&"):
        step = PAIR.match(text, end)
        if step is not None:
            return value_at(text, step.end(), "pair")
        step = TUPLED.match(text, end)
        if step is not None:
            beside = value_at(text, step.end(), "pair")
            # What a colon follows is the next key: ``{"name": "password", "status": "passed"}``.
            return beside if beside is not None and NEXT_KEY.match(text, beside.end) is None else None
    if follows == "<":
        listed = PLIST.match(text, end)
        if listed is not None:
            return Value(listed.start(1), listed.end(1), True, "element")
    if in_tag:
        inside = ELEMENT.match(text, end)
        if inside is not None:
            return Value(inside.start(1), inside.end(1), True, "element")
    if follows == "(":
        step = CALLED.match(text, end)
        if step is not None:
            return value_at(text, step.end(), "call")
    if is_flag:
        step = SPACED.match(text, end) or PROSE.match(text, end)
        return value_at(text, step.end(), "flag") if step else None
    step = PROSE.match(text, end)
    if step is not None:
        return value_at(text, step.end(), "prose")
    step = BESIDE.match(text, end)
    return value_at(text, step.end(), "beside") if step is not None else None


def value_at(text: str, at: int, how: str) -> Value | None:
    """The value that begins here, in quotes or not."""
    opened = OPENED.match(text, at)
    if opened is not None:
        begin, mark = opened.end(), opened.group(1)
        end = closing(text, begin, mark)
        if end is None:
            # The rest is cut off, as in a shortened message.
            word = WORD.match(text, begin)
            return Value(begin, word.end(), False, how) if word else None
        return Value(begin, end, True, how) if end > begin else None
    word = WORD.match(text, at)
    if word is None:
        return None
    end = word.end()
    cut = ENDS.search(text, at + 1, end)
    if cut is not None:
        end = cut.start()
    end = trimmed(text, at, end)
    return Value(at, end, False, how) if end > at else None


def closing(text: str, begin: int, mark: str) -> int | None:
    """Where the quotation ends, None if it does not on this line."""
    limit = min(len(text), begin + 512)
    line = text.find("\n", begin, limit)
    if line >= 0:
        limit = line
    at = begin
    while (at := text.find(mark, at, limit)) >= 0:
        # In a plain quotation, a backslash before the mark makes it part of the value; two do not.
        slashes = 0
        while at - slashes - 1 >= begin and text[at - slashes - 1] == "\\":
            slashes += 1
        if len(mark) > 1 or slashes % 2 == 0:
            return at
        at += 1
    return None


def trimmed(text: str, start: int, end: int) -> int:
    """Without punctuation of the sentence, and brackets that were opened before the value."""
    while end > start:
        char = text[end - 1]
        if (
            char in ",;:"
            or (char == "." and end - start > 1)
            or (char in CLOSERS and text.count(char, start, end) > text.count(CLOSERS[char], start, end))
            or (char in "\"'`" and text.count(char, start, end) % 2)
        ):
            end -= 1
        else:
            break
    return end
