"""JUnit: what stands in the file and came by no report is redacted before it is written.

Such as properties of the whole suite, attributes that a test records, an internal error, elements of other plugins.

Private parts of pytest (``_pytest.junitxml``): ``xml_key``, and of the `LogXML` that it leads to
``node_reporters_ordered`` (each with ``to_xml``), ``global_properties`` and ``suite_name``. Fall-back: only what comes
by reports is redacted, and in strict mode the file is looked at when it is written.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl.capture.guard import Guard

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from pytest_autorl.privacy.redactor import Redactor


class JUnitRedaction:
    """See the module."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Before pytest writes it."""
        key = getattr(sys.modules.get("_pytest.junitxml"), "xml_key", None)
        xml: Any = session.config.stash.get(key, None) if key is not None else None
        if xml is None or self._guard.is_off:
            return
        for reporter in getattr(xml, "node_reporters_ordered", ()):
            element = reporter.to_xml()
            _clean(element, self._guard.redactor.fresh())
            # The last word on it, whatever is asked for it later.
            reporter.to_xml = lambda element=element: element
        redactor = self._guard.redactor
        if getattr(xml, "global_properties", None):
            xml.global_properties[:] = [_pair(name, value, redactor) for name, value in xml.global_properties]
        if getattr(xml, "suite_name", ""):
            xml.suite_name = redactor.redact(xml.suite_name)


def _pair(name: str, value: str, redactor: Redactor) -> tuple[str, str]:
    redacted = redactor.redact_data({"name": name, "value": value})
    return str(redacted["name"]), str(redacted["value"])


def _clean(element: Element, redactor: Redactor) -> None:
    """Redact an element and all that is in it."""
    if not len(element) and not element.text and not redactor.finds("\n".join(element.attrib.values())):
        return  # a test that passes
    for each in element.iter():
        if each.tag == "property":
            name, value = _pair(each.get("name", ""), each.get("value", ""), redactor)
            each.set("name", name)
            each.set("value", value)
            continue
        for key, value in each.items():
            if redactor.finds(value):
                each.set(key, redactor.redact(value))
        if each.text:
            each.text = redactor.redact(each.text)
        if each.tail:
            each.tail = redactor.redact(each.tail)
