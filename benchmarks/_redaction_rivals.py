"""What `redaction.py` compares with: each takes a text and gives what it finds, as start, end and kind."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable
from typing import Any

Find = Callable[[str], list[tuple[int, int, str]]]

#: What somebody writes who needs it today: eight patterns, one after the other.
EIGHT = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}\b",
        r"\b\d{3}-\d{2}-\d{4}\b",
        r"\b(?:\d[ -]*?){13,16}\b",
        r"\b(?:\+?\d{1,2}[ .-]?)?\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{4}\b",
        r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
        r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b",
        r"(?i)(?:api[_-]?key|token|secret)\s*[=:]\s*\S+",
        r"(?i)(?:password|passwd|pwd)\s*[=:]\s*\S+",
    )
)


def eight(text: str) -> str:
    for pattern in EIGHT:
        text = pattern.sub("[REDACTED]", text)
    return text


#: The language model that presidio comes with; hundreds of megabytes, and most of its time.
MODEL = "en_core_web_lg"
_KINDS = {
    "EMAIL_ADDRESS": "EMAIL",
    "US_SSN": "SSN",
    "PHONE_NUMBER": "PHONE",
    "IP_ADDRESS": "IP",
    "IBAN_CODE": "IBAN",
    "MAC_ADDRESS": "MAC",
    "CREDIT_CARD": "CREDIT_CARD",
}


def has_model() -> bool:
    """Whether presidio can run as it comes."""
    try:
        from spacy.util import is_package
    except ImportError:
        return False
    return is_package(MODEL)


def presidio(*, everything: bool = False) -> Find:
    """With all its recognizers, or the seven that look for what we do; without a model where there is none.

    Raises: ImportError.
    """
    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    # It asks the network for a list of domains, and is content with its own.
    logging.getLogger("tldextract").setLevel(logging.CRITICAL)

    class Blank(SpacyNlpEngine):
        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

    engine = AnalyzerEngine() if has_model() else AnalyzerEngine(nlp_engine=Blank())
    entities = None if everything else list(_KINDS)

    def find(text: str) -> list[tuple[int, int, str]]:
        return [
            (one.start, one.end, _KINDS.get(one.entity_type, one.entity_type))
            for one in engine.analyze(text, "en", entities=entities)
        ]

    return find


def scrubadub() -> Find:
    """As it comes. Raises: ImportError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import scrubadub as library

        scrubber: Any = library.Scrubber()
    kinds = {
        "email": "EMAIL",
        "social_security_number": "SSN",
        "phone": "PHONE",
        "credit_card": "CREDIT_CARD",
        "credential": "PASSWORD",
    }

    def find(text: str) -> list[tuple[int, int, str]]:
        return [
            (filth.beg, filth.end, kinds.get(filth.type, filth.type)) for filth in scrubber.iter_filth(text)
        ]

    return find
