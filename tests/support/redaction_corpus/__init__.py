"""Texts with known personal values and secrets, and clean ones: what the detectors are judged by.

Values come from sources that know nothing of the detectors: phonenumbers, Faker, schwifty, formats that vendors
publish.
Each value is for development or held out, by a hash of it, and the two parts have different sentences around them.
Only held-out figures are reported; their sentences were written before the detectors were tuned, and not looked at
since.
"""

from __future__ import annotations

import hashlib
import html
import json
import random
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from redaction_corpus import clean_dev, clean_held, frames_dev, frames_held, values

Part = Literal["dev", "held"]

#: Ways to write a value that a frame may ask for: ``{v!json}`` is written ``json`` in the frame's first field.
ENCODERS: dict[str, Callable[[str], str]] = {
    "": lambda value: value,
    "json": lambda value: json.dumps(value)[1:-1],
    "json2": lambda value: json.dumps(json.dumps(value)[1:-1])[1:-1],
    "url": lambda value: urllib.parse.quote(value, safe=""),
    "xml": lambda value: html.escape(value, quote=True),
    "py": lambda value: repr(value)[1:-1],
    "sq": lambda value: value.replace("'", "_"),
    "bare": lambda value: "".join(char for char in value if char not in "&;,'\"<>\\` #"),
}


@dataclass(frozen=True)
class Sample:
    """A text that holds one value.

    Attributes:
        start, end: Where the value is, as it is written there.
        frame: Which sentence it is, for looking at misses.
    """

    text: str
    kind: str
    start: int
    end: int
    frame: str


KINDS = (
    *(
        "SSN",
        "IP",
        "IBAN",
        "MAC",
        "EMAIL",
        "CREDIT_CARD",
        "PHONE",
        "API_KEY",
        "PASSWORD",
        "JWT",
        "PRIVATE_KEY",
    ),
)


def part_of(value: str) -> Part:
    return "held" if hashlib.sha256(value.encode()).digest()[0] % 2 else "dev"


def samples(part: Part, each: int, seed: int = 20) -> Iterator[Sample]:
    """So many samples of each kind."""
    frames = frames_held.FRAMES if part == "held" else frames_dev.FRAMES
    for kind in KINDS:
        luck = random.Random(f"{seed}/{kind}/{part}")
        source = (value for value in values.SOURCES[kind](luck) if part_of(value) == part)
        given = frames[kind]
        for number in range(each):
            encoding, _, frame = given[number % len(given)].partition("|")
            yield filled(kind, frame, ENCODERS[encoding](next(source)), luck)


def filled(kind: str, frame: str, value: str, luck: random.Random) -> Sample:
    before, after = (values.around(piece, luck) for piece in frame.split("{v}"))
    return Sample(before + value + after, kind, len(before), len(before) + len(value), frame)


def clean_lines(part: Part, count: int, seed: int = 20) -> Iterator[str]:
    """Lines of a device farm without anything personal in them."""
    frames = clean_held.FRAMES if part == "held" else clean_dev.FRAMES
    luck = random.Random(f"{seed}/clean/{part}")
    for number in range(count):
        yield values.around(frames[number % len(frames)], luck)
