"""Sensitive fields: encrypted for their place and run, and never plain where they should not be."""

from __future__ import annotations

import base64
import copy
import os
import sys
from collections import OrderedDict
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy.fields import NestingError
from pytest_autorl.privacy.keyring import (
    VARIABLE,
    CryptoMissingError,
    KeyMissingError,
    Keyring,
    KeyUnusableError,
    UnknownKeyError,
    new_key,
)
from pytest_autorl.privacy.registry import default_registry
from pytest_autorl.privacy.tokens import DecryptionError, EncryptionError, is_token
from pytest_autorl.privacy.vault import SecureDataHandler

pytestmark = pytest.mark.unit
pytest.importorskip("cryptography")

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


def handler(key: str = "", **options: Any) -> SecureDataHandler:
    return SecureDataHandler(key or new_key(), remember=False, **options)


@pytest.fixture
def vault() -> SecureDataHandler:
    return handler()


SHARED = handler()


@settings(max_examples=80)
@given(PLAIN)
def test_every_value_comes_back_as_it_was(value: Any) -> None:
    token = SHARED.encrypt(value, field="answer")
    back = SHARED.decrypt(token, field="answer")

    assert is_token(token)
    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        {"$bytes": "a"},
        {"$tuple": [1]},
        {"$$": 1},
        "\ud800",
        "",
        b"",
        {},
        [],
        float("inf"),
        10**400,
        "a\x80\0\0",
        {"": 0},
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_values_that_look_like_the_format_come_back_too(vault: SecureDataHandler, value: Any) -> None:
    back = vault.decrypt(vault.encrypt(value, field="f"), field="f")

    assert back == value
    assert type(back) is type(value)


class Colour(IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "plain"),
    [([Colour.RED], [1]), (OrderedDict(a=1), {"a": 1}), (bytearray(b"x"), b"x"), ([bytearray(b"x")], [b"x"])],
    ids=["enum", "dict", "bytearray", "inner-bytearray"],
)
def test_classes_derived_from_plain_ones_come_back_plain(
    vault: SecureDataHandler, value: Any, plain: Any
) -> None:
    back = vault.decrypt(vault.encrypt(value, field="f"), field="f")

    assert back == plain
    assert type(back) is type(plain)


@pytest.mark.parametrize("data", [b"", b"no end", b"\x80", b"z1\x80", b"s\xff\x80", b"j{\x80"], ids=ascii)
def test_what_another_version_may_have_encrypted_is_refused(vault: SecureDataHandler, data: bytes) -> None:
    """Whoever has the key may write anything; it is said, and not shown."""
    bound = f"v1|{vault.keys.primary}|1|f|".encode()
    sealed = b"n" * 12 + vault.keys.aead(vault.keys.primary, "").encrypt(b"n" * 12, data + bytes(40), bound)
    token = f"v1.{vault.keys.primary}.{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode()}"

    with pytest.raises(DecryptionError, match="the field 'f' cannot be read"):
        vault.decrypt(token, field="f")


def test_a_token_says_version_and_key_and_no_two_are_the_same() -> None:
    vault = handler(f"2026-11:{new_key()}")

    one, two = (vault.encrypt("secret", field="f") for _ in range(2))

    assert one.startswith("v1.2026-11.")
    assert one != two


def test_tokens_do_not_tell_how_long_a_password_is(vault: SecureDataHandler) -> None:
    assert len({len(vault.encrypt("x" * length, field="f")) for length in range(1, 30)}) == 1


@pytest.mark.parametrize(
    "value", [object(), {1: 2}, {"a": {1, 2}}, True.__class__, 1j], ids=lambda value: repr(value)[:9]
)
def test_what_would_not_come_back_is_not_encrypted(vault: SecureDataHandler, value: Any) -> None:
    with pytest.raises(EncryptionError, match="the field 'f' cannot be encrypted") as caught:
        vault.encrypt(value, field="f")

    assert caught.value.field == "f"


def test_what_holds_itself_is_refused(vault: SecureDataHandler) -> None:
    loop: list[Any] = []
    loop.append(loop)
    data: dict[str, Any] = {}
    data["inner"] = data

    with pytest.raises(EncryptionError, match="holds itself"):
        vault.encrypt(loop, field="f")
    with pytest.raises(NestingError, match="holds itself"):
        vault.encrypt_sensitive_data(data)


def test_a_token_is_good_for_its_field_only(vault: SecureDataHandler) -> None:
    """Who can write the file must not be able to move the password into the motto."""
    token = vault.encrypt("s3cret-value", field="user.password")

    with pytest.raises(DecryptionError, match=r"the field 'user\.motto' cannot be decrypted") as caught:
        vault.decrypt(token, field="user.motto")

    assert token not in str(caught.value)
    assert caught.value.field == "user.motto"


def test_a_token_is_good_for_its_run_only() -> None:
    key = new_key()
    token = handler(key, run_id="run-1").encrypt("x", field="f")

    assert handler(key, run_id="run-1").decrypt(token, field="f") == "x"
    for run in ("run-2", ""):
        with pytest.raises(DecryptionError, match="another run"):
            handler(key, run_id=run).decrypt(token, field="f")


def test_field_and_run_cannot_be_shifted_into_each_other() -> None:
    key = new_key()
    token = handler(key, run_id="b|c").encrypt("x", field="a")

    with pytest.raises(DecryptionError):
        handler(key, run_id="c").decrypt(token, field="a|b")


def test_every_change_of_a_token_is_noticed(vault: SecureDataHandler) -> None:
    token = vault.encrypt("x", field="f")
    start = token.rindex(".") + 1

    for at in range(start, len(token) - 1):
        other = "A" if token[at] != "A" else "B"
        with pytest.raises(DecryptionError):
            vault.decrypt(token[:at] + other + token[at + 1 :], field="f")
    with pytest.raises(DecryptionError, match="no token"):
        vault.decrypt(token[:40], field="f")


def test_rotation_keeps_old_tokens_readable_and_names_a_key_that_is_gone() -> None:
    old, new = new_key(), new_key()
    token = handler(f"old:{old}").encrypt("x", field="f")

    assert handler(f"new:{new},old:{old}").decrypt(token, field="f") == "x"
    with pytest.raises(UnknownKeyError, match="'old' is not in"):
        handler(f"new:{new}").decrypt(token, field="f")


def test_another_key_of_the_same_name_opens_nothing() -> None:
    token = handler(f"a:{new_key()}").encrypt("x", field="f")

    with pytest.raises(DecryptionError):
        handler(f"a:{new_key()}").decrypt(token, field="f")


def test_tokens_of_fernet_are_read_with_any_key_of_the_ring() -> None:
    from cryptography.fernet import Fernet

    old = Fernet.generate_key()
    text, binary = Fernet(old).encrypt(b"text"), Fernet(old).encrypt(b"\xff\xfe")
    vault = handler(f"new:{new_key()},{old.decode()}")

    assert vault.decrypt(text.decode(), field="any") == "text"
    assert vault.decrypt(binary.decode(), field="any") == b"\xff\xfe"
    with pytest.raises(DecryptionError, match="Fernet that no key"):
        handler().decrypt(text.decode(), field="any")


USER = {
    "name": "Ada",
    "password": "one two three",
    "card": {"credit_card": 4242, "holder": "Ada"},
    "keys": [{"api_key": None}, {"note": "x"}],
    "userSSN": ("a", b"b"),
    "token_count": 5,
}


def test_sensitive_fields_are_encrypted_at_every_depth_and_come_back(vault: SecureDataHandler) -> None:
    before = copy.deepcopy(USER)

    stored = vault.encrypt_sensitive_data(USER)

    assert before == USER
    assert is_token(stored["password"])
    assert is_token(stored["card"]["credit_card"])
    assert is_token(stored["keys"][0]["api_key"])
    assert is_token(stored["userSSN"])
    assert (stored["name"], stored["card"]["holder"], stored["keys"][1]) == ("Ada", "Ada", {"note": "x"})
    assert stored["token_count"] == 5
    assert vault.decrypt_sensitive_data(stored) == USER


def test_what_is_encrypted_for_its_place_is_not_encrypted_again(vault: SecureDataHandler) -> None:
    stored = vault.encrypt_sensitive_data(USER)

    assert vault.encrypt_sensitive_data(stored) == stored


def test_a_text_that_only_looks_like_a_token_is_encrypted(vault: SecureDataHandler) -> None:
    """Otherwise a password of that shape would rest as plain text."""
    forged = f"v1.{vault.keys.primary}.{'A' * 80}"
    foreign = handler().encrypt("x", field="password")

    for value in (forged, foreign):
        stored = vault.encrypt_sensitive_data({"password": value})
        assert stored["password"] != value
        assert vault.decrypt(stored["password"], field="password") == value


def test_named_fields_and_places_instead_of_the_default_ones(vault: SecureDataHandler) -> None:
    data = {"Mot-To": "a", "user": {"motto": "b", "mail": "c"}, "password": "d"}

    by_name = vault.encrypt_sensitive_data(data, ["motto"])
    by_place = vault.encrypt_sensitive_data(data, ["user.mail"])

    assert is_token(by_name["Mot-To"])
    assert is_token(by_name["user"]["motto"])
    assert by_name["password"] == "d"
    assert is_token(by_place["user"]["mail"])
    assert by_place["Mot-To"] == "a"
    assert vault.decrypt_sensitive_data(by_name, ["motto"]) == data
    assert vault.decrypt_sensitive_data(by_place) == data


def test_more_fields_beside_the_default_ones() -> None:
    stored = handler(fields=["motto"]).encrypt_sensitive_data({"motto": "a", "password": "b", "c": "d"})

    assert [is_token(value) for value in stored.values()] == [True, True, False]


def test_a_named_field_that_is_not_encrypted_is_an_error_when_decrypting(vault: SecureDataHandler) -> None:
    """Who replaces a token by a text of his own is noticed."""
    with pytest.raises(DecryptionError, match="'password' holds no token"):
        vault.decrypt_sensitive_data({"password": "mine"}, ["password"])


def test_places_with_dots_are_told_apart(vault: SecureDataHandler) -> None:
    stored = vault.encrypt_sensitive_data({"x.y": {"ssn": "1"}, "x": {"y": {"ssn": "2"}}})

    assert vault.decrypt(stored["x.y"]["ssn"], field="x~1y.ssn") == "1"
    assert vault.decrypt(stored["x"]["y"]["ssn"], field="x.y.ssn") == "2"
    with pytest.raises(DecryptionError):
        vault.decrypt(stored["x.y"]["ssn"], field="x.y.ssn")


def test_without_a_key_nothing_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    vault = SecureDataHandler()

    for call in (
        lambda: vault.encrypt_sensitive_data({"password": "x"}),
        lambda: vault.encrypt_sensitive_data({"nothing": "secret"}),
        lambda: vault.encrypt("x", field="f"),
        lambda: vault.decrypt("v1.a." + "A" * 80, field="f"),
    ):
        with pytest.raises(KeyMissingError):
            call()
    assert not vault.is_keyed


def test_a_key_that_cannot_be_used_is_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "short")
    vault = SecureDataHandler()

    with pytest.raises(KeyUnusableError):
        _ = vault.is_keyed
    with pytest.raises(KeyUnusableError):
        vault.hash_user_data("a@b.example")


def test_the_key_comes_from_the_environment_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key()
    monkeypatch.setenv(VARIABLE, f"k1:{key}")
    vault = SecureDataHandler(run_id="run-1")

    assert vault.decrypt(vault.encrypt(1, field="f"), field="f") == 1
    assert vault.is_keyed
    assert key not in repr(vault) + repr(vars(vault))
    assert "run-1" in repr(vault)
    assert repr(SecureDataHandler(Keyring.parse(f"k2:{key}"))) == "SecureDataHandler(Keyring(k2), run_id='')"


def test_pseudonyms_are_stable_with_a_key_and_differ_by_kind_and_key() -> None:
    old, new = f"old:{new_key()}", f"new:{new_key()}"
    first = handler(old).hash_user_data("Ada@Example.com", "email")

    assert handler(old).hash_user_data("ada@example.COM", "email") == first
    assert handler(old).hash_user_data("ada@example.com", "name") != first
    assert handler(new).hash_user_data("ada@example.com", "email") != first
    assert handler(f"{new},{old}").hash_user_data("ada@example.com", "email", kid="old") == first


def test_pseudonyms_need_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)

    assert SecureDataHandler().hash_user_data("a") == SecureDataHandler().hash_user_data("A")
    with pytest.raises(KeyMissingError):
        SecureDataHandler().hash_user_data("a", kid="old")


def test_values_of_the_vault_become_secrets_of_the_process() -> None:
    """What was decrypted for a test must not turn up in its log."""
    key, inner, outer = new_key(), os.urandom(9).hex(), os.urandom(9).hex()
    token = handler(key).encrypt({"a": [inner, 5]}, field="f")
    vault = SecureDataHandler(key)

    assert not default_registry().spans(f"log: {inner}")
    vault.decrypt(token, field="f")
    vault.encrypt(outer, field="f")

    assert default_registry().spans(f"log: {inner} {outer}")
    assert inner not in repr(vars(vault))


def test_the_vault_checks_and_cleans_as_its_parts_do(vault: SecureDataHandler, tmp_path: Any) -> None:
    assert vault.sanitize_path("a/b.txt", tmp_path) == tmp_path.resolve() / "a" / "b.txt"
    vault.validate_required_fields({"a": 1}, ["a"])
    assert vault.sanitize_logs({"password": "x", "b": 1}) == {"password": "[REDACTED]", "b": 1}


def test_a_key_that_is_given_is_a_secret_of_the_process_too() -> None:
    key = new_key()
    handler(key)
    assert default_registry().spans(f"x {key}")


def test_no_frame_that_pytest_shows_holds_a_value(
    vault: SecureDataHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(CryptoMissingError) as caught:
        vault.encrypt_sensitive_data({"user": {"password": "p"}})
    shown = [entry for entry in caught.traceback.filter(caught) if entry.path.name != "test_vault.py"]
    assert {entry.path.name for entry in shown} <= {"keyring.py"}
