"""PNG pictures with opaque boxes, and nothing in them but the picture.

Decoding is left to Pillow. Its encoder at the default level takes four times as long as all the rest together, so
the container is written here: rows deflated by `isal` when it is installed (extra ``privacy``), else by zlib with the
cheapest matching. Format: PNG (Portable Network Graphics), third edition, W3C, 2025.

Text, times, profiles and Exif data of the original are left out, as are further frames of an animation and whatever
follows its end.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pytest_autorl.privacy.box import Box

if TYPE_CHECKING:
    from PIL import Image

#: First bytes of every PNG.
SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Largest picture that is decoded, pixels: four bytes each, two copies. An 8K screen has 33 million.
PIXEL_LIMIT = 64_000_000
#: Colour of the boxes.
BLACK = (0, 0, 0)

#: What the picture consists of; everything else is about it.
_PICTURE_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
#: Pillow's mode -> colour type of a PNG with eight bits a sample, samples of a pixel, and how black is said in it.
_KINDS: dict[str, tuple[int, int, int | tuple[int, ...]]] = {
    "L": (0, 1, 0),
    "RGB": (2, 3, BLACK),
    "P": (3, 1, 0),
    "RGBA": (6, 4, (*BLACK, 255)),
}

#: Rows that are filtered and compressed at a time.
_STRIP = 64


class UnreadablePictureError(ValueError):
    """No PNG, a damaged one, or one that is too large to be decoded."""


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the head of the file. Raises UnreadablePictureError."""
    head = png[:24]
    if len(head) < 24 or not head.startswith(SIGNATURE) or head[12:16] != b"IHDR":
        raise UnreadablePictureError("the picture is no PNG")
    width, height = struct.unpack(">II", head[16:24])
    if not width or not height or width * height > PIXEL_LIMIT:
        raise UnreadablePictureError(f"a picture of {width}x{height} pixels is too large to be masked")
    return width, height


def masked(png: bytes, boxes: Sequence[Box]) -> bytes:
    """A new PNG of the same size, the boxes black and opaque; what lies outside of the picture is cut.

    Without boxes only what is no part of the picture is taken out. Raises UnreadablePictureError.
    """
    size = size_of(png)
    inside = [cut for cut in (box.within(size) for box in boxes) if not cut.is_empty]
    picture = stripped(png)
    if not inside:
        return picture
    image = _decoded(picture)
    black = _black_of(image)
    if black is None:  # a full palette without black
        image = image.convert("RGB")
        black = BLACK
    for box in inside:
        image.paste(black, (box.left, box.top, box.right, box.bottom))
    return encoded(image)


def stripped(png: bytes) -> bytes:
    """The same picture without anything about it: neither decoded nor checked. Raises UnreadablePictureError."""
    size_of(png)
    kept = [SIGNATURE]
    for kind, chunk in _chunks(png):
        if kind in _PICTURE_CHUNKS:
            kept.append(chunk)
    return b"".join(kept)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and all bytes of each chunk, up to the end of the picture."""
    at, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        length = int.from_bytes(png[at : at + 4], "big")
        kind, end = png[at + 4 : at + 8], at + 12 + length
        if end > len(png):
            raise UnreadablePictureError("the picture is cut off")
        yield kind, png[at:end]
        at = end


def _decoded(png: bytes) -> Image.Image:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as opened:
            opened.load()
            image: Image.Image = opened if opened.mode in _KINDS else _plain(opened)
            has_transparency = "transparency" in opened.info
    # Pillow raises SyntaxError for a broken PNG, and its own for one that unfolds to very much.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadablePictureError(f"the picture cannot be decoded: {type(error).__name__}") from None
    return image.convert("RGBA") if has_transparency and image.mode != "RGBA" else image


def _plain(image: Image.Image) -> Image.Image:
    """One of the modes that are written here."""
    if image.mode.startswith("I"):  # 16 bits of grey; Pillow cuts them off at 255 when it converts
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("L" if image.mode == "1" else "RGBA")


def _black_of(image: Image.Image) -> int | tuple[int, ...] | None:
    """How black is said in the picture; None when its palette has neither black nor room."""
    if image.mode != "P":
        return _KINDS[image.mode][2]
    palette = image.getpalette("RGB") or []
    colours = [tuple(palette[at : at + 3]) for at in range(0, len(palette), 3)]
    if BLACK in colours:
        return colours.index(BLACK)
    if len(colours) >= 256:
        return None
    image.putpalette([*palette, *BLACK], "RGB")
    return len(colours)


def encoded(image: Image.Image) -> bytes:
    """A picture of mode L, P, RGB or RGBA as a PNG."""
    colour_type, samples, _ = _KINDS[image.mode]
    width, height = image.size
    parts = [SIGNATURE, _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0))]
    if image.mode == "P":
        parts.append(_chunk(b"PLTE", bytes(image.getpalette("RGB") or [])))
    parts.append(_chunk(b"IDAT", _deflated(image, width * samples)))
    parts.append(_chunk(b"IEND", b""))
    return b"".join(parts)


def _deflated(image: Image.Image, stride: int) -> bytes:
    """The pixels, compressed. Filters and levels are those that were fastest; `benchmarks/screenshots.py` measures."""
    rows = _plain_rows
    try:
        from isal import isal_zlib

        squeeze: Any = isal_zlib.compressobj(1)
    except ImportError:
        # Matches of distance one only. They are many where rows are differences, which are mostly zero.
        squeeze = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
        if image.mode != "P":
            rows = _differences
    return b"".join([*map(squeeze.compress, rows(image, stride)), squeeze.flush()])


def _plain_rows(image: Image.Image, stride: int) -> Iterator[bytes | memoryview]:
    """The rows as they are, each behind the filter type for that, 0."""
    # Pillow fills what is left of each row with zeros: with one byte too many it stands before the next row.
    padded = image.tobytes("raw", image.mode, stride + 1, 1)
    yield b"\0"
    yield memoryview(padded)[:-1]


def _differences(image: Image.Image, stride: int) -> Iterator[bytes | memoryview]:
    """Each sample less the one above it, modulo 256, behind the filter type for that, 2."""
    from PIL import ImageChops

    # Some rows at a time: small pieces stay in the processor's cache.
    for top in range(0, image.height, _STRIP):
        bottom = min(image.height, top + _STRIP)
        strip = image.crop((0, top, image.width, bottom))
        # Above the first row Pillow finds zeros, as the format has it.
        above = image.crop((0, top - 1, image.width, bottom - 1))
        view = memoryview(ImageChops.subtract_modulo(strip, above).tobytes())
        parts: list[bytes | memoryview] = [b"\2"] * (2 * strip.height)
        parts[1::2] = [view[at : at + stride] for at in range(0, len(view), stride)]
        yield b"".join(parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)
