"""One live server of virtual devices for all tests here; a fresh device for each test."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_autorl.virtual.admin import AdminClient
from pytest_autorl.virtual.library import load_app
from pytest_autorl.virtual.server import DeviceServer, make_server

ADMIN_KEY = "admin-key-of-the-tests"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def bank() -> dict[str, Any]:
    return load_app("bank")


@pytest.fixture(scope="session")
def server(bank: dict[str, Any]) -> Iterator[DeviceServer]:
    with make_server({"apps": {"bank": bank}, "devices": [], "admin_key": ADMIN_KEY}) as running:
        yield running


@pytest.fixture(scope="session")
def admin(server: DeviceServer) -> AdminClient:
    return AdminClient(server.url, ADMIN_KEY)


@pytest.fixture
def make_device(admin: AdminClient) -> Iterator[Callable[..., str]]:
    """Put a device with the bank app on the shelf; returns its id."""
    made = []

    def make(**spec: Any) -> str:
        device_id = f"device-{os.getpid()}-{next(_numbers)}"
        admin.add_device({"id": device_id, "app": "bank", **spec})
        made.append(device_id)
        return device_id

    yield make
    for device_id in made:
        with contextlib.suppress(Exception):  # a test may have taken it off the shelf itself
            admin.remove_device(device_id)


@pytest.fixture
def device_id(make_device: Callable[..., str]) -> str:
    return make_device(settings={"app_options": {"statement_ms": 150}})


@pytest.fixture
def connect(server: DeviceServer) -> Iterator[Callable[..., Any]]:
    """Open a session with the unmodified Appium client: no retries, short timeouts."""
    from appium import webdriver
    from appium.options.common import AppiumOptions
    from appium.webdriver.appium_connection import AppiumConnection
    from appium.webdriver.client_config import AppiumClientConfig
    from urllib3 import Retry

    opened = []

    def open_session(
        device_id: str | None = None, *, timeout: float = 10, token: int | None = None, **caps: Any
    ) -> Any:
        config = AppiumClientConfig(
            remote_server_addr=server.url,
            timeout=timeout,
            init_args_for_pool_manager={"init_args_for_pool_manager": {"retries": Retry(0)}},
        )

        class Tokened(AppiumConnection):
            def get_remote_connection_headers(
                self, parsed_url: Any, keep_alive: bool = True
            ) -> dict[str, Any]:
                headers = super().get_remote_connection_headers(parsed_url, keep_alive=keep_alive)
                return headers if token is None else {**headers, "X-Autorl-Token": str(token)}

        given = {"platformName": "Android", "appium:automationName": "UiAutomator2", **caps}
        if device_id is not None:
            given["appium:udid"] = device_id
        options = AppiumOptions().load_capabilities(given)
        driver = webdriver.Remote(command_executor=Tokened(client_config=config), options=options)
        opened.append(driver)
        return driver

    yield open_session
    for driver in opened:
        with contextlib.suppress(Exception):  # many tests end with a session that is gone on purpose
            driver.quit()
        driver.command_executor.close()


@pytest.fixture
def driver(connect: Callable[..., Any], device_id: str) -> Any:
    """A session at the bank's sign-in screen."""
    return connect(device_id)


@pytest.fixture
def signed_in(driver: Any) -> Any:
    """A session at the list of accounts."""
    sign_in(driver)
    return driver


def sign_in(driver: Any, user: str = "demo", password: str = "demo-pass") -> None:
    driver.find_element("accessibility id", "username").clear().send_keys(user)
    driver.find_element("accessibility id", "password").clear().send_keys(password)
    driver.find_element("accessibility id", "sign_in_button").click()


@pytest.fixture(name="sign_in")
def sign_in_fixture() -> Callable[..., None]:
    return sign_in
