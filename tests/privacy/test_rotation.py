"""Rotation: every token of a text gets the newest key, and not a byte beside them changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_autorl.errors import UsageError
from pytest_autorl.privacy.keyring import Keyring, UnknownKeyError, new_key
from pytest_autorl.privacy.rotation import rotate
from pytest_autorl.privacy.tokens import DecryptionError, kid_of
from pytest_autorl.privacy.vault import SecureDataHandler

pytestmark = pytest.mark.unit
pytest.importorskip("cryptography")

OLD, NEW = f"old:{new_key()}", f"new:{new_key()}"
BOTH = Keyring.parse(f"{NEW},{OLD}")
USER = {"name": "Ada", "password": "p", "cards": [{"credit_card": 4}], "x.y": {"ssn": None}}


def stored(run_id: str = "") -> dict[str, Any]:
    return SecureDataHandler(OLD, run_id=run_id, remember=False).encrypt_sensitive_data(USER)


def opened(data: dict[str, Any], run_id: str = "") -> dict[str, Any]:
    return SecureDataHandler(NEW, run_id=run_id, remember=False).decrypt_sensitive_data(data)


@pytest.mark.parametrize(
    "layout", [{}, {"indent": 3}, {"separators": (",", ":"), "sort_keys": True}], ids=str
)
def test_all_tokens_get_the_newest_key_and_nothing_else_changes(layout: dict[str, Any]) -> None:
    data = stored()
    text = json.dumps(data, **layout) + "\n\n"

    done = rotate(text, ring=BOTH)

    assert (done.tokens, done.rotated) == (3, 3)
    assert opened(json.loads(done.text)) == USER
    for old, new in zip(_tokens(text), _tokens(done.text), strict=True):
        text = text.replace(old, new)
    assert text == done.text


def _tokens(text: str) -> list[str]:
    return [piece for piece in text.split('"') if piece.startswith("v1.")]


def test_numbers_and_unknown_spellings_stay_as_they_are_written() -> None:
    token = stored()["password"]
    text = f'\ufeff{{"a": 1.50e+3, "b": "\\u00e9",\t"password": "{token}" , "a": 2}}'

    done = rotate(text, ring=BOTH)

    assert done.text.replace(_tokens(done.text)[0], token) == text


def test_lines_are_documents_of_their_own() -> None:
    text = (
        "".join(json.dumps({**stored(), "note": "a\u2028b"}, ensure_ascii=False) + "\n" for _ in range(3))
        + "\n"
    )

    done = rotate(text, ring=BOTH)

    assert done.rotated == 9
    assert [opened(json.loads(line))["password"] for line in done.text.split("\n") if line] == ["p"] * 3


def test_data_that_was_put_into_something_else_keeps_its_places() -> None:
    """A checkpoint holds a step's result somewhere inside; the tokens were made for the result."""
    text = json.dumps({"steps": [{"result": stored()}]})

    done = rotate(text, ring=BOTH)

    assert opened(json.loads(done.text)["steps"][0]["result"]) == USER


@pytest.mark.parametrize(
    ("around", "run_ids"),
    [({}, ["run-0", "run-1"]), ({"run_id": "run-1"}, []), ({"run": "run-1"}, [])],
    ids=str,
)
def test_the_run_is_named_by_the_caller_or_by_what_stands_around(
    around: dict[str, Any], run_ids: list[str]
) -> None:
    text = json.dumps({**around, "data": stored("run-1")})

    done = rotate(text, ring=BOTH, run_ids=run_ids)

    assert opened(json.loads(done.text)["data"], "run-1") == USER


def test_a_run_that_nobody_names_is_asked_for() -> None:
    with pytest.raises(DecryptionError, match=r"(?s)'data\.password'.*'run-2'.*--run-id"):
        rotate(json.dumps({"data": stored("run-1")}), ring=BOTH, run_ids=["run-2"])


def test_a_token_of_another_place_needs_its_field() -> None:
    text = json.dumps({"pw": stored()["password"]})

    with pytest.raises(DecryptionError, match="--field"):
        rotate(text, ring=BOTH)
    done = rotate(text, ring=BOTH, fields=["password"])

    token = json.loads(done.text)["pw"]
    assert SecureDataHandler(NEW, remember=False).decrypt(token, field="password") == "p"


def test_tokens_with_the_newest_key_stay_but_are_looked_at() -> None:
    data = SecureDataHandler(NEW, remember=False).encrypt_sensitive_data(USER)
    text = json.dumps(data)

    done = rotate(text, ring=BOTH)

    assert (done.tokens, done.rotated, done.text) == (3, 0, text)
    damaged = text.replace(data["password"][-20:], "A" * 20)
    with pytest.raises(DecryptionError):
        rotate(damaged, ring=BOTH)


def test_a_key_that_has_a_name_now_is_the_same_key() -> None:
    nameless = SecureDataHandler(NEW.partition(":")[2], remember=False).encrypt("p", field="a")

    assert rotate(json.dumps({"a": nameless}), ring=BOTH).rotated == 0


def test_an_unknown_key_stops_everything() -> None:
    with pytest.raises(UnknownKeyError, match="'old'"):
        rotate(json.dumps(stored()), ring=Keyring.parse(NEW))


def test_tokens_of_fernet_become_ours() -> None:
    from cryptography.fernet import Fernet

    token = Fernet(OLD.partition(":")[2]).encrypt(b"p").decode()

    done = rotate(json.dumps({"password": token}), ring=BOTH)

    new = json.loads(done.text)["password"]
    assert kid_of(new) == "new"
    assert opened({"password": new}) == {"password": "p"}


def test_texts_without_tokens_stay() -> None:
    for text in ("{}", '["v1.2.3", 5, null, {"a": "gAAAAA"}]', "", "\n", "5"):
        assert rotate(text, ring=BOTH).text == text


@pytest.mark.parametrize(
    "text", ["password: x", '{"a": 1}\nsecret-line', "[" * 200_000], ids=["yaml", "line", "deep"]
)
def test_what_is_no_json_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        rotate(text, ring=BOTH)

    assert "secret-line" not in str(caught.value)
    assert "password" not in str(caught.value)


def test_a_token_that_is_spelled_with_escapes_is_not_passed_over() -> None:
    token = stored()["password"]

    with pytest.raises(UsageError, match="'password' is spelled with escapes"):
        rotate(f'{{"password": "\\u0076{token[1:]}"}}', ring=BOTH)


def test_a_token_that_json_does_not_show_is_refused() -> None:
    token, other = stored()["password"], stored()["password"]
    for text in (f'{{"password": "{token}", "password": "{other}"}}', f'{{"{token}": 1}}'):
        with pytest.raises(
            UsageError, match="a token is a key, or the value of a key that its object has twice"
        ):
            rotate(text, ring=BOTH)


def test_tokens_within_other_text_are_counted() -> None:
    token = stored()["password"]
    new = SecureDataHandler(NEW, remember=False).encrypt("p", field="x")
    text = json.dumps({"log": f"wrote {token}, {new}", "body": json.dumps({"password": token})})

    done = rotate(text, ring=BOTH)

    assert (done.text, done.tokens, done.rotated, done.left) == (text, 0, 0, 2)
