"""The table by which failures are classified: the first rule that fits counts.

It goes from the special to the general: WebDriver's errors, those of this package, the transport's, then those of
pytest and Python. The last rule fits every exception.
"""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

from pytest_autorl.resilience import rules_ours, rules_python, rules_transport, rules_webdriver
from pytest_autorl.resilience.rule import Rule
from pytest_autorl.resilience.symptoms import Symptoms, names_of

RULES: Final = (
    # WebDriver's messages first: they tell why a session was refused, whoever raises it.
    *rules_webdriver.RULES,
    *rules_ours.RULES,
    *rules_transport.RULES,
    *rules_python.RULES,
)
_known: WeakKeyDictionary[type[BaseException], tuple[Rule, ...]] = WeakKeyDictionary()


def rule_for(symptoms: Symptoms) -> Rule:
    """The first rule that fits."""
    return next(rule for rule in _candidates(type(symptoms.error)) if rule.fits(symptoms))


def _candidates(cls: type[BaseException]) -> tuple[Rule, ...]:
    """The rules that can fit an exception of this class, in the order of the table."""
    found = _known.get(cls)
    if found is None:
        names = names_of(cls)
        found = _known[cls] = tuple(rule for rule in RULES if rule.may_fit(names))
    return found
