"""Pictures with boxes: what was outside of them is the same, and nothing but the picture is left."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pytest_autorl.privacy.box import Box
from pytest_autorl.privacy.png import SIGNATURE, UnreadablePictureError, masked, size_of

pytestmark = pytest.mark.unit

MODES = ["L", "P", "RGB", "RGBA"]


def noise(mode: str, width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture in which no two pixels need be the same."""
    samples = {"L": 1, "P": 1, "RGB": 3, "RGBA": 4, "LA": 2}[mode]
    size = width * height * samples
    body = bytes((seed + 31 * at + at * at // 7) % 251 for at in range(size))
    image = Image.frombytes(mode, (width, height), body)
    if mode == "P":
        image.putpalette([(3 * at + 1) % 256 for at in range(3 * 251)])
    return image


def saved(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and body of each chunk; its checksum is right."""
    assert png.startswith(SIGNATURE)
    found, at = [], len(SIGNATURE)
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        check = int.from_bytes(png[at + 8 + length : at + 12 + length], "big")
        assert check == zlib.crc32(kind + body)
        found.append((kind, body))
        at += 12 + length
    return found


def without_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)


def painted(image: Image.Image, boxes: list[Box]) -> Image.Image:
    """What is to come out, pixel by pixel, made by other means."""
    expected = image.convert("RGBA")
    for x in range(image.width):
        for y in range(image.height):
            if any(box.left <= x < box.right and box.top <= y < box.bottom for box in boxes):
                expected.putpixel((x, y), (0, 0, 0, 255))
    return expected


sides = st.integers(-6, 24)


@settings(max_examples=60, deadline=None)
@given(
    mode=st.sampled_from(MODES),
    width=st.integers(1, 18),
    height=st.integers(1, 18),
    seed=st.integers(0, 250),
    boxes=st.lists(st.builds(Box, sides, sides, sides, sides), max_size=4),
)
def test_boxes_are_black_and_everything_else_is_as_it_was(
    mode: str, width: int, height: int, seed: int, boxes: list[Box]
) -> None:
    """Whatever the boxes: outside of the picture, upside down, over one another."""
    image = noise(mode, width, height, seed)

    out = opened(masked(saved(image), boxes))

    assert out.size == (width, height)
    assert out.convert("RGBA").tobytes() == painted(image, boxes).tobytes()


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_is_kept_with_and_without_the_fast_library(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    png, box = saved(noise(mode, 40, 30)), Box(3, 4, 20, 12)
    fast = masked(png, [box])
    without_isal(monkeypatch)

    slow = masked(png, [box])

    assert opened(fast).mode == opened(slow).mode == mode
    assert opened(fast).tobytes() == opened(slow).tobytes()


@pytest.mark.parametrize("boxes", [[], [Box(0, 0, 5, 5)]])
def test_only_the_picture_is_left(boxes: list[Box]) -> None:
    """Text, times, Exif, profiles, and whatever stands behind the end."""
    info = PngInfo()
    info.add_text("Author", "dana")
    info.add_itxt("Place", "home", zip=True)
    exif = Image.Exif()
    exif[0x010E] = "dana's phone"
    image = noise("RGB", 30, 20)
    png = saved(image, pnginfo=info, exif=exif, icc_profile=b"profile of dana", dpi=(300, 300)) + b"dana"

    out = masked(png, boxes)

    assert {kind for kind, _ in chunks(out)} == {b"IHDR", b"IDAT", b"IEND"}
    assert b"dana" not in out
    assert not opened(out).info.keys() - {"interlace"}
    assert opened(out).convert("RGBA").tobytes() == painted(image, boxes).tobytes()


def test_without_boxes_the_picture_is_not_coded_anew() -> None:
    png = saved(noise("RGB", 30, 20), compress_level=9)

    assert masked(png, [Box(30, 0, 40, 20)]) == png


def test_what_is_said_beside_a_picture_cannot_keep_it_from_being_masked() -> None:
    """A text that unfolds to very much makes Pillow refuse the file."""
    info = PngInfo()
    info.add_itxt("Much", "a" * 3_000_000, zip=True)
    png = saved(noise("RGB", 30, 20), pnginfo=info)
    with pytest.raises(ValueError, match="too large"):
        opened(png)

    assert opened(masked(png, [Box(0, 0, 5, 5)])).getpixel((1, 1)) == (0, 0, 0)


def test_further_frames_of_an_animation_are_left_out() -> None:
    first, second = Image.new("RGB", (20, 20), (9, 9, 9)), Image.new("RGB", (20, 20), (200, 0, 0))
    out = io.BytesIO()
    first.save(out, "PNG", save_all=True, append_images=[second])

    for boxes in ([], [Box(0, 0, 2, 2)]):
        assert {kind for kind, _ in chunks(masked(out.getvalue(), boxes))} == {b"IHDR", b"IDAT", b"IEND"}


def test_a_palette_without_black_is_given_one_or_left_behind() -> None:
    short, full = Image.new("P", (9, 9), 1), Image.new("P", (9, 9), 1)
    short.putpalette([10, 20, 30, 40, 50, 60])
    full.putpalette([value for at in range(256) for value in (at, 255 - at, 77)])

    for image, mode in ((short, "P"), (full, "RGB")):
        out = opened(masked(saved(image), [Box(0, 0, 4, 9)]))

        assert out.mode == mode
        assert out.convert("RGBA").tobytes() == painted(image, [Box(0, 0, 4, 9)]).tobytes()


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_a_transparent_colour_stays_transparent_outside_of_the_boxes(mode: str) -> None:
    """Said beside the picture, in a chunk of its own: boxes of that very colour must not be seen through."""
    image = Image.new(mode, (9, 9), 0)
    transparent: object = {"P": 0, "L": 0, "RGB": (0, 0, 0)}[mode]

    out = opened(masked(saved(image, transparency=transparent), [Box(0, 0, 4, 9)]))

    assert out.mode == "RGBA"
    assert (out.getpixel((1, 1)), out.getpixel((6, 1))) == ((0, 0, 0, 255), (0, 0, 0, 0))


def test_other_kinds_of_picture_become_those_that_are_written() -> None:
    grey = Image.new("I;16", (9, 9), 0x8000)

    assert opened(masked(saved(grey), [Box(0, 0, 4, 9)])).getpixel((6, 1)) == 0x80
    assert opened(masked(saved(Image.new("1", (9, 9), 1)), [Box(0, 0, 4, 9)])).getpixel((6, 1)) == 255
    assert opened(masked(saved(Image.new("LA", (9, 9), (7, 9))), [Box(0, 0, 4, 9)])).getpixel((6, 1)) == (
        7,
        7,
        7,
        9,
    )


def test_what_is_no_whole_picture_is_refused() -> None:
    """Without boxes as well: what follows a torn chunk is anything."""
    png = saved(noise("RGB", 30, 20))
    jpeg = io.BytesIO()
    noise("RGB", 30, 20).save(jpeg, "JPEG")
    torn = png[: len(png) // 2]
    huge = SIGNATURE + struct.pack(">I4sII", 13, b"IHDR", 60_000, 60_000) + b"\x08\x02\0\0\0"

    for bad in (b"", b"<html>", jpeg.getvalue(), torn, huge, png[:20]):
        for boxes in ([], [Box(0, 0, 5, 5)]):
            with pytest.raises(UnreadablePictureError):
                masked(bad, boxes)


def test_a_picture_with_damaged_data_is_refused() -> None:
    png = bytearray(saved(noise("RGB", 30, 20)))
    at = png.index(b"IDAT") + 4
    png[at : at + 40] = b"\xff" * 40

    with pytest.raises(UnreadablePictureError, match="cannot be decoded"):
        masked(bytes(png), [Box(0, 0, 5, 5)])


def test_the_size_is_read_from_the_head() -> None:
    assert size_of(saved(noise("L", 7, 3))[:40]) == (7, 3)
