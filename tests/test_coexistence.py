"""Beside other plugins, and where it is not wanted: a plain suite never notices the plugin."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PLAIN = """
import pytest, unittest, warnings

def test_pass(): print("out")
def test_fail(): assert 1 == 2
def test_skip(): pytest.skip("no")
@pytest.mark.xfail
def test_xfail(): assert False
@pytest.mark.parametrize("n", range(3))
def test_param(n, tmp_path): assert n < 2
@pytest.fixture
def broken(): raise RuntimeError("setup")
def test_error(broken): pass
@pytest.fixture
def broken_end():
    yield
    raise RuntimeError("teardown")
def test_teardown(broken_end): pass
class TestUnit(unittest.TestCase):
    def test_it(self): self.assertTrue(True)
    def test_sub(self):
        for n in range(2):
            with self.subTest(n=n): self.assertEqual(n, 0)
def test_warns(): warnings.warn("w")
"""

#: What differs between any two runs.
NOISE = re.compile(r"in \d+\.\d+s|0x[0-9a-f]+|^plugins: .*$|runpytest-\d+|popen-gw\d+")
#: And with workers, which report in any order.
ORDER = re.compile(r"\[gw\d\]|\[ *\d+%\]")


def output(result: pytest.RunResult) -> list[str]:
    return [NOISE.sub("~", line) for line in result.outlines]


def outcomes(result: pytest.RunResult, options: list[str]) -> list[str]:
    lines = output(result)
    return sorted(ORDER.sub("", line).strip() for line in lines) if "-n" in options else lines


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-x"],
        ["--lf"],
        ["-k", "pass or fail"],
        ["--collect-only"],
        ["--setup-plan"],
        ["-n", "2"],
        ["--maxfail=2", "-v"],
    ],
    ids=" ".join,
)
def test_a_plain_suite_gives_the_same_with_and_without_the_plugin(
    pytester: pytest.Pytester, options: list[str]
) -> None:
    pytester.makepyfile(PLAIN)
    if "--lf" in options:
        pytester.runpytest_subprocess("-p", "no:autorl")
    if "-n" in options:
        options = [*options, "-v"]

    cache = () if "--lf" in options else ("-p", "no:cacheprovider")

    without = pytester.runpytest_subprocess(*options, *cache, "-p", "no:autorl")
    with_it = pytester.runpytest_subprocess(*options, *cache)

    assert with_it.ret == without.ret
    assert outcomes(with_it, options) == outcomes(without, options)
    assert not (pytester.path / "reports").exists()
    assert not (pytester.path / ".autorl").exists()


def test_the_package_can_be_blocked(pytester: pytest.Pytester) -> None:
    (pytester.path / "device_farm.yml").write_text("this is: [no farm file")
    pytester.makepyfile("def test_it(): pass")

    pytester.runpytest_subprocess("-p", "no:autorl").assert_outcomes(passed=1)


def test_plain_names_are_left_to_a_plugin_that_has_them(pytester: pytest.Pytester) -> None:
    """pytest-playwright defines `device` too; whoever came first keeps the name, ours stays reachable."""
    pytester.makepyfile(
        other_plugin="""
        import pytest
        @pytest.fixture(name="device")
        def somebody_elses(): return "theirs"
        """,
        test_it="""
        def test_theirs(device): assert device == "theirs"
        def test_ours(autorl_device): assert autorl_device.id.startswith("virtual-")
        """,
    )
    options = ("-p", "other_plugin", "--autorl-farm", "virtual:1")

    result = pytester.runpytest_subprocess(*options)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*fixtures autorl_device/autorl_driver (device/driver are of other_plugin)"])

    forced = pytester.runpytest_subprocess(*options, "-o", "autorl_plain_fixtures=true", "-k", "ours")
    forced.stdout.fnmatch_lines(["*fixtures device/driver"])


def test_pytest_playwright_keeps_its_device(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_playwright", reason="pytest-playwright is not installed")
    pytester.makepyfile("def test_ours(autorl_device): assert autorl_device.id == 'virtual-1'")

    result = pytester.runpytest_subprocess("-p", "playwright", "--autorl-farm", "virtual:1")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*(device/driver are of playwright)"])


def test_a_conftest_may_override_and_extend_the_plain_name(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest
        @pytest.fixture
        def device(device):
            return ("mine", device.id)
        """
    )
    pytester.makepyfile("def test_it(device): assert device == ('mine', 'virtual-1')")

    result = pytester.runpytest_subprocess("--autorl-farm", "virtual:1")

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("pytest_timeout", ["--timeout", "60"]),
        ("pytest_cov", ["--cov", "."]),
        ("pytest_randomly", ["-p", "randomly"]),
        ("pytest_asyncio", ["-p", "asyncio", "-o", "asyncio_mode=auto"]),
        ("allure_pytest", ["--alluredir", "allure"]),
        ("xdist", ["-n", "2"]),
    ],
)
def test_device_tests_run_beside(pytester: pytest.Pytester, module: str, options: list[str]) -> None:
    pytest.importorskip(module, reason=f"{module} is not installed")
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("n", range(4))
        def test_it(device, n): assert device.id
        """
    )

    result = pytester.runpytest_subprocess("--autorl-farm", "virtual:2", *options)

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*devices used*"])


@pytest.mark.parametrize("plugin", ["xdist", "asyncio", "allure_pytest", "pytest_cov", "timeout", "randomly"])
def test_device_tests_run_without(pytester: pytest.Pytester, plugin: str) -> None:
    pytester.makepyfile("def test_it(device): assert device.id")

    result = pytester.runpytest_subprocess("--autorl-farm", "virtual:2", "-p", f"no:{plugin}")

    result.assert_outcomes(passed=1)


def test_nothing_heavy_is_loaded_where_nothing_is_asked(pytester: pytest.Pytester) -> None:
    """Loading the plugin must not cost what a device costs."""
    script = pytester.makepyfile(
        run="""
        import sys, pytest
        pytest.main(["--collect-only", "-q", "-p", "no:asyncio", "-p", "no:allure_pytest"])
        heavy = {"appium", "selenium", "pydantic", "prometheus_client", "cryptography", "allure", "PIL",
                 "structlog", "yaml", "rich", "typer", "urllib3", "packaging.specifiers"}
        print("HEAVY", sorted(heavy & set(sys.modules)))
        """
    )

    result = pytester.run(sys.executable, script)

    result.stdout.fnmatch_lines(["HEAVY *"])
    loaded = next(line for line in result.outlines if line.startswith("HEAVY"))
    assert loaded == "HEAVY []"


def test_ctrl_c_gives_everything_back(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(device):
            raise KeyboardInterrupt
        """
    )

    result = pytester.runpytest_subprocess("--autorl-farm", "virtual:1")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert list((pytester.path / ".autorl").rglob("*.lease")) == []


def test_last_failed_picks_the_device_test_again(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_bad(device): assert 0\ndef test_good(device): pass")
    pytester.runpytest_subprocess("--autorl-farm", "virtual:1").assert_outcomes(failed=1, passed=1)

    result = pytester.runpytest_subprocess("--autorl-farm", "virtual:1", "--lf")

    result.assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "*missing.yml*"),
        ("", "*empty*"),
        ("a: &a [*a]", "*"),
        ("x" * 3_000_000, "*"),
        ("devices: [", "*"),
    ],
    ids=["missing", "empty", "cyclic", "huge", "torn"],
)
def test_a_farm_file_that_cannot_be_used_ends_the_run_at_once(
    pytester: pytest.Pytester, content: str | None, text: str
) -> None:
    path = Path(pytester.path / "missing.yml")
    if content is not None:
        path.write_text(content)
    pytester.makepyfile("def test_it(device): pass")

    result = pytester.runpytest_subprocess("--autorl-farm", "missing.yml")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([text])
    assert "missing.yml" in result.stderr.str()
    assert "Traceback" not in result.stderr.str()
