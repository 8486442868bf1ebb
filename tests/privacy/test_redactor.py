from __future__ import annotations

import base64
import re
import secrets
import subprocess
import sys
import threading
import timeit
from collections.abc import Iterable
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl import privacy
from pytest_autorl.privacy import gate
from pytest_autorl.privacy import redactor as module
from pytest_autorl.privacy import registry as registries
from pytest_autorl.privacy.redactor import Redactor
from pytest_autorl.privacy.registry import SecretRegistry
from pytest_autorl.privacy.span import Span
from redactors import MAIL, PLAIN, detector, redactor_over

SECRET = "correct horse/battery"


@pytest.fixture
def redactor() -> Redactor:
    own = redactor_over()
    own.register(SECRET)
    return own


# What is found


def test_a_text_without_anything_is_the_same_object(redactor: Redactor) -> None:
    for text in ("", "abc", "nothing to see here"):
        assert redactor.redact(text) is text
        assert redactor.spans(text) == []
        assert not redactor.finds(text)


def test_equal_values_have_equal_placeholders(redactor: Redactor) -> None:
    assert (
        redactor.redact("a@x.org b@x.org, a@x.org: +4912345678")
        == "[REDACTED:EMAIL#1] [REDACTED:EMAIL#2], [REDACTED:EMAIL#1]: [REDACTED:PHONE#1]"
    )
    assert redactor.redact("b@x.org") == "[REDACTED:EMAIL#2]"


def test_all_spellings_of_a_secret_are_one_value(redactor: Redactor) -> None:
    spellings = (
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        SECRET.encode().hex(),
        "correct%20horse%2Fbattery",
    )
    assert [redactor.redact(spelled) for spelled in spellings] == ["[REDACTED:SECRET#1]"] * 4


def test_spans_go_from_left_to_right_and_do_not_overlap(redactor: Redactor) -> None:
    text = f"b@x.org {SECRET} password=sw-fish"
    assert redactor.spans(text) == [Span(0, 7, "EMAIL"), Span(8, 29, "SECRET"), Span(39, 46, "PASSWORD")]
    assert redactor.finds(text)


def test_a_registered_value_names_what_it_lies_in_and_all_of_it_goes() -> None:
    redactor = redactor_over()
    redactor.register("horse")
    assert redactor.redact("to my.horse@x.org!") == "to [REDACTED:SECRET#1]!"


def test_the_longest_of_what_detectors_find_names_it() -> None:
    short, long = detector("PHONE", "cde"), detector("EMAIL", "abcd")
    redactor = redactor_over((short, long, detector("IP", "x{0}")))
    assert redactor.spans("-abcde-") == [Span(1, 6, "EMAIL")]
    assert redactor.redact("-abcde-") == "-[REDACTED:EMAIL#1]-"


def test_of_equally_long_finds_the_first_detector_names_it() -> None:
    both = (detector("SSN", r"\d{9}"), detector("PHONE", r"\d{9}"))
    for engine in ("auto", "re"):
        assert redactor_over(both, engine=engine).spans("is 078051120") == [Span(3, 12, "SSN")]


def test_neighbours_stay_apart() -> None:
    redactor = redactor_over((detector("IP", "ab"), detector("MAC", "cd")))
    assert redactor.redact("-abcd-") == "-[REDACTED:IP#1][REDACTED:MAC#1]-"


def test_the_registry_of_the_process_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SecretRegistry()
    monkeypatch.setattr(registries, "_of_process", shared)
    redactor = redactor_over()
    value = secrets.token_hex(8)
    assert redactor.redact(value) == value

    registries.secret(value, kind="PIN")

    assert redactor.redact(f"x {value}") == "x [REDACTED:PIN#1]"


@pytest.mark.parametrize("engine", ["re2", "re"])
def test_values_registered_between_texts_are_found_however_many(engine: Literal["re2", "re"]) -> None:
    if engine == "re2":
        pytest.importorskip("re2")
    redactor = redactor_over((), engine=engine)
    words = [secrets.token_hex(9) for _ in range(40)]
    for number, word in enumerate(words, 1):
        assert not redactor.finds(word)
        redactor.register(word)
        assert redactor.redact(f"<{word}>") == f"<[REDACTED:SECRET#{number}]>"
    assert not redactor.finds(secrets.token_hex(9))


def test_gates_are_made_anew_now_and_then_not_for_each_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes milliseconds, and a suite may register a secret in each test."""
    made: list[int] = []

    def new_gate(detectors: Any, literals: Any = (), engine: Any = "auto") -> Any:
        made.append(len(literals))
        return gate.new_gate(detectors, literals, engine)

    monkeypatch.setattr(module, "new_gate", new_gate)
    monkeypatch.setattr(module, "_PATIENCE", 20)
    redactor = redactor_over(())
    redactor.redact("the first text")
    first = len(made)
    redactor.register("late-secret-1")
    assert [redactor.redact("is late-secret-1") for _ in range(10)] == ["is [REDACTED:SECRET#1]"] * 10
    assert len(made) == first

    assert [redactor.redact("is late-secret-1") for _ in range(20)] == ["is [REDACTED:SECRET#1]"] * 20

    assert len(made) == first + 1
    assert made[-1] > 0


def test_a_secret_that_another_thread_has_registered_is_found_at_once() -> None:
    redactor = redactor_over()
    leaks: list[str] = []

    def run(part: Iterable[str]) -> None:
        for word in part:
            redactor.register(word)
            if word in redactor.redact(f"a {word} b"):
                leaks.append(word)

    words = [secrets.token_hex(8) for _ in range(80)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=run, args=(words[start::4],)) for start in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)

    assert leaks == []
    assert redactor.counts["SECRET"] == len(words)


# What stays


def test_public_values_stay_also_within_others_and_in_part() -> None:
    address = detector("IP", r"\d+\.\d+\.\d+\.\d+")
    redactor = redactor_over((address, MAIL), public=["http://192.0.2.7:4723", "lab@farm.org", "x"])
    for text in ("at http://192.0.2.7:4723/status", "by lab@farm.org"):
        assert redactor.redact(text) == text
    assert redactor.redact("192.0.2.7") == "[REDACTED:IP#1]"
    assert redactor.redact("http://192.0.2.78:4723") == "http://[REDACTED:IP#2]:4723"
    assert redactor.redact("our.lab@farm.org") == "[REDACTED:EMAIL#1]"


def test_a_registered_value_goes_although_it_is_public() -> None:
    redactor = redactor_over(public=["pixel-8-of-bob"])
    redactor.register("pixel-8-of-bob")
    assert redactor.redact("on pixel-8-of-bob") == "on [REDACTED:SECRET#1]"


# Placeholders that are there already


def test_placeholders_stay_and_their_numbers_are_not_given_again(redactor: Redactor) -> None:
    text = "[REDACTED:EMAIL#1] password=[REDACTED:PASSWORD#3] REDACTED-IP-1 [REDACTED]"
    assert redactor.redact(text) == text
    assert redactor.redact("a@x.org password=abc") == "[REDACTED:EMAIL#2] password=[REDACTED:PASSWORD#4]"


def test_what_stands_around_a_placeholder_goes_unless_it_is_punctuation(redactor: Redactor) -> None:
    assert redactor.redact("password=ab[REDACTED:IP#1]cd[REDACTED:IP#2]];") == (
        "password=[REDACTED:PASSWORD#1][REDACTED:IP#1][REDACTED:PASSWORD#2][REDACTED:IP#2]];"
    )


def test_many_placeholders_among_many_values_take_no_longer_than_their_number() -> None:
    redactor = redactor_over()
    few, many = ("[REDACTED:IP#1] password=ab[REDACTED:IP#2]cd " * times for times in (500, 2000))
    redactor.redact(few)

    def fastest_s(text: str) -> float:
        return min(timeit.repeat(lambda: redactor.spans(text), number=1, repeat=7))

    assert len(redactor.spans(many)) == 4000
    assert fastest_s(many) < 9 * fastest_s(few)


def test_no_secret_is_found_within_a_placeholder() -> None:
    redactor = redactor_over()
    for word in ("REDACTED", "EMAIL", "#1]x", "[REDACTED:EMAIL#1]"):
        redactor.register(word)
    assert redactor.redact("[REDACTED:EMAIL#1]-") == "[REDACTED:EMAIL#1]-"
    assert redactor.redact("a@x.org") == "[REDACTED:EMAIL#2]"
    assert redactor.redact("[REDACTED:EMAIL#1]x") == "[REDACTED:EMAIL#1][REDACTED:SECRET#1]"


def test_what_a_value_had_excused_is_found_once_it_is_gone() -> None:
    """A find may hang on its neighbour: here a version, which is no address while it says so."""
    redactor = redactor_over((detector("IP", r"(?<!version )\b\d+\.\d+\.\d+\.\d+"),))
    redactor.register("version")
    assert redactor.redact("version 192.0.2.7") == "[REDACTED:SECRET#1] [REDACTED:IP#1]"


FRAGMENTS = st.sampled_from(
    [
        *(
            "[REDACTED:",
            "[REDACTED:EMAIL#1]",
            "[REDACTED:SECRET#2",
            "#1]",
            "]",
            "[",
            "REDACTED-SECRET-1",
            "REDACTED",
        ),
        *(
            "abab",
            "ab",
            "a",
            "cab\n",
            "\n",
            "a@x.org",
            "@x.org",
            "password=",
            "password: ",
            "+49123456",
            "123456",
        ),
        *(
            "4" + "0" * 15,
            "-----BEGIN PRIVATE KEY-----",
            "-----END PRIVATE KEY-----",
            " ",
            "é",
            "\0",
            "\ud800",
            "&",
        ),
    ]
)
TEXTS = st.lists(FRAGMENTS, max_size=12).map("".join)


@given(TEXTS, st.lists(TEXTS.filter(lambda text: len(text.strip()) >= 4), max_size=4))
@settings(max_examples=60)
def test_what_is_redacted_twice_stays_as_it_is(text: str, values: list[str]) -> None:
    redactor = redactor_over()
    for value in values:
        redactor.register(value)

    once = redactor.redact(text)

    assert redactor.redact(once) == once
    assert redactor.fresh().redact(once) == once
    assert not redactor.finds(once)
    name = redactor.name(text)
    assert redactor.name(name) == name
    assert redactor.redact(name) == name


@given(st.lists(FRAGMENTS.filter(lambda text: "REDACTED" not in text), max_size=10).map("".join), st.data())
@settings(max_examples=50)
def test_no_registered_value_is_left(text: str, data: st.DataObject) -> None:
    values = data.draw(
        st.lists(
            st.text("ab+4", min_size=5, max_size=7).filter(lambda word: not word.isdecimal()), max_size=3
        )
    )
    redactor = redactor_over()
    for value in values:
        redactor.register(value)
    redacted = redactor.redact(text)
    assert not any(value in redacted for value in values)


# Failing closed


def test_a_text_in_which_the_search_breaks_goes_as_a_whole() -> None:
    def find(text: str) -> list[Span]:
        raise RecursionError(text)

    redactor = redactor_over((MAIL, detector("IP", "", find=find)))
    for text in ("anything at all", "[REDACTED:UNSCANNABLE]"):
        assert redactor.redact(text) == "[REDACTED:UNSCANNABLE]"
        assert redactor.spans(text) == [Span(0, len(text), "UNSCANNABLE")]
    assert redactor.name("anything") == "REDACTED-UNSCANNABLE-0"
    assert redactor.redact_part("anything", 0, 4) == "[REDACTED:UNSCANNABLE]"


def test_a_gate_that_breaks_lets_nothing_through(redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    def hits(text: str) -> list[int]:
        raise MemoryError

    redactor.redact("settled now")
    monkeypatch.setattr(redactor._search._made[0], "hits", hits)
    monkeypatch.setattr(redactor._search, "look", hits)
    assert redactor.redact("anything at all") == "[REDACTED:UNSCANNABLE]"


def test_a_detector_that_finds_something_in_every_result_costs_the_text() -> None:
    """It would otherwise be looked through for ever."""
    one_at_a_time = detector("IP", "", find=lambda text: [Span(*match.span(), "IP") for match in first(text)])
    assert redactor_over((one_at_a_time,)).redact("z" * 100) == "[REDACTED:UNSCANNABLE]"


def first(text: str) -> list[re.Match[str]]:
    found = re.search("z", text)
    return [found] if found else []


# Names, lines, bytes, parts


def test_names_get_placeholders_of_letters_digits_and_dashes(redactor: Redactor) -> None:
    name = redactor.name(f"test_mail[a@x.org-{SECRET}]")
    assert name == "test_mail[REDACTED-EMAIL-1-REDACTED-SECRET-1]"
    assert redactor.redact(f"FAILED {name}") == f"FAILED {name}"
    assert redactor.name("test_plain") == "test_plain"


def test_a_name_is_the_same_in_every_process_that_names_one_thing(redactor: Redactor) -> None:
    redactor.redact("other@x.org")
    assert (
        redactor.fresh().name("test[a@x.org]")
        == redactor.fresh().name("test[a@x.org]")
        == "test[REDACTED-EMAIL-1]"
    )


def test_lines_are_one_text(redactor: Redactor) -> None:
    begin, end = "-----BEGIN " + "PRIVATE KEY-----", "-----END " + "PRIVATE KEY-----"
    assert redactor.redact_lines(["key:", begin, "MIIabc", end, "a@x.org"]) == [
        "key:",
        "[REDACTED:PRIVATE_KEY#1]",
        "[REDACTED:EMAIL#1]",
    ]
    assert redactor.redact_lines(["clean", "with\nbreak", ""]) == ["clean", "with\nbreak", ""]
    assert redactor.redact_lines([]) == []


def test_bytes_are_redacted_or_said_to_be_none_of_ours(redactor: Redactor) -> None:
    assert redactor.redact_bytes(b"to a@x.org") == b"to [REDACTED:EMAIL#1]"
    assert redactor.redact_bytes(bytes(range(256))) is None


def test_data_is_redacted(redactor: Redactor) -> None:
    assert redactor.redact_data({"to": ["a@x.org"]}) == {"to": ["[REDACTED:EMAIL#1]"]}


def test_a_part_is_redacted_as_in_the_whole(redactor: Redactor) -> None:
    text = f"a@x.org password=swordfish {SECRET} end [REDACTED:SECRET#5]"
    assert redactor.redact_part(text, 0, len(text)) == redactor.redact(text)
    begun = text.index("fish")
    assert redactor.redact_part(text, begun, begun + 5) == " "
    assert redactor.redact_part(text, begun, len(text)) == " [REDACTED:SECRET#6] end [REDACTED:SECRET#5]"
    assert redactor.redact_part(text, 0, 8) == "[REDACTED:EMAIL#1] "


# Counting and numbering


def test_fresh_ones_number_anew_and_count_together(redactor: Redactor) -> None:
    redactor.redact("a@x.org b@x.org")
    other = redactor.fresh()
    assert other.redact("b@x.org") == "[REDACTED:EMAIL#1]"
    assert redactor.redact("b@x.org") == "[REDACTED:EMAIL#2]"
    other.register("new-secret-1")
    assert redactor.redact("new-secret-1") == "[REDACTED:SECRET#1]"
    assert dict(redactor.counts) == dict(other.counts) == {"EMAIL": 4, "SECRET": 1}
    assert redactor.fresh().fields == redactor.fields


def test_counts_cannot_be_changed_from_outside(redactor: Redactor) -> None:
    counts: Any = redactor.counts
    with pytest.raises(TypeError):
        counts["EMAIL"] = 3


def test_what_somebody_else_has_found_is_numbered_and_counted(redactor: Redactor) -> None:
    assert redactor.placeholder("FIELD", "x") == "[REDACTED:FIELD#1]"
    assert redactor.counts["FIELD"] == 1


def test_after_the_last_number_placeholders_have_none(
    redactor: Redactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_autorl.privacy.placeholders.MOST_VALUES", 1)
    assert redactor.redact("a@x.org b@x.org") == "[REDACTED:EMAIL#1] [REDACTED:EMAIL]"


def test_a_registered_secret_has_no_place_in_its_own_repr(redactor: Redactor) -> None:
    assert SECRET not in repr(redactor) + repr(vars(redactor))


def test_the_shipped_detectors_get_what_the_user_has_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, Any]] = []

    def detectors_for(fields: Any = (), patterns: Any = ()) -> tuple[Any, ...]:
        asked.append((fields, patterns))
        return PLAIN

    monkeypatch.setattr("pytest_autorl.privacy.detectors.detectors_for", detectors_for, raising=False)
    redactor = module.Redactor(fields=["pet"], patterns=["X+"])
    assert asked == [(["pet"], ["X+"])]
    assert redactor.fields == ("pet",)


# The package


def test_public_names_load_when_asked_for_and_no_others() -> None:
    assert privacy.__all__ == sorted(privacy.__all__)
    assert (
        {"InputGuard", "Redactor", "SecureDataHandler", "Span"} == set(privacy.__all__) <= set(dir(privacy))
    )
    assert all(getattr(privacy, name).__name__ == name for name in privacy.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Reductor'"):
        _ = privacy.Reductor


def test_importing_the_redactor_compiles_no_detector() -> None:
    """Loading the plugin must cost next to nothing, and many processes redact nothing."""
    command = (
        "import sys, pytest_autorl.privacy.redactor; print('pytest_autorl.privacy.detectors' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "False"


# With the shipped detectors

NASTY = st.lists(
    st.sampled_from(
        [
            *(
                "password=",
                "pass",
                "token: ",
                '"secret": "',
                '"',
                "Authorization: Bearer ",
                "Cookie: a=",
                "@",
            ),
            *("https://bob:", "a@example.org", "192.0.2.77", "version ", "::1", "2001:db8::9", "078-05-1120"),
            *(
                "4111 1111 1111 1111",
                "+1 212 555 0187",
                "phone ",
                "00:1b:44:11:3a:b7",
                "DE89370400440532013000",
            ),
            *(
                "[REDACTED:EMAIL#1]",
                "#1]",
                "REDACTED-IP-2",
                "[REDACTED:PASSWORD#3",
                "[REDACTED]",
                "x" * 43,
                "\0",
            ),
            *(
                "eyJhbGciOiJIUzI1NiJ9.",
                "eyJzdWIiOiIxIn0.",
                "-----BEGIN " + "PRIVATE KEY-----",
                "\n",
                "\\n",
                " ",
            ),
            *(
                "-----END " + "PRIVATE KEY-----",
                "=",
                "-",
                "/",
                "0",
                "&amp;",
                "%40",
                "é",
                "E   ",
                "--password ",
                ",",
            ),
            *(
                "swordfish-1",
                "-u bob:",
                "jdbc:x://h/?user=a&password=",
                "</",
                "<password>",
                "'",
                "${",
                "}",
                "****",
            ),
        ]
    ),
    max_size=14,
).map("".join)
SHIPPED = Redactor()
SHIPPED.register("swordfish-1")


@given(NASTY)
@settings(max_examples=100)
def test_whatever_is_found_is_gone_and_stays_gone(text: str) -> None:
    once = SHIPPED.fresh().redact(text)
    assert not SHIPPED.finds(once)
    assert SHIPPED.fresh().redact(once) == once
    assert "swordfish-1" not in once
    name = SHIPPED.fresh().name(text)
    assert SHIPPED.fresh().name(name) == name


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("mail bob@example.org", "mail [REDACTED:EMAIL#1]"),
        ("from 192.0.2.77 to 192.0.2.77", "from [REDACTED:IP#1] to [REDACTED:IP#1]"),
        ("password=swordfish-7", "password=[REDACTED:PASSWORD#1]"),
        ('{"card": "4111 1111 1111 1111"}', '{"card": "[REDACTED:CREDIT_CARD#1]"}'),
    ],
)
def test_the_shipped_detectors_are_used(text: str, redacted: str) -> None:
    assert SHIPPED.fresh().redact(text) == redacted


def test_late_secrets_are_compiled_when_looking_for_them_has_cost_as_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redactor = redactor_over()
    redactor.redact("the first text")
    redactor.register("hunter-2-hunter")
    redactor.redact("a short text")
    assert not redactor._search.is_settled
    monkeypatch.setattr(module, "_WORTH", 1)
    assert (
        redactor.redact("long hunter-2-hunter" + " text" * 2000)
        == "long [REDACTED:SECRET#1]" + " text" * 2000
    )
    assert redactor._search.is_settled


@pytest.mark.parametrize("lines", [1, 2])
def test_a_signal_handler_may_register_and_print_while_the_gate_is_made(
    lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    redactor = redactor_over()
    made, value = module.new_gate, secrets.token_hex(8)
    signals = iter([value])

    def interrupted(*args: Any) -> Any:
        for name in signals:
            redactor.register(name)
            for _ in range(lines):
                assert redactor.redact(f"handler: {value}") == "handler: [REDACTED:SECRET#1]"
        return made(*args)

    monkeypatch.setattr(module, "new_gate", interrupted)
    redactor.redact("the first text")
    for _ in range(3):
        assert redactor.redact(f"later: {value}") == "later: [REDACTED:SECRET#1]"
        redactor.redact("bob@example.org")


def test_a_signal_handler_may_register_while_the_gate_is_followed() -> None:
    redactor = redactor_over()
    redactor.redact("the first text")
    search, value = redactor._search, secrets.token_hex(8)
    signals = iter([value])

    class Interrupted:
        def __init__(self, gate: gate.Gate) -> None:
            self._gate = gate

        @property
        def hits(self) -> Any:
            if search.lock._is_owned():  # type: ignore[attr-defined]
                for name in signals:
                    redactor.register(name)
                    redactor.redact("printed by the handler")
            return self._gate.hits

    before, counts = search._made
    search._made = Interrupted(before), counts  # type: ignore[assignment]
    search.look = lambda text: before.hits(text)
    redactor.redact("bob@example.org")
    assert redactor.redact(f"later: {value}") == "later: [REDACTED:SECRET#1]"
