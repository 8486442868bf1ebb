"""Which names hold secrets, and which text carries a password: by spelling alone, no value is judged.

Used where a farm file or a marker would otherwise keep a live password under version control.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

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


def is_secret_name(name: str) -> bool:
    """Whether a value under this key is to be treated as a secret.

    >>> [is_secret_name(n) for n in ("appium:keystorePassword", "sauce:accessKey", "appium:udid")]
    [True, True, False]
    """
    squeezed = re.sub(r"[^a-z0-9]", "", name.lower())
    last = re.split(r"[^a-z0-9]+", name.lower())[-1]
    return last in _WORDS or any(part in squeezed for part in _PARTS)


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
