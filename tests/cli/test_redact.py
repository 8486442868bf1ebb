"""``autorl redact``: a filter that changes nothing but what must not leave, and a search of what has left."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import signal
import string
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pytest_autorl.cli.app import app
from pytest_autorl.privacy.redactor import Redactor

_COMMAND = [sys.executable, "-m", "pytest_autorl.cli", "redact"]


def word(length: int = 12) -> str:
    return "x" + "".join(random.choices(string.ascii_lowercase, k=length - 1))


def address() -> str:
    return f"{word()}@{word()}.com"


def filtered(data: bytes, *options: str, code: int = 0) -> bytes:
    """What the command makes of standard input, in this process."""
    result = CliRunner().invoke(app, ["redact", *options], input=data, prog_name="autorl")
    assert result.exit_code == code, result.output
    return result.stdout_bytes


def spans(data: bytes, *options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in filtered(data, "--spans", *options).splitlines()]


def test_values_become_placeholders_and_equal_ones_equal() -> None:
    first, second = address(), address()

    out = filtered(f"to {first}\nto {second}\nagain {first}".encode())

    assert out == b"to [REDACTED:EMAIL#1]\nto [REDACTED:EMAIL#2]\nagain [REDACTED:EMAIL#1]"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"no line end",
        b"windows\r\nlines\r\n",
        b"old\rmac",
        b"latin \xe4\xf6 and noise \xff\xfe\x00\x80\n",
        "Größe 🙂\u2028 mark".encode(),
        b"\xef\xbb\xbfmarked",
        "wide Größe 🙂\r\n".encode("utf-16"),
        b"cut \xf0\x9f",
        bytes(range(256)) * 300,
    ],
    ids=range(11),
)
def test_other_bytes_are_left_alone(data: bytes) -> None:
    assert filtered(data) == data


def test_a_value_between_bytes_that_are_no_text_is_found() -> None:
    mail = address().encode()

    assert filtered(b"\xff\xe4 " + mail + b" \xff") == b"\xff\xe4 [REDACTED:EMAIL#1] \xff"


def test_a_wide_text_is_redacted_in_its_encoding() -> None:
    text = f"an {address()} gesendet: Größe\r\n"

    assert filtered(text.encode("utf-16")).decode("utf-16") == "an [REDACTED:EMAIL#1] gesendet: Größe\r\n"


@given(st.binary(max_size=300))
@settings(max_examples=15)
def test_what_was_filtered_stays_as_it_is(data: bytes) -> None:
    once = filtered(b"to " + address().encode() + b" " + data)

    assert filtered(once) == once


def test_secrets_of_the_environment_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = f"{word(8)}-&{word(8)}"
    monkeypatch.setenv("LAB_PASSWORD", secret)

    assert filtered(f"pin {secret} hex {secret.encode().hex()}".encode()) == (
        b"pin [REDACTED:SECRET#1] hex [REDACTED:SECRET#1]"
    )


def test_patterns_and_fields_of_the_user() -> None:
    data = b'{"nick": "robin"} case CASE-1234 and CASE-99 CASE-1234'

    out = filtered(data, "--pattern", r"CASE-\d{4}", "--pattern", "unused", "--field", "nick")

    assert out == b'{"nick": "[REDACTED:FIELD#1]"} case [REDACTED:CUSTOM#1] and CASE-99 [REDACTED:CUSTOM#1]'


def test_a_pattern_that_cannot_be_used_is_wrong_use() -> None:
    result = CliRunner().invoke(app, ["redact", "--pattern", "a("], input=b"x", prog_name="autorl")

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "autorl: " in result.stderr
    assert "a(" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scan", ".", "--spans"], "--scan and --spans"),
        (["--strict"], "--strict is about --scan"),
        (["--scan", "nowhere"], "there is no nowhere"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_use_is_exit_code_2(
    here: Path, autorl: Callable[..., Any], options: list[str], words: str
) -> None:
    said = autorl("redact", *options)

    assert (said.code, said.out) == (2, "")
    assert words in said.err


def test_spans_say_where_and_what_but_not_the_value() -> None:
    mail, other = address(), address()
    data = f"first\nto {mail} and {other}\n\n{other}".encode()

    found = spans(data)

    assert found == [
        {"line": 2, "start": 3, "end": 3 + len(mail), "kind": "EMAIL"},
        {"line": 2, "start": 8 + len(mail), "end": 8 + len(mail) + len(other), "kind": "EMAIL"},
        {"line": 4, "start": 0, "end": len(other), "kind": "EMAIL"},
    ]
    assert mail.encode() not in filtered(data, "--spans")


def test_spans_count_characters() -> None:
    assert [row["start"] for row in spans(f"Größe 🙂 {address()}".encode())] == [8]


def test_a_value_of_several_lines_is_in_each_of_them() -> None:
    body = [word(40) for _ in range(3)]
    key = ["-----BEGIN " + "PRIVATE KEY-----", *body, "-----END " + "PRIVATE KEY-----"]

    found = spans("\n".join(["first", *key, "last"]).encode())

    assert [row["line"] for row in found] == [2, 3, 4, 5, 6]
    assert {row["kind"] for row in found} == {"PRIVATE_KEY"}
    assert [row["end"] for row in found] == [len(line) for line in key]


def test_spans_as_one_list() -> None:
    data = f"{address()}\n{address()}\n".encode()

    assert json.loads(filtered(data, "--spans", "--json")) == spans(data)
    assert json.loads(filtered(b"nothing", "--spans", "--json")) == []


def test_text_as_json_says_how_many_values_went() -> None:
    mail = address()
    data = f'to "{mail}"\n\xff {mail} {address()}\n'.encode("latin-1")

    answer = json.loads(filtered(data, "--json"))

    assert answer["text"].startswith('to "[REDACTED:EMAIL#1]"\n')
    assert answer["text"].endswith("[REDACTED:EMAIL#1] [REDACTED:EMAIL#2]\n")
    assert answer["counts"]["EMAIL"] == 3


def test_a_long_text_is_spans_of_the_whole() -> None:
    lines = [f"quiet line {number}" for number in range(20_000)]
    lines[7_777] = lines[19_999] = address()

    assert [row["line"] for row in spans("\n".join(lines).encode())] == [7_778, 20_000]


def test_a_scan_names_file_line_and_kind(here: Path, autorl: Callable[..., Any]) -> None:
    mail = address()
    (here / "reports").mkdir()
    (here / "reports" / "a.txt").write_text(f"quiet\n{mail}\n")
    (here / "reports" / "b.log.gz").write_bytes(gzip.compress(f"one\ntwo\nto {mail}".encode()))

    said = autorl("redact", "--scan", "reports")

    assert said.code == 1
    assert said.out.splitlines() == [
        f"{Path('reports') / 'a.txt'}:2: EMAIL",
        f"{Path('reports') / 'b.log.gz'}:3: EMAIL",
    ]
    assert said.err.splitlines()[-1] == "2 finds"
    assert mail not in said.out + said.err


def test_a_clean_folder_is_exit_code_0(here: Path, autorl: Callable[..., Any]) -> None:
    (here / "a.txt").write_text("quiet [REDACTED:EMAIL#1]\n")

    said = autorl("redact", "--scan", ".")

    assert (said.code, said.out, said.err) == (0, "", "nothing was found\n")


def test_what_was_not_scanned_is_said_and_counts_when_strict(here: Path, autorl: Callable[..., Any]) -> None:
    (here / "a.gz").write_bytes(gzip.compress(b"quiet" * 500)[:-30])

    said = autorl("redact", "--scan", ".")
    strict = autorl("redact", "--scan", ".", "--strict")

    assert (said.code, strict.code) == (0, 1)
    assert said.err.startswith("not scanned: a.gz: is damaged")
    assert said.err.splitlines()[-1] == "nothing was found; 1 not scanned"


def test_a_scan_as_json(here: Path, autorl: Callable[..., Any]) -> None:
    mail = address()
    (here / "a.txt").write_text(f"quiet\nto {mail}\n")
    (here / "b.gz").write_bytes(gzip.compress(b"quiet" * 500)[:-30])

    said = autorl("redact", "--scan", ".", "--json")

    assert said.code == 1
    assert said.data["count"] == said.data["not_scanned_count"] == 1
    (find,) = said.data["finds"]
    assert find == {
        "path": "a.txt", "line": 2, "start": 3, "end": 3 + len(mail), "kind": "EMAIL", "form": "", "note": ""
    }  # fmt: skip
    assert said.data["not_scanned"][0]["path"] == "b.gz"


def test_secrets_of_the_environment_are_looked_for(
    here: Path, autorl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = f"{word(8)} {word(8)}"
    monkeypatch.setenv("LAB_API_TOKEN", secret)
    (here / "a.txt").write_text(f"x {secret.encode().hex()}")

    said = autorl("redact", "--scan", ".")

    assert (said.code, said.out) == (1, "a.txt:1: SECRET\n")


def test_lines_come_as_they_are_written() -> None:
    """Behind ``tail -f``: a line is there before the next one is."""
    with subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in (1, 2):
            process.stdin.write(f"to {address()}\n".encode())
            process.stdin.flush()
            assert process.stdout.readline() == f"to [REDACTED:EMAIL#{number}]\n".encode()
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(
        _COMMAND, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"first\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        with contextlib.suppress(OSError):  # it has ended already
            for _ in range(100):
                process.stdin.write(b"a line that nobody reads\n" * 1000)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal to send")
def test_an_interrupt_is_quiet() -> None:
    with subprocess.Popen(
        _COMMAND, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"first\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"first\n"  # it reads now
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the system does not tell a process's peak"
)
def test_memory_does_not_grow_with_the_text() -> None:
    code = (
        "import sys; from pytest_autorl.cli.app import app\n"
        "try: app(['redact'])\n"
        "finally: print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0], file=sys.stderr)"
    )
    peaks = []
    for size in (6, 24):
        text = (b"quiet words of a log " * 50_000 + b"\n") * size  # lines of a megabyte
        done = subprocess.run(
            [sys.executable, "-c", code], input=text, capture_output=True, timeout=100, check=True
        )
        assert done.stdout == text
        peaks.append(int(done.stderr.split()[-1]) * 1024)
    assert peaks[1] - peaks[0] < 9 * 1024 * 1024


def test_a_redactor_and_the_command_agree() -> None:
    """The same numbers and places as in the library, for text of many lines."""
    text = "".join(f"user={address()} from {address()}\n" for _ in range(50))

    assert filtered(text.encode()).decode() == Redactor().redact(text)


def test_it_starts_without_pytest_and_heavy_parts() -> None:
    code = (
        "import sys; from pytest_autorl.cli.app import app\n"
        "try: app(['redact'])\n"
        "finally: print(sorted({'pytest', 'appium', 'selenium', 'PIL', 'cryptography', 'structlog'}"
        " & set(sys.modules)), file=sys.stderr)"
    )
    begun_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"x\n", capture_output=True, timeout=60, check=True
    )

    assert done.stderr.decode().strip() == "[]"
    assert time.monotonic() - begun_s < 30
