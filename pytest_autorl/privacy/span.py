"""Where something lies in a text that must not leave, and of which kind it is."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

#: What a value is taken for; it stands in the placeholder: ``[REDACTED:EMAIL#1]``.
Kind = Literal[
    "EMAIL",
    "PHONE",
    "SSN",
    "CREDIT_CARD",
    "IBAN",
    "IP",
    "MAC",
    "JWT",
    "PRIVATE_KEY",
    "API_KEY",
    "PASSWORD",
    "SECRET",  # a registered value, in any of its forms
    "FIELD",  # the value of a field that the user has named
    "CUSTOM",  # what a pattern of the user matches
]

#: All of them, in the order of the documentation.
KINDS: tuple[str, ...] = get_args(Kind)


class Span(NamedTuple):
    """Part of a text.

    Attributes:
        start, end: Offsets in characters; `end` is the first one after it.
        kind: One of `KINDS`.
    """

    start: int
    end: int
    kind: str
