"""Redactors that find a few plain things and nothing else, so that a test of what is done with a find says which."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.redactor import Redactor
from pytest_autorl.privacy.span import Span


def detector(
    kind: str, pattern: str, *, group: int = 0, find: Callable[[str], Iterable[Span]] | None = None
) -> Detector:
    """One that finds this pattern; its gate lets every text through."""

    def spans(text: str) -> list[Span]:
        return [Span(*match.span(group), kind) for match in re.finditer(pattern, text)]

    return Detector(name=kind, gate=r"(?s:.)", shape=lambda low, drawn: True, find=find or spans)


MAIL = detector("EMAIL", r"[a-z0-9.]{1,20}@[a-z]{1,20}\.[a-z]{2,5}")
CARD = detector("CREDIT_CARD", r"\b4\d{15}\b")
NUMBER = detector("PHONE", r"\+\d{6,12}")
WORD = detector("PASSWORD", r"password[=:] ?([^\s&\"]{1,40})", group=1)
KEY = detector(
    "PRIVATE_KEY",
    r"(?s)-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----(?:.{0,4000}?-----END [A-Z ]{0,20}PRIVATE KEY-----|.{0,4000})",
)
PLAIN = (MAIL, CARD, NUMBER, WORD, KEY)


def redactor_over(detectors: Iterable[Detector] = PLAIN, **options: Any) -> Redactor:
    """A redactor with these detectors in place of the shipped ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "pytest_autorl.privacy.detectors.detectors_for",
            lambda fields=(), patterns=(): tuple(detectors),
            raising=False,
        )
        return Redactor(**options)
