"""Opens what holds other files or text: gzip, bzip2, xz, zlib, ZIP, tar, PNG.

Nothing is written to the disk, and nothing is unpacked without bounds: a few kilobytes may stand for gigabytes.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_T = TypeVar("_T")

#: The most that is unpacked of one file, with all that lies in it; bytes.
MOST_UNPACKED: Final = 256 * 1024 * 1024
#: From so many bytes on, what unpacks to more than the factor is no log but a bomb.
_RATIO_FROM: Final = 16 * 1024 * 1024
_MOST_RATIO: Final = 250
#: A ZIP within something has to be in memory as a whole, bytes.
_MOST_INNER_ZIP: Final = 32 * 1024 * 1024
_MOST_MEMBERS: Final = 20_000
#: So many bytes tell what a file is: the mark of tar stands at 257.
HEAD: Final = 512


class NotUnpackedError(Exception):
    """It cannot be opened, or not within the bounds; the text says why."""


class Budget:
    """How much may still be unpacked of one file."""

    def __init__(self, most: int = MOST_UNPACKED) -> None:
        self._most = most
        self._left = most

    @property
    def is_spent(self) -> bool:
        """Nothing more is unpacked."""
        return self._left < 0

    def take(self, count: int) -> None:
        """Raises NotUnpackedError when nothing is left."""
        self._left -= count
        if self.is_spent:
            raise NotUnpackedError(f"unpacks to more than {self._most // 1024**2} MB")


class Member(NamedTuple):
    """A part of a container. `stream` can be read until the next one is asked for."""

    name: str
    stream: io.BufferedReader


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


class _Metered(io.RawIOBase):
    """Reads what is unpacked, within a budget."""

    def __init__(self, source: Readable, budget: Budget, packed_bytes: int | None) -> None:
        self._source = source
        self._budget = budget
        self._most = None if packed_bytes is None else max(packed_bytes * _MOST_RATIO, _RATIO_FROM)
        self._taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._source.read(len(view))
        except NotUnpackedError:
            raise
        except Exception as error:  # zlib, bz2 and lzma have errors of their own, and so has each container
            raise _damaged(error) from None
        self._budget.take(len(data))
        self._taken += len(data)
        if self._most is not None and self._taken > self._most:
            raise NotUnpackedError(f"unpacks to more than {_MOST_RATIO} times its size")
        view[: len(data)] = data
        return len(data)


def kind_of(head: bytes) -> str:
    """The container that begins so; empty for what is none."""
    if head[257:262] == b"ustar":
        return "tar"
    return next((kind for mark, kind in _MARKS if head.startswith(mark)), "")


_MARKS = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # without members
    (b"\x89PNG\r\n\x1a\n", "png"),
)


def members(
    kind: str, stream: io.BufferedReader, budget: Budget, size: int | None = None
) -> Iterator[Member]:
    """What lies in a container; one without names is one member with an empty name.

    Args:
        kind: What `kind_of` says, or zlib.
        size: Of the container, bytes; None where nobody knows.
    Raises: NotUnpackedError, also in the middle: what came before it was good. So does reading a member.
    """
    try:
        yield from _OPENERS[kind](stream, budget, size)
    except NotUnpackedError:
        raise
    except Exception as error:  # see `_Metered`
        raise _damaged(error) from None


def _damaged(error: Exception) -> NotUnpackedError:
    # Its own text may quote what lies in it.
    return NotUnpackedError(f"is damaged or of an unknown kind ({type(error).__name__})")


def reader(source: Readable, budget: Budget, packed_bytes: int | None = None) -> io.BufferedReader:
    """A stream that can be peeked into, whose reads raise NotUnpackedError when they fail or the budget is spent."""
    return io.BufferedReader(_Metered(source, budget, packed_bytes), 64 * 1024)


def _gzip(stream: io.BufferedReader, budget: Budget, size: int | None) -> Iterator[Member]:
    import gzip

    with gzip.GzipFile(fileobj=stream) as opened:
        yield Member("", reader(opened, budget, size))


def _bzip2(stream: io.BufferedReader, budget: Budget, size: int | None) -> Iterator[Member]:
    import bz2

    with bz2.BZ2File(stream) as opened:
        yield Member("", reader(opened, budget, size))


def _xz(stream: io.BufferedReader, budget: Budget, size: int | None) -> Iterator[Member]:
    import lzma

    with lzma.LZMAFile(stream) as opened:
        yield Member("", reader(opened, budget, size))


def _zlib(stream: io.BufferedReader, budget: Budget, size: int | None) -> Iterator[Member]:
    inflate = zlib.decompressobj()
    yield Member("", reader(_Inflated(stream, inflate), budget, size))


class _Inflated:
    def __init__(self, source: Readable, inflate: zlib._Decompress) -> None:
        self._source = source
        self._inflate = inflate

    def read(self, size: int, /) -> bytes:
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._source.read(16 * 1024)
            if not packed:
                raise NotUnpackedError("is cut off")
            data = self._inflate.decompress(packed, size)
            if data:
                return data
        return b""


def _zip(stream: io.BufferedReader, budget: Budget, size: int | None) -> Iterator[Member]:
    import zipfile

    source: IO[bytes] = stream
    if not stream.seekable():
        body = stream.read(_MOST_INNER_ZIP + 1)
        if len(body) > _MOST_INNER_ZIP:
            raise NotUnpackedError(
                f"is a ZIP of more than {_MOST_INNER_ZIP // 1024**2} MB within another file"
            )
        source = io.BytesIO(body)
    with zipfile.ZipFile(source) as archive:
        for info in _counted(iter(archive.infolist())):
            if info.is_dir():
                continue
            if info.flag_bits & 0x1:
                yield Member(info.filename, reader(_Encrypted(), budget, None))
                continue
            with archive.open(info) as opened:
                yield Member(info.filename, reader(opened, budget, info.compress_size))


class _Encrypted:
    def read(self, size: int, /) -> bytes:
        raise NotUnpackedError("is encrypted")


def _tar(stream: io.BufferedReader, budget: Budget, size: int | None) -> Iterator[Member]:
    import tarfile

    # As a stream: members are read in their order, and nothing is sought.
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for info in _counted(iter(archive)):
            opened = archive.extractfile(info) if info.isreg() else None
            if opened is not None:
                yield Member(info.name, reader(opened, budget, None))


def _png(stream: io.BufferedReader, budget: Budget, size: int | None) -> Iterator[Member]:
    """Its texts, each behind its keyword. Chunks: PNG, third edition, W3C 2025, section 11.3.3."""
    stream.read(8)
    while len(head := stream.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        budget.take(length)
        body = stream.read(length)
        if len(body) < length:
            raise NotUnpackedError("is cut off")
        stream.read(4)
        if kind in _TEXT_CHUNKS:
            yield Member(
                kind.decode("ascii"), reader(io.BytesIO(_png_text(kind, body, budget)), budget, None)
            )
        if kind == b"IEND":
            rest = stream.read(1024 * 1024)
            if rest:
                yield Member("behind the end", reader(io.BytesIO(rest), budget, None))
            return


_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf"})


def _png_text(kind: bytes, body: bytes, budget: Budget) -> bytes:
    keyword, _, rest = body.partition(b"\0")
    packed = b""
    if kind == b"zTXt":
        packed = rest[1:]
    elif kind == b"iTXt":
        flag, rest = rest[:2], rest[2:]
        _, _, rest = rest.partition(b"\0")
        _, _, rest = rest.partition(b"\0")
        if flag[:1] == b"\1":
            packed = rest
    if packed:
        inflated = _Inflated(io.BytesIO(packed), zlib.decompressobj())
        rest = reader(inflated, budget, len(packed)).read()
    return keyword + b": " + rest if kind != b"eXIf" else body


def _counted(infos: Iterator[_T]) -> Iterator[_T]:
    for number, info in enumerate(infos):
        if number >= _MOST_MEMBERS:
            raise NotUnpackedError(f"has more than {_MOST_MEMBERS} members")
        yield info


_OPENERS: dict[str, Callable[[io.BufferedReader, Budget, int | None], Iterator[Member]]] = {
    "gzip": _gzip,
    "bzip2": _bzip2,
    "xz": _xz,
    "zlib": _zlib,
    "zip": _zip,
    "tar": _tar,
    "png": _png,
}
