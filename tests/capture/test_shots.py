"""Screenshots of virtual devices, and in which order picture and source are taken."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from pytest_autorl.capture.asking import Got, failed
from pytest_autorl.capture.shots import SLOW_S, Look, look_at, mask_look
from pytest_autorl.privacy.box import Box
from pytest_autorl.privacy.masking import Masking
from pytest_autorl.privacy.screenshots import margin_of
from pytest_autorl.virtual.mock import MockDevice

IBAN = re.compile(r"[A-Z]{2}\d\d( ?\w{4}){3,7}( ?\w{1,3})?")
SIZE = (90, 200)


class Ibans:
    """Finds account numbers."""

    def finds(self, text: str) -> bool:
        return IBAN.search(text) is not None


def ask(take: Callable[[], Any]) -> Got[Any]:
    try:
        return Got(take())
    except Exception as error:
        return Got(None, failed(error))


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def assert_masked(raw: bytes, shown: bytes, boxes: list[Box]) -> None:
    """Black where it is to be, the same everywhere else."""
    before, after = opened(raw), opened(shown)
    assert after.size == before.size
    for box in boxes:
        area = (box.left, box.top, box.right, box.bottom)
        assert before.crop(area).getcolors(1) is None, "there was something to be seen"
        assert after.crop(area).getcolors() == [((box.right - box.left) * (box.bottom - box.top), (0, 0, 0))]
        before.paste((0, 0, 0), area)
    assert after.tobytes() == before.tobytes()


def with_margin(place: tuple[int, int, int, int], picture: bytes) -> Box:
    size = opened(picture).size
    return Box(*place).grown(margin_of(size)).within(size)


def rectangle(element: Any) -> tuple[int, int, int, int]:
    r = element.rect
    return r["x"], r["y"], r["x"] + r["width"], r["y"] + r["height"]


@pytest.mark.integration
@pytest.mark.parametrize("mock_device", [{}, {"platform": "ios"}, {"form_factor": "tablet"}], indirect=True)
def test_a_password_and_account_numbers_are_not_seen(mock_device: MockDevice) -> None:
    """Both look different on each platform, in picture and source."""
    driver, by = mock_device.driver, "accessibility id" if mock_device.platform == "ios" else "id"
    password = driver.find_element(by, "password")
    password.send_keys("demo-pass")
    driver.find_element(by, "username").send_keys("demo")
    signing = look_at(driver, ask, Masking())
    place = rectangle(password)
    driver.find_element(by, "sign_in_button").click()
    driver.find_element(by, "payees_button").click()
    payees = look_at(driver, ask, Masking())
    numbers = [rectangle(each) for each in driver.find_elements(by, "payee_row_iban")]

    assert len(numbers) == 2
    for look, places in ((signing, [place]), (payees, numbers)):
        raw = look.picture.body or b""
        shot = mask_look(look, Ibans(), Masking())
        assert shot.why_raw == ""
        assert_masked(raw, shot.picture, [with_margin(each, raw) for each in places])


@pytest.mark.integration
def test_account_numbers_behind_a_dialog_are_not_seen(mock_device: MockDevice) -> None:
    """The source tells of the dialog alone."""
    driver = mock_device.driver
    driver.find_element("id", "username").send_keys("demo")
    driver.find_element("id", "password").send_keys("demo-pass")
    driver.find_element("id", "sign_in_button").click()
    driver.find_element("id", "payees_button").click()
    (first, *_) = driver.find_elements("id", "payee_row_iban")
    place = rectangle(first)
    first.click()
    question = rectangle(driver.find_element("id", "dialog_message"))

    look = look_at(driver, ask, Masking())
    shot = mask_look(look, Ibans(), Masking())

    raw, shown = opened(look.picture.body or b""), opened(shot.picture)
    assert raw.crop(place).getcolors(1) is None
    assert shown.crop(place).getcolors(1) is not None
    assert shown.crop(question).tobytes() == raw.crop(question).tobytes()


class Moving:
    """A session whose screen changes: each picture and each source is the next one of its list.

    Attributes:
        asked: What was asked for, in order.
    """

    def __init__(
        self, pictures: list[Any], sources: list[Any], *, window: Any = None, answers: Any = ()
    ) -> None:
        self._pictures, self._sources = iter(pictures), iter(sources)
        self._window, self._answers = window, iter(answers)
        self.capabilities: dict[str, Any] = {}
        self.asked: list[str] = []

    def get_screenshot_as_png(self) -> bytes:
        return self._next("picture", self._pictures)  # type: ignore[no-any-return]

    @property
    def page_source(self) -> str:
        return self._next("source", self._sources)  # type: ignore[no-any-return]

    def get_window_size(self) -> Any:
        self.asked.append("window")
        return self._window

    def execute_script(self, script: str, *arguments: Any) -> Any:
        return self._next("page", self._answers)

    def _next(self, what: str, things: Iterator[Any]) -> Any:
        self.asked.append(what)
        thing = next(things)
        if isinstance(thing, Exception):
            raise thing
        return thing


def picture(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", SIZE, (shade, 200, 200)).save(out, "PNG")
    return out.getvalue()


def source(top: int, *, size: str = 'width="90" height="200"', window: str = "[90,200]") -> str:
    """With an account number so far down."""
    return (
        f'<hierarchy {size}><w bounds="[0,0]{window}"><a text="{"GB82" + "WEST12345698765432"}" '
        f'bounds="[10,{top}][30,{top + 10}]"/><b text="x" bounds="[0,0][9,9]"/></w></hierarchy>'
    )


def look(driver: Any, *, clock: Callable[[], float] = lambda: 0.0) -> Look:
    return look_at(driver, ask, Masking(), clock=clock)


def dark(shot: bytes) -> list[Box]:
    """The black rectangle of a plain picture; none when nothing is black."""
    image = opened(shot).convert("L").point(lambda value: 255 if value == 0 else 0)
    found = image.getbbox()
    return [] if found is None else [Box(*found)]


@pytest.mark.unit
def test_a_still_screen_is_masked_by_one_source() -> None:
    """Two pictures that are the same have it between them."""
    driver = Moving([picture(1), picture(1)], [source(50)])

    shot = mask_look(look(driver), Ibans(), Masking())

    assert driver.asked == ["picture", "source", "picture"]
    assert dark(shot.picture) == [Box(8, 48, 32, 62)]


@pytest.mark.unit
def test_a_screen_that_moved_is_masked_by_what_was_before_and_after() -> None:
    driver = Moving([picture(1), picture(2)], [source(50), source(60)])

    seen = look(driver)
    shot = mask_look(seen, Ibans(), Masking())

    assert driver.asked == ["picture", "source", "picture", "source"]
    assert (seen.picture.body, seen.source.body) == (picture(2), source(60))
    assert dark(shot.picture) == [Box(8, 48, 32, 72)]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("pictures", "sources"),
    [
        ([picture(1), OSError()], [source(50)]),
        ([picture(1), picture(2)], [source(50), OSError()]),
        ([picture(1), picture(2)], [source(50), "<broken"]),
    ],
)
def test_what_cannot_be_taken_again_is_masked_widely(pictures: list[Any], sources: list[Any]) -> None:
    shot = mask_look(look(Moving(pictures, sources)), Ibans(), Masking())

    wide = margin_of(SIZE, is_wide=True)
    assert wide > margin_of(SIZE)
    assert shot.why_raw == ""
    assert dark(shot.picture) == [Box(10, 50, 30, 60).grown(wide)]


@pytest.mark.unit
def test_a_slow_device_is_asked_once() -> None:
    driver, times = Moving([picture(1)], [source(50)]), iter([0.0, SLOW_S + 0.1])

    seen = look(driver, clock=lambda: next(times))

    assert (driver.asked, seen.is_moving, len(seen.views)) == (["picture", "source"], True, 1)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("sources", "why"),
    [
        ([OSError("gone")], "page source not taken: OSError: gone"),
        (["nonsense"], "the page source is no XML (line 1)"),
        (['<!DOCTYPE x><a bounds="[0,0][9,9]"/>'], "the page source declares a document type"),
        ([source(50, size='width="200" height="90"')], "page source and screenshot are not turned alike"),
    ],
)
def test_without_a_usable_source_the_picture_is_raw_and_says_why(sources: list[Any], why: str) -> None:
    shot = mask_look(look(Moving([picture(1), picture(1)], sources)), Ibans(), Masking())

    assert (shot.picture, shot.why_raw) == (picture(1), why)


@pytest.mark.unit
def test_what_is_no_picture_is_said_so() -> None:
    shot = mask_look(look(Moving([b"no", b"no"], [source(50)])), Ibans(), Masking())

    assert (shot.picture, shot.why_raw) == (b"no", "the picture is no PNG")


@pytest.mark.unit
def test_the_window_is_asked_where_the_source_does_not_tell() -> None:
    """Twice as large as the picture: boxes are of half the size."""
    driver = Moving(
        [picture(1)] * 2, [source(100, size="", window="[180,400]")], window={"width": 180, "height": 400}
    )

    shot = mask_look(look(driver), Ibans(), Masking())

    assert driver.asked == ["picture", "source", "window", "picture"]
    assert dark(shot.picture) == [Box(3, 48, 17, 57)]


@pytest.mark.unit
def test_the_status_bar_is_as_high_as_the_session_says() -> None:
    driver, masking = Moving([picture(1)] * 2, [source(50)]), Masking(status_bar=True)
    driver.capabilities = {"statBarHeight": 7}

    seen = look(driver)

    assert dark(mask_look(seen, Blind(), masking).picture) == [Box(0, 0, 90, 9)]


class Blind:
    """Finds nothing."""

    def finds(self, text: str) -> bool:
        return False


PAGE = "<!DOCTYPE html><html></html>"


def page_answer(top: int, **more: Any) -> dict[str, Any]:
    number = [["GB82" + "WEST12345698765432", [[10, top, 30, top + 10]]]]
    return {
        "scale": 1, "left": 0, "top": 0, "width": 90, "height": 200, "covered": [], "why": "",
        "blocks": [number], **more,
    }  # fmt: skip


@pytest.mark.unit
def test_a_page_is_asked_itself_and_again_when_it_moved() -> None:
    still = Moving([picture(1)] * 2, [PAGE], answers=[page_answer(50)])
    moved = Moving([picture(1), picture(2)], [PAGE], answers=[page_answer(50), page_answer(60)])

    shots = [mask_look(look(driver), Ibans(), Masking()) for driver in (still, moved)]

    assert still.asked == ["picture", "source", "page", "picture"]
    assert moved.asked == ["picture", "source", "page", "picture", "page"]
    assert [dark(shot.picture) for shot in shots] == [[Box(8, 48, 32, 62)], [Box(8, 48, 32, 72)]]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([OSError("gone")], "the page was not taken: OSError: gone"),
        ([page_answer(50, why="too much")], "too much"),
        (["odd"], "the page did not answer as asked"),
        ([page_answer(50, scale=3)], "the screenshot does not show the page alone"),
    ],
)
def test_a_page_that_does_not_tell_leaves_the_picture_raw(answers: list[Any], why: str) -> None:
    shot = mask_look(look(Moving([picture(1)] * 2, [PAGE], answers=answers)), Ibans(), Masking())

    assert (shot.picture, shot.why_raw) == (picture(1), why)


@pytest.mark.unit
def test_without_a_picture_nothing_more_is_asked() -> None:
    driver = Moving([OSError("gone")], [source(50)])

    seen = look(driver)

    assert (driver.asked, seen.picture.why) == (["picture", "source"], "not taken: OSError: gone")


FAILS_OVER_PAYEES = """
import json
def test_it(driver):
    driver.find_element("id", "username").send_keys("demo")
    driver.find_element("id", "password").send_keys("demo-pass")
    driver.find_element("id", "sign_in_button").click()
    driver.find_element("id", "payees_button").click()
    with open("rects", "w") as file:
        json.dump([one.rect for one in driver.find_elements("id", "payee_row_iban")], file)
    assert 0
"""


@pytest.mark.integration
@pytest.mark.parametrize(("mode", "is_hidden"), [("on", True), ("strict", True), ("off", False)])
def test_a_run_keeps_no_picture_of_an_account_number(
    pytester: pytest.Pytester, mode: str, is_hidden: bool
) -> None:
    """With the redactor of the run, and the user's selectors."""
    pytester.makeini("[pytest]\nautorl_mask_selectors =\n    id=add_payee_button\n")
    pytester.makepyfile(test_it=FAILS_OVER_PAYEES)

    result = pytester.runpytest("--autorl-farm", "virtual:1", "--autorl-redact", mode)

    result.assert_outcomes(failed=1)
    (kept,) = pytester.path.glob("reports/artefacts/*/*/screenshot.png")
    (text,) = pytester.path.glob("reports/artefacts/*/*/page-source.xml")
    shown = opened(kept.read_bytes())
    rects = json.loads((pytester.path / "rects").read_text())
    assert len(rects) == 2
    for r in rects:
        place = (r["x"], r["y"], r["x"] + r["width"], r["y"] + r["height"])
        assert (shown.crop(place).getcolors(1) is not None) is is_hidden
    assert (IBAN.search(text.read_text()) is None) is is_hidden
    assert ('text="New payee"' not in text.read_text()) is is_hidden
