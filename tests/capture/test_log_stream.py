"""The sink's streams for the log: everything is redacted, files are private, the terminal stays reachable."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.capture.sink import LogStream, Sink


class _Stars:
    """Takes the word `secret` out."""

    def redact(self, text: str) -> str:
        return text.replace("secret", "***")

    def redact_data(self, value: Any) -> Any:
        return value


def test_a_log_file_is_redacted_private_and_made_by_its_first_line(tmp_path: Path) -> None:
    stream = Sink(tmp_path / "reports", redactor=_Stars()).open_log("logs/gw0.jsonl")
    path = tmp_path / "reports" / "logs" / "gw0.jsonl"
    assert not path.exists()

    stream.write("a secret\n")
    stream.write("größe \ud800\n")
    stream.close()

    assert path.read_bytes() == "a ***\ngröße \\ud800\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_closed_stream_refuses_and_can_be_closed_again(tmp_path: Path) -> None:
    stream = Sink(tmp_path).open_log("a.jsonl")
    stream.write("one\n")
    stream.close()
    stream.close()

    with pytest.raises(ValueError, match="closed"):
        stream.write("two\n")


def test_the_console_is_a_copy_of_standard_error_that_capture_cannot_take_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as error, os.fdopen(reading) as other_end:
        monkeypatch.setattr(sys, "stderr", error)
        stream = Sink(Path("unused"), redactor=_Stars()).open_console()
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        error.close()

        stream.write("secret line\n")
        stream.close()

        assert other_end.read() == "*** line\n"


def test_a_console_without_a_descriptor_is_written_to_and_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = io.StringIO()
    monkeypatch.setattr(sys, "stderr", memory)

    stream = Sink(Path("unused")).open_console()
    stream.write("line\n")
    stream.close()

    assert memory.getvalue() == "line\n"


def test_without_a_console_nothing_fails() -> None:
    assert LogStream(None, _Stars()).write("line\n") == 5
