"""Keys from the environment: which are taken, what is said of the others, and that none is ever shown."""

from __future__ import annotations

import base64
import copy
import os
import pickle
import sys

import pytest

from pytest_autorl.errors import UsageError
from pytest_autorl.privacy import keyring
from pytest_autorl.privacy.keyring import (
    AUDIT_MAC,
    FIELD_ENCRYPTION,
    PSEUDONYM,
    VARIABLE,
    CryptoMissingError,
    KeyMissingError,
    Keyring,
    KeyUnusableError,
    UnknownKeyError,
    check_name,
    derive,
    fingerprint,
    new_key,
)
from pytest_autorl.privacy.registry import default_registry

pytestmark = pytest.mark.unit


def raw(key: str) -> bytes:
    return base64.urlsafe_b64decode(key)


def test_one_key_in_each_spelling_of_base64() -> None:
    key = new_key()
    standard = base64.b64encode(raw(key)).decode()

    rings = [Keyring.parse(text) for text in (key, standard, key.rstrip("="), f"  {key}\n")]

    assert {ring.primary for ring in rings} == {fingerprint(raw(key))}


def test_a_key_of_fernet_is_a_key() -> None:
    fernet = pytest.importorskip("cryptography.fernet")

    assert Keyring.parse(fernet.Fernet.generate_key().decode()).kids


def test_several_keys_stand_newest_first() -> None:
    new, old, nameless = new_key(), new_key(), new_key()

    ring = Keyring.parse(f"2026-11:{new}, 2026-05 : {old} ,{nameless}")

    assert ring.primary == "2026-11"
    assert ring.kids == ("2026-11", "2026-05", fingerprint(raw(nameless)))


def test_a_key_that_is_named_later_on_answers_to_its_fingerprint() -> None:
    """Tokens that were written while the key stood there alone stay readable."""
    key = new_key()
    alone = Keyring.parse(key).primary
    named = Keyring.parse(f"new:{new_key()},old:{key}")

    assert alone in named
    assert named.names("old") == ("old", alone)
    assert named.subkey("p/v1", kid=alone) == Keyring.parse(key).subkey("p/v1")


@pytest.mark.parametrize("text", ["", "  ", None])
def test_without_a_key_the_error_says_how_to_make_one(text: str | None) -> None:
    with pytest.raises(KeyMissingError, match=rf"{VARIABLE}(.|\n)*autorl keygen"):
        Keyring.from_environment({} if text is None else {VARIABLE: text})


def unusable() -> dict[str, str]:
    key = new_key()
    return {
        "too short": base64.b64encode(os.urandom(16)).decode(),
        "too long": base64.b64encode(os.urandom(48)).decode(),
        "not base64": f"{key[:20]}*{key[21:]}",
        "is empty": f"a:{key},b:",
        "two keys named 'a'": f"a:{key},a:{new_key()}",
        "key 2 twice": f"a:{key},b:{key}",
        "no name before it": f":{key}",
        "the name of key 1": f"a.b:{key}",
        "not random": base64.b64encode(bytes(32)).decode(),
    }


@pytest.mark.parametrize("reason", unusable())
def test_what_cannot_be_used_is_named_and_not_shown(reason: str) -> None:
    text = unusable()[reason]

    with pytest.raises(KeyUnusableError) as caught:
        Keyring.parse(text)

    said = str(caught.value) + repr(caught.value)
    assert reason in said
    assert VARIABLE in said
    assert isinstance(caught.value, UsageError)
    assert not [piece for piece in text.replace(":", ",").split(",") if len(piece) > 8 and piece in said]
    assert caught.value.__cause__ is None


def test_half_of_a_password_with_a_colon_is_not_shown() -> None:
    """Somebody may set a passphrase: what stands before its colon is no name of a key."""
    with pytest.raises(KeyUnusableError) as caught:
        Keyring.parse("correcthorse:battery")

    assert "correcthorse" not in str(caught.value)


def test_a_key_is_in_no_repr_and_is_not_pickled() -> None:
    key = new_key()
    ring = Keyring.parse(f"a:{key}")

    shown = repr(ring) + str(ring) + repr(ring._keys) + f"{[ring]}"

    assert key not in shown
    assert repr(raw(key)) not in shown
    assert "a" in repr(ring)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(ring)
    with pytest.raises(TypeError, match="not pickled"):
        copy.deepcopy(ring)


def test_the_key_of_the_environment_is_a_secret_of_the_process() -> None:
    key = new_key()

    Keyring.from_environment({VARIABLE: f"a:{key}"})

    assert default_registry().spans(f"export KEY={key}")


def test_the_environment_of_the_process_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"mine:{new_key()}")

    assert Keyring.from_environment().primary == "mine"


def test_an_unknown_key_is_named() -> None:
    ring = Keyring.parse(f"a:{new_key()}")

    with pytest.raises(UnknownKeyError, match="'b' is not in") as caught:
        ring.subkey(PSEUDONYM, kid="b")

    assert caught.value.kid == "b"
    assert pickle.loads(pickle.dumps(caught.value)).kid == "b"


def test_each_purpose_run_and_key_has_a_key_of_its_own() -> None:
    ring = Keyring.parse(f"a:{new_key()},b:{new_key()}")

    derived = {
        ring.subkey(purpose, kid=kid, run_id=run)
        for purpose in (FIELD_ENCRYPTION, PSEUDONYM, AUDIT_MAC)
        for kid in ("a", "b")
        for run in ("", "run-1", "run-2")
    }

    assert len(derived) == 18
    assert {len(key) for key in derived} == {32}
    assert ring.subkey(PSEUDONYM) == ring.subkey(PSEUDONYM, kid="a")


def test_derivation_is_hkdf_as_the_library_has_it() -> None:
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    key = os.urandom(32)

    expected = HKDF(SHA256(), 32, salt=None, info=b"field-enc/v1\0run-7").derive(key)

    assert derive(key, FIELD_ENCRYPTION, "run-7") == expected


def test_what_is_derived_is_kept_within_bounds() -> None:
    ring = Keyring.parse(new_key())

    first = ring.subkey(PSEUDONYM, run_id="run-0")
    for number in range(600):
        ring.subkey(PSEUDONYM, run_id=f"run-{number}")

    assert len(ring._derived) <= 256
    assert ring.subkey(PSEUDONYM, run_id="run-0") == first


def test_ciphers_are_kept_within_bounds() -> None:
    pytest.importorskip("cryptography")
    ring = Keyring.parse(new_key())

    for number in range(300):
        ring.aead(ring.primary, f"run-{number}")

    assert len(ring._aeads) <= 256
    assert ring.aead(ring.primary, "run-299") is ring.aead(ring.primary, "run-299")


def test_a_ring_of_no_keys_is_none() -> None:
    with pytest.raises(KeyMissingError):
        Keyring([])


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    ring = Keyring.parse(new_key())

    for use in (lambda: ring.aead(ring.primary, ""), ring.fernets):
        with pytest.raises(CryptoMissingError, match=r"pip install 'pytest-autorl\[crypto\]'"):
            use()
    assert ring.subkey(PSEUDONYM)


def test_a_new_key_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    poor = [bytes(32), bytes(range(32))]
    monkeypatch.setattr(keyring.os, "urandom", lambda _: poor.pop(0))

    assert raw(new_key()) == bytes(range(32))


def test_names_of_keys() -> None:
    assert check_name("2026-11_a") == "2026-11_a"
    for name in ("", "a.b", "a:b", "-a", "x" * 33, "a\n"):
        with pytest.raises(UsageError):
            check_name(name)


@pytest.mark.parametrize("spelled", ["url-safe", "standard", "without padding", "hexadecimal", "bytes"])
def test_the_key_is_a_secret_in_each_of_its_spellings(spelled: str) -> None:
    text = new_key()
    raw = base64.urlsafe_b64decode(text)
    Keyring.of_process(f"name:{text}")
    shown = {
        "url-safe": text,
        "standard": base64.b64encode(raw).decode(),
        "without padding": text.rstrip("="),
        "hexadecimal": raw.hex(),
        "bytes": repr(raw),
    }[spelled]
    assert [shown[span.start : span.end] for span in default_registry().spans(shown)][:1]
