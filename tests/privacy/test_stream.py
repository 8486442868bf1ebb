from __future__ import annotations

import html
import secrets
import threading
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy.redactor import Redactor
from pytest_autorl.privacy.stream import MOST_HELD
from redactors import redactor_over

BEGIN, END = "-----BEGIN " + "RSA PRIVATE KEY-----\n", "-----END " + "RSA PRIVATE KEY-----\n"
LINES = "first=abcdefgh\nxy\nlast\nsecret-of-lines"
WORD = "swordfish-swordfish"


def ready(*values: str) -> Redactor:
    redactor = redactor_over()
    for value in values:
        redactor.register(value)
    return redactor


def streamed(redactor: Redactor, pieces: Iterable[str], *, close: bool = True) -> list[str]:
    out: list[str] = []
    stream = redactor.stream(out.append)
    for piece in pieces:
        assert stream.write(piece) == len(piece)
    if close:
        stream.close()
    return out


def test_whole_lines_go_out_and_the_rest_waits_for_its_end() -> None:
    out: list[str] = []
    stream = ready().stream(out.append)
    stream.write("one a@x.")
    assert out == []
    stream.write("org\ntwo\nthr")
    stream.flush()
    assert out == ["one [REDACTED:EMAIL#1]\n", "two\n"]
    stream.close()
    assert out[2:] == ["thr"]


def test_a_private_key_waits_for_its_end() -> None:
    out: list[str] = []
    stream = ready().stream(out.append)
    stream.write("key:\n" + BEGIN + "MIIabc\n")
    assert out == ["key:\n"]
    stream.write("defg\n" + END + "after\n")
    assert "".join(out) == "key:\n[REDACTED:PRIVATE_KEY#1]\nafter\n"


@pytest.mark.parametrize("before", ["\n", "\r\n", " \n\n", "\n\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_value_that_begins_with_an_empty_line_holds_no_other_line_back(before: str, end: str) -> None:
    redactor = ready(f"{before}first-of-two\nlast-of-two\n")
    assert streamed(redactor, [f"one{end}", end, f"two{end}"], close=False) == [f"one{end}", end, f"two{end}"]

    out = "".join(streamed(redactor, [f"a{end}", end, f"first-of-two{end}", f"last-of-two{end}", "b"]))
    assert "of-two" not in out
    assert out.startswith(f"a{end}")
    assert out.endswith("b")


@pytest.mark.parametrize("before", ["", " ", "\n", " \n", "\r\n\t"])
@pytest.mark.parametrize(
    "spelled", [str, html.escape, lambda text: text.encode("utf-16-le").decode("latin-1")]
)
def test_a_value_that_begins_with_space_is_found_in_other_spellings(
    before: str, spelled: Callable[[str], str]
) -> None:
    """Its lines are too short to be known alone."""
    value = f"{before}a<b>c\nd&e f\ng'h"
    out = "".join(streamed(ready(value), ["x\n", spelled(value), "\ny\n"]))

    assert spelled("c\nd") not in out
    assert spelled("d&e") not in out
    assert out.startswith("x\n")
    assert out.endswith("y\n")


def test_a_public_key_waits_for_nothing() -> None:
    begin = "-----BEGIN " + "CERTIFICATE-----\n"
    assert streamed(ready(), [begin], close=False) == [begin]


def test_a_private_key_without_end_does_not_stop_the_stream() -> None:
    out = streamed(ready(), [BEGIN, *("line of it\n" for _ in range(MOST_HELD // 11 + 20))], close=False)
    assert "PRIVATE_KEY" in out[0]


def test_a_value_of_several_lines_leaves_in_no_part() -> None:
    for cut in range(len(LINES)):
        out = streamed(ready(LINES), [f"a {LINES[:cut]}", f"{LINES[cut:]} b\n"])
        assert "".join(out) == "a [REDACTED:SECRET#1] b\n"


def test_what_only_began_like_a_value_comes_late_and_whole() -> None:
    out: list[str] = []
    stream = ready("alpha\nbeta\ngamma").stream(out.append)
    stream.write("alpha\nbeta\n")
    assert out == []
    stream.write("delta\n")
    assert "".join(out) == "alpha\nbeta\ndelta\n"


def test_a_prompt_goes_out_when_it_is_asked_for_and_only_once() -> None:
    out: list[str] = []
    stream = ready().stream(out.append)
    stream.write("name of a@x.org? ")
    stream.flush(partial=True)
    stream.flush(partial=True)
    stream.write("b@x.org\n")
    assert out == ["name of [REDACTED:EMAIL#1]? ", "[REDACTED:EMAIL#2]\n"]


@pytest.mark.parametrize("cut", range(1, len(WORD)))
def test_of_a_value_whose_beginning_has_left_no_rest_is_seen(cut: int) -> None:
    out: list[str] = []
    stream = ready(WORD).stream(out.append)
    stream.write("x " + WORD[:cut])
    stream.flush(partial=True)
    stream.write(WORD[cut:] + " y\n")
    # What could be the beginning of a longer word is kept back, from four characters on.
    seen = f"x {WORD[:cut]} y\n" if cut < 4 else "x [REDACTED:SECRET#1] y\n"
    assert "".join(out) == seen


def test_what_was_kept_back_and_began_nothing_goes_out_when_that_is_known() -> None:
    out: list[str] = []
    stream = ready(WORD).stream(out.append)
    stream.write("x " + WORD[:9])
    stream.flush(partial=True)
    stream.write("-")
    stream.flush(partial=True)
    assert "".join(out) == "x "
    stream.write("!")
    stream.flush(partial=True)
    assert "".join(out) == f"x {WORD[:9]}-!"


def test_of_a_value_that_was_taken_out_too_early_no_rest_is_seen() -> None:
    out: list[str] = []
    stream = ready().stream(out.append)
    stream.write("password=sword")
    stream.flush(partial=True)
    stream.write("fish and more\n")
    assert out == ["password=[REDACTED:PASSWORD#1]", " and more\n"]


@pytest.mark.parametrize("at", [MOST_HELD - 4096 - 7, MOST_HELD - 7, MOST_HELD * 2 - 5000, 10])
def test_a_line_without_end_goes_out_before_it_fills_the_memory(at: int) -> None:
    out: list[str] = []
    stream = ready(WORD).stream(out.append)
    text = "." * at + WORD + "." * (3 * MOST_HELD)
    for start in range(0, len(text), 777):
        stream.write(text[start : start + 777])
    assert len("".join(out)) > 2 * MOST_HELD
    stream.close()
    assert "".join(out) == text.replace(WORD, "[REDACTED:SECRET#1]")


def test_a_value_that_fills_all_that_is_held_is_not_waited_for() -> None:
    long = "Z" * (MOST_HELD + 5000)
    out = streamed(ready(long), [long + "\n"])
    assert "Z" * 4 not in "".join(out)[:40]
    assert "".join(out).startswith("[REDACTED:SECRET")


BUSY = ready(WORD, LINES)
PIECES = st.sampled_from(
    [
        *(
            "a@x",
            ".org",
            "\n",
            "\n",
            " ",
            "password=",
            "sword",
            "fish",
            "-swordfish",
            WORD,
            BEGIN,
            END,
            BEGIN[:9],
        ),
        *("first=", "abcdefgh", "\nxy", "\nlast", "\nsecret-of-lines", LINES, "x", "é", "\r\n", "+491234567"),
    ]
)


@given(st.lists(PIECES, max_size=25).map("".join), st.lists(st.integers(1, 30), min_size=1, max_size=5))
@settings(max_examples=60)
def test_how_a_text_is_cut_makes_no_difference(text: str, sizes: list[int]) -> None:
    pieces, at = [], 0
    while at < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[at : at + size])
        at += size

    cut = "".join(streamed(BUSY.fresh(), pieces))

    assert cut == "".join(streamed(BUSY.fresh(), [text]))
    assert WORD not in cut
    assert LINES not in cut
    redactor = BUSY.fresh()
    assert cut == "".join(map(redactor.redact, blocks(redactor, text)))


def blocks(redactor: Redactor, text: str) -> Iterable[str]:
    """What a stream takes for one text: a line, a private key, lines that may begin a registered value."""
    block = ""
    for line in (
        text.splitlines(keepends=True) if "\r" not in text else text.replace("\n", "\n\0").split("\0")
    ):
        block += line
        last = block.rfind(BEGIN[:11])
        is_key = last >= 0 and "PRIVATE KEY" in block[last:] and "-----END" not in block[last:]
        if block.endswith("\n") and not is_key and not redactor.held(block):
            yield block
            block = ""
    if block:
        yield block


VALUE = secrets.token_hex(12)
EARLY = ready(VALUE)


@given(st.lists(st.tuples(PIECES, st.booleans()), max_size=20), st.integers(0, 10), st.booleans())
@settings(max_examples=60)
def test_early_flushes_show_no_more_than_what_had_left(
    pieces: list[tuple[str, bool]], cut: int, is_late: bool
) -> None:
    redactor = EARLY.fresh()
    out: list[str] = []
    stream = redactor.stream(out.append)
    for piece, is_flushed in pieces:
        stream.write(piece)
        stream.flush(partial=is_flushed)
    stream.write(VALUE[:cut])
    stream.flush(partial=is_late)
    stream.write(VALUE[cut:] + "\n")
    stream.close()
    assert VALUE[-13:] not in "".join(out)


def test_after_its_end_a_stream_begins_anew() -> None:
    out: list[str] = []
    stream = ready().stream(out.append)
    stream.write("password=")
    stream.close()
    stream.close()
    stream.write("later\n")
    assert out == ["password=", "later\n"]


def test_a_sink_that_breaks_is_not_given_the_same_twice() -> None:
    out: list[str] = []
    broken = [True]

    def write(text: str) -> None:
        if broken and broken.pop():
            raise OSError("disk full")
        out.append(text)

    stream = ready().stream(write)
    with pytest.raises(OSError, match="disk full"):
        stream.write("one\ntwo\n")
    stream.write("three\n")
    stream.close()
    assert out == ["two\n", "three\n"]


def test_lines_of_threads_stay_whole() -> None:
    out: list[str] = []
    stream = ready().stream(out.append)

    def talk(name: str) -> None:
        for _ in range(50):
            stream.write(f"{name * 20}\n")

    threads = [threading.Thread(target=talk, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(out) == sorted(f"{name * 20}\n" for name in "abc" for _ in range(50))


def test_a_value_that_is_longer_than_what_is_held_back_does_not_leave() -> None:
    long = secrets.token_hex(50_000)
    assert "".join(streamed(ready(long), [f"a {long} b\n"])).count("]") == 1


def test_what_a_signal_handler_writes_comes_after_the_piece_that_it_has_interrupted() -> None:
    out: list[str] = []

    def write(text: str) -> None:
        out.append(text)
        if text == "one\n":
            stream.write("from the handler\n")
            stream.flush(partial=True)

    stream = ready(WORD).stream(write)
    stream.write(f"one\n{WORD[:9]}")
    stream.write(f"{WORD[9:]}\n")
    assert out == ["one\n", "[REDACTED:SECRET#1]from the handler\n", "\n"] or WORD not in "".join(out)
    assert "".join(out).count("from the handler") == 1
    assert "".join(out).count("one") == 1


def test_a_handler_that_raises_leaves_the_stream_usable() -> None:
    out: list[str] = []

    def write(text: str) -> None:
        out.append(text)
        if text == "one\n":
            raise KeyboardInterrupt

    stream = ready().stream(write)
    with pytest.raises(KeyboardInterrupt):
        stream.write("one\ntwo\n")
    stream.write("three\n")
    stream.close()
    assert out[0] == "one\n"
    assert out[-1].endswith("three\n")


def test_marks_go_out_at_once_and_are_part_of_their_line() -> None:
    out: list[str] = []
    stream = ready(WORD).stream(out.append)
    stream.write("test_pay.py ")
    assert not stream.mark("."), "what stands before it is held back"
    stream.flush(partial=True)
    assert all(stream.mark(mark) for mark in ".F.")
    stream.write(f" {WORD}\n")
    assert "".join(out) == "test_pay.py .F. [REDACTED:SECRET#1]\n"


def test_what_goes_on_a_word_is_no_mark() -> None:
    out: list[str] = []
    stream = ready(WORD).stream(out.append)
    stream.write("ab")
    stream.flush(partial=True)
    assert not stream.mark("F")
    for char in WORD:
        assert stream.mark(char) is False
        stream.write(char)
    stream.write("\n")
    assert WORD[4:] not in "".join(out)
