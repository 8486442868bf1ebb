"""Sensitive fields of data: encrypted where they rest, named by pseudonyms, out of logs; and checks on what comes in.

    vault = SecureDataHandler()                      # the key is in AUTORL_ENCRYPTION_KEY
    stored = vault.encrypt_sensitive_data(user)      # {"name": "Ada", "password": "v1.2026-11.Q0f..."}
    user = vault.decrypt_sensitive_data(stored)

What needs no key (`sanitize_logs`, `hash_user_data`, `validate_required_fields`, `sanitize_path`) works without one,
and without the extra ``crypto``. What encrypts never gives out plain text instead: no key, no result.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pytest_autorl.privacy import keyring, paths, required, tokens
from pytest_autorl.privacy.fields import INSIDE, Fields, changed
from pytest_autorl.privacy.keyring import KeyMissingError, Keyring, UnknownKeyError
from pytest_autorl.privacy.pseudonyms import process_key, pseudonym
from pytest_autorl.privacy.sanitize import Sanitizer, Texts
from pytest_autorl.privacy.tokens import DecryptionError

#: Each one costs every search a little.
_MOST_REMEMBERED: Final = 1_000


class SecureDataHandler:
    """Encrypts, hashes and hides sensitive fields. Safe for threads; shows no key in its repr.

    Args:
        key: The keys; text is read as the variable's; None = those of ``AUTORL_ENCRYPTION_KEY``, read when needed.
        run_id: Tokens are bound to it: to decrypt them, give the same one. Keep it beside the data (`run_id`). "" binds
            to no run.
        fields: Names that are sensitive beside the default ones, or places (``user.motto``).
        redactor: Looks through free text for `sanitize_logs`; None = a `Redactor` with the default detectors.
        remember: Register texts that were encrypted or decrypted (of 6 characters and more, the first 1,000) as secrets
            of the process, so that the redactor finds them wherever else they turn up.
    """

    def __init__(
        self,
        key: Keyring | str | None = None,
        *,
        run_id: str = "",
        fields: Iterable[str] = (),
        redactor: Texts | None = None,
        remember: bool = True,
    ) -> None:
        __tracebackhide__ = True
        self._given = Keyring.of_process(key) if isinstance(key, str) else key
        self._more = [fields] if isinstance(fields, str) else list(fields)
        self._redactor = redactor
        self._remembers = remember
        self._met: set[int] = set()
        self.run_id = run_id

    @cached_property
    def keys(self) -> Keyring:
        """The keys. Raises KeyMissingError, KeyUnusableError."""
        return self._given if self._given is not None else Keyring.from_environment(os.environ)

    @property
    def is_keyed(self) -> bool:
        """Whether there is a key. Raises KeyUnusableError: a key that cannot be used is not as good as none."""
        try:
            return bool(self.keys.kids)
        except KeyMissingError:
            return False

    def encrypt(self, value: Any, *, field: str) -> str:
        """A token for one value.

        Args:
            value: Text, bytes, a number, true, false, None, or lists, tuples and dicts of these.
            field: Where it will stand: the name alone, or the place (``user.password``, ``cards.0.number``).
        Raises: EncryptionError, KeyMissingError, KeyUnusableError, CryptoMissingError.
        """
        __tracebackhide__ = True
        token = tokens.seal(value, ring=self.keys, field=field, run_id=self.run_id)
        self._remember(value)
        return token

    def decrypt(self, token: str, *, field: str) -> Any:
        """The value of a token, of the type that it had.

        Raises: DecryptionError when it is none, is damaged, or belongs to another field or run; UnknownKeyError,
            KeyMissingError, KeyUnusableError, CryptoMissingError.
        """
        __tracebackhide__ = True
        value = tokens.unseal(token, ring=self.keys, field=field, run_id=self.run_id)
        self._remember(value)
        return value

    def encrypt_sensitive_data(
        self, data: Mapping[str, Any], fields: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """A copy of the data with a token in place of each sensitive value, at any depth.

        A container under a sensitive name becomes one token. What is encrypted for its place already stays as it is.

        Args:
            fields: Names or places of the sensitive ones; None = password, ssn, credit_card, api_key, the
                constructor's, and names that look like a secret's.
        Raises: EncryptionError, NestingError, and what `encrypt` raises.
        """
        __tracebackhide__ = True
        wanted = Fields(fields, self._more)
        self.keys  # noqa: B018  # without a key nothing is given back, also where nothing is sensitive

        def decide(name: str, where: str, value: Any) -> Any:
            __tracebackhide__ = True
            if not where or not wanted.have(name, where):
                return INSIDE
            return value if self._is_sealed(value, where) else self.encrypt(value, field=where)

        found: dict[str, Any] = changed(dict(data), decide)
        return found

    def decrypt_sensitive_data(
        self, data: Mapping[str, Any], fields: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """A copy of the data with the values in place of the tokens.

        Args:
            fields: None = every token, wherever it stands; what is no token stays as it is. Fields that are named must
                hold tokens.
        Raises: DecryptionError, NestingError, and what `decrypt` raises.
        """
        __tracebackhide__ = True
        wanted = None if fields is None else Fields(fields)

        def decide(name: str, where: str, value: Any) -> Any:
            __tracebackhide__ = True
            is_token = tokens.is_token(value)
            if wanted is None:
                return self.decrypt(value, field=where) if is_token else INSIDE
            if not where or not wanted.have(name, where):
                return INSIDE
            if not is_token:
                raise DecryptionError(
                    f"the field {where!r} holds no token: it was never encrypted", field=where
                )
            return self.decrypt(value, field=where)

        found: dict[str, Any] = changed(dict(data), decide)
        return found

    def _remember(self, value: Any) -> None:
        """Tell the redactor, once for each text; only the hash of it is kept here."""
        if not self._remembers or len(self._met) >= _MOST_REMEMBERED:
            return
        if isinstance(value, Mapping | list | tuple):
            for item in value.values() if isinstance(value, Mapping) else value:
                self._remember(item)
        elif isinstance(value, str) and hash(value) not in self._met:
            from pytest_autorl.privacy.registry import default_registry

            self._met.add(hash(value))
            # As it takes passwords of variables: not the short ones, nor words that settings have everywhere.
            default_registry().from_environment({"VAULT_PASSWORD": value})

    def _is_sealed(self, value: Any, where: str) -> bool:
        """Whether it is a token of this very place. A text that only looks like one must be encrypted."""
        if not tokens.is_token(value) or not tokens.kid_of(value):
            return False
        try:
            tokens.unseal(value, ring=self.keys, field=where, run_id=self.run_id)
        except (DecryptionError, UnknownKeyError):
            return False
        return True

    def hash_user_data(self, value: object, kind: str = "", *, kid: str = "") -> str:
        """A pseudonym: 24 hexadecimal digits, equal for equal values of one kind (case does not count).

        With a key it is the same in every run, until another key becomes the newest. Without one it is the same only
        within this process.

        Args:
            kind: What the value is (``email``, ``device``).
            kid: The key that is used; "" = the newest. Older pseudonyms are found with older keys.
        Raises: KeyUnusableError, UnknownKeyError; KeyMissingError only where a key is named.
        """
        __tracebackhide__ = True
        if not kid and not self.is_keyed:
            return pseudonym(value, kind=kind, key=process_key())
        return pseudonym(value, kind=kind, key=self.keys.subkey(keyring.PSEUDONYM, kid=kid))

    def sanitize_logs(self, data: Any) -> Any:
        """A copy that may be logged: values of sensitive fields are ``[REDACTED]``, the rest passes the redactor.

        Takes anything: a dict, a list, a text. See `privacy.sanitize`.
        """
        return self._sanitizer.clean(data)

    @cached_property
    def _sanitizer(self) -> Sanitizer:
        if self._redactor is None:
            from pytest_autorl.privacy.redactor import Redactor

            self._redactor = Redactor()
        return Sanitizer(Fields(more=self._more), self._redactor)

    def validate_required_fields(self, data: Mapping[str, Any], required_fields: Iterable[str]) -> None:
        """Raise MissingFieldsError that names the fields that are missing, None or blank; see `privacy.required`."""
        required.validate_required_fields(data, required_fields)

    def sanitize_path(self, path: str | os.PathLike[str], base: str | os.PathLike[str]) -> Path:
        """The path inside a folder. Raises UnsafePathError for one that leads out of it; see `privacy.paths`."""
        return paths.sanitize_path(path, base)

    def __repr__(self) -> str:
        keys = repr(self._given) if self._given is not None else keyring.VARIABLE
        return f"SecureDataHandler({keys}, run_id={self.run_id!r})"
