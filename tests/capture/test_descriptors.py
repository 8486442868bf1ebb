"""Below Python, in strict mode: what children and C libraries write past pytest's capture is redacted."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pytest_autorl.capture.descriptors import needs_guard
from pytest_autorl.capture.guard import Guard

MAIL = "anna.k" + "@" + "example.com"

SUITE = """
import os, subprocess, sys

MAIL = "anna.k" + "@" + "example.com"

def test_writes():
    print("python", MAIL)
    sys.stdout.flush()
    subprocess.run([sys.executable, "-c", "import sys; print('child ' + sys.argv[1])", MAIL], check=True)
    os.write(1, b"direct " + MAIL.encode() + b"\\n")
    os.write(2, b"error " + MAIL[:7].encode())
    os.write(2, MAIL[7:].encode() + b"\\n")
    os.write(1, b"bytes \\xff\\xfe\\n")
    os.write(1, b"no end " + MAIL.encode())
"""


@pytest.mark.integration
@pytest.mark.skipif(os.name == "nt", reason="POSIX descriptors")
@pytest.mark.parametrize("option", ["-s", "--capture=sys"])
def test_what_a_child_and_a_library_write_is_redacted(pytester: pytest.Pytester, option: str) -> None:
    pytester.makepyfile(SUITE)
    command = [sys.executable, "-m", "pytest", "--autorl-redact=strict", option]

    done = subprocess.run(command, cwd=pytester.path, capture_output=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert MAIL.encode() not in done.stdout + done.stderr
    for text in (
        b"child [REDACTED:EMAIL#1]\n",
        b"direct [REDACTED:EMAIL#1]\n",
        b"bytes \xff\xfe\n",
        b"no end [REDACTED",
    ):
        assert text in done.stdout
    assert b"error [REDACTED:EMAIL#" in done.stderr
    assert (b"python [REDACTED:EMAIL#" in done.stdout) == (option == "-s")


@pytest.mark.integration
@pytest.mark.skipif(os.name == "nt", reason="POSIX descriptors")
def test_what_the_settings_teach_holds_below_python_too(pytester: pytest.Pytester) -> None:
    """The pipes are there before the farm file and the conftests are read."""
    pytester.makeini("[pytest]\nautorl_redact_patterns = ACC-\\d{4}\n")
    pytester.makeconftest("print('conftest')")
    pytester.makepyfile("import os\ndef test_it(): os.write(1, b'of ACC-1234\\n')")

    result = pytester.runpytest_subprocess("-s", "--autorl-redact=strict")

    result.assert_outcomes(passed=1)
    assert "ACC-1234" not in result.stdout.str()
    assert "of [REDACTED" in result.stdout.str()


@pytest.mark.integration
@pytest.mark.skipif(os.name == "nt", reason="POSIX descriptors")
def test_a_child_that_outlives_the_run_does_not_hold_it_up(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import subprocess, sys
        def test_it():
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
        """
    )
    command = [sys.executable, "-m", "pytest", "-q", "-s", "--autorl-redact=strict"]
    with open(pytester.path / "out.txt", "wb") as out:
        done = subprocess.run(command, cwd=pytester.path, stdout=out, stderr=out, timeout=18, check=False)

    assert done.returncode == 0
    assert b"1 passed" in (pytester.path / "out.txt").read_bytes()


@pytest.mark.unit
@pytest.mark.skipif(os.name == "nt", reason="POSIX descriptors")
@pytest.mark.parametrize(
    ("mode", "capture", "needed"),
    [
        ("strict", "no", True),
        ("strict", "sys", True),
        ("strict", "tee-sys", True),
        ("strict", "fd", False),
        ("on", "no", False),
        ("off", "no", False),
    ],
)
def test_descriptors_are_taken_only_where_something_gets_past_capture(
    mode: str, capture: str, needed: bool
) -> None:
    config = SimpleNamespace(known_args_namespace=SimpleNamespace(capture=capture))

    assert needs_guard(config, Guard(mode)) is needed  # type: ignore[arg-type]
    assert not needs_guard(SimpleNamespace(), Guard("strict"))
