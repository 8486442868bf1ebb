"""Which rectangles of a screenshot are masked, told from page sources."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy.box import Box, visible
from pytest_autorl.privacy.masking import Masking
from pytest_autorl.privacy.screenshots import boxes_of, margin_of
from pytest_autorl.privacy.uitree import NoTreeError, read_tree

pytestmark = pytest.mark.unit

SIZE = (1080, 2400)
#: What the redactor finds in these tests.
MARK = re.compile(r"\S+@\S+|\b(?:\d{4} ?){4}\b|password: \S+")


def finds(text: str) -> bool:
    return MARK.search(text) is not None


def screen(*elements: str, size: str = 'width="1080" height="2400"') -> str:
    """An Android source: a window of the whole screen with a bar and these."""
    return (
        f'<hierarchy {size}><w class="android.widget.FrameLayout" bounds="[0,0][1080,2400]">'
        f'<bar text="Title" bounds="[0,60][1080,200]"/>{"".join(elements)}</w></hierarchy>'
    )


def element(bounds: str, attributes: str = "", inner: str = "", tag: str = "android.widget.TextView") -> str:
    return f'<{tag} class="{tag}" {attributes} bounds="{bounds}">{inner}</{tag}>'


def boxes(
    source: str,
    picture: tuple[int, int] = SIZE,
    *,
    finds: Callable[[str], bool] = finds,
    masking: Masking | None = None,
    window: tuple[float, float] | None = None,
    bar_px: float | None = None,
) -> list[Box]:
    return boxes_of(
        read_tree(source),
        picture,
        finds=finds,
        masking=masking or Masking(),
        window=window,
        bar_px=bar_px,
        margin=0,
    )


def test_a_screen_with_nothing_to_hide_is_not_masked() -> None:
    assert boxes(screen(element("[0,300][1080,400]", 'text="Balance 12.50"'))) == []


@pytest.mark.parametrize("where", ["text", "content-desc", "hint", "value", "label", "tooltip-text"])
def test_an_element_that_shows_something_is_masked(where: str) -> None:
    assert boxes(screen(element("[10,300][500,400]", f'{where}="dana@example.test"'))) == [
        Box(10, 300, 500, 400)
    ]


def test_a_field_for_a_password_is_masked_whatever_it_shows() -> None:
    assert boxes(screen(element("[10,300][500,400]", 'text="" password="true"'))) == [Box(10, 300, 500, 400)]


def test_what_is_typed_is_judged_with_what_the_field_is_called() -> None:
    """A password that is shown in the clear is no password field any more."""
    called = 'text="hunter22" resource-id="com.bank:id/password"'
    field = element("[10,300][500,400]", called, tag="android.widget.EditText")
    label = element("[10,500][500,600]", called)

    assert boxes(screen(field, label)) == [Box(10, 300, 500, 400)]


def test_the_innermost_element_that_shows_it_is_masked() -> None:
    """Rows repeat what is in them for who cannot see; a row that says more than its parts is masked itself."""
    part = element("[10,300][500,350]", 'text="dana@example.test"')
    repeats = element("[0,300][1080,400]", 'content-desc="Dana, dana@example.test"', part)
    says_more = element("[0,500][1080,600]", 'content-desc="lou@example.test, dana@example.test"', part)

    assert boxes(screen(repeats)) == [Box(10, 300, 500, 350)]
    assert Box(0, 500, 1080, 600) in boxes(screen(says_more))


def test_what_is_spread_over_several_fields_is_masked_in_all_of_them() -> None:
    groups = "".join(element(f"[{100 * n},300][{100 * n + 90},400]", 'text="4111"') for n in range(4))
    row = element("[0,300][400,400]", "", groups, tag="android.widget.LinearLayout")

    assert boxes(screen(row)) == [Box(100 * n, 300, 100 * n + 90, 400) for n in range(4)]


@pytest.mark.parametrize("bounds", ["[0,0][0,0]", "nowhere", "[5,5][5,90]"])
def test_an_element_without_a_place_is_masked_with_what_is_around_it(bounds: str) -> None:
    inner = element(bounds, 'text="dana@example.test"')

    assert boxes(screen(element("[0,300][1080,400]", "", inner))) == [Box(0, 300, 1080, 400)]


def test_with_nothing_around_it_all_is_masked() -> None:
    source = '<hierarchy><a text="dana@example.test"/><b bounds="[0,0][9,9]"/></hierarchy>'

    assert boxes(source) == [Box(0, 0, *SIZE)]


def test_boxes_are_cut_to_the_picture() -> None:
    """Nonsense masks what it can, and what is scrolled away nothing."""
    wide = element("[-99999999999999,300][99999999999999,400]", 'text="dana@example.test"')
    away = element("[0,2500][1080,2600]", 'text="dana@example.test"')

    assert boxes(screen(wide, away)) == [Box(0, 300, 1080, 400)]


def test_a_smaller_picture_is_masked_to_scale() -> None:
    found = boxes(screen(element("[11,300][501,401]", 'text="dana@example.test"')), (540, 1200))

    assert found == [Box(5, 150, 251, 201)]


def test_a_size_without_the_bars_of_the_system_does_not_move_boxes() -> None:
    """UiAutomator2 tells the size of the window; the picture is that of the screen."""
    field = element("[10,300][500,400]", 'text="dana@example.test"')

    assert boxes(screen(field, size='width="1080" height="2274"')) == [Box(10, 300, 500, 400)]
    assert boxes(screen(field, size=""), window=(1080, 2200)) == [Box(10, 300, 500, 400)]
    assert boxes(screen(field, size="")) == [Box(10, 300, 500, 400)]


def test_points_of_ios_become_pixels() -> None:
    source = (
        '<AppiumAUT><XCUIElementTypeApplication x="0" y="0" width="390" height="844">'
        '<XCUIElementTypeOther x="0" y="0" width="390" height="844">'
        '<XCUIElementTypeSecureTextField type="XCUIElementTypeSecureTextField" value="x" x="16" y="100" width="100"'
        ' height="20"/><XCUIElementTypeStaticText label="a@b" x="16.5" y="200" width="100" height="20"/>'
        "</XCUIElementTypeOther></XCUIElementTypeApplication></AppiumAUT>"
    )

    assert boxes(source, (1170, 2532)) == [Box(48, 300, 348, 360), Box(49, 600, 350, 660)]


def test_pictures_that_do_not_go_with_the_source_are_refused() -> None:
    """Turned between the two, an app beside another one, or no size at all: places would be anywhere."""
    field = 'x="0" y="0" width="9" height="9"'
    beside = f'<AppiumAUT><a x="0" y="0" width="507" height="1024"><b {field}/></a></AppiumAUT>'

    with pytest.raises(NoTreeError, match="turned"):
        boxes(screen(), (2400, 1080))
    with pytest.raises(NoTreeError, match="same part"):
        boxes(beside, (2048, 2732))
    with pytest.raises(NoTreeError, match="how large"):
        boxes('<a><b label="x"/><c><d x="1" y="1" width="9" height="9"/></c></a>')


def test_a_redactor_that_fails_masks_what_it_was_asked_about() -> None:
    def fails(text: str) -> bool:
        if "Pay" in text:
            raise RuntimeError("cannot")
        return False

    assert boxes(screen(element("[10,300][500,400]", 'text="Pay"')), finds=fails) == [Box(10, 300, 500, 400)]


def test_the_users_selectors_mask_what_they_mean() -> None:
    masking = Masking.of(["id=owner", "text~=^Balance"])
    owner = element("[10,300][500,400]", 'text="Dana" resource-id="com.bank:id/owner"')
    balance = element("[10,500][500,600]", 'text="Balance 12"')
    other = element("[10,700][500,800]", 'text="New balance"')

    assert boxes(screen(owner, balance, other), masking=masking) == [
        Box(10, 300, 500, 400),
        Box(10, 500, 500, 600),
    ]


def test_the_status_bar_is_masked_on_request() -> None:
    """As high as the session, or the source, says; else a share of the height."""
    masking = Masking(status_bar=True)
    ios = (
        '<AppiumAUT><a x="0" y="0" width="390" height="844"><b x="0" y="0" width="390" height="844"><c/><c/>'
        '{bar}</b></a></AppiumAUT>'
    )  # fmt: skip
    bar = '<XCUIElementTypeStatusBar x="0" y="0" width="390" height="47"/>'

    assert boxes(screen(), masking=masking, bar_px=63) == [Box(0, 0, 1080, 63)]
    assert boxes(screen(), masking=masking) == [Box(0, 0, 1080, 120)]
    assert boxes(ios.format(bar=bar), (1170, 2532), masking=masking, bar_px=47) == [Box(0, 0, 1170, 141)]
    assert boxes(ios.format(bar=""), (1170, 2532), masking=masking, bar_px=47) == [Box(0, 0, 1170, 127)]


DIALOG = element(
    "[100,900][980,1500]", "", '<a text="Pay?"/><b text="No"/>', tag="android.widget.FrameLayout"
)
SHADE = '<v class="android.view.View" bounds="[0,0][1080,2400]"/>'
FRAME = "android.widget.FrameLayout"


@pytest.mark.parametrize(
    "source",
    [
        f'<hierarchy width="1080" height="2400">{DIALOG}</hierarchy>',
        f'<hierarchy width="1080" height="2400"><{FRAME} bounds="[0,0][1080,2400]">{DIALOG}</{FRAME}></hierarchy>',
        f'<hierarchy width="1080" height="2400"><a bounds="[0,0][1080,2400]">{SHADE}{DIALOG}</a></hierarchy>',
    ],
)
def test_what_stands_behind_a_dialog_is_masked(source: str) -> None:
    """Android's source is that of the window in front: of the screen behind, which is seen, it says nothing."""
    found = boxes(source)

    for x, y in ((5, 5), (50, 1200), (1000, 1200), (500, 890), (500, 1510), (1079, 2399)):
        assert any(box.left <= x < box.right and box.top <= y < box.bottom for box in found)
    assert not any(box.left <= 500 < box.right and box.top <= 1200 < box.bottom for box in found)


def test_a_window_between_the_bars_of_the_system_stands_in_front_of_nothing() -> None:
    content = element("[0,130][1080,2274]", "", '<a text="1"/><b text="2"/>', tag=FRAME)

    assert boxes(f'<hierarchy width="1080" height="2400">{content}</hierarchy>') == []


def test_masks_have_a_margin() -> None:
    """Wide when the picture may be of another moment than the source."""
    tree = read_tree(screen(element("[100,300][500,400]", 'text="a@b"')))

    (near,) = boxes_of(tree, SIZE, finds=finds, masking=Masking())
    (far,) = boxes_of(tree, SIZE, finds=finds, masking=Masking(), margin=margin_of(SIZE, is_wide=True))

    assert near == Box(96, 296, 504, 404)
    assert far == Box(40, 240, 560, 460)


sides = st.integers(-30, 130)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.builds(Box, sides, sides, sides, sides), max_size=8), st.integers(0, 3))
def test_visible_boxes_cover_what_all_boxes_cover(given_boxes: list[Box], margin: int) -> None:
    kept = visible(given_boxes, (100, 90), margin=margin)

    full = [box.grown(margin) for box in given_boxes if not box.is_empty]
    for x in range(0, 100, 7):
        for y in range(0, 90, 7):
            assert holds(kept, x, y) == holds(full, x, y)
    assert all(0 <= box.left < box.right <= 100 and 0 <= box.top < box.bottom <= 90 for box in kept)


def holds(all_boxes: list[Box], x: int, y: int) -> bool:
    return any(box.left <= x < box.right and box.top <= y < box.bottom for box in all_boxes)
