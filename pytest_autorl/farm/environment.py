"""References to environment variables in a text: ``${NAME}``, ``${NAME:-default}``, ``$$`` for one ``$``.

The environment is passed in. As in a shell, the default also stands in for an empty variable. A ``$`` before
anything else is itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^{}]*)?\}|(?P<open>\{[^}]*\}?))",
    re.ASCII,
)


class ReferenceFault(ValueError):  # noqa: N818  # it never leaves this package, and names a fault of the text
    """A reference cannot be replaced. The text names the variable, never a value."""


@dataclass(frozen=True)
class Substituted:
    """A text after substitution.

    Attributes:
        text: May hold a secret.
        used: Whether anything came from the environment, or could have (a default stood in for it).
        literal: What of the written text stays without the environment: references without default are
            ``NUL``, those with one are their default. So a password in the file shows, one outside does not.
    """

    text: str
    used: bool
    literal: str


def substitute(text: str, env: Mapping[str, str]) -> Substituted:
    """Replace every reference, once: a value that looks like a reference is left alone.

    Raises: ReferenceFault for a variable that is not defined, and for ``${`` that is no reference.
    """
    if "$" not in text:
        return Substituted(text, False, text)
    used = False

    def replaced(found: re.Match[str]) -> str:
        nonlocal used
        if found["dollar"]:
            return "$"
        if found["open"]:
            raise ReferenceFault(
                f"${found['open'][:60]} is no reference; write ${{NAME}} or ${{NAME:-default}}, "
                "and $$ for a dollar sign"
            )
        used = True
        value = env.get(found["name"])
        if found["default"] is not None:
            return value or found["default"][2:]
        if value is None:
            raise ReferenceFault(f"environment variable {found['name']} is not defined")
        return value

    def kept(found: re.Match[str]) -> str:
        return "$" if found["dollar"] else (found["default"] or ":-\0")[2:]

    return Substituted(_REFERENCE.sub(replaced, text), used, _REFERENCE.sub(kept, text))
