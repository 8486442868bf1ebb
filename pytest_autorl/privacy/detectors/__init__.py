"""What the redactor looks for: one module for each family of values."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.addresses import IPV4, IPV6, MAC
from pytest_autorl.privacy.detectors.codes import CODES
from pytest_autorl.privacy.detectors.commands import COMMANDS
from pytest_autorl.privacy.detectors.email import EMAIL
from pytest_autorl.privacy.detectors.fields import FIELDS
from pytest_autorl.privacy.detectors.headers import HEADERS
from pytest_autorl.privacy.detectors.iban import IBAN
from pytest_autorl.privacy.detectors.keys import KEYS, SERVICE_KEYS
from pytest_autorl.privacy.detectors.links import LINKS
from pytest_autorl.privacy.detectors.numbers import CARD, SSN
from pytest_autorl.privacy.detectors.phone import PHONE
from pytest_autorl.privacy.detectors.tokens import JWT, PRIVATE_KEY

#: All that the package brings.
DETECTORS: tuple[Detector, ...] = (
    *(PRIVATE_KEY, JWT, KEYS, SERVICE_KEYS, HEADERS, LINKS, COMMANDS, FIELDS, CODES),
    *(EMAIL, CARD, IBAN, SSN, PHONE, IPV4, IPV6, MAC),
)


def detectors_for(fields: Sequence[str] = (), patterns: Sequence[str] = ()) -> tuple[Detector, ...]:
    """Ours, and those for what the user has named.

    Args:
        fields: Names of fields whose values are hidden, whatever they are (kind FIELD).
        patterns: Regular expressions of what is hidden (kind CUSTOM).
    Raises: UsageError for a name or pattern that cannot be used, with its number, text and what is wrong.
    """
    if not fields and not patterns:
        return DETECTORS
    from pytest_autorl.privacy.detectors.custom import field_detector, pattern_detectors

    named = (field_detector(fields),) if fields else ()
    return (*DETECTORS, *named, *pattern_detectors(patterns))
