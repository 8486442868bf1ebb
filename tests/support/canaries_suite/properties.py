"""Values that go to JUnit by name."""

from __future__ import annotations

import pytest
from planted import mail, secret, text


def test_property(record_property):
    record_property("who", text("record_property"))
    record_property(mail("record_property_name"), 1)
    record_property("nested", {"password": secret("record_property_nested")})


@pytest.mark.filterwarnings("ignore")
def test_attribute(record_xml_attribute):
    record_xml_attribute("who", text("record_xml_attribute"))


def test_suite(record_testsuite_property):
    record_testsuite_property("account", text("record_testsuite_property"))
    record_testsuite_property(mail("record_testsuite_property_name"), "x")
