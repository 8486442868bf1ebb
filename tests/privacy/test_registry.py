from __future__ import annotations

import base64
import secrets
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pytest_autorl
from pytest_autorl.errors import UsageError
from pytest_autorl.privacy import registry as module
from pytest_autorl.privacy.registry import SecretRegistry, default_registry


@pytest.fixture
def registry() -> SecretRegistry:
    return SecretRegistry()


@pytest.fixture
def of_process(monkeypatch: pytest.MonkeyPatch) -> SecretRegistry:
    """A registry for `secret` that dies with the test."""
    own = SecretRegistry()
    monkeypatch.setattr(module, "_of_process", own)
    return own


def found(registry: SecretRegistry, text: str) -> set[str]:
    return {text[span.start : span.end] for span in registry.spans(text)}


def test_a_value_is_found_with_its_kind_wherever_it_stands(registry: SecretRegistry) -> None:
    registry.add("hunter-2-hunter", "PASSWORD")
    text = "a hunter-2-hunter, b=hunter-2-hunter;"
    assert [tuple(span) for span in registry.spans(text)] == [(2, 17, "PASSWORD"), (21, 36, "PASSWORD")]


def test_occurrences_that_overlap_are_one(registry: SecretRegistry) -> None:
    registry.add("abab")
    assert {(span.start, span.end) for span in registry.spans("ababab")} == {(0, 6)}


def test_the_same_value_is_taken_once_and_the_version_counts(registry: SecretRegistry) -> None:
    assert registry.add("hunter-2-hunter")
    assert not registry.add("hunter-2-hunter")
    assert registry.add(b"hunter-3-hunter")
    assert not registry.add(b"hunter-3-hunter")
    assert (registry.version, len(registry)) == (2, 2)


@pytest.mark.parametrize("value", ["", "abc", "  abc \n", b"abc"])
def test_too_short_values_are_passed_over(registry: SecretRegistry, value: str | bytes) -> None:
    assert not registry.add(value)
    assert registry.anchors() == ()


def test_its_repr_shows_no_value(registry: SecretRegistry) -> None:
    registry.add("hunter-2-hunter")
    assert repr(registry) == "<SecretRegistry of 1 values>"


def test_all_forms_of_a_value_are_one_identity(registry: SecretRegistry) -> None:
    registry.add("hunter<2>hunter")
    registry.add("another-one")
    encoded = base64.b64encode(b"hunter<2>hunter").decode()
    assert (
        registry.identity("hunter<2>hunter")
        == registry.identity(encoded)
        == registry.identity("hunter&lt;2&gt;hunter")
    )
    assert registry.identity("another-one") not in (None, registry.identity(encoded))
    assert registry.identity("nothing") is None


@given(st.lists(st.text("ab\n\\<é", min_size=4, max_size=12), max_size=6), st.text("ab\n\\<é", max_size=20))
@settings(max_examples=50)
def test_what_is_found_contains_an_anchor(values: list[str], text: str) -> None:
    registry = SecretRegistry()
    for value in values:
        registry.add(value)
    if registry.spans(text):
        assert any(anchor in text for anchor in registry.anchors())
    assert {value for value in values if value in text and len(value.strip()) >= 4} <= found(registry, text)


def test_anchors_are_only_added_to(registry: SecretRegistry) -> None:
    registry.add("hunter-2-hunter")
    before = registry.anchors()
    registry.add("another-one")
    assert registry.anchors()[: len(before)] == before
    assert registry.anchors(len(before)) == registry.anchors()[len(before) :]


def test_a_short_number_is_not_found_within_a_longer_one(registry: SecretRegistry) -> None:
    registry.add("4821")
    assert registry.spans("at 1748210000 and 48213 and 14821") == []
    assert found(registry, "pin 4821.") == {"4821"}
    assert found(registry, "4821") == {"4821"}
    assert found(registry, "x4821x") == {"4821"}


def test_what_is_left_of_a_long_value_is_found_to_its_ends(registry: SecretRegistry) -> None:
    value = secrets.token_urlsafe(150)
    registry.add(value)
    assert found(registry, f"'{value[:90]}...") >= {value[:90]}
    assert found(registry, f"...{value[-90:]}'") >= {value[-90:]}


def test_a_line_of_a_value_leaves_the_ends_of_lines_to_the_text(registry: SecretRegistry) -> None:
    registry.add("first-of-them\nsecond-of-them\nthird-of-them")
    assert found(registry, "x\nsecond-of-them\ny") == {"second-of-them"}
    assert found(registry, "first-of-them\nsecond-of-them\nother") >= {"first-of-them\nsecond-of-them"}


def test_listeners_hear_of_a_value_before_add_returns(registry: SecretRegistry) -> None:
    class Listener:
        heard = 0

        def unsettle(self) -> None:
            self.heard += 1

    listener = Listener()
    registry.tell(listener)
    registry.add("hunter-2-hunter")
    registry.add("hunter-2-hunter")
    assert listener.heard == 1


def test_the_beginning_of_a_value_with_lines_is_held(registry: SecretRegistry) -> None:
    registry.add("first\nsecond\nthird")
    assert registry.held("x first\n") == len("first\n")
    assert registry.held("first\nsecond\n") == len("first\nsecond\n")
    assert registry.held("first\nsecond\nthird\n") == 0
    assert registry.held("other\n") == 0
    assert registry.held("second\n") == 0


def test_only_line_feeds_end_lines_of_what_is_held(registry: SecretRegistry) -> None:
    registry.add("one\x0btwo\nthree\rfour\nfive")
    assert registry.held("x one\x0btwo\n") == len("one\x0btwo\n")
    assert registry.held("one\x0btwo\nthree\rfour\n") == len("one\x0btwo\nthree\rfour\n")


def test_threads_may_read_while_others_add(registry: SecretRegistry) -> None:
    words = [secrets.token_hex(8) for _ in range(60)]
    missed: list[str] = []

    def add(part: list[str]) -> None:
        for word in part:
            registry.add(word)
            if not registry.spans(f"x {word} y"):
                missed.append(word)

    threads = [threading.Thread(target=add, args=(words[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert missed == []
    assert registry.version == len(words)


def test_variables_named_like_secrets_are_taken(registry: SecretRegistry) -> None:
    token, password, in_url = secrets.token_hex(10), "s3cr" + "et", "p%40ss-" + "word"
    environment = {
        "LAB_TOKEN": f" {token}\n",
        "DB_PASSWORD": password,
        "DATABASE_URL": f"postgresql+psycopg://bob:{in_url}@db/x",
        "BROKER_DSN": "amqp://host/?user=bob&password=" + "swordfish-9",
        "HOME": "/somewhere/else",
        "API_URL": "https://example.com/path",
    }

    assert registry.from_environment(environment) == 5

    text = f"{token} {password} {in_url} p@ss-word swordfish-9 /somewhere/else https://example.com/path bob"
    assert found(registry, text) >= {token, password, in_url, "p@ss-word", "swordfish-9"}
    assert not any(
        word in piece for piece in found(registry, text) for word in ("somewhere", "example", "bob")
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("API_TOKEN", value)
            for value in ("true", "localhost", "UNDEFINED", "changeme", "1234567", "short", "")
        ),
        *(("DB_PASSWORD", value) for value in ("postgres", "password", "12345", "abcde")),
        ("DATABASE_URL", "postgres://postgres:" + "postgres@db/x"),
        ("PWD", "/a/folder/of/mine"),
    ],
)
def test_values_that_are_no_secret_are_not_taken(registry: SecretRegistry, name: str, value: str) -> None:
    assert registry.from_environment({name: value}) == 0


def test_secret_registers_and_gives_the_value_back(of_process: SecretRegistry) -> None:
    value = secrets.token_hex(8)
    assert pytest_autorl.secret(value) is value
    assert pytest_autorl.secret(48213377, kind="PIN") == 48213377
    assert pytest_autorl.secret(b"bytes-of-it") == b"bytes-of-it"
    assert [span.kind for span in of_process.spans(f"{value} 48213377")] == ["SECRET", "PIN"]
    assert default_registry() is of_process


@pytest.mark.parametrize("value", ["abc", b"abc", "   a   ", 123])
def test_secret_refuses_what_would_be_found_in_everything(
    of_process: SecretRegistry, value: str | bytes | int
) -> None:
    with pytest.raises(UsageError, match="fewer than 4 characters") as caught:
        pytest_autorl.secret(value)
    assert str(value) not in str(caught.value).replace("4 characters", "")
    assert len(of_process) == 0


@pytest.mark.parametrize("value", [None, True, 1.5, ["a-list-of-it"]])
def test_secret_says_what_it_takes(of_process: SecretRegistry, value: object) -> None:
    with pytest.raises(UsageError, match="takes text, bytes or a whole number") as caught:
        pytest_autorl.secret(value)
    assert "a-list-of-it" not in str(caught.value)


def test_a_kind_that_would_break_placeholders_is_refused(of_process: SecretRegistry) -> None:
    with pytest.raises(UsageError, match="capital letters"):
        pytest_autorl.secret("hunter-2-hunter", kind="my kind]")
    assert len(of_process) == 0


def test_the_beginning_of_a_value_at_the_end_of_a_text_is_known(registry: SecretRegistry) -> None:
    value = "swordfish-in-the-sea"
    registry.add(value)
    assert [registry.begun(f"x {value[:cut]}") for cut in (3, 4, 12, len(value) - 1)] == [
        0,
        4,
        12,
        len(value) - 1,
    ]
    assert registry.begun(f"{value} and more") == registry.begun("") == 0
    assert registry.begun(value[:8].encode().hex()) == 16  # of another form of it


def test_values_are_found_among_thousands_in_time_that_does_not_grow_with_them(
    registry: SecretRegistry,
) -> None:
    values = [secrets.token_urlsafe(24) for _ in range(500)]
    for value in values:
        registry.add(value)
    short, long = f"a {values[3]} b", f"a {values[3]} b" + " plain words" * 100_000 + values[-1]

    for text, wanted in ((short, {values[3]}), (long, {values[3], values[-1]})):
        assert found(registry, text) == wanted


def test_few_anchors_and_many_find_the_same(
    registry: SecretRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add("hunter-2-hunter")
    registry.add("hunter-2-other")
    text = "x hunter-2-hunter hunter-2-other " + base64.b64encode(b"hunter-2-other").decode()
    ways = []
    for step, block in ((0, 99), (10**9, 99), (0, 5), (0, 1)):  # by the text in blocks, by the anchors
        monkeypatch.setattr(module, "_STEP", step)
        monkeypatch.setattr(module, "_BLOCK", block)
        ways.append(sorted(registry.spans(text)))
    assert ways == [ways[0]] * 4
    assert {text[start:end] for start, end, _ in ways[0]} >= set(text.split()[1:3])


def test_a_value_over_and_over_is_one_span(registry: SecretRegistry) -> None:
    registry.add("aaaa")
    assert [tuple(span) for span in registry.spans("a" * 9 + "b" + "a" * 4)] == [
        (0, 9, "SECRET"),
        (10, 14, "SECRET"),
    ]


def test_the_lock_may_be_taken_again_by_a_signal_handler(registry: SecretRegistry) -> None:
    with registry.lock:
        assert registry.add("hunter-2-hunter")


def test_a_signal_handler_may_add_a_value_in_the_middle_of_another(registry: SecretRegistry) -> None:
    class Interrupted(list[str]):
        def append(self, anchor: str) -> None:
            registry.add("of-the-handler")
            super().append(anchor)

    registry._anchors = Interrupted()
    registry.add("hunter-2-hunter")

    text = "hunter-2-hunter of-the-handler"
    assert {text[span.start : span.end] for span in registry.spans(text)} == set(text.split())
    assert registry.identity("hunter-2-hunter") != registry.identity("of-the-handler")
    assert len(registry) == 2
