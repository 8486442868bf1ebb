"""What pytest has captured and no report takes: redacted on its way to where it would have gone.

The run of this suite is guarded itself: the secrets here are such as only a guard of their own knows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest.capture import FDCapture, FDCaptureBinary
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.capture.guard import UNSCANNABLE, Guard, Mode
from pytest_autorl.capture.leftovers import guard_leftovers

SECRET, PLACEHOLDER = "ACC-7351", "[REDACTED:CUSTOM#1]"
#: No text in any encoding.
NO_TEXT = b"\x00\x01\x02\xff\xfe\x80" * 5


@contextmanager
def guarded(mode: Mode = "on") -> Iterator[Guard]:
    guard = Guard(mode, patterns=(r"ACC-\d{4}",))
    end = guard_leftovers(guard)
    try:
        yield guard
    finally:
        end()


def handed_on(kind: type[FDCapture] | type[FDCaptureBinary], path: Path, *written: Any) -> bytes:
    """What stands in a file whose descriptor pytest captures, when it has handed on all of it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        capture: Any = kind(descriptor)
        capture.start()
        os.write(descriptor, b"captured")
        for data in written:
            capture.writeorg(data)
        capture.done()
    finally:
        os.close(descriptor)
    return path.read_bytes()


@pytest.mark.unit
@pytest.mark.parametrize("mode", ["on", "strict"])
def test_text_is_redacted_and_the_rest_of_it_stays(tmp_path: Path, mode: Mode) -> None:
    with guarded(mode):
        written = handed_on(FDCapture, tmp_path / "out", f"grüße an {SECRET}\n", "and more")

    assert written.decode() == f"grüße an {PLACEHOLDER}\nand more"


@pytest.mark.unit
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
@pytest.mark.parametrize("mode", ["on", "strict"])
def test_bytes_that_are_text_are_redacted_in_their_encoding(
    tmp_path: Path, mode: Mode, encoding: str
) -> None:
    with guarded(mode):
        written = handed_on(FDCaptureBinary, tmp_path / "out", f"grüße an {SECRET}\n".encode(encoding))

    assert written == f"grüße an {PLACEHOLDER}\n".encode(encoding)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("mode", "expected"), [("on", NO_TEXT), ("strict", UNSCANNABLE.encode()), ("off", NO_TEXT)]
)
def test_bytes_that_are_no_text_leave_unless_the_mode_is_strict(
    tmp_path: Path, mode: Mode, expected: bytes
) -> None:
    with guarded(mode):
        assert handed_on(FDCaptureBinary, tmp_path / "out", NO_TEXT) == expected


@pytest.mark.unit
def test_off_means_that_all_is_handed_on_as_it_is(tmp_path: Path) -> None:
    with guarded("off"):
        text = handed_on(FDCapture, tmp_path / "out", f"to {SECRET}")
        raw = handed_on(FDCaptureBinary, tmp_path / "out", f"to {SECRET}".encode())

    assert text == raw == f"to {SECRET}".encode()


@pytest.mark.unit
def test_what_is_learnt_later_counts(tmp_path: Path) -> None:
    """It is there before the settings are known: what a conftest has printed is handed on when they are."""
    with guarded("off") as guard:
        guard.learn("on", patterns=(r"heron \d",))
        written = handed_on(FDCapture, tmp_path / "out", f"{SECRET} heron 7")

    assert written.decode() == f"{SECRET} {PLACEHOLDER}"


@pytest.mark.unit
@given(text=st.text("abc äß€\n\t-", max_size=80), place=st.integers(0, 80))
def test_a_secret_goes_wherever_it_stands_and_nothing_else_does(text: str, place: int) -> None:
    written = list[Any]()

    class Capture:
        """In place of one of pytest, which opens three files."""

        def writeorg(self, data: Any) -> None:
            written.append(data)

    module = SimpleNamespace(
        FDCapture=type("FDCapture", (Capture,), {"writeorg": Capture.writeorg}),
        FDCaptureBinary=type("FDCaptureBinary", (Capture,), {"writeorg": Capture.writeorg}),
    )
    whole = f"{text[:place]} {SECRET} {text[place:]}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "_pytest.capture", module)
        with guarded():
            module.FDCapture().writeorg(text)
            module.FDCapture().writeorg(whole)
            module.FDCaptureBinary().writeorg(text.encode())
            module.FDCaptureBinary().writeorg(whole.encode())

    redacted = whole.replace(SECRET, PLACEHOLDER)
    assert written == [text, redacted, text.encode(), redacted.encode()]


@pytest.mark.unit
def test_all_is_as_it_was_when_it_ends_also_one_within_another() -> None:
    def state() -> list[Callable[..., None]]:
        return [FDCapture.writeorg, FDCaptureBinary.writeorg]

    before = state()

    with guarded():
        once = state()
        with guarded():
            assert not {*state()} & {*once, *before}
        assert state() == once

    assert state() == before
    assert not {*once} & {*before}


@pytest.mark.unit
@pytest.mark.parametrize("gone", ["FDCapture", "FDCaptureBinary"])
def test_a_part_of_pytest_that_has_gone_leaves_the_other_guarded(gone: str) -> None:
    written = list[Any]()
    kinds: dict[str, Any] = {
        name: type(name, (), {"writeorg": lambda self, data: written.append(data)})
        for name in ("FDCapture", "FDCaptureBinary")
    }
    del kinds[gone]
    ((_, kind),) = kinds.items()
    before = kind.writeorg
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "_pytest.capture", SimpleNamespace(**kinds))
        with guarded():
            kind().writeorg(SECRET.encode() if gone == "FDCapture" else SECRET)

    assert written in ([PLACEHOLDER], [PLACEHOLDER.encode()])
    assert kind.writeorg is before


@pytest.mark.integration
def test_what_a_test_leaves_unread_and_a_conftest_prints_is_redacted(pytester: pytest.Pytester) -> None:
    """pytest hands on the former when a fixture `capfd` is suspended, the latter when a conftest breaks."""
    pytester.makeini(r"[pytest]" "\n" r"autorl_redact_patterns = ACC-\d{4}" "\n")
    pytester.makeconftest('import os\nos.write(1, b"conftest ACC-" b"7351\\n")\nraise SystemExit("over")')
    first = pytester.runpytest_subprocess("--capture=fd")
    pytester.makeconftest("")
    pytester.makepyfile(
        """
        import os
        def test_text(capfd): os.write(1, b"unread ACC-" + b"7351")
        def test_bytes(capfdbinary): os.write(2, b"unread ACC-" + b"7352")
        """
    )
    second = pytester.runpytest_subprocess("--capture=no")

    second.assert_outcomes(passed=2)
    shown = "".join(each.stdout.str() + each.stderr.str() for each in (first, second))
    assert "conftest [REDACTED:CUSTOM#" in shown
    assert shown.count("unread [REDACTED:CUSTOM#") == 2
    assert "7351" not in shown
    assert "7352" not in shown
