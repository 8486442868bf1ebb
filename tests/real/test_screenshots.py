"""Screenshots of a real browser, over a real Appium server: what the page shows is told by the page itself."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from pages import Pages
from pytest_autorl.capture.asking import Got, failed
from pytest_autorl.capture.shots import look_at, mask_look
from pytest_autorl.farm.session import Endpoint, Limits, close_session, open_session
from pytest_autorl.privacy.masking import Masking
from real_servers import AppiumServer
from web_farm import capabilities

pytestmark = [
    pytest.mark.real,
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="the browser is looked for as Linux names it"),
    pytest.mark.usefixtures("few_browsers"),
]

#: Each thing to be hidden has the class `hidden`, each that must be seen the class `shown`.
BODY = """
<h1 class=shown>Customer</h1>
<p><span class=shown>Write to </span><span class=hidden>dana.<b>demo@example.test</b></span></p>
<p class=shown>plain</p>
<input type=password class=hidden value=x>
<input class=hidden value="lou@example.test"><input class=shown placeholder="Your name">
<label for=key>password</label><input id=key class=hidden value="open sesame">
<select class=hidden size=3><option>one<option>ann@example.test<option>two</select>
<style>#made::before { content: "bea@example.test" }</style><p id=made class=hidden></p>
<textarea class=hidden>eve@example.test</textarea>
<select class=hidden><option>none<option selected>kim@example.test</select>
<div id=host></div>
<iframe id=own srcdoc="<body style='margin:9px'><p class=shown>own</p><p class=hidden>max@example.test</p>"
  style="border:7px solid white; padding:5px" width=300 height=120></iframe>
<iframe class=hidden src="data:text/html,zoe@example.test" width=200 height=60></iframe>
<p id=number class=hidden>12 34</p>
<p class=hidden>Balance: 5</p>
<p style="display:none">gone@example.test</p>
<div style="height:3000px"></div><p>far@example.test</p>
"""
FILL = """
document.body.innerHTML = arguments[0];
const shadow = document.getElementById("host").attachShadow({mode: "open"});
shadow.innerHTML = "<p class=shown>shadow</p><p class=hidden>joe@example.test</p>";
const frame = document.getElementById("own");
return new Promise(done => { frame.onload = () => done(true); });
"""
#: Where things are, in pixels of the picture, by their class; the page's own word, unlike that of the part under test.
WHERE = """
const found = {hidden: [], shown: []};
function look(root, x, y) {
  for (const kind in found) {
    for (const one of root.querySelectorAll("." + kind)) {
      const r = one.getBoundingClientRect(), z = devicePixelRatio;
      found[kind].push([(x + r.left) * z, (y + r.top) * z, (x + r.right) * z, (y + r.bottom) * z]);
    }
  }
}
look(document, 0, 0);
look(document.getElementById("host").shadowRoot, 0, 0);
const r = document.getElementById("own").getBoundingClientRect();
look(document.getElementById("own").contentDocument, r.left + 7 + 5, r.top + 7 + 5);
return found;
"""


class Mails:
    """Finds e-mail addresses, and what is called a password."""

    def finds(self, text: str) -> bool:
        return "@example" in text or "password: " in text


def ask(take: Callable[[], Any]) -> Got[Any]:
    try:
        return Got(take())
    except Exception as error:
        return Got(None, failed(error))


@pytest.fixture(params=[1, 2])
def driver(
    request: pytest.FixtureRequest, browser_server: AppiumServer, pages: Pages, free_port: Callable[[], int]
) -> Iterator[Any]:
    """A browser with the page, on a screen with one, or two, pixels for each of CSS."""
    wanted = {**capabilities(), "appium:chromedriverPort": free_port()}
    options = wanted["goog:chromeOptions"]
    arguments = [*options["args"], f"--force-device-scale-factor={request.param}", "--window-size=800,1000"]
    wanted["goog:chromeOptions"] = {**options, "args": arguments}
    session = open_session(
        Endpoint(url=browser_server.url, capabilities=wanted), device_id="web", limits=Limits()
    )
    try:
        session.get(f"{pages.url}/")
        session.execute_script(FILL, BODY)
        yield session
    finally:
        close_session(session)


def is_plain(image: Image.Image, box: list[float]) -> bool:
    """Whether all of it is of one colour, without the pixels that its edges share with what is around it."""
    left, top, right, bottom = box
    return image.crop((int(left) + 2, int(top) + 2, int(right) - 2, int(bottom) - 2)).getcolors(1) is not None


def test_a_page_is_masked_where_it_shows_what_must_not_be_seen(driver: Any) -> None:
    """In texts, fields, frames of its own and shadow trees; frames of others whole. The rest is to be seen."""
    masking = Masking.of(["id=number", "text~=^Balance", "css=p.nobody"])

    look = look_at(driver, ask, masking)
    shot = mask_look(look, Mails(), masking)

    assert shot.why_raw == ""
    raw = Image.open(io.BytesIO(look.picture.body or b"")).convert("RGB")
    shown = Image.open(io.BytesIO(shot.picture)).convert("RGB")
    places = driver.execute_script(WHERE)
    assert (len(places["hidden"]), len(places["shown"])) == (13, 6)
    for box in places["shown"]:
        assert not is_plain(raw, box)
        assert not is_plain(shown, box)
    for box in places["hidden"]:
        assert not is_plain(raw, box)
        assert {shown.getpixel(at) for at in text_of(raw, box)} == {(0, 0, 0)}


def text_of(raw: Image.Image, box: list[float]) -> list[tuple[int, int]]:
    """The pixels of a place that are not of its background."""
    left, top, right, bottom = (int(side) for side in box)
    background = raw.getpixel((right - 4, bottom - 4))
    return [
        (x, y)
        for x in range(left + 2, right - 2)
        for y in range(top + 2, bottom - 2)
        if raw.getpixel((x, y)) != background
    ]


def test_a_session_within_a_frame_is_masked_as_a_whole_page(driver: Any) -> None:
    """The picture is of all of it, wherever the session looks."""
    driver.switch_to.frame(0)
    within = mask_look(look_at(driver, ask, Masking()), Mails(), Masking())
    driver.switch_to.default_content()
    without = mask_look(look_at(driver, ask, Masking()), Mails(), Masking())

    assert (within.why_raw, without.why_raw) == ("", "")
    assert within.picture == without.picture


def test_a_frame_of_somebody_else_cannot_tell_of_the_page_around_it(driver: Any) -> None:
    driver.switch_to.frame(1)

    shot = mask_look(look_at(driver, ask, Masking()), Mails(), Masking())

    assert shot.why_raw == "the session is in a frame that may not look at its page"


def test_a_selector_that_the_page_does_not_know_is_named(driver: Any) -> None:
    """Guessing what was meant would leave it to be seen."""
    masking = Masking.of(["css=p::"])

    shot = mask_look(look_at(driver, ask, masking), Mails(), masking)

    assert shot.why_raw == "the page does not understand the selector css=p::"
