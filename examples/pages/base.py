"""What all pages share: how an element is found, waited for, touched and read."""

from __future__ import annotations

from appium.webdriver.common.appiumby import AppiumBy
from appium.webdriver.webdriver import WebDriver
from selenium.webdriver.common.alert import Alert
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.wait import WebDriverWait

#: Longest that a page waits for something to appear, seconds.
WAIT_S = 10.0
#: Pause between two looks, seconds. Selenium's own default is half a second.
POLL_S = 0.05


class Page:
    """One screen of the app.

    What can be touched has an accessibility id, what can only be read has an id. Both mean the same on Android
    and iOS, on a phone and a tablet, so pages and most tests need not know which device they are on.
    """

    def __init__(self, driver: WebDriver) -> None:
        self.driver = driver

    @property
    def wait(self) -> WebDriverWait[WebDriver]:
        """Waits as long as a page is patient: ``page.wait.until(...)``."""
        return WebDriverWait(self.driver, WAIT_S, poll_frequency=POLL_S)

    def control(self, name: str) -> WebElement:
        """A button, field, switch or row, as soon as it is there."""
        seen = expected.presence_of_element_located((AppiumBy.ACCESSIBILITY_ID, name))
        return self.wait.until(seen, f"no control {name!r} on the screen")

    def tap(self, name: str) -> None:
        """Touch a control."""
        self.control(name).click()

    def fill(self, name: str, text: str) -> None:
        """Put a text into a field, in place of what stands there."""
        self.control(name).clear()
        self.control(name).send_keys(text)

    def text(self, name: str) -> str:
        """What a label says, as soon as it is there."""
        seen = expected.presence_of_element_located((AppiumBy.ID, name))
        return self.wait.until(seen, f"no label {name!r} on the screen").text

    def shows(self, name: str) -> bool:
        """Whether an element is on the screen at this moment. Does not wait."""
        return bool(self.driver.find_elements(AppiumBy.ID, name))

    def dialog(self) -> Alert:
        """The dialog in front, as soon as it is there: ``.text``, ``.accept()``, ``.dismiss()``."""
        return self.wait.until(expected.alert_is_present(), "no dialog on the screen")

    def swipe_up(self, name: str) -> None:
        """Drag a finger up over an element: its content scrolls down."""
        area = self.control(name).rect
        middle = area["x"] + area["width"] // 2
        low, high = (area["y"] + area["height"] * part // 10 for part in (8, 2))
        self.driver.swipe(middle, low, middle, high)
