"""JUnit: what came by no report is redacted too, and what is clean is as pytest writes it."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_autorl.capture.guard import Guard
from pytest_autorl.capture.junit import JUnitRedaction

MAIL, OTHER = "anna.k" + "@" + "example.com", "bob.r" + "@" + "example.org"
VALUES = (MAIL, OTHER, "corvid-9-heron")

SUITE = """
import pytest

MAIL = "anna.k" + "@" + "example.com"

@pytest.fixture(scope="session", autouse=True)
def whole(record_testsuite_property):
    record_testsuite_property("customer", MAIL)
    record_testsuite_property("token", "corvid-9-heron")
    record_testsuite_property("build", 17)

def test_attribute(record_xml_attribute):
    record_xml_attribute("owner", MAIL)

def test_property(record_property):
    record_property("to", MAIL)
    record_property("tries", 3)

def test_output():
    print("printed", MAIL)

def test_plain(): pass
"""

#: What differs between any two runs.
_NOISE = re.compile(r'(time|timestamp|hostname)="[^"]*"|0x[0-9a-f]+')


@pytest.mark.integration
def test_properties_attributes_and_output_are_redacted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=SUITE)
    options = ("-o", "junit_logging=all", "-o", "junit_family=xunit1", "-o", f"junit_suite_name=for {MAIL}")

    pytester.runpytest_subprocess("--junitxml=j.xml", *options).assert_outcomes(passed=4)

    text = Path("j.xml").read_text(encoding="utf-8")
    assert MAIL not in text
    assert "corvid-9-heron" not in text
    suite = ElementTree.fromstring(text)[0]
    assert suite.get("name") == "for [REDACTED:EMAIL#1]"
    properties = {each.get("name"): each.get("value") for each in suite.find("properties") or ()}
    assert properties["customer"] == "[REDACTED:EMAIL#1]"
    assert properties["build"] == "17"
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert cases["test_attribute"].get("owner") == "[REDACTED:EMAIL#1]"
    shown = {each.get("name"): each.get("value") for each in cases["test_property"].iter("property")}
    assert shown == {"to": "[REDACTED:EMAIL#1]", "tries": "3"}
    assert "printed [REDACTED:EMAIL#1]" in (cases["test_output"].findtext("system-out") or "")
    assert cases["test_plain"].find("properties") is None


#: A value in everything that a file of JUnit holds.
EVERYWHERE = """
import logging
import sys
import unittest

import pytest

MAIL, OTHER = "anna.k" + "@" + "example.com", "bob.r" + "@" + "example.org"

@pytest.fixture(scope="session", autouse=True)
def whole(record_testsuite_property):
    record_testsuite_property("customer", MAIL)
    record_testsuite_property("token", "corvid-9-heron")

@pytest.fixture
def broken(): raise ValueError("no setup for " + MAIL)

@pytest.fixture
def breaks():
    yield
    raise ValueError("no teardown for " + MAIL)

@pytest.mark.parametrize("mail", [MAIL, OTHER])
def test_id(mail, record_property, record_xml_attribute):
    record_property("to", mail)
    record_property(OTHER, "of " + MAIL)
    record_property("api_token", "corvid-9-heron")
    record_property("tries", 3)
    record_xml_attribute("owner", mail)
    print("printed", mail)
    print("complained", mail, file=sys.stderr)
    logging.getLogger("app").warning("logged %s", mail)

@pytest.mark.parametrize("mail", [OTHER])
def test_fails(mail):
    print("printed", MAIL)
    assert mail == "x"

def test_setup(broken): pass

def test_teardown(breaks): print("printed", MAIL)

def test_skips(): pytest.skip("not for " + MAIL)

@pytest.mark.xfail(reason="broken for " + MAIL)
def test_xfails(): raise ValueError(OTHER)

class TestCase(unittest.TestCase):
    def test_it(self): self.assertEqual(MAIL, OTHER)

def test_plain(record_property): record_property("n", 1)
"""

#: What stands in place of a value, in texts and in names.
_PLACEHOLDER = re.compile(r"\[REDACTED:[A-Z_]+#\d+\]|REDACTED-[A-Z_]+-\d+")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("family", "logs_passing"), [("xunit2", "true"), ("xunit1", "false"), ("legacy", "true")]
)
def test_a_file_of_each_family_is_as_without_us_but_for_the_placeholders(
    pytester: pytest.Pytester, family: str, logs_passing: str
) -> None:
    pytester.makepyfile(test_it=EVERYWHERE)
    options = (
        *("--junitxml=j.xml", "--junitprefix", f"{MAIL} nightly", "-p", "no:randomly", "--tb=short"),
        *("-o", f"junit_family={family}", "-o", "junit_logging=all", "-o", f"junit_suite_name=of {OTHER}"),
        *("-o", f"junit_log_passing_tests={logs_passing}"),
    )
    files = []
    for plugin in ("autorl", "no:autorl"):
        result = pytester.runpytest_subprocess("-p", plugin, *options)
        result.assert_outcomes(passed=4, failed=2, errors=2, skipped=1, xfailed=1)
        files.append(Path("j.xml").read_text(encoding="utf-8"))

    ours, plain = files
    for value in VALUES:
        assert value in plain, "or nothing is proved"
        assert value not in ours
    passing = _case(ours, "test_id[REDACTED-EMAIL-2]").findtext("system-out") or ""
    assert ("printed [REDACTED:EMAIL#1]" in passing) == (logs_passing == "true")
    for value in VALUES:
        plain = plain.replace(value, "~")
    assert _NOISE.sub("~", _PLACEHOLDER.sub("~", ours)) == _NOISE.sub("~", plain)


def _case(text: str, name: str) -> ElementTree.Element:
    (found,) = (each for each in ElementTree.fromstring(text).iter("testcase") if each.get("name") == name)
    return found


@pytest.mark.integration
def test_an_internal_error_is_redacted_in_the_file_and_on_the_terminal(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        def pytest_runtest_protocol(): raise RuntimeError("for anna.k" + "@" + "example.com")
        """
    )
    pytester.makepyfile("def test_it(): pass")

    result = pytester.runpytest_subprocess("--junitxml=j.xml")

    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    written = Path("j.xml").read_text(encoding="utf-8")
    assert "RuntimeError: for [REDACTED:EMAIL#" in written
    assert MAIL not in written + result.stdout.str() + result.stderr.str()


@pytest.mark.integration
def test_a_file_with_nothing_to_hide_is_the_same(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("n", [1, 2])
        def test_it(n, record_property):
            record_property("n", n)
            print("out")
            if n == 2: raise ValueError("too many")
        def test_skip(): pytest.skip("not today")
        """
    )
    files = []
    for mode in ("on", "off"):
        pytester.runpytest_subprocess(
            f"--autorl-redact={mode}", "--junitxml=j.xml", "-o", "junit_logging=all"
        )
        files.append(_NOISE.sub("~", Path("j.xml").read_text(encoding="utf-8")))

    assert files[0] == files[1]


@pytest.mark.unit
def test_what_pytest_names_by_a_path_is_redacted_where_the_path_holds_a_value() -> None:
    """A test that passes has no other text."""
    from _pytest.junitxml import LogXML, xml_key

    xml = LogXML("j.xml", None)
    element = ElementTree.Element("testcase", classname=f"home.{MAIL}.test_it", name="test_it", time="0.1")
    xml.node_reporters_ordered.append(SimpleNamespace(to_xml=lambda: element))  # type: ignore[arg-type]
    session: Any = SimpleNamespace(config=SimpleNamespace(stash=pytest.Stash()))
    session.config.stash[xml_key] = xml

    JUnitRedaction(Guard("on")).pytest_sessionfinish(session)

    assert MAIL not in repr(xml.node_reporters_ordered[0].to_xml().attrib)


@pytest.mark.unit
@pytest.mark.parametrize("mode", ["on", "off"])
def test_a_run_without_the_file_ends_as_ever(mode: Any) -> None:
    session: Any = SimpleNamespace(config=SimpleNamespace(stash=pytest.Stash()))

    JUnitRedaction(Guard(mode)).pytest_sessionfinish(session)
