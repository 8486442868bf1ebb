"""What slips through is found wherever it lies, and nothing else is."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import html
import io
import json
import lzma
import os
import random
import sqlite3
import string
import struct
import tarfile
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy import textfile, unpack
from pytest_autorl.privacy.decode import parts, unescaped
from pytest_autorl.privacy.redactor import Redactor
from pytest_autorl.privacy.scan import UNSCANNABLE, Find, scan
from pytest_autorl.privacy.textfile import encoding_of, pieces

_LETTERS = string.ascii_letters + string.digits


def word(length: int = 12) -> str:
    return "x" + "".join(random.choices(string.ascii_lowercase, k=length - 1))


def address() -> str:
    return f"{word()}@{word()}.com"


def key() -> str:
    return "gh" + "p_" + "A1b2" * 5 + "".join(random.choices(_LETTERS, k=16))


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


def found(path: Path, redactor: Redactor) -> list[Find]:
    return [find for find in scan(path, redactor) if find.kind != UNSCANNABLE]


def notes(path: Path, redactor: Redactor) -> list[str]:
    return [find.note for find in scan(path, redactor) if find.kind == UNSCANNABLE]


def kinds(path: Path, redactor: Redactor) -> list[tuple[int, str, str]]:
    return [(find.line, find.kind, find.form) for find in found(path, redactor)]


def test_a_find_says_file_line_place_and_kind(tmp_path: Path, redactor: Redactor) -> None:
    mail = address()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "run.txt").write_text(f"first\nto {mail} sent\nlast\n")

    (find,) = scan(tmp_path, redactor)

    assert find == Find(str(tmp_path / "logs" / "run.txt"), 2, 3, 3 + len(mail), "EMAIL")
    assert find.where == f"{tmp_path / 'logs' / 'run.txt'}:2"


def test_a_single_file_is_scanned_too(tmp_path: Path, redactor: Redactor) -> None:
    (tmp_path / "a.txt").write_text(address())

    assert kinds(tmp_path / "a.txt", redactor) == [(1, "EMAIL", "")]


def test_nothing_there_is_an_error(tmp_path: Path, redactor: Redactor) -> None:
    with pytest.raises(FileNotFoundError):
        list(scan(tmp_path / "none", redactor))


def test_placeholders_are_no_finds(tmp_path: Path, redactor: Redactor) -> None:
    (tmp_path / "a.txt").write_text(redactor.redact(f"to {address()} with {key()}"))

    assert list(scan(tmp_path, redactor)) == []


def test_older_files_are_left_out_on_request(tmp_path: Path, redactor: Redactor) -> None:
    for name, age_s in (("old.txt", 100.0), ("new.txt", 0.0)):
        (tmp_path / name).write_text(address())
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)

    finds = list(scan(tmp_path, redactor, since_s=time.time() - 50))

    assert [Path(find.path).name for find in finds] == ["new.txt"]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"]
)
def test_text_is_read_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    redactor = Redactor()
    secret = f"Größe {word()}"
    redactor.register(secret)
    (tmp_path / "a.txt").write_bytes(f"häufig\nplain text: {secret}\n{address()}\n".encode(encoding))

    assert kinds(tmp_path, redactor) == [(2, "SECRET", ""), (3, "EMAIL", "")]


def test_a_file_of_mixed_encodings_is_read_in_both(tmp_path: Path) -> None:
    redactor = Redactor()
    secret = f"Größe {word()}"
    redactor.register(secret)
    (tmp_path / "a.txt").write_bytes(f"a {secret}\n".encode() + f"b {secret}\n".encode("latin-1"))

    assert kinds(tmp_path, redactor) == [(1, "SECRET", ""), (2, "SECRET", "")]


@pytest.mark.parametrize(
    ("form", "encode"),
    [
        ("base64", lambda text: base64.b64encode(text.encode()).decode()),
        ("base64", lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")),
        ("base64", lambda text: base64.encodebytes((text + " and more" * 20).encode()).decode()),
        ("base64", lambda text: base64.b64encode(text.encode("utf-16-le")).decode()),
        ("base64", lambda text: base64.b64encode(gzip.compress(text.encode())).decode()),
        ("base64", lambda text: base64.b64encode(zlib.compress(text.encode())).decode()),
        ("base64, base64", lambda text: base64.b64encode(base64.b64encode(text.encode())).decode()),
        ("hex", lambda text: text.encode().hex()),
        ("hex", lambda text: text.encode().hex().upper()),
        ("url", lambda text: quote(text, safe="")),
        ("json", lambda text: text.replace("@", "\\u0040")),
        ("json", lambda text: text.replace("@", "\\x40")),
        ("html", lambda text: text.replace("@", "&#64;")),
        ("html", lambda text: text.replace("@", "&commat;")),
    ],
    ids=range(14),
)
def test_text_in_another_form_is_found(
    tmp_path: Path, redactor: Redactor, form: str, encode: Callable[[str], str]
) -> None:
    (tmp_path / "a.txt").write_text(f"first line\nbody={encode(f'mail of {address()} in it')} end\n")

    ((line, kind, how),) = kinds(tmp_path, redactor)

    assert (line, kind) == (2, "EMAIL")
    assert how == form or (
        form in ("url", "json", "html") and not how
    )  # a detector may know an escape itself


def test_what_was_found_as_it_stands_is_found_once(tmp_path: Path) -> None:
    """A registered secret is known in its forms, and an escape beside a value changes nothing about it."""
    redactor = Redactor()
    secret = f'{word()}"&<{word()}'
    redactor.register(secret)
    forms = [
        base64.b64encode(secret.encode()).decode(),
        secret.encode().hex(),
        html.escape(secret),
        quote(secret),
    ]
    mail = address()
    (tmp_path / "a.json").write_text(
        "".join(f"{form} end\n" for form in forms) + f'{{"text": "a \\"quoted\\" {mail} &amp; %20"}}\n'
    )

    assert [(line, kind) for line, kind, _ in kinds(tmp_path, redactor)] == [
        *((line, "SECRET") for line in range(1, 5)),
        (5, "EMAIL"),
    ]


def test_digits_do_not_count_where_text_was_decoded(tmp_path: Path, redactor: Redactor) -> None:
    text = "call +49 30 901820 today, card 4111 1111 1111 1111, at 8.8.4.4"
    (tmp_path / "a.txt").write_text(base64.b64encode(text.encode()).decode() + "\n")

    assert redactor.finds(text)
    assert found(tmp_path, redactor) == []


def _zip(name: str, body: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("first.txt", "nothing")
        archive.writestr(name, body)
    return buffer.getvalue()


def _tar(name: str, body: bytes, mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        info = tarfile.TarInfo(name)
        info.size = len(body)
        archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("pack", "inner"),
    [
        (gzip.compress, ""),
        (bz2.compress, ""),
        (lzma.compress, ""),
        (lambda body: _zip("logs/a.txt", body), "!logs/a.txt"),
        (lambda body: _tar("a.txt", body), "!a.txt"),
        (lambda body: _tar("a.txt", body, "w"), "!a.txt"),
        (lambda body: _zip("in.zip", _zip("a.txt", body)), "!in.zip!a.txt"),
        (lambda body: gzip.compress(_zip("a.txt.gz", gzip.compress(body))), "!a.txt.gz"),
    ],
    ids=["gzip", "bzip2", "xz", "zip", "tar.gz", "tar", "zip in zip", "gzip in zip in gzip"],
)
def test_archives_are_opened(
    tmp_path: Path, redactor: Redactor, pack: Callable[[bytes], bytes], inner: str
) -> None:
    (tmp_path / "packed").write_bytes(pack(f"first\n{address()}\n".encode()))

    (find,) = scan(tmp_path, redactor)

    assert (find.path, find.line, find.kind) == (f"{tmp_path / 'packed'}{inner}", 2, "EMAIL")


def test_archives_are_opened_to_a_depth(tmp_path: Path, redactor: Redactor) -> None:
    body = address().encode()
    for _ in range(4):
        body = gzip.compress(body)
    (tmp_path / "deep.gz").write_bytes(body)

    assert found(tmp_path, redactor) == []
    assert notes(tmp_path, redactor) == ["lies in more than 3 archives"]


def test_a_bomb_is_not_unpacked(tmp_path: Path, redactor: Redactor) -> None:
    """A file that unpacks to a thousand times its size is said to be one, and takes neither time nor memory."""
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"\n" * (24 * 1024 * 1024), 9))

    begun_s = time.monotonic()
    (note,) = notes(tmp_path, redactor)

    assert note == "unpacks to more than 250 times its size"
    assert time.monotonic() - begun_s < 10


def test_the_whole_of_a_file_has_a_bound(
    tmp_path: Path, redactor: Redactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack.Budget.__init__, "__defaults__", (1024 * 1024,))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number in range(25):
            archive.writestr(f"{number}.txt", f"{address()}\n" + "x\n" * 30_000)
    (tmp_path / "many.zip").write_bytes(buffer.getvalue())

    assert notes(tmp_path, redactor) == ["unpacks to more than 1 MB"]
    assert 10 < len(found(tmp_path, redactor)) < 25


@pytest.mark.parametrize("cut", [0.4, 0.9])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lambda body: _zip("a.txt", body)])
def test_a_damaged_archive_is_said(
    tmp_path: Path, redactor: Redactor, pack: Callable[[bytes], bytes], cut: float
) -> None:
    body = pack(random.Random(1).randbytes(50_000).hex().encode())
    (tmp_path / "cut").write_bytes(body[: int(len(body) * cut)])

    (note,) = notes(tmp_path, redactor)

    assert note.startswith("is damaged")


def test_an_encrypted_member_is_said_and_the_others_are_read(tmp_path: Path, redactor: Redactor) -> None:
    body = bytearray(_zip("other.txt", address().encode()))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(mark) + flags] |= 1  # of the first member
    (tmp_path / "a.zip").write_bytes(body)

    assert notes(tmp_path, redactor) == ["is encrypted"]
    assert kinds(tmp_path, redactor) == [(1, "EMAIL", "")]


def _png(*chunks: tuple[bytes, bytes], tail: bytes = b"") -> bytes:
    body = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", b"\0" * 13), *chunks, (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")):
        body += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return body + tail


@pytest.mark.parametrize("where", ["tEXt", "zTXt", "iTXt", "packed iTXt", "behind the end"])
def test_texts_of_a_picture_are_read(tmp_path: Path, redactor: Redactor, where: str) -> None:
    mail = address().encode()
    chunks = {
        "tEXt": (b"tEXt", b"Author\0by " + mail),
        "zTXt": (b"zTXt", b"Author\0\0" + zlib.compress(b"by " + mail)),
        "iTXt": (b"iTXt", b"Author\0\0\0en\0\0by " + mail),
        "packed iTXt": (b"iTXt", b"Author\0\1\0en\0\0" + zlib.compress(b"by " + mail)),
    }
    chosen = [chunks[where]] if where in chunks else []
    (tmp_path / "a.png").write_bytes(_png(*chosen, tail=b"" if chosen else b"by " + mail))

    (find,) = found(tmp_path, redactor)

    assert find.kind == "EMAIL"
    assert find.path == f"{tmp_path / 'a.png'}!{where.split()[-1] if chosen else where}"


def test_a_picture_is_said_to_be_one(tmp_path: Path, redactor: Redactor) -> None:
    (tmp_path / "a.png").write_bytes(_png())
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff" + bytes(range(256)) * 9)

    assert found(tmp_path, redactor) == []
    assert all("picture" in note for note in notes(tmp_path, redactor))


def test_a_database_is_read_as_words(tmp_path: Path, redactor: Redactor) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute("create table t (who text, n integer)")
        database.executemany("insert into t values (?, ?)", [(str(uuid.uuid4()), n) for n in range(500)])
        database.execute("insert into t values (?, 1)", (address(),))
        database.commit()

    assert kinds(tmp_path, redactor) == [(0, "EMAIL", "binary")]
    assert notes(tmp_path, redactor) == []


def test_other_binary_files_are_read_as_words_and_said(tmp_path: Path, redactor: Redactor) -> None:
    noise = random.Random(2).randbytes(300_000)
    wide = address().encode("utf-16-le")
    (tmp_path / "a.bin").write_bytes(noise + b"\0" + wide + b"\0" + noise)

    assert kinds(tmp_path, redactor) == [(0, "EMAIL", "binary")]
    assert notes(tmp_path, redactor) == ["is no text; only words in it were"]


def test_a_name_can_tell_too(tmp_path: Path, redactor: Redactor) -> None:
    mail = address()
    (tmp_path / f"shot of {mail}.txt").write_text("quiet")
    (tmp_path / "a.zip").write_bytes(_zip(f"of {mail}.txt", b"quiet"))

    finds = found(tmp_path, redactor)

    assert [(find.kind, find.form) for find in finds] == [("EMAIL", "name")] * 2
    assert not any(mail in str(find) for find in finds)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path, redactor: Redactor) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert notes(tmp_path, redactor) == ["is no regular file"]


def test_a_link_to_nowhere_is_said(tmp_path: Path, redactor: Redactor) -> None:
    try:
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    except OSError:
        pytest.skip("links cannot be made here")

    (note,) = notes(tmp_path, redactor)

    assert note.startswith("cannot be read: ")


def test_a_folder_that_links_to_itself_ends(tmp_path: Path, redactor: Redactor) -> None:
    try:
        (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("links cannot be made here")
    (tmp_path / "a.txt").write_text(address())

    assert len(found(tmp_path, redactor)) == 1


def test_a_search_that_breaks_is_no_clean_file(
    tmp_path: Path, redactor: Redactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_autorl.privacy.span import Span

    monkeypatch.setattr(Redactor, "spans", lambda self, text: [Span(0, len(text), UNSCANNABLE)])
    (tmp_path / "a.txt").write_text("quiet")

    assert "a search broke" in notes(tmp_path, redactor)


def test_lines_are_counted_over_blocks(tmp_path: Path, redactor: Redactor) -> None:
    lines = ["quiet line of a log"] * 60_000
    for number in (0, 14_321, 59_999):
        lines[number] = f"to {address()}"
    (tmp_path / "long.log").write_text("\n".join(lines))

    assert [find.line for find in found(tmp_path, redactor)] == [1, 14_322, 60_000]


def test_a_line_without_end_is_searched_in_parts(tmp_path: Path, redactor: Redactor) -> None:
    """Values at each side of a cut, and on it, are found once, at their offset."""
    mails = {}
    body = ["."] * (textfile.MOST_LINE * 2 + 100_000)
    for at in (10, textfile.MOST_LINE - 6, textfile.MOST_LINE + 5_000, len(body) - 60):
        mail = f" {address()} "
        mails[at + 1] = len(mail) - 2
        body[at : at + len(mail)] = mail
    (tmp_path / "line.txt").write_text("".join(body))

    finds = found(tmp_path, redactor)

    assert {find.start: find.end - find.start for find in finds} == mails
    assert {find.line for find in finds} == {1}


def test_a_clean_tree_gives_no_find(tmp_path: Path, redactor: Redactor) -> None:
    """What reports are full of: numbers, digests, ids, encoded pictures and fonts."""
    chance = random.Random(3)
    (tmp_path / "trace.jsonl").write_text(
        "".join(
            json.dumps(
                {
                    "run": f"20260301-{chance.randrange(10**6):06d}",
                    "start": chance.random() * 1e4,
                    "ns": chance.randrange(10**15, 10**18),
                    "sha": hashlib.sha256(chance.randbytes(9)).hexdigest(),
                    "id": str(uuid.UUID(int=chance.getrandbits(128))),
                    "epoch": 1_700_000_000 + chance.randrange(10**7),
                    "path": f"/usr/lib/python3/dist-packages/module_{chance.randrange(99)}/{word()}.py:12",
                    "text": 'a "quoted" & <marked> text\nof two lines',
                }
            )
            + "\n"
            for _ in range(400)
        )
    )
    fonts = base64.b64encode(chance.randbytes(60_000)).decode()
    picture = base64.b64encode(_png((b"IDAT", zlib.compress(chance.randbytes(20_000))))).decode()
    (tmp_path / "farm.html").write_text(
        f"<style>@font-face{{src:url(data:font/woff2;base64,{fonts})}}</style>"
        f"<img src='data:image/png;base64,{picture}'><p title='5&nbsp;%20 of &quot;all&quot;'>"
    )
    (tmp_path / "font.woff2").write_bytes(b"wOF2" + chance.randbytes(60_000))

    assert found(tmp_path, redactor) == []


@given(st.binary(max_size=400))
@settings(max_examples=80)
def test_no_bytes_break_a_scan(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bin"
    for head in (
        b"",
        b"\x1f\x8b\x08\0",
        b"PK\x03\x04",
        b"\x89PNG\r\n\x1a\n",
        b"BZh9",
        b"\xff\xfe",
        b"\0" * 257 + b"ustar",
    ):
        path.write_bytes(head + data)
        for find in scan(path, _SHARED):
            assert find.kind


_SHARED = Redactor()


@given(st.text(max_size=60), st.integers(1, 40))
@settings(max_examples=60)
def test_a_text_is_the_same_in_pieces(text: str, size: int) -> None:
    data = text.encode("utf-8", "replace")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(textfile, "BLOCK", size)
        whole = "".join(piece.text for piece in pieces(io.BufferedReader(io.BytesIO(data)), "utf-8"))  # type: ignore[arg-type]

    assert whole.encode() == data


@given(st.text(alphabet=string.printable, min_size=15, max_size=80))
@settings(max_examples=60)
def test_encoded_text_is_decoded(text: str) -> None:
    content = text.replace("\x0b", " ").replace("\x0c", " ")

    for form in (base64.b64encode(content.encode()).decode(), content.encode().hex()):
        assert content in [part.content for part in parts(f"a ({form}) b")]


@given(st.text(max_size=80))
@settings(max_examples=80)
def test_without_escapes_a_text_keeps_its_lines(text: str) -> None:
    for form, plain in unescaped(
        f"{text} %40 &#64; \\n\n{json.dumps(text)}\n{quote(text)}\n{html.escape(text)}"
    ):
        assert form in ("url", "html", "json")
        assert plain.count("\n") == text.count("\n") * 2 + 3


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", ("utf-8", 0)),
        (b"plain", ("utf-8", 0)),
        ("häufig".encode()[:2], ("utf-8", 0)),
        ("häufig".encode("latin-1"), ("utf-8", 0)),
        (b"a\0b\0c\0d\0", ("utf-16-le", 0)),
        (b"\0a\0b\0c\0d", ("utf-16-be", 0)),
        (b"\xef\xbb\xbfa", ("utf-8", 3)),
        (bytes(range(256)), ("", 0)),
    ],
)
def test_encodings_are_told_from_the_head(head: bytes, expected: tuple[str, int]) -> None:
    assert encoding_of(head) == expected
