"""Python's streams: what is printed is redacted, and everything else about them is as it was."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_autorl.capture.guard import Guard
from pytest_autorl.capture.streams import (
    GuardedStream,
    guard_begun_capture,
    guard_streams,
    guard_trace,
    is_guarded,
)

MAIL = "anna.k" + "@" + "example.com"
GONE = "[REDACTED:EMAIL#1]"


@pytest.fixture
def guard() -> Guard:
    return Guard("on")


class Terminal(io.TextIOWrapper):
    """A text stream over bytes that can be read back."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.octets = io.BytesIO()
        super().__init__(self.octets, encoding=encoding, write_through=True)

    def shown(self) -> bytes:
        self.flush()
        return self.octets.getvalue()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


# -- one stream ----------------------------------------------------------------------------------------------------


@pytest.mark.unit
class TestGuardedStream:
    def test_a_value_in_pieces_is_redacted_when_its_line_is_complete(
        self, guard: Guard, terminal: Terminal
    ) -> None:
        stream = GuardedStream(terminal, guard)

        for char in f"to {MAIL}\n":
            assert stream.write(char) == 1

        assert terminal.shown() == f"to {GONE}\n".encode()

    def test_a_line_without_end_is_shown_when_somebody_asks(self, guard: Guard, terminal: Terminal) -> None:
        """A prompt, the dots of a progress bar."""
        stream = GuardedStream(terminal, guard)
        stream.write("proceed? ")
        before = terminal.shown()

        stream.flush()

        assert (before, terminal.shown()) == (b"", b"proceed? ")

    def test_in_strict_mode_a_line_without_end_is_shown_at_the_end_only(self, terminal: Terminal) -> None:
        stream = GuardedStream(terminal, Guard("strict"))
        stream.write(f"to {MAIL[:9]}")
        stream.flush()
        before = terminal.shown()

        stream.write(MAIL[9:])
        stream.end()

        assert (before, terminal.shown()) == (b"", f"to {GONE}".encode())

    def test_where_redaction_is_off_everything_passes_at_once(self, terminal: Terminal) -> None:
        stream = GuardedStream(terminal, Guard("off"))

        stream.write(MAIL)

        assert terminal.shown() == MAIL.encode()

    def test_what_is_learnt_later_holds_for_what_is_written_later(
        self, guard: Guard, terminal: Terminal
    ) -> None:
        stream = GuardedStream(terminal, guard)
        stream.write("ACC-1234 began, ")

        guard.learn("on", patterns=(r"ACC-\d{4}",))
        stream.write("ACC-1234 ended\n")

        assert terminal.shown().startswith(b"ACC-1234 began, [REDACTED")

    def test_bytes_are_redacted_and_others_arrive_as_they_are(self, guard: Guard, terminal: Terminal) -> None:
        stream = GuardedStream(terminal, guard)
        picture = b"\x89PNG\r\n\x1a\n\x00\xff\xfe\n"

        assert stream.buffer.write(picture) == len(picture)
        stream.buffer.write("\u00fc".encode()[:1])
        stream.buffer.writelines(["\u00fc".encode()[1:], f" {MAIL}\n".encode()])
        stream.buffer.raw.write(MAIL.encode())
        stream.buffer.flush()

        assert terminal.shown() == picture + f"\u00fc {GONE}\n{GONE}".encode()

    def test_half_a_character_is_not_lost(self, guard: Guard, terminal: Terminal) -> None:
        stream = GuardedStream(terminal, guard)
        stream.buffer.write(b"a\xc3")

        stream.end()

        assert terminal.shown() == b"a\xc3"

    @pytest.mark.parametrize("how", ["buffer", "detach"])
    def test_a_text_stream_laid_over_its_bytes_is_guarded(
        self, guard: Guard, terminal: Terminal, how: str
    ) -> None:
        """As suites do that want another encoding."""
        stream = GuardedStream(terminal, guard)
        octets = stream.buffer if how == "buffer" else stream.detach()
        over = io.TextIOWrapper(octets, "utf-8", write_through=True)

        over.write(f"to {MAIL}\n")
        over.flush()
        over.detach()

        assert terminal.shown() == f"to {GONE}\n".encode()

    def test_characters_that_the_terminal_lacks_are_written_as_escapes(self, guard: Guard) -> None:
        with Terminal("ascii") as terminal:
            stream = GuardedStream(terminal, guard)
            stream.write("na\u00efve \u4f60\n")
            stream.buffer.write(b"\xff\n")
            stream.write("\u00fc\n")

            assert terminal.shown() == b"na\\xefve \\u4f60\n\xff\n\\xfc\n"

    def test_it_looks_like_the_stream_behind_it(self, guard: Guard, terminal: Terminal) -> None:
        stream = GuardedStream(terminal, guard)

        assert (stream.encoding, stream.errors, stream.closed) == ("utf-8", "strict", False)
        assert not stream.isatty()
        with pytest.raises(io.UnsupportedOperation):
            stream.fileno()
        with pytest.raises(AttributeError, match="no_such"):
            _ = stream.no_such
        with pytest.raises(AttributeError, match="buffer"):
            _ = GuardedStream(io.StringIO(), guard).buffer

    def test_it_takes_text_only(self, guard: Guard, terminal: Terminal) -> None:
        with pytest.raises(TypeError, match="must be str, not bytes"):
            GuardedStream(terminal, guard).write(b"x")  # type: ignore[arg-type]

    def test_lines_of_threads_stay_whole(self, guard: Guard, terminal: Terminal) -> None:
        stream = GuardedStream(terminal, guard)

        def talk(name: int) -> None:
            for number in range(50):
                stream.write(f"{name} {number} to {MAIL}\n")

        threads = [threading.Thread(target=talk, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        expected = [f"{name} {number} to {GONE}" for name in range(4) for number in range(50)]
        assert sorted(terminal.shown().decode().splitlines()) == sorted(expected)

    def test_a_print_in_the_middle_of_another_is_redacted(self, guard: Guard) -> None:
        """As a signal's handler does."""
        shown: list[str] = []

        class Interrupted(io.StringIO):
            def write(self, text: str) -> int:
                if text == "outer\n":
                    stream.write(f"inner {MAIL}\n")
                    stream.flush()
                shown.append(text)
                return len(text)

        stream = GuardedStream(Interrupted(), guard)

        stream.write("outer\n")

        assert shown == [f"inner {GONE}\n", "outer\n"]

    def test_a_stream_that_was_closed_meanwhile_ends_quietly_and_says_so_when_written_to(
        self, guard: Guard
    ) -> None:
        terminal = Terminal()
        stream = GuardedStream(terminal, guard)
        stream.write("half a line")
        terminal.close()

        stream.end()

        with pytest.raises(ValueError, match="closed"):
            stream.write("a line\n")


@pytest.mark.unit
def test_streams_that_are_one_stay_one_and_are_put_back(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = io.StringIO(), io.StringIO()
    for name, stream in (("stdout", out), ("__stdout__", out), ("stderr", err), ("__stderr__", None)):
        monkeypatch.setattr(sys, name, stream)

    take_out = guard_streams(guard)
    guarded = sys.stdout
    assert is_guarded(sys.stdout)
    assert is_guarded(sys.stderr)
    assert sys.stdout is sys.__stdout__
    assert sys.stdout is not sys.stderr
    assert sys.__stderr__ is None
    print(f"to {MAIL}", end="")
    sys.stderr = own = io.StringIO()
    take_out()

    found: list[Any] = [sys.stdout, sys.__stdout__]
    assert found == [out, out]
    assert sys.stderr is own, "somebody else's stream stays"
    assert out.getvalue() == f"to {GONE}"
    print("later", file=guarded)
    assert out.getvalue().endswith("later\n"), "a handler may still hold it"


@pytest.mark.unit
@pytest.mark.parametrize("kind", ["fd", "sys", "none"])
def test_streams_that_pytest_has_put_aside_already_are_guarded_until_the_end(guard: Guard, kind: str) -> None:
    aside = io.StringIO()
    part: Any = (
        SimpleNamespace(_old=aside)
        if kind == "sys"
        else SimpleNamespace(syscapture=SimpleNamespace(_old=aside))
    )
    capture = None if kind == "none" else SimpleNamespace(out=part, err=None)
    manager = SimpleNamespace(get_plugin=lambda name: SimpleNamespace(_global_capturing=capture))

    end = guard_begun_capture(SimpleNamespace(pluginmanager=manager), guard)
    holder = getattr(part, "syscapture", part)
    holder._old.write(f"to {MAIL}\n")
    end()

    assert holder._old is aside
    assert aside.getvalue() == f"to {GONE if kind != 'none' else MAIL}\n"


@pytest.mark.unit
def test_this_pytest_keeps_the_streams_that_it_captures_where_we_look(pytestconfig: pytest.Config) -> None:
    """The contract with its private parts, see the module."""
    from _pytest.capture import SysCapture

    assert SysCapture(1)._old is sys.stdout
    assert hasattr(pytestconfig.pluginmanager.get_plugin("capturemanager"), "_global_capturing")
    assert hasattr(pytestconfig.trace.root, "_writer")


@pytest.mark.unit
def test_a_trace_that_is_not_as_known_stays(guard: Guard) -> None:
    guard_trace(SimpleNamespace(trace=SimpleNamespace()), guard)()
    guard_trace(SimpleNamespace(trace=SimpleNamespace(root=SimpleNamespace(_writer=None))), guard)()


# -- in pytest -----------------------------------------------------------------------------------------------------

PRINTS = """
import io, sys, threading

MAIL = "anna.k" + "@" + "example.com"

def test_prints(capsys):
    print("printed", MAIL)
    sys.stderr.write("error " + MAIL + "\\n")
    with capsys.disabled():
        print("disabled", MAIL)
    print("half", MAIL[:9], end="")
    print(MAIL[9:])

def test_bytes(capfd):
    with capfd.disabled():
        sys.stdout.buffer.write(b"bytes " + MAIL.encode() + b"\\n")
        sys.stdout.flush()
        thread = threading.Thread(target=print, args=("thread", MAIL))
        thread.start()
        thread.join()
        sys.__stdout__.write("original " + MAIL + "\\n")
"""


@pytest.mark.integration
@pytest.mark.parametrize(
    "options", [["-s"], ["--capture=fd"], ["--capture=sys"], ["--capture=tee-sys"]], ids=str
)
def test_what_is_printed_past_capture_is_redacted(pytester: pytest.Pytester, options: list[str]) -> None:
    pytester.makepyfile(PRINTS)

    result = pytester.runpytest_subprocess("-rP", *options)

    result.assert_outcomes(passed=2)
    shown = result.stdout.str() + result.stderr.str()
    assert MAIL not in shown
    assert MAIL[:9] not in shown
    for word in ("disabled", "bytes", "thread", "original"):
        assert f"{word} [REDACTED:EMAIL#" in shown


@pytest.mark.integration
def test_a_plugin_that_a_conftest_loads_guards_what_pytest_has_put_aside(pytester: pytest.Pytester) -> None:
    """No entry point: it comes when capture and terminal have begun."""
    pytester.makeconftest('pytest_plugins = ["pytest_autorl.plugin"]')
    pytester.makepyfile(PRINTS + "\n    assert 0, MAIL\n")

    for options in ([], ["-s"]):
        result = pytester.runpytest_subprocess("-p", "no:autorl", "-rP", *options)

        result.assert_outcomes(passed=1, failed=1)
        assert MAIL not in result.stdout.str() + result.stderr.str()
        result.stdout.fnmatch_lines(["*disabled ?REDACTED:EMAIL#1?", "*AssertionError: ?REDACTED:EMAIL#*"])


def inner(pytester: pytest.Pytester, *options: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """Run pytest as a program of its own, its streams as given."""
    command = [sys.executable, "-m", "pytest", *options]
    return subprocess.run(command, cwd=pytester.path, timeout=60, check=False, **more)


@pytest.mark.integration
def test_a_prompt_is_shown_and_answered(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        MAIL = "anna.k" + "@" + "example.com"
        def test_asks():
            print("answer:", input("code for " + MAIL + "? "))
        """
    )

    done = inner(pytester, "-s", "-q", input=b"1234\n", capture_output=True)

    assert done.returncode == 0, done.stdout
    assert b"code for [REDACTED:EMAIL#1]? answer: 1234" in done.stdout


@pytest.mark.integration
def test_a_debugger_shows_its_prompt_and_values_redacted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_fails():
            mail = "anna.k" + "@" + "example.com"
            assert not mail
        """
    )

    done = inner(pytester, "--pdb", "-q", input=b"p mail\nq\n", capture_output=True)

    assert MAIL.encode() not in done.stdout + done.stderr
    assert b"(Pdb) '[REDACTED:EMAIL#" in done.stdout


@pytest.mark.integration
@pytest.mark.parametrize("how", ["closed", "unread", "narrow"])
def test_a_terminal_that_is_gone_or_narrow_ends_a_run_as_without_the_plugin(
    pytester: pytest.Pytester, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("def test_prints(): print('x' * 200000)")
    ended: list[Any] = []
    for redact in ("on", "off"):
        options = ("-s", "-q", f"--autorl-redact={redact}")
        if how == "narrow":
            monkeypatch.setenv("PYTHONIOENCODING", "ascii")
            ended.append(inner(pytester, *options, capture_output=True).returncode)
            continue
        command = [sys.executable, "-m", "pytest", *options]
        shell = f"{' '.join(command)} {'| head -c 1' if how == 'unread' else '>&-'}"
        whole = ["bash", "-c", f"set -o pipefail; {shell}"]
        done = subprocess.run(whole, cwd=pytester.path, capture_output=True, timeout=60, check=False)
        ended.append((done.returncode, b"Traceback" in done.stderr))

    assert ended[0] == ended[1]


@pytest.mark.integration
def test_the_file_of_debug_holds_no_value(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        MAIL = "anna.k" + "@" + "example.com"
        @pytest.mark.parametrize("to", [MAIL])
        def test_it(to): raise ValueError(to)
        """
    )

    pytester.runpytest_subprocess("--debug=debug.log").assert_outcomes(failed=1)

    written = (pytester.path / "debug.log").read_text(encoding="utf-8")
    assert "pytest_runtest_makereport" in written
    assert MAIL not in written


def test_a_guarded_stream_is_a_text_stream_and_a_context() -> None:
    inner = io.StringIO()
    stream = GuardedStream(inner, Guard("on"))
    assert isinstance(stream, io.TextIOBase)
    with stream as same:
        same.write("mail " + "bob" + "@acme-corp.io")
        same.flush()
        assert inner.getvalue() == "mail [REDACTED:EMAIL#1]"


def test_the_letters_of_progress_are_shown_as_they_come() -> None:
    inner = io.StringIO()
    stream = GuardedStream(inner, Guard("on"))
    for letter in (".", "F", "\x1b[32m.\x1b[0m"):
        stream.write(letter)
        assert inner.getvalue().endswith(letter), "before anybody flushes"
