"""The keys of a run: read from one variable, named, and never used themselves but to derive others.

``AUTORL_ENCRYPTION_KEY`` holds one key (32 random bytes in base64, as ``autorl keygen`` and ``Fernet.generate_key()``
print them) or several, newest first: ``2026-11:KEY,2026-05:KEY``. New tokens are made with the first; the others are
there to read what was written with them. A key without a name is called by its fingerprint, and a named one answers to
its fingerprint too: it can be given a name later on.

What is done with a key is done with one derived from it, a different one for each purpose (HKDF with SHA-256, RFC 5869,
without a salt since the key is random already).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pytest_autorl.errors import AutorlError, UsageError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VARIABLE: Final = "AUTORL_ENCRYPTION_KEY"
#: Length of a key, bytes: AES-256.
KEY_BYTES: Final = 32

#: What keys are derived for; a new format of anything gets a new name.
FIELD_ENCRYPTION: Final = "field-enc/v1"
PSEUDONYM: Final = "pseudonym/v1"
AUDIT_MAC: Final = "audit-mac/v1"
_FINGERPRINT: Final = "key-id/v1"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
#: 32 random bytes have at least 24 different values, but for one time in a million million.
_FEWEST_VALUES: Final = 8
#: As many derived keys are kept at hand.
_MOST_DERIVED: Final = 256
_DO_MAKE: Final = f'make one: export {VARIABLE}="$(autorl keygen)"'
_DO_FORM: Final = (
    f"give one key, or NAME:KEY,NAME:KEY with the newest first; `autorl keygen` makes one for {VARIABLE}"
)


class KeyMissingError(UsageError):
    """Encryption is asked for, and no key is set."""


class KeyUnusableError(UsageError):
    """What stands in the variable is no key, or not that many different ones."""


class CryptoMissingError(UsageError):
    """The package that encrypts is not installed."""


class UnknownKeyError(AutorlError):
    """Something was encrypted with a key that is not in the ring.

    Attributes:
        kid: Name of the key; it is no secret.
    """

    def __init__(self, what: str, *, device_id: str | None = None, do: str = "", kid: str = "") -> None:
        super().__init__(what, device_id=device_id, do=do)
        self.kid = kid


class _Key:
    """One key. Its bytes are in no repr."""

    __slots__ = ("kid", "raw")

    def __init__(self, kid: str, raw: bytes) -> None:
        self.kid = kid
        self.raw = raw

    def __repr__(self) -> str:
        return f"<key {self.kid}>"


class Keyring:
    """Keys by name, newest first. Safe for threads; not pickled, so that no key is written by accident.

    Args:
        keys: Name and 32 bytes of each; "" for a name = its fingerprint.
    Raises:
        KeyMissingError: There is none.
        KeyUnusableError: One has the wrong length, is not random or no name; or two are the same.
    """

    __slots__ = ("_aeads", "_derived", "_fernets", "_keys", "_named")

    def __init__(self, keys: Iterable[tuple[str, bytes]]) -> None:
        __tracebackhide__ = True  # pytest -l would show the arguments
        self._keys: tuple[_Key, ...] = ()
        self._named: dict[str, _Key] = {}
        self._derived: dict[tuple[str, str, str], bytes] = {}
        self._aeads: dict[tuple[str, str], AESGCM] = {}
        self._fernets: tuple[Fernet, ...] | None = None
        for number, (name, raw) in enumerate(keys, 1):
            self._add(number, name, raw)
        if not self._keys:
            raise KeyMissingError(f"{VARIABLE} is not set: there is no key to encrypt with", do=_DO_MAKE)

    def _add(self, number: int, name: str, raw: bytes) -> None:
        __tracebackhide__ = True
        # By number: what stands before the colon may be half of a password that has one in it.
        which = f"key {number}"
        if name and not _NAME.fullmatch(name):
            what = f"the name of key {number} in {VARIABLE} is none"
            raise KeyUnusableError(
                what, do="use up to 32 letters, digits, - and _, the first a letter or digit"
            )
        if len(raw) != KEY_BYTES:
            kind = "too short" if len(raw) < KEY_BYTES else "too long"
            raise KeyUnusableError(
                f"{which} in {VARIABLE} is {kind}: it has {len(raw)} bytes, a key has {KEY_BYTES}",
                do=_DO_MAKE,
            )
        if len(set(raw)) < _FEWEST_VALUES:
            raise KeyUnusableError(f"{which} in {VARIABLE} is not random", do=_DO_MAKE)
        mark = fingerprint(raw)
        key = _Key(name or mark, bytes(raw))
        if key.kid in self._named or mark in self._named:
            twice = f"two keys named {key.kid!r}" if key.kid in self._named else f"{which} twice"
            raise KeyUnusableError(f"{VARIABLE} holds {twice}", do="leave one of them out, or rename it")
        self._named[key.kid] = self._named[mark] = key
        self._keys = (*self._keys, key)

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """The keys in what the variable holds. Raises KeyMissingError, KeyUnusableError."""
        __tracebackhide__ = True
        if not text.strip():
            raise KeyMissingError(f"{VARIABLE} is not set: there is no key to encrypt with", do=_DO_MAKE)
        return cls(_entry(number, part) for number, part in enumerate(text.split(","), 1))

    @classmethod
    def from_environment(cls, env: Mapping[str, str] | None = None) -> Keyring:
        """The keys of the environment; they are secrets of this process from then on.

        Args:
            env: None = that of this process.
        Raises: KeyMissingError, KeyUnusableError.
        """
        __tracebackhide__ = True
        return cls.of_process((os.environ if env is None else env).get(VARIABLE, ""))

    @classmethod
    def of_process(cls, text: str) -> Keyring:
        """As `parse`; the keys are secrets of this process from then on, in text and as bytes."""
        __tracebackhide__ = True
        ring = cls.parse(text)
        for part in text.split(","):
            _keep_secret(part.rpartition(":")[2].strip())
        for key in ring._keys:
            _keep_secret(key.raw)
        return ring

    @property
    def primary(self) -> str:
        """Name of the newest key: the one that new tokens are made with."""
        return self._keys[0].kid

    @property
    def kids(self) -> tuple[str, ...]:
        """Names of all keys, newest first."""
        return tuple(key.kid for key in self._keys)

    def names(self, kid: str) -> tuple[str, ...]:
        """All names of one key: the one that it was given, and its fingerprint. Raises UnknownKeyError."""
        key = self._key(kid)
        return tuple(name for name, known in self._named.items() if known is key)

    def __contains__(self, kid: object) -> bool:
        return kid in self._named

    def subkey(self, purpose: str, *, kid: str = "", run_id: str = "") -> bytes:
        """32 bytes that are good for one purpose, and in one run where that is named.

        Args:
            purpose: `FIELD_ENCRYPTION`, `PSEUDONYM`, `AUDIT_MAC`, or another with its version; no NUL in it.
            kid: The key it is derived from; "" = the newest.
        Raises: UnknownKeyError.
        """
        __tracebackhide__ = True
        key = self._key(kid)
        slot = (key.kid, purpose, run_id)
        found = self._derived.get(slot)
        if found is None:
            found = derive(key.raw, purpose, run_id)
            if len(self._derived) >= _MOST_DERIVED:
                self._derived.clear()
            self._derived[slot] = found
        return found

    def aead(self, kid: str, run_id: str) -> AESGCM:
        """The cipher of the fields of a run. Raises UnknownKeyError, CryptoMissingError."""
        __tracebackhide__ = True
        slot = (kid, run_id)
        found = self._aeads.get(slot)
        if found is None:
            made = _aesgcm()(self.subkey(FIELD_ENCRYPTION, kid=kid, run_id=run_id))
            if len(self._aeads) >= _MOST_DERIVED:
                self._aeads.clear()
            self._aeads[slot] = found = made
        return found

    def fernets(self) -> tuple[Fernet, ...]:
        """Each key as one of Fernet's, to read what Fernet has written. Raises CryptoMissingError."""
        __tracebackhide__ = True
        if self._fernets is None:
            _aesgcm()
            from cryptography.fernet import Fernet

            self._fernets = tuple(Fernet(base64.urlsafe_b64encode(key.raw)) for key in self._keys)
        return self._fernets

    def _key(self, kid: str) -> _Key:
        if not kid:
            return self._keys[0]
        key = self._named.get(kid)
        if key is None:
            known = ", ".join(self.kids)
            raise UnknownKeyError(
                f"the key {kid!r} is not in {VARIABLE} (there: {known})",
                do=f"add it behind the newest one, as {kid}:KEY",
                kid=kid,
            )
        return key

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self.kids)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keyring is not pickled: its keys would be written")


def derive(key: bytes, purpose: str, run_id: str = "") -> bytes:
    """32 bytes by HKDF-SHA256 (RFC 5869) without a salt; its info is the purpose, NUL, the run."""
    __tracebackhide__ = True
    pseudorandom = hmac.digest(bytes(32), key, "sha256")
    info = purpose.encode() + b"\0" + run_id.encode("utf-8", "surrogatepass")
    return hmac.digest(pseudorandom, info + b"\1", "sha256")


def fingerprint(key: bytes) -> str:
    """The name of a key that was given none: 48 bits derived from it, which tell nothing about it."""
    __tracebackhide__ = True
    return "k" + derive(key, _FINGERPRINT)[:6].hex()


def new_key() -> str:
    """A new key, 32 bytes of the operating system's randomness in url-safe base64."""
    while True:
        raw = os.urandom(KEY_BYTES)
        if len(set(raw)) >= _FEWEST_VALUES:
            return base64.urlsafe_b64encode(raw).decode()


def check_name(name: str) -> str:
    """The name of a key, as it is. Raises UsageError for one that cannot be used."""
    if not _NAME.fullmatch(name):
        do = "use up to 32 letters, digits, - and _, the first a letter or digit"
        raise UsageError("this cannot be the name of a key", do=do)
    return name


def _entry(number: int, text: str) -> tuple[str, bytes]:
    """Name and bytes of one key."""
    __tracebackhide__ = True
    name, colon, encoded = text.strip().rpartition(":")
    if colon and not name:
        raise KeyUnusableError(f"key {number} in {VARIABLE} has a colon and no name before it", do=_DO_FORM)
    encoded = encoded.strip()
    if not encoded:
        raise KeyUnusableError(f"key {number} in {VARIABLE} is empty", do=_DO_FORM)
    bare = encoded.rstrip("=")
    try:
        if not _BASE64.fullmatch(encoded):
            raise ValueError
        plain = bare.replace("+", "-").replace("/", "_")
        raw = base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except (ValueError, binascii.Error):
        # What could not be decoded is part of the key: it must not hang on to the error.
        raise KeyUnusableError(f"key {number} in {VARIABLE} is not base64", do=_DO_FORM) from None
    return name.strip(), raw


def _keep_secret(key: str | bytes) -> None:
    __tracebackhide__ = True
    from pytest_autorl.privacy.registry import default_registry

    default_registry().add(key)


def _aesgcm() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise CryptoMissingError(
            "encryption needs the package `cryptography`, which is not installed",
            do="pip install 'pytest-autorl[crypto]'",
        ) from error
    return AESGCM
