"""Screenshots: the picture shows what the tree says, and nothing that it hides."""

from __future__ import annotations

import gc
import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from pytest_autorl.virtual.canvas import Canvas, font
from pytest_autorl.virtual.node import CLASSES, Node, Platform
from pytest_autorl.virtual.render import crop, screenshot

SIZE = (540, 1200)


def _screen(*nodes: Node) -> Node:
    return Node("screen", "s", bounds=(0, 0, *SIZE), children=list(nodes))


def _picture(*nodes: Node, platform: Platform = "android", size: tuple[int, int] = SIZE) -> Image.Image:
    png = screenshot(_screen(*nodes), size, platform)
    return Image.open(io.BytesIO(png)).convert("RGB")


def _changed(one: Image.Image, other: Image.Image) -> tuple[int, int, int, int] | None:
    """The box that holds all differing pixels."""
    return ImageChops.difference(one, other).getbbox()


@pytest.mark.parametrize("platform", ["android", "ios"])
@pytest.mark.parametrize("size", [(1080, 2400), (2560, 1600), (320, 240)])
def test_a_screenshot_is_a_png_of_the_screens_size(platform: Platform, size: tuple[int, int]) -> None:
    """Phone, tablet in landscape, and a screen smaller than any."""
    png = screenshot(_screen(Node("bar", "b", bounds=(0, 40, size[0], 100))), size, platform)

    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert Image.open(io.BytesIO(png)).size == size


def test_the_same_screen_gives_the_same_bytes() -> None:
    """Tests compare screenshots; the clock is an argument."""
    button = Node("button", "b", text="Pay", bounds=(20, 100, 500, 160))

    assert screenshot(_screen(button), SIZE, "android") == screenshot(_screen(button), SIZE, "android")
    assert screenshot(_screen(), SIZE, "android") != screenshot(_screen(), SIZE, "android", clock="12:01")
    assert screenshot(_screen(), SIZE, "android") != screenshot(_screen(), SIZE, "android", battery_pct=5)


@pytest.mark.parametrize("role", sorted(set(CLASSES) - {"screen", "group", "list"}))
def test_every_role_is_to_be_seen_where_it_stands(role: str) -> None:
    """A node changes the picture inside its bounds; a dialog darkens all around it as well."""
    bounds = (40, 300, 500, 380)

    changed = _changed(_picture(), _picture(Node(role, "n", text="Some text", bounds=bounds)))

    assert changed is not None
    if role == "bar":
        assert changed[3] == 380  # the status bar above takes its colour
    elif role == "dialog":
        assert changed == (0, 0, *SIZE)
    else:
        x1, y1, x2, y2 = changed
        assert x1 >= 40
        assert y1 >= 300
        assert x2 <= 500
        assert y2 <= 380


@pytest.mark.parametrize("role", sorted(CLASSES))
def test_what_is_not_displayed_leaves_no_trace(role: str) -> None:
    """With all that is in it."""
    inner = Node("button", "b", text="Pay", bounds=(60, 310, 400, 370))
    hidden = Node(role, "n", text="Some text", bounds=(40, 300, 500, 380), displayed=False, children=[inner])

    assert _changed(_picture(), _picture(hidden)) is None


def test_different_texts_look_different() -> None:
    """Else a screenshot would prove nothing."""
    pictures = {
        _picture(Node("text", "t", text=text, bounds=(20, 100, 500, 140))).tobytes()
        for text in ("Total 10.00", "Total 10.01", "Summe 10.00")
    }

    assert len(pictures) == 3


def test_a_long_text_is_shortened_to_its_bounds() -> None:
    """It ends within the bounds and shows its beginning."""
    bounds = (20, 100, 200, 132)
    short = _picture(Node("text", "t", text="Savings", bounds=bounds))
    long = _picture(Node("text", "t", text="Savings account of the year", bounds=bounds))

    changed = _changed(short, long)

    assert changed is not None
    assert changed[0] > 80
    assert changed[2] <= 200


def test_a_message_with_room_takes_several_lines() -> None:
    """A dialog's message is read, not guessed from its beginning."""
    message = Node(
        "text", "t", text="Transfers on their way go on and arrive tomorrow " * 2, bounds=(20, 100, 300, 300)
    )

    changed = _changed(_picture(), _picture(message))

    assert changed is not None
    assert changed[3] - changed[1] > 80


def test_a_password_shows_its_length_only() -> None:
    """The tree holds bullets as text and the input as value; the value never reaches the picture."""

    def field(value: str) -> Node:
        return Node("password", "p", text="•" * len(value), value=value, bounds=(20, 100, 500, 172))

    assert _changed(_picture(field("abcdef")), _picture(field("uvwxyz"))) is None
    assert _changed(_picture(field("abcdef")), _picture(field("abcdefg"))) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Node("button", "n", text="Go", style="primary"), Node("button", "n", text="Go")),
        (Node("button", "n", style="primary"), Node("button", "n", style="primary", enabled=False)),
        (Node("button", "n", text="Go", style="danger"), Node("button", "n", text="Go")),
        (Node("switch", "n", checked=True), Node("switch", "n")),
        (Node("checkbox", "n", checked=True), Node("checkbox", "n")),
        (Node("checkbox", "n"), Node("checkbox", "n", enabled=False)),
        (Node("field", "n", text="x", focused=True), Node("field", "n", text="x")),
        (Node("field", "n", hint="IBAN"), Node("field", "n", hint="IBAN", text="GB82")),
        (Node("row", "n", selected=True), Node("row", "n")),
        (Node("text", "n", text="x", style="error"), Node("text", "n", text="x", style="caption")),
    ],
)  # fmt: skip
def test_a_state_can_be_told_from_the_picture(one: Node, other: Node) -> None:
    """Checked, focused, disabled, chosen, wrong: a person sees it."""
    one.bounds = other.bounds = (20, 100, 500, 172)

    assert _changed(_picture(one), _picture(other)) is not None


def test_a_primary_button_is_filled_and_a_disabled_one_grey() -> None:
    """Blue has one channel far above another, grey has not."""
    button = Node("button", "b", text="Go", style="primary", bounds=(20, 100, 500, 172))
    enabled = _picture(button).getpixel((80, 136))
    button.enabled = False
    disabled = _picture(button).getpixel((80, 136))

    assert isinstance(enabled, tuple)
    assert isinstance(disabled, tuple)
    assert max(enabled) - min(enabled) > 100
    assert max(disabled) - min(disabled) < 20


def test_a_title_stands_left_on_android_and_in_the_middle_on_ios() -> None:
    """As the platforms have it; a back button is an arrow on both."""

    def bar(title: str) -> Node:
        back = Node("button", "back", text="‹", style="bar", bounds=(5, 45, 70, 105))
        text = Node("text", "title", text=title, style="title", bounds=(80, 45, 460, 105))
        return Node("bar", "bar", bounds=(0, 40, 540, 110), children=[back, text])

    android = _changed(_picture(bar("")), _picture(bar("Pay")))
    ios = _changed(_picture(bar(""), platform="ios"), _picture(bar("Pay"), platform="ios"))

    assert android is not None
    assert ios is not None
    assert 80 <= android[0] <= 84
    assert abs((ios[0] + ios[2]) // 2 - 270) <= 3
    assert _picture(bar("")).crop((5, 45, 70, 105)).getcolors(1) is None


def test_a_dialog_darkens_what_lies_behind_it() -> None:
    """The background is dimmed, the dialog is not."""
    plain, dimmed = _picture(), _picture(Node("dialog", "d", bounds=(60, 400, 480, 800)))

    before, behind, inside = (
        plain.getpixel((270, 1000)),
        dimmed.getpixel((270, 1000)),
        dimmed.getpixel((270, 600)),
    )
    assert isinstance(before, tuple)
    assert isinstance(behind, tuple)
    assert sum(behind) < sum(before) * 0.6
    assert inside == (255, 255, 255)


_sides = st.integers(-200, 1500)
_nodes = st.builds(
    lambda role, style, text, box, flags: Node(
        role, "n", style=style, text=text, hint="Hint", bounds=box, checked=flags[0], enabled=flags[1],
        focused=flags[2], selected=flags[3],
    ),
    st.sampled_from(sorted(CLASSES)),
    st.sampled_from(["", "primary", "danger", "bar", "title", "headline", "trailing", "toast", "unknown"]),
    st.one_of(st.text(max_size=60), st.sampled_from(["‹", "a\nb", "word " * 900])),
    st.tuples(_sides, _sides, _sides, _sides),
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(_nodes, max_size=6), st.sampled_from(["android", "ios"]))
def test_any_tree_can_be_drawn(nodes: list[Node], platform: Platform) -> None:
    """Bounds off the screen, empty or turned inside out, any text: a screenshot never fails."""
    assert _picture(*nodes, platform=platform, size=(300, 500)).size == (300, 500)


def test_an_element_screenshot_is_its_part_of_the_screen() -> None:
    """Pixel for pixel, cut at the edges of the screen."""
    png = screenshot(_screen(Node("button", "b", text="Pay", bounds=(20, 100, 500, 172))), SIZE, "android")
    whole = Image.open(io.BytesIO(png)).convert("RGB")

    part = Image.open(io.BytesIO(crop(png, (20, 100, 500, 172)))).convert("RGB")
    edge = Image.open(io.BytesIO(crop(png, (-50, 1100, 700, 1300))))

    assert part.tobytes() == whole.crop((20, 100, 500, 172)).tobytes()
    assert edge.size == (540, 100)


@pytest.mark.parametrize("bounds", [(0, 0, 0, 0), (600, 0, 700, 100), (20, 50, 10, 60)])
def test_an_element_off_the_screen_has_no_screenshot(bounds: tuple[int, int, int, int]) -> None:
    """WebDriver: unable to capture screen."""
    png = screenshot(_screen(), SIZE, "android")

    with pytest.raises(ValueError, match="have no part in the screen of 540x1200 pixels; scroll"):
        crop(png, bounds)


def test_a_canvas_takes_more_colours_than_its_palette_holds() -> None:
    """The nearest colour stands in; darkening a full palette works too."""
    seen = []
    for share in (0.0, 0.5):
        canvas = Canvas((40, 20), (0, 0, 0))
        for red in range(16):
            for green in range(16):
                canvas.box((red, green, red + 1, green + 1), (red * 17, green * 17, 0))
        canvas.box((30, 0, 40, 20), (120, 200, 3))
        canvas.dim(share)
        seen.append(Image.open(io.BytesIO(canvas.png())).convert("RGB").getpixel((35, 10)))

    before, after = seen
    assert before == (119, 204, 0)
    assert after in {(51, 102, 0), (68, 102, 0)}


def test_a_full_screen_is_drawn_fast() -> None:
    """60 ms on a quiet machine; four times that here, best of five, since others share it."""
    rows = []
    for top in range(300, 2300, 170):
        name = Node("text", f"t{top}", text=f"Account {top}", bounds=(60, top, 600, top + 80))
        amount = Node(
            "text", f"a{top}", text=f"{top}.00", style="trailing", bounds=(600, top, 1000, top + 80)
        )
        rows.append(Node("row", f"r{top}", bounds=(40, top, 1040, top + 170), children=[name, amount]))
    screen = Node("screen", "s", bounds=(0, 0, 1080, 2400), children=rows)

    def once() -> float:
        started = time.perf_counter()
        screenshot(screen, (1080, 2400), "android")
        return time.perf_counter() - started

    assert min(once() for _ in range(5)) < 0.24


def test_a_finished_screenshot_leaves_no_canvas_behind() -> None:
    """Kept alive by a cycle, megabytes each would wait for the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        _picture(Node("dialog", "d", bounds=(60, 400, 480, 800)))
        left = [found for found in gc.get_objects() if isinstance(found, Canvas)]
    finally:
        gc.enable()

    assert left == []


def test_fonts_are_made_once_a_size() -> None:
    """Loading one costs more than a screen of text."""
    assert font(40) is font(40)
