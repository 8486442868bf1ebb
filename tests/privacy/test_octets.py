from __future__ import annotations

import codecs
import secrets
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy.octets import redact_octets
from redactors import redactor_over

VALUE = "swörd-fish"


def redact(text: str) -> str:
    return text.replace(VALUE, "[REDACTED:X#1]")


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
        (b"", "latin-1"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_text_is_redacted_in_its_own_encoding(mark: bytes, encoding: str) -> None:
    before, after = (mark + f"the key: {word};\n".encode(encoding) for word in (VALUE, "[REDACTED:X#1]"))
    assert redact_octets(before, redact) == after


def test_log_lines_of_several_encodings_are_all_redacted() -> None:
    mixed = f"one {VALUE}\n".encode() + f"two {VALUE}\n".encode("latin-1") + b"three \xff\n"
    assert redact_octets(mixed, redact) == b"one [REDACTED:X#1]\ntwo [REDACTED:X#1]\nthree \xff\n"


@pytest.mark.parametrize(
    "data",
    [
        zlib.compress(secrets.token_bytes(400)),
        bytes(range(256)),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0",
        codecs.BOM_UTF16_LE + b"abc",
        codecs.BOM_UTF8 + b"\xff\xfe\xfd",
        codecs.BOM_UTF32_LE + b"\xff\xff\xff\xff",
    ],
)
def test_what_is_no_text_is_said_to_be_none(data: bytes) -> None:
    assert redact_octets(data, redact) is None


def test_terminals_colours_and_rare_zeros_leave_it_a_text() -> None:
    coloured = f"\x1b[31mFAILED\x1b[0m {VALUE}\r\n\t\b".encode()
    assert redact_octets(coloured, redact) == coloured.replace(VALUE.encode(), b"[REDACTED:X#1]")
    assert redact_octets(b"x" * 200 + b"\0" + VALUE.encode(), redact) == b"x" * 200 + b"\0[REDACTED:X#1]"


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode("utf-16")))
@settings(max_examples=200)
def test_bytes_without_anything_stay_as_they_are(data: bytes) -> None:
    assert redact_octets(data, lambda text: text) in (data, None)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40))
@settings(max_examples=50)
def test_all_text_is_text(text: str) -> None:
    assert redact_octets(text.encode(), str) == text.encode()
    assert redact_octets(text.encode("utf-16"), str) == text.encode("utf-16")


def test_what_looks_wide_and_is_not_is_read_both_ways() -> None:
    """UTF-16 that a program has taken for latin-1 and written as UTF-8."""
    redactor = redactor_over()
    redactor.register("swordfish-in-the-sea")
    data = "swordfish-in-the-sea".encode("utf-16-be").decode("latin-1").encode() + b"\0e\0n\0d"
    assert b"s\0w\0o" not in (redact_octets(data, redactor.redact) or b"")


def test_utf_16_that_was_taken_for_characters_is_found_beside_longer_ones() -> None:
    value = "s\u00e9cret-of-the-\u00e9l\u00e8ve"
    redactor = redactor_over()
    redactor.register(value)
    data = value.encode("utf-16-le").decode("latin-1").encode()
    assert value[2:].encode("utf-16-le").decode("latin-1").encode() not in (
        redact_octets(data, redactor.redact) or data
    )
