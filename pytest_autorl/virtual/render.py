"""Screenshots: a `Node` tree drawn as a person would recognise it. Roles and styles say how a node looks.

Nothing here decides where something stands, that is the layout's; a node is drawn inside its bounds only.
Pillow is imported by `canvas`, at the first screenshot.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from pytest_autorl.virtual.canvas import Box, Canvas, Colour, crop, text_width
from pytest_autorl.virtual.node import Node, Platform

__all__ = ["crop", "screenshot"]

# A canvas takes some 8 MB: fifty devices that all fail at once must not take 400. Drawing holds the interpreter
# most of its few milliseconds anyway.
_ONE_AT_A_TIME = threading.Lock()

_WHITE: Colour = (255, 255, 255)
_INK: Colour = (28, 30, 38)
_MUTED: Colour = (104, 110, 124)
_FAINT: Colour = (160, 165, 176)
_LINE: Colour = (222, 225, 232)
_GREY: Colour = (226, 228, 234)
_RED: Colour = (186, 26, 38)
_TOAST: Colour = (50, 53, 62)


@dataclass(frozen=True)
class _Look:
    """What differs between the platforms."""

    accent: Colour
    background: Colour
    bar: Colour
    field: Colour
    radius: int  # dp
    is_title_centred: bool


_LOOKS: dict[Platform, _Look] = {
    "android": _Look((46, 91, 204), (248, 249, 253), (236, 240, 250), (233, 236, 245), 20, False),
    "ios": _Look((0, 112, 235), (242, 242, 247), (250, 250, 252), (255, 255, 255), 12, True),
}


@dataclass(frozen=True)
class _Type:
    """size and line: dp."""

    size: int
    line: int
    colour: Colour = _INK
    bold: bool = False
    align: str = "left"


_TYPES: dict[str, _Type] = {
    "": _Type(16, 24),
    "title": _Type(20, 32, bold=True),
    "headline": _Type(25, 40, bold=True),
    "caption": _Type(13, 18, _MUTED),
    "error": _Type(13, 20, _RED),
    "trailing": _Type(16, 24, bold=True, align="right"),
    "toast": _Type(14, 24, _WHITE),
}


def screenshot(
    root: Node,
    size: tuple[int, int],
    platform: Platform,
    *,
    scale: float | None = None,
    clock: str = "12:00",
    battery_pct: int = 80,
) -> bytes:
    """The screen under ``root`` as a PNG.

    Args:
        size: Width and height in pixels, in the present orientation.
        scale: Pixels per density-independent pixel; None: guessed from the size, phones being 411 dp wide
            and tablets 800 dp (told apart by a ratio of sides below 1.75).
        clock: What the status bar's clock shows; the same screen gives the same bytes.
        battery_pct: What the status bar's battery shows, 0 to 100.
    """
    short, long = sorted(size)
    density = scale or short / (411 if long >= short * 1.75 else 800)
    with _ONE_AT_A_TIME:
        return _Painter(size, density, _LOOKS[platform]).paint(root, clock, battery_pct)


class _Painter:
    def __init__(self, size: tuple[int, int], density: float, look: _Look) -> None:
        self._size = size
        self._density = density
        self._look = look
        self._canvas = Canvas(size, look.background)

    def paint(self, root: Node, clock: str, battery_pct: int) -> bytes:
        bars = [node.bounds for node in root.walk() if node.role == "bar" and node.displayed]
        top = min((box[1] for box in bars), default=0) or self._dp(24)
        surface = self._look.bar if bars else self._look.background
        self._status_bar(top, clock, battery_pct, surface)
        self._node(root, self._look.background)
        self._home_indicator()
        return self._canvas.png()

    def _dp(self, amount: float) -> int:
        return max(1, round(amount * self._density))

    def _node(self, node: Node, surface: Colour) -> None:
        """Draw a node and what is in it; ``surface`` is the colour it stands on."""
        if not node.displayed:
            return
        draw = _ROLES.get(node.role)
        if draw is not None and node.bounds[0] < node.bounds[2] and node.bounds[1] < node.bounds[3]:
            surface = draw(self, node, surface)
        for child in node.children:
            self._node(child, surface)

    # -- the device's own parts

    def _status_bar(self, height: int, clock: str, battery_pct: int, surface: Colour) -> None:
        dp, width = self._dp, self._size[0]
        self._canvas.box((0, 0, width, height), surface)
        self._line_of(clock, (dp(20), 0, width // 2, height), _Type(13, 18, bold=True), surface)
        x2, middle = width - dp(20), height // 2
        x1, half = x2 - dp(22), dp(5)
        self._canvas.box(
            (x1, middle - half, x2, middle + half), None, radius=dp(2), outline=_INK, width=dp(1)
        )
        self._canvas.box((x2 + dp(1), middle - dp(2), x2 + dp(2.5), middle + dp(2)), _INK)
        inside = x2 - x1 - 2 * dp(2)
        level = round(inside * max(0, min(100, battery_pct)) / 100)
        colour = _RED if battery_pct <= 15 else _INK
        self._canvas.box(
            (x1 + dp(2), middle - half + dp(2), x1 + dp(2) + level, middle + half - dp(2)), colour
        )
        for bar in range(4):
            left = x1 - dp(26) + bar * dp(4.5)
            self._canvas.box((left, middle + half - dp(2.5 * (bar + 1)), left + dp(3), middle + half), _INK)

    def _home_indicator(self) -> None:
        width, height = self._size
        half, y = self._dp(54), height - self._dp(8)
        self._canvas.box((width // 2 - half, y - self._dp(4), width // 2 + half, y), _INK, radius=self._dp(2))

    # -- roles: each draws its node and says which colour its children stand on

    def _group(self, node: Node, surface: Colour) -> Colour:
        x1, y1, x2, y2 = node.bounds
        if x1 > 0 and x2 == self._size[0] and y2 - y1 > self._size[1] // 2:
            # The right one of two panes: a tablet's detail beside its list.
            self._canvas.box((x1, y1, x1 + self._dp(1), y2), _LINE)
        return surface

    def _bar(self, node: Node, surface: Colour) -> Colour:
        x1, _, x2, y2 = node.bounds
        self._canvas.box(node.bounds, self._look.bar)
        self._canvas.box((x1, y2 - self._dp(1), x2, y2), _LINE)
        return self._look.bar

    def _text(self, node: Node, surface: Colour) -> Colour:
        kind = _TYPES.get(node.style, _TYPES[""])
        box = node.bounds
        if node.style == "toast":
            self._canvas.box(box, _TOAST, radius=self._dp(12))
            surface, dp = _TOAST, self._dp(16)
            box = (box[0] + dp, box[1], box[2] - dp, box[3])
        if node.style == "title" and self._look.is_title_centred:
            kind = _Type(17, kind.line, kind.colour, bold=True, align="centre")
            # Centred on the screen as far as the buttons beside it allow, which its bounds already leave out.
            margin = max(box[0], self._size[0] - box[2])
            wide = (margin, box[1], self._size[0] - margin, box[3])
            fits = wide[2] - wide[0] >= text_width(node.text, self._dp(kind.size)) * 1.1
            box = wide if fits and wide[0] >= box[0] and wide[2] <= box[2] else box
        if not node.enabled:
            kind = _Type(kind.size, kind.line, _FAINT, kind.bold, kind.align)
        self._paragraph(node.text or node.description, box, kind, surface)
        return surface

    def _button(self, node: Node, surface: Colour) -> Colour:
        dp, look, canvas = self._dp, self._look, self._canvas
        box, radius = node.bounds, self._dp(self._look.radius)
        accent = _RED if node.style == "danger" else look.accent
        ink, on = accent, surface
        if node.text == "‹":
            self._chevron(box, accent if node.enabled else _FAINT)
            return surface
        if node.style == "primary":
            ink, on = (_WHITE, accent) if node.enabled else (_FAINT, _GREY)
            canvas.box(box, on, radius=radius)
        elif node.style not in ("bar", "dialog", "flat"):
            border = accent if node.enabled else _GREY
            on = _WHITE if node.enabled else surface
            canvas.box(box, on, radius=radius, outline=border, width=dp(1.2))
        ink = ink if node.enabled else _FAINT
        kind = _Type(15, 24, ink, bold=True, align="centre")
        if node.style == "dialog" and not look.is_title_centred:
            kind = _Type(15, 24, ink, bold=True, align="right")
        self._line_of(node.text or node.description, _inset(box, dp(6), 0), kind, on)
        if node.focused:
            canvas.box(_inset(box, -dp(3), -dp(3)), None, radius=radius + dp(3), outline=accent, width=dp(1))
        return on

    def _chevron(self, box: Box, colour: Colour) -> None:
        x, y, arm = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2, self._dp(7)
        self._canvas.lines(
            [(x + arm // 2, y - arm), (x - arm // 2, y), (x + arm // 2, y + arm)], colour, self._dp(2.2)
        )

    def _field(self, node: Node, surface: Colour) -> Colour:
        dp, look, canvas = self._dp, self._look, self._canvas
        x1, y1, x2, y2 = node.bounds
        on = look.field if node.enabled else _GREY
        canvas.box(node.bounds, on, radius=dp(6))
        accent = look.accent if node.focused else _FAINT
        canvas.box((x1, y2 - dp(2 if node.focused else 1), x2, y2), accent if node.enabled else _LINE)
        inner = _inset(node.bounds, dp(14), 0)
        label = _Type(12, 16, look.accent if node.focused else _MUTED)
        if not node.text and not node.focused:
            self._line_of(node.hint, inner, _Type(16, 24, _MUTED), on)
            return on
        value = inner
        if node.hint and y2 - y1 >= dp(44):
            self._line_of(node.hint, (inner[0], y1 + dp(5), inner[2], y1 + dp(23)), label, on)
            value = (inner[0], y1 + dp(21), inner[2], y2 - dp(4))
        middle = (value[1] + value[3]) // 2
        ink = _INK if node.enabled else _FAINT
        if node.role == "password":
            pitch = dp(11)
            shown = min(len(node.text), max(0, (value[2] - value[0]) // pitch))
            for bullet in range(shown):
                canvas.disc(value[0] + bullet * pitch + dp(4), middle, dp(3.4), ink)
            end = value[0] + shown * pitch
        else:
            end = self._line_of(node.text, value, _Type(16, 24, ink), on)
        if node.focused:
            canvas.box((end + dp(1), middle - dp(10), end + dp(2.5), middle + dp(10)), look.accent)
        return on

    def _switch(self, node: Node, surface: Colour) -> Colour:
        dp, canvas = self._dp, self._canvas
        x1, y1, x2, y2 = node.bounds
        width, half, middle = dp(46), dp(13), (y1 + y2) // 2
        left = x2 - width - dp(2)
        track = self._look.accent if node.checked else (198, 202, 212)
        if not node.enabled:
            track = _GREY
        canvas.box((left, middle - half, left + width, middle + half), track, radius=half)
        canvas.disc(left + width - half if node.checked else left + half, middle, half - dp(3), _WHITE)
        label = _TYPES[""] if node.enabled else _Type(16, 24, _FAINT)
        self._line_of(node.text or node.description, (x1, y1, left - dp(12), y2), label, surface)
        return surface

    def _checkbox(self, node: Node, surface: Colour) -> Colour:
        dp, canvas = self._dp, self._canvas
        x1, y1, x2, y2 = node.bounds
        side, middle = dp(20), (y1 + y2) // 2
        left, top = x1 + dp(2), middle - dp(10)
        colour = self._look.accent if node.enabled else _FAINT
        box = (left, top, left + side, top + side)
        if node.checked:
            canvas.box(box, colour, radius=dp(4))
            tick = [(left + side // 4, middle), (left + side * 9 // 20, middle + side // 5)]
            canvas.lines([*tick, (left + side * 4 // 5, middle - side // 4)], _WHITE, dp(2.2))
        else:
            canvas.box(box, _WHITE, radius=dp(4), outline=_MUTED if node.enabled else _FAINT, width=dp(2))
        label = _TYPES[""] if node.enabled else _Type(16, 24, _FAINT)
        self._line_of(node.text or node.description, (left + side + dp(12), y1, x2, y2), label, surface)
        return surface

    def _image(self, node: Node, surface: Colour) -> Colour:
        x1, y1, x2, y2 = node.bounds
        sky, hill = (214, 224, 246), (150, 172, 222)
        self._canvas.box(node.bounds, sky, radius=self._dp(8))
        unit = min(x2 - x1, y2 - y1) // 4
        x, base = (x1 + x2) // 2, (y1 + y2) // 2 + unit
        peak = base - unit * 3 // 2
        self._canvas.polygon([(x - 2 * unit, base), (x - unit // 2, peak), (x + unit, base)], hill)
        self._canvas.polygon([(x, base), (x + unit, base - unit), (x + 2 * unit, base)], (124, 150, 208))
        self._canvas.disc(x + unit, base - unit * 3 // 2, unit // 3, (250, 214, 120))
        return sky

    def _row(self, node: Node, surface: Colour) -> Colour:
        x1, y1, x2, y2 = node.bounds
        on = (221, 231, 252) if node.selected else _WHITE
        self._canvas.box(node.bounds, on)
        if y2 - y1 >= self._dp(48):  # less high, it is cut by the edge of its list
            self._canvas.box((x1 + self._dp(8), y2 - self._dp(1), x2, y2), _LINE)
        return on

    def _progress(self, node: Node, surface: Colour) -> Colour:
        x1, y1, x2, y2 = node.bounds
        radius = min(x2 - x1, y2 - y1, self._dp(48)) // 2
        x, y = (x1 + x2) // 2, (y1 + y2) // 2
        ring = (x - radius, y - radius, x + radius, y + radius)
        self._canvas.arc(ring, 0, 360, _LINE, self._dp(4))
        self._canvas.arc(ring, -90, 180, self._look.accent, self._dp(4))
        return surface

    def _dialog(self, node: Node, surface: Colour) -> Colour:
        self._canvas.dim(0.5)
        self._canvas.box(node.bounds, _WHITE, radius=self._dp(20))
        return _WHITE

    # -- text

    def _paragraph(self, text: str, box: Box, kind: _Type, on: Colour) -> None:
        """Text in as many lines as the box has room for; an ellipsis says that more would come."""
        size, line = self._dp(kind.size), self._dp(kind.line)
        room = max(1, round((box[3] - box[1]) / line))
        lines = _wrapped(text, box[2] - box[0], size)
        if len(lines) <= 1 or room == 1:
            self._line_of(" ".join(lines), box, kind, on)
            return
        if len(lines) > room:
            lines = [*lines[: room - 1], " ".join(lines[room - 1 :])]
        y = box[1] + max(0, (box[3] - box[1] - line * len(lines)) // 2)
        for each in lines:
            self._line_of(each, (box[0], y, box[2], min(y + line, box[3])), kind, on)
            y += line

    def _line_of(self, text: str, box: Box, kind: _Type, on: Colour) -> int:
        """One line in the vertical middle of the box, shortened to its width; gives where it ends."""
        size, room = self._dp(kind.size), box[2] - box[0]
        text = _shortened(text.replace("\n", " "), room, size)
        width = text_width(text, size) if text else 0
        x = box[0]
        if kind.align != "left":
            x += (room - width) // 2 if kind.align == "centre" else room - width
        # Capitals are some 0.72 em high in Pillow's font: half of that below the middle looks centred.
        baseline = (box[1] + box[3]) // 2 + round(size * 0.36)
        spare = self._dp(3)  # descenders and the bold print may leave a tight box by a hair
        clip = (box[0], box[1] - spare, box[2] + spare, box[3] + spare)
        self._canvas.text(x, baseline, text, size, kind.colour, on=on, clip=clip, bold=kind.bold)
        return x + width


# Not bound to a painter: a cycle would keep its canvas, megabytes, until the next garbage collection.
_ROLES: dict[str, Callable[[_Painter, Node, Colour], Colour]] = {
    "group": _Painter._group,
    "bar": _Painter._bar,
    "text": _Painter._text,
    "button": _Painter._button,
    "field": _Painter._field,
    "password": _Painter._field,
    "switch": _Painter._switch,
    "checkbox": _Painter._checkbox,
    "image": _Painter._image,
    "row": _Painter._row,
    "progress": _Painter._progress,
    "dialog": _Painter._dialog,
}


def _inset(box: Box, dx: int, dy: int) -> Box:
    return box[0] + dx, box[1] + dy, box[2] - dx, box[3] - dy


def _shortened(text: str, room: int, size: int) -> str:
    """The text, or as much of it as fits with an ellipsis; measured by halving, not letter by letter."""
    if not text or (len(text) <= 2000 and text_width(text, size) <= room):
        return text
    low, high = 0, min(len(text), 2000)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle].rstrip() + "…", size) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…" if low else ""


def _wrapped(text: str, room: int, size: int) -> list[str]:
    """Lines of whole words; a word wider than the room keeps its own line."""
    lines: list[str] = []
    for paragraph in text[:4000].split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if line and text_width(longer, size) > room:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines
