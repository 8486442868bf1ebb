"""Which names hold secrets, and which text carries a password: by spelling alone, no value is judged.

Two questions, since a mistake costs differently. `is_secret_name` is asked about farm files and markers, which would
keep a live password under version control: it would rather refuse once too often. `kind_of_name` is asked about the
keys of what a test reports, where ``{"key": "down"}`` and ``token_count`` are everyday words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

#: Parts of a name (letters and digits only, lower case) that make it a secret's name.
_PARTS = (
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "accesskey",
    "apikey",
    "privatekey",
    "authkey",
    "credential",
    "authorization",
    "bearer",
    "unlockkey",  # Appium's appium:unlockKey is the PIN or pattern of the lock screen
)
#: Last words of a name (after a dot, colon, dash or underscore) that make it one: ``browserstack.key``.
_WORDS = frozenset({"key", "pwd", "pin"})
#: ``user:password@`` at the start of the text or after ``//``; group 1 is the password.
_USER_INFO = re.compile(r"(?:^|//)[^/@\s:]*:([^/@\s]+)@")

#: Words at the end of a key's name, joined, and the kind of what stands under it.
_KINDS = {
    **dict.fromkeys(
        (
            *("password", "passwords", "passwd", "passphrase", "passcode", "pwd", "userpass", "dbpass"),
            *("secret", "secrets", "credential", "credentials", "pin", "pincode", "otp", "otpcode"),
            *("totp", "totpsecret", "mfacode", "cvv", "cvc", "cvv2", "securitycode", "mothersmaidenname"),
        ),
        "PASSWORD",
    ),
    **dict.fromkeys(
        (
            *("token", "tokens", "apikey", "apikeys", "accesskey", "secretkey", "privatekey", "authkey"),
            *(
                "encryptionkey",
                "signingkey",
                "licensekey",
                "licencekey",
                "masterkey",
                "sharedkey",
                "unlockkey",
            ),
            *("subscriptionkey", "accountkey", "storagekey", "hmackey", "accesskeyid"),
            *("authorization", "proxyauthorization", "bearer", "cookie", "cookies", "setcookie", "jwt"),
        ),
        "API_KEY",
    ),
    **dict.fromkeys(("ssn", "socialsecurity", "socialsecuritynumber", "socialsecurityno"), "SSN"),
    **dict.fromkeys(("creditcard", "creditcardnumber", "cardnumber", "ccnumber"), "CREDIT_CARD"),
}
#: Words after a secret's name that leave it one: ``password_value``, ``token2``, ``api_key_plain``.
_TAILS = frozenset(
    {"value", "text", "plain", "raw", "string", "old", "new", "confirm", "confirmation", "repeat"}
)
#: What stands before "token" or "tokens" where these are counted, or numbered, or are no credentials.
_COUNTED = frozenset(
    (
        *("max", "min", "num", "number", "count", "total", "prompt", "completion", "input", "output", "used"),
        *("fencing", "lease", "window", "special"),
    )
)
#: Last words of a variable's name that say it holds no secret, but where or what one is.
_ABOUT = frozenset(
    (
        *(
            "file",
            "files",
            "path",
            "dir",
            "directory",
            "folder",
            "name",
            "url",
            "uri",
            "host",
            "user",
            "username",
        ),
        *(
            "type",
            "kind",
            "mode",
            "enabled",
            "expires",
            "expiry",
            "ttl",
            "timeout",
            "count",
            "length",
            "size",
            "id",
        ),
        *("sock", "socket", "alg", "algorithm", "version", "format", "header", "prefix", "command", "cmd"),
    )
)
#: Words that make a variable's name a secret's wherever they stand in it: ``STRIPE_SECRET_LIVE``.
_OUTRIGHT = frozenset({"secret", "secrets", "password", "passwd", "passphrase", "credential", "credentials"})
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LONGEST_NAME = 100  # characters; a longer key is text


def is_secret_name(name: str) -> bool:
    """Whether a value under this key of a farm file or marker is to be treated as a secret.

    >>> [is_secret_name(n) for n in ("appium:keystorePassword", "sauce:accessKey", "appium:udid")]
    [True, True, False]
    """
    squeezed = re.sub(r"[^a-z0-9]", "", name.lower())
    last = re.split(r"[^a-z0-9]+", name.lower())[-1]
    return last in _WORDS or any(part in squeezed for part in _PARTS)


@lru_cache(maxsize=4096)
def kind_of_name(name: str) -> str | None:
    """Of which kind a value is that stands under this key in data; None where the key says nothing.

    The last words of the name decide: ``userPassword`` and ``db.password`` hold one, ``password_field_id`` does not.

    >>> [kind_of_name(n) for n in ("userPassword", "X-Api-Key", "ssn", "keyboard", "token_count")]
    ['PASSWORD', 'API_KEY', 'SSN', None, None]
    """
    if len(name) > _LONGEST_NAME:
        return None
    words = _words(name)
    while words and (words[-1] in _TAILS or words[-1].isdigit()):
        words.pop()
    # Three words at most make one of the names above: credit card number.
    for length in range(min(len(words), 3), 0, -1):
        kind = _KINDS.get("".join(words[-length:]))
        if kind is not None:
            is_counted = words[-1] in ("token", "tokens") and len(words) > length and words[-2] in _COUNTED
            return None if is_counted else kind
    return None


def is_secret_variable(name: str) -> bool:
    """Whether the value of an environment variable of this name is a secret.

    >>> [
    ...     is_secret_variable(n)
    ...     for n in ("GITHUB_TOKEN", "SECRET_KEY_BASE", "PGPASSWORD", "OLDPWD", "TOKEN_FILE")
    ... ]
    [True, True, True, False, False]
    """
    words = _words(name)
    if not words or name in ("PWD", "OLDPWD"):  # the shell's folders
        return False
    if words[-1] in _ABOUT:
        return "".join(words[-3:]) == "accesskeyid"
    if kind_of_name(name) is not None or words[-1] in _WORDS or is_password_variable(name):
        return True
    return not _OUTRIGHT.isdisjoint(words)


def is_password_variable(name: str) -> bool:
    """Whether it holds what people type, which is shorter than what machines make."""
    words = _words(name)
    return bool(words) and words[-1].endswith(("password", "passwd", "passphrase", "passcode", "pwd", "pass"))


def is_secret_path(path: Sequence[str | int]) -> bool:
    """Whether the value at this place of a farm file has a secret's name.

    Its own key counts, and within ``capabilities`` every key around it (``{"token": {"value": ...}}``).
    """
    keys = [part for part in path if isinstance(part, str)]
    inner = keys[keys.index("capabilities") + 1 :] if "capabilities" in keys else []
    return any(is_secret_name(key) for key in (*inner, *keys[-1:]))


def url_password(text: str) -> str:
    """The password in ``user:password@host``, with or without a scheme; "" when there is none."""
    found = _USER_INFO.search(text)
    return found.group(1) if found else ""


def squeezed(name: str) -> str:
    """A name as the user's field names are compared: letters and digits, case-folded."""
    return "".join(char for char in name.casefold() if char.isalnum())


def _words(name: str) -> list[str]:
    return [word.lower() for word in _CAMEL.findall(name)]
