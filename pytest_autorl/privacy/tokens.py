"""Encrypted values as text: ``v1.<key>.<base64 of nonce, ciphertext and tag>``, one for each field.

AES-256-GCM with a random nonce of 96 bits and a key of its own for each run. What is authenticated beside the value
says where it belongs: version, key, field and run. A token that is moved to another field, or that comes from another
run, is refused.

Tokens of Fernet (``gAAAAA...``) are read, never written; they are bound to no field and no run.
"""

from __future__ import annotations

import base64
import os
import re
from typing import Any, Final

from pytest_autorl.errors import AutorlError
from pytest_autorl.privacy import plaintext
from pytest_autorl.privacy.keyring import VARIABLE, Keyring

#: Bytes: what NIST SP 800-38D advises for GCM, and the tag in full.
_NONCE: Final = 12
#: A nonce, the smallest padded value and a tag are 60 bytes: 80 characters.
TOKEN: Final = re.compile(r"v1\.([A-Za-z0-9][A-Za-z0-9_-]{0,31})\.([A-Za-z0-9_-]{80,})")
#: One version byte and the upper half of a time stamp of this century always begin so; the shortest has 100 characters.
FERNET: Final = re.compile(r"gAAAAA[A-Za-z0-9_-]{92,}={0,2}")


class _FieldError(AutorlError):
    """About the value of one field.

    Attributes:
        field: Where it stands.
    """

    def __init__(self, what: str, *, device_id: str | None = None, do: str = "", field: str = "") -> None:
        super().__init__(what, device_id=device_id, do=do)
        self.field = field


class EncryptionError(_FieldError):
    """A value cannot be encrypted. Nothing was written."""


class DecryptionError(_FieldError):
    """A token cannot be read: damaged, of another field or run, or no token at all."""


def is_token(value: object) -> bool:
    """Whether this has the shape of a token, ours or Fernet's."""
    return isinstance(value, str) and bool(TOKEN.fullmatch(value) or FERNET.fullmatch(value))


def kid_of(token: str) -> str:
    """Name of the key that a token was made with; "" where it does not say."""
    found = TOKEN.fullmatch(token)
    return found[1] if found else ""


def seal(value: Any, *, ring: Keyring, field: str, run_id: str = "") -> str:
    """Encrypt a value for a field, with the newest key.

    Raises: EncryptionError for a value that would not come back as it is; CryptoMissingError.
    """
    __tracebackhide__ = True
    try:
        data = plaintext.dump(value)
    except ValueError as error:
        raise EncryptionError(
            f"{_named(field)} cannot be encrypted: {error}",
            do="text, bytes, numbers, true, false, None, and lists, tuples and dicts of these can be",
            field=field,
        ) from None  # the frames of the cause hold the value
    kid = ring.primary
    nonce = os.urandom(_NONCE)
    sealed = nonce + ring.aead(kid, run_id).encrypt(nonce, data, _bound(kid, field, run_id))
    return f"v1.{kid}.{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode()}"


def unseal(token: str, *, ring: Keyring, field: str, run_id: str = "") -> Any:
    """The value in a token.

    Raises: DecryptionError; UnknownKeyError where its key is not in the ring; CryptoMissingError.
    """
    __tracebackhide__ = True
    found = TOKEN.fullmatch(token)
    if found is None:
        if FERNET.fullmatch(token):
            return _of_fernet(token, ring, field)
        what = f"{_named(field)} holds no token: it is not encrypted, or was cut off"
        raise DecryptionError(what, do="is this the file that was written?", field=field)
    kid, encoded = found.groups()
    aead = ring.aead(kid, run_id)
    from cryptography.exceptions import InvalidTag

    try:
        sealed = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        return plaintext.load(aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(kid, field, run_id)))
    except InvalidTag:
        run = f"run {run_id}" if run_id else "no run"
        raise DecryptionError(
            f"{_named(field)} cannot be decrypted with the key {kid!r} as this field of {run}",
            do="it was damaged, moved from another field, or written by another run: give that run's id",
            field=field,
        ) from None
    except ValueError as error:
        reason = "it is damaged" if isinstance(error, UnicodeError) else str(error)
        raise DecryptionError(f"{_named(field)} cannot be read: {reason}", field=field) from None


def _of_fernet(token: str, ring: Keyring, field: str) -> Any:
    __tracebackhide__ = True
    fernets = ring.fernets()
    from cryptography.fernet import InvalidToken

    for fernet in fernets:
        try:
            data = fernet.decrypt(token)
        except InvalidToken:
            continue
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data
    raise DecryptionError(
        f"{_named(field)} holds a token of Fernet that no key in {VARIABLE} opens",
        do="add the key that it was written with behind the newest one",
        field=field,
    )


def _bound(kid: str, field: str, run_id: str) -> bytes:
    """What is authenticated beside the value. The length keeps field and run apart, whatever is in them."""
    return f"v1|{kid}|{len(field)}|{field}|{run_id}".encode("utf-8", "surrogatepass")


def _named(field: str) -> str:
    return f"the field {field!r}" if field else "the value"
