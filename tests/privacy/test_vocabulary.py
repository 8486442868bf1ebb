"""Words and figures are judged once, and a text is for a detector if one of its own is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy import vocabulary as module
from pytest_autorl.privacy.latin import draw
from pytest_autorl.privacy.vocabulary import Confirm, Figures, Gallery, Lexicon, Vocabulary, Words


def said(text: str, *wanted: Words) -> int:
    return Vocabulary(list(enumerate(wanted))).said(text.encode("latin-1"))


@settings(max_examples=150, deadline=None)
@given(
    stems=st.lists(st.text("abcdé", min_size=3, max_size=6), min_size=1, max_size=6),
    text=st.text("abcdABCDé 1_-.", max_size=40),
)
def test_a_stem_is_seen_wherever_it_stands_and_in_any_case(stems: list[str], text: str) -> None:
    low = text.encode("latin-1").lower().decode("latin-1")

    for stem in stems:
        assert bool(said(text, Words(stems=["zzz"]), Words(stems=[stem]))) == (stem in low)


def test_a_stem_of_two_letters_is_a_whole_word() -> None:
    words = Words(stems=["hf"])

    assert said("an hf_key", words) == said("HF", words) == 1
    assert said("a half", words) == said("hfs", words) == 0


def test_each_detector_has_its_own_bit_and_its_own_say() -> None:
    loud = Words(stems=["token", "key"], accepts=str.isupper)

    assert said("a token", loud, Words(stems=["token"])) == 0b10
    assert said("a TOKEN", loud, Words(stems=["token"])) == 0b11


def test_a_word_is_judged_once_unless_it_is_too_long() -> None:
    asked: list[str] = []
    words = Words(stems=["key"], accepts=lambda word: asked.append(word) is None)
    vocabulary = Vocabulary([(0, words)])
    long = "x" * module.LONGEST + "key"

    assert [vocabulary.said(f"key {long}".encode()) for _ in range(3)] == [1, 1, 1]
    assert asked.count("key") == 1
    assert asked.count(long) == 3


def test_what_is_known_stays_bounded() -> None:
    vocabulary = Vocabulary([(0, Words(stems=["abcd"]))])
    letters = "bcdefghijklmnopqrstuvwxyz"

    for first in letters:
        vocabulary.said(
            " ".join(f"{first}{a}{b}{c}" for a in letters for b in letters for c in "xyz").encode()
        )
        assert len(vocabulary) <= module.MOST_WORDS
    assert vocabulary.said(b"abcd") == 1


@settings(max_examples=100, deadline=None)
@given(digits=st.text("0123456789", min_size=3, max_size=3), letter=st.sampled_from("afzAFZ"))
def test_figures_are_alike_whatever_their_digits_and_letters_are(digits: str, letter: str) -> None:
    gallery = Gallery([(2, Figures(pattern=r"000-a\.0"))])

    assert gallery.shown(f'id="{digits}-{letter}.7", x'.encode()) == 0b100
    assert gallery.shown(f'id="{digits}-{letter}.x", 7'.encode()) == 0
    assert draw(digits.encode()) == b"000"


def test_letters_beyond_ascii_are_question_marks_in_figures() -> None:
    gallery = Gallery([(0, Figures(pattern=r"@[?]a"))])

    assert gallery.shown("joe@éa.com".encode("latin-1")) == 1


def test_a_figure_without_one_of_the_signs_is_not_searched() -> None:
    gallery = Gallery([(0, Figures(signs="@-", pattern="0")), (1, Figures(pattern="0"))])

    assert gallery.shown(b"a0") == 0b10
    assert gallery.shown(b"a0 0-0") == 0b11


def told(text: str, lexicon: Lexicon) -> dict[int, Confirm | None]:
    return dict(lexicon.told(text.encode("latin-1")))


def test_words_and_figures_of_one_detector_are_one_question() -> None:
    def yes(low: bytes, drawn: bytes) -> bool:
        return True

    lexicon = Lexicon(
        [(3, Words(stems=["key"], confirms=yes)), (5, Words(stems=["token"]))],
        [(3, Figures(pattern="0-0", confirms=yes)), (5, Figures(pattern="0:0", confirms=yes))],
    )

    assert told("nothing", lexicon) == {}
    assert told("a key, 1-2", lexicon) == {3: yes}
    assert told("4:5", lexicon) == {5: yes}
    assert told("a token at 4:5, key=1", lexicon) == {3: yes, 5: None}


def test_one_of_two_confirmations_is_enough() -> None:
    lexicon = Lexicon(
        [(0, Words(stems=["key"], confirms=lambda low, drawn: b"x" in low))],
        [(0, Figures(pattern="0-0", confirms=lambda low, drawn: b"y" in low))],
    )
    confirm = told("key 1-2", lexicon)[0]

    assert confirm is not None
    assert confirm(b"x", b"")
    assert confirm(b"y", b"")
    assert not confirm(b"z", b"")


def test_a_word_may_depend_on_the_figure_it_is_in() -> None:
    seen: list[bytes] = []
    words = Words(stems=["key"], within=lambda figure: seen.append(figure) is None and b"api_key.0" in figure)
    lexicon = Lexicon([(0, words)], [(0, Figures(pattern="0~", within=lambda figure: b"K" in figure))])

    assert told("my api_key.7=x", lexicon) == told("K1~", lexicon) == {0: None}
    assert told("my key.7=api_", lexicon) == told("k1~", lexicon) == {}
    assert seen == [b"api_key.0", b"key.0"]


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(st.text("ab1- .\xe9", max_size=12), max_size=8))
def test_what_is_told_does_not_depend_on_what_was_told_before(texts: list[str]) -> None:
    words = [(0, Words(stems=["aba"])), (1, Words(stems=["b"]))]
    figures = [(2, Figures(pattern="a-0")), (3, Figures(pattern="[?]"))]
    used = Lexicon(words, figures)

    for text in texts:
        octets = text.encode("latin-1")
        expected = Vocabulary(words).said(octets) | Gallery(figures).shown(octets)

        assert sum(1 << number for number in told(text, used)) == expected
        assert told(text, used) == told(text, Lexicon(words, figures))


def test_a_lexicon_forgets_before_it_grows_without_bound() -> None:
    lexicon = Lexicon([(0, Words(stems=["key"]))], [])

    for start in range(0, 3 * module.MOST_WORDS, 4096):
        text = " ".join(
            "k" + "".join("abcdefghij"[int(digit)] for digit in str(at)) for at in range(start, start + 4096)
        )
        assert told(f"{text} key", lexicon) == {0: None}
        assert len(lexicon._known[0]) < module.MOST_WORDS
