"""A palette canvas: draws device-sized screens fast and saves them small.

A 1080x2400 screen in RGB takes some 8 MB to fill and to compress. Here a pixel is one byte, an index into a
palette that grows as colours are asked for. Text keeps its smooth edges: the shades between its colour and
the background under it are palette entries as well, so each text names the background it stands on.
"""

from __future__ import annotations

import functools
import io
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageFont

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]

#: Steps between background and text colour; more cannot be told apart at device density.
_SHADES = 8
#: A pixel is one byte. A screen takes some forty entries, behind a dialog as many again.
_COLOURS = 256


@functools.lru_cache(maxsize=64)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own scalable font: no font file of the machine is needed."""
    from PIL import ImageFont

    found = ImageFont.load_default(size=size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise RuntimeError(
            "this Pillow is built without FreeType and cannot write text; install Pillow's own wheel"
        )
    return found


@functools.lru_cache(maxsize=2048)
def text_width(text: str, size: int) -> int:
    """Width of one line, px."""
    return math.ceil(font(size).getlength(text))


@functools.lru_cache(maxsize=256)  # some 20 kB each
def _mask(text: str, size: int, bold: bool) -> tuple[Image.Image, int, int]:
    """Coverage of a line (0 to 255), and where it stands from the left end of its baseline."""
    from PIL import Image, ImageDraw

    x1, y1, x2, y2 = (round(side) for side in font(size).getbbox(text, anchor="ls"))
    # The one font has no bold face: a second print, shifted by a hair, makes one.
    shift = max(1, size // 24) if bold else 0
    mask = Image.new("L", (max(1, x2 - x1 + shift + 2), max(1, y2 - y1 + 2)), 0)
    draw = ImageDraw.Draw(mask)
    for dx in range(shift + 1):
        draw.text((1 - x1 + dx, 1 - y1), text, fill=255, font=font(size), anchor="ls")
    return mask, x1 - 1, y1 - 1


class Canvas:
    """A drawing of ``size`` (width, height) in pixels; what leaves its edges is cut."""

    def __init__(self, size: tuple[int, int], background: Colour) -> None:
        from PIL import Image, ImageDraw

        self.size = size
        self._palette: dict[Colour, int] = {}
        self._image = Image.new("L", size, self._index(background))
        self._draw = ImageDraw.Draw(self._image)

    def box(
        self, box: Box, fill: Colour | None, *, radius: int = 0, outline: Colour | None = None, width: int = 1
    ) -> None:
        """A rectangle, right and bottom exclusive; nothing when it is empty."""
        x1, y1, x2, y2 = box
        if x1 >= x2 or y1 >= y2:
            return
        inner = (x1, y1, x2 - 1, y2 - 1)
        ink = None if fill is None else self._index(fill)
        line = None if outline is None else self._index(outline)
        radius = min(radius, (x2 - x1) // 2, (y2 - y1) // 2)
        if radius:
            self._draw.rounded_rectangle(inner, radius, fill=ink, outline=line, width=width)
        else:
            self._draw.rectangle(inner, fill=ink, outline=line, width=width)

    def disc(self, x: int, y: int, radius: int, fill: Colour) -> None:
        """A filled circle around (x, y)."""
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=self._index(fill))

    def arc(self, box: Box, start: int, end: int, colour: Colour, width: int) -> None:
        """Part of a ring, degrees clockwise from three o'clock."""
        if box[0] < box[2] and box[1] < box[3]:
            self._draw.arc(box, start, end, fill=self._index(colour), width=width)

    def lines(self, points: list[tuple[int, int]], colour: Colour, width: int) -> None:
        """A line through the points."""
        self._draw.line(points, fill=self._index(colour), width=width, joint="curve")

    def polygon(self, points: list[tuple[int, int]], fill: Colour) -> None:
        """A filled shape."""
        self._draw.polygon(points, fill=self._index(fill))

    def text(
        self,
        x: int,
        baseline: int,
        text: str,
        size: int,
        colour: Colour,
        *,
        on: Colour,
        clip: Box,
        bold: bool = False,
    ) -> None:
        """One line of text from x; ``on`` is the colour under it, nothing is drawn outside ``clip``."""
        if not text.strip():
            return
        mask, dx, dy = _mask(text, size, bold)
        left, top = x + dx, baseline + dy
        x1, y1 = max(left, clip[0], 0), max(top, clip[1], 0)
        x2 = min(left + mask.width, clip[2], self.size[0])
        y2 = min(top + mask.height, clip[3], self.size[1])
        if x1 >= x2 or y1 >= y2:
            return
        if (x2 - x1, y2 - y1) != mask.size:
            mask = mask.crop((x1 - left, y1 - top, x2 - left, y2 - top))
        self._image.paste(mask.point(self._ramp(colour, on)), (x1, y1), mask.point(_COVERED))

    def dim(self, share: float) -> None:
        """Darken all that is drawn so far, 0 not at all, 1 to black."""
        from PIL import ImageDraw

        table = list(range(_COLOURS))
        for (red, green, blue), index in list(self._palette.items()):
            dark = (round(red * (1 - share)), round(green * (1 - share)), round(blue * (1 - share)))
            table[index] = self._index(dark)
        self._image = self._image.point(table)
        self._draw = ImageDraw.Draw(self._image)

    def png(self) -> bytes:
        """The drawing as a PNG of palette colours; nothing can be drawn afterwards."""
        colours = [channel for colour in self._palette for channel in colour]
        self._image.putpalette(colours)
        return _saved(self._image)

    def _ramp(self, colour: Colour, on: Colour) -> list[int]:
        shades = [self._index(_mixed(on, colour, step / _SHADES)) for step in range(_SHADES + 1)]
        return [shades[(cover * _SHADES + 127) // 255] for cover in range(256)]

    def _index(self, colour: Colour) -> int:
        found = self._palette.get(colour)
        if found is not None:
            return found
        if len(self._palette) < _COLOURS:
            self._palette[colour] = index = len(self._palette)
            return index
        # Full: the nearest one. A screen has some forty colours and shades, so only odd ones get here.
        return min(self._palette.items(), key=lambda entry: math.dist(entry[0], colour))[1]


_COVERED = [0] * 16 + [255] * 240


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _saved(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def crop(png: bytes, bounds: Box) -> bytes:
    """The part of a screenshot inside ``bounds``, as a PNG; what lies outside the picture is cut.

    Raises ValueError when nothing is left: WebDriver's "unable to capture screen".
    """
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        x1, y1 = max(0, bounds[0]), max(0, bounds[1])
        x2, y2 = min(image.width, bounds[2]), min(image.height, bounds[3])
        if x1 >= x2 or y1 >= y2:
            raise ValueError(
                f"bounds {bounds} have no part in the screen of {image.width}x{image.height} pixels; "
                "scroll the element into view first"
            )
        return _saved(image.crop((x1, y1, x2, y2)))
