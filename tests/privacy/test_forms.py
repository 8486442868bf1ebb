from __future__ import annotations

import ast
import base64
import html
import json
import re
import secrets
import shlex
import string
import unicodedata
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy.forms import forms

#: What passwords are made of, and what spelling changes.
WORDS = st.text(string.ascii_letters + string.digits + "+/=&%<>'\"\\ ;é€😀", min_size=6, max_size=30).map(
    str.strip
)

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "base64": lambda word: base64.b64encode(word.encode()).decode(),
    "base64 for URLs": lambda word: base64.urlsafe_b64encode(word.encode()).decode(),
    "base64 without padding": lambda word: base64.b64encode(word.encode()).decode().rstrip("="),
    "hex": lambda word: word.encode().hex(),
    "HEX": lambda word: word.encode().hex().upper(),
    "URL": quote,
    "URL, slashes too": lambda word: quote(word, safe=""),
    "form": quote_plus,
    "query": lambda word: urlencode({"q": word})[2:],
    "URL, lower case": lambda word: re.sub("%..", lambda found: found.group().lower(), quote(word)),
    "JSON": lambda word: json.dumps(word)[1:-1],
    "JSON, not ASCII": lambda word: json.dumps(word, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda word: json.dumps(json.dumps(word))[3:-3],
    "HTML": html.escape,
    "HTML text": lambda word: html.escape(word, quote=False),
    "XML text": escape,
    "XML attribute": lambda word: quoteattr(word)[1:-1],
    "repr": lambda word: repr(word)[1:-1],
    "ascii": lambda word: ascii(word)[1:-1],
    "repr of bytes": lambda word: repr(word.encode())[2:-1],
    "HTML of JSON": lambda word: html.escape(json.dumps(word)[1:-1]),
    "repr of JSON": lambda word: repr(f"'{json.dumps(word)[1:-1]}\"")[3:-2],
    "stderr": lambda word: word.encode("ascii", "backslashreplace").decode(),
    "XML in ASCII": lambda word: escape(word).encode("ascii", "xmlcharrefreplace").decode(),
    "UTF-8 as latin-1": lambda word: word.encode().decode("latin-1"),
    "base64 in a URL": lambda word: quote(base64.b64encode(word.encode()), safe=""),
    "shell": lambda word: shlex.quote(f" {word} ")[2:-2],
    "UTF-16 LE": lambda word: word.encode("utf-16-le").decode("latin-1").strip("\0"),
    "UTF-16 BE": lambda word: word.encode("utf-16-be").decode("latin-1").strip("\0"),
    "UTF-16 in repr": lambda word: repr(word.encode("utf-16-le").decode("latin-1").strip("\0"))[1:-1],
}


@pytest.mark.parametrize("how", SPELLINGS)
@given(word=WORDS.filter(lambda word: len(word) >= 6))
@settings(max_examples=25)
def test_a_value_is_known_in_each_spelling(how: str, word: str) -> None:
    spelled = SPELLINGS[how](word)
    assert any(form in spelled and len(form) >= len(spelled) - 1 for form in forms(word))


@given(st.text("ab'\"\\\n", max_size=8))
@settings(max_examples=100)
def test_source_code_with_either_quotes_means_the_value(text: str) -> None:
    word = f"'{text}\""
    spelled = forms(word)
    for quotes in ("'", '"'):
        meanings = [
            ast.literal_eval(quotes + form + quotes) for form in spelled if is_source(quotes + form + quotes)
        ]
        assert word in meanings


@pytest.mark.parametrize("outer", [repr, json.dumps, html.escape, quoteattr])
@pytest.mark.parametrize("inner", [repr, json.dumps, html.escape, quoteattr])
def test_a_value_is_known_in_one_language_within_another(
    inner: Callable[[str], str], outer: Callable[[str], str]
) -> None:
    word = "S3cr\"et<&>'p\\a/ss wörd é"
    spelled = outer(inner(word))
    longest = max((form for form in forms(word) if form in spelled), key=len, default="")
    # What is left are the quotes of both, at most as long as they can be spelled.
    assert len(spelled) - len(longest) <= 2 * len("&quot;&#x27;")


def is_source(text: str) -> bool:
    try:
        return isinstance(ast.literal_eval(text), str)
    except (SyntaxError, ValueError):
        return False


@given(
    word=WORDS.filter(lambda word: len(word.encode()) >= 8),
    before=st.binary(max_size=9),
    after=st.binary(max_size=9),
)
@settings(max_examples=100)
def test_base64_of_a_longer_text_is_known_wherever_the_value_stands(
    word: str, before: bytes, after: bytes
) -> None:
    encoded = base64.b64encode(before + word.encode() + after).decode()
    longest = max((form for form in forms(word) if form in encoded), key=len, default="")
    # What is left on both sides holds fewer than 12 bits of the value.
    assert len(longest) * 6 > len(word.encode()) * 8 - 12


def test_the_longest_form_comes_first_and_each_once() -> None:
    found = forms("pass<word>&1")
    assert found == sorted(found, key=len, reverse=True)
    assert len(found) == len(set(found))


def test_a_short_value_is_not_known_by_base64_that_anything_may_hold() -> None:
    assert min(map(len, forms("a+b/"))) == 4
    assert [form for form in forms("a+b/") if len(form) < 6] == ["a+b\\/", "a+b/"]


def test_lines_of_a_value_are_known_alone_but_not_short_ones_nor_a_frame() -> None:
    frame = "-----BEGIN " + "PRIVATE KEY-----"
    found = forms(f"{frame}\n  first-line-of-it\nshort\nsecond<line>of-it\n")
    assert {"first-line-of-it", "second<line>of-it", "second&lt;line&gt;of-it"} <= set(found)
    assert not {frame, "short"} & set(found)


def test_other_line_ends_are_known() -> None:
    assert "one line\r\nand two" in forms("one line\nand two")


def test_a_long_value_is_known_by_parts_of_it() -> None:
    value = "".join(chr(97 + number % 26) + str(number) for number in range(60))
    parts = [form for form in forms(value) if form in value and form != value]
    assert len(value) > 80
    assert max(map(len, parts)) == 32
    # Whatever 63 characters are left of it hold one.
    assert all(any(part in value[at : at + 63] for part in parts) for at in range(len(value) - 63))


def test_of_a_very_long_value_no_two_escapings_are_known() -> None:
    """There would be hundreds, each as long."""
    value = '"<\\>' * 300
    spelled = set(forms(value))
    assert json.dumps(value)[1:-1] in spelled
    assert html.escape(json.dumps(value)[1:-1]) not in spelled
    assert html.escape(json.dumps(value[:100])[1:-1]) in forms(value[:100])


@pytest.mark.parametrize("width", [64, 76])
def test_lines_of_wrapped_base64_are_known(width: int) -> None:
    raw = bytes(range(150))
    encoded = base64.b64encode(raw).decode()
    lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    assert set(lines) <= set(forms(raw))


def test_bytes_are_known_as_text_and_as_latin_1() -> None:
    assert "pass-wörd" in forms("pass-wörd".encode())
    raw = b"\xff\xfe\x01secret"
    assert {raw.hex(), raw.decode("latin-1"), repr(raw)[2:-1]} <= set(forms(raw))


@given(st.text(max_size=40) | st.binary(max_size=40))
@settings(max_examples=100)
def test_nothing_breaks_it_and_no_form_is_empty(value: str | bytes) -> None:
    assert "" not in forms(value)


def test_accents_are_found_composed_and_taken_apart() -> None:
    value = "p\u00e4ssw\u00f6rd"
    apart = unicodedata.normalize("NFD", value)
    assert {value, apart, quote(apart), json.dumps(apart)[1:-1]} <= set(forms(value))
    assert value in forms(apart)


def test_nothing_that_is_all_question_marks_is_a_spelling() -> None:
    """A stream in ASCII has written them; so has everybody who asks."""
    assert not [form for form in forms("\u043f\u0430\u0440\u043e\u043b\u044c") if not form.strip("?")]


def test_parts_of_a_very_long_value_are_spread_over_all_of_it() -> None:
    value = secrets.token_hex(50_000)
    at = sorted(value.index(form) for form in forms(value) if form in value[:-1])
    assert len(at) <= 257
    assert max(later - earlier for earlier, later in zip([0, *at], [*at, len(value)], strict=True)) < 1_000


def test_ids_of_tests_escape_letters_and_backslashes_and_no_quotes() -> None:
    value = "p\u00e4ss \"w'\\rd"
    assert value.encode("unicode_escape").decode() in forms(value)
