"""Ids of parametrized tests: named by what was taken out of them, the same everywhere, good to select by."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

MAIL = "anna.k" + "@" + "example.com"

SUITE = """
import unittest
import pytest

MAIL, OTHER = "anna.k" + "@" + "example.com", "bob.r" + "@" + "example.org"

@pytest.mark.parametrize("to", [MAIL, "plain", OTHER, MAIL.upper()])
def test_mail(to): assert to != OTHER

@pytest.mark.parametrize("to", [OTHER])
def test_again(to): pass

@pytest.mark.parametrize("to", [MAIL, OTHER], ids=["given", "for " + OTHER])
def test_given(to): pass

@pytest.mark.parametrize("to", [MAIL, "REDACTED-EMAIL-1"])
def test_taken(to): pass

@pytest.mark.parametrize("to", [MAIL, OTHER])
class TestClass:
    @pytest.mark.parametrize("n", [1, 2])
    def test_in(self, to, n): pass

@pytest.fixture(params=[OTHER, MAIL])
def account(request): return request.param

def test_fixture(account): pass

@pytest.fixture
def held(request): return request.param

@pytest.mark.parametrize("held", [MAIL], indirect=True)
def test_indirect(held): pass

@pytest.mark.parametrize("n", [1, 2])
def test_plain(n): pass

class TestUnit(unittest.TestCase):
    def test_it(self): pass
"""

IDS = [
    *("test_mail[REDACTED-EMAIL-1]", "test_mail[plain]", "test_mail[REDACTED-EMAIL-2]"),
    *("test_mail[REDACTED-EMAIL-1-2]", "test_again[REDACTED-EMAIL-1]"),
    *("test_given[given]", "test_given[for REDACTED-EMAIL-1]"),
    *("test_taken[REDACTED-EMAIL-1-2]", "test_taken[REDACTED-EMAIL-1]"),
    *("TestClass::test_in[1-REDACTED-EMAIL-1]", "TestClass::test_in[1-REDACTED-EMAIL-2]"),
    *("TestClass::test_in[2-REDACTED-EMAIL-1]", "TestClass::test_in[2-REDACTED-EMAIL-2]"),
    *("test_fixture[REDACTED-EMAIL-1]", "test_fixture[REDACTED-EMAIL-2]", "test_indirect[REDACTED-EMAIL-1]"),
    *("test_plain[1]", "test_plain[2]", "TestUnit::test_it"),
]


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_it=SUITE)
    return pytester


def run_tests(result: pytest.RunResult) -> list[str]:
    """The tests that a verbose run names."""
    lines = [line for line in result.outlines if "PASSED" in line or "FAILED" in line]
    return sorted(
        {line.partition("::")[2].split(" PASSED")[0].split(" FAILED")[0].split(" - ")[0] for line in lines}
    )


def test_numbers_count_within_one_function_and_names_stay_unique(suite: pytest.Pytester) -> None:
    result = suite.runpytest_inprocess("--collect-only", "-q")

    assert [line.partition("::")[2] for line in result.outlines if "::" in line] == IDS


def test_one_process_and_two_workers_name_and_run_the_same_tests(suite: pytest.Pytester) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    one = suite.runpytest_subprocess("-v", "-rN", "-p", "no:cacheprovider")
    two = suite.runpytest_subprocess("-v", "-rN", "-n", "2", "-p", "no:cacheprovider")

    one.assert_outcomes(passed=18, failed=1)
    two.assert_outcomes(passed=18, failed=1)
    assert run_tests(one) == sorted(IDS)
    assert sorted(
        name.split(" ", 1)[-1] if name.startswith("[") else name for name in _of_workers(two)
    ) == sorted(IDS)
    for result in (one, two):
        assert MAIL not in result.stdout.str() + result.stderr.str()


def _of_workers(result: pytest.RunResult) -> list[str]:
    """`[gw0] [ 5%] PASSED test_it.py::test_plain[1]`"""
    return [
        line.partition("::")[2].strip() for line in result.outlines if line.startswith("[gw") and "::" in line
    ]


def test_a_test_is_selected_by_the_name_that_is_shown_and_found_again_when_it_failed(
    suite: pytest.Pytester,
) -> None:
    by_id = suite.runpytest_inprocess("test_it.py::test_mail[REDACTED-EMAIL-2]", "test_it.py::test_fixture")
    by_word = suite.runpytest_inprocess("-k", "test_mail and REDACTED-EMAIL-1-2")
    again = suite.runpytest_inprocess("--lf")

    by_id.assert_outcomes(failed=1, passed=2)
    by_word.assert_outcomes(passed=1, deselected=18)
    again.assert_outcomes(failed=1)
    cached = "".join(path.read_text() for path in Path(".pytest_cache").rglob("*") if path.is_file())
    assert "test_mail[REDACTED-EMAIL-2]" in cached
    assert MAIL not in cached


def test_names_are_what_tests_see_of_themselves(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os
        import pytest

        @pytest.mark.parametrize("to", ["anna.k" + "@" + "example.com"])
        def test_it(to, request):
            assert request.node.name == "test_it[REDACTED-EMAIL-1]"
            assert request.node.nodeid.endswith("::test_it[REDACTED-EMAIL-1]")
            assert request.node.callspec.id == "REDACTED-EMAIL-1"
            assert request.node.originalname == "test_it"
            assert request.node.location[2] == "test_it[REDACTED-EMAIL-1]"
            assert "REDACTED-EMAIL-1" in request.node.keywords and to not in request.node.keywords
            assert os.environ["PYTEST_CURRENT_TEST"].endswith("::test_it[REDACTED-EMAIL-1] (call)")
            assert to == "anna.k" + "@" + "example.com", "the parameter itself is as it was"
        """
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_async_tests_are_named_too(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_asyncio", reason="pytest-asyncio is not installed")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.asyncio
        @pytest.mark.parametrize("to", ["anna.k" + "@" + "example.com"])
        async def test_it(to): assert to
        """
    )
    options = ("-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function")

    result = pytester.runpytest_subprocess("-v", *options)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*::test_it?REDACTED-EMAIL-1? PASSED*"])


def test_a_registered_value_in_two_parameters_that_meet_is_gone(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is clean by itself; joined by a dash they are the secret."""
    left, right = "heron" + os.urandom(3).hex(), "corvid" + os.urandom(3).hex()
    monkeypatch.setenv("SHOP_API_TOKEN", f"{left}-{right}")
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.parametrize("b", ["{right}"])
        @pytest.mark.parametrize("a", ["{left}"])
        def test_it(a, b): pass
        """
    )

    result = pytester.runpytest_subprocess("--collect-only", "-q")

    assert f"{left}-{right}" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*::test_it?REDACTED-SECRET-1?"])


def test_off_leaves_names_alone(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("--collect-only", "-q", "--autorl-redact=off")

    assert f"test_it.py::test_mail[{MAIL}]" in result.outlines
