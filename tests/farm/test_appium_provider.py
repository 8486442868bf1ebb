"""Devices behind a running Appium server: addresses, hub tokens, capabilities."""

from __future__ import annotations

import pytest

from pytest_autorl.farm.device import Device
from pytest_autorl.farm.providers.appium import AppiumProvider
from pytest_autorl.state.leases import Lease

pytestmark = pytest.mark.unit

DEVICE = Device(id="d1", provider="lab", platform="android")
LEASE = Lease(device_id="d1", owner="me", token=3, since_s=0.0)


def provider(url: str, *, app: str = "", hub: tuple[str, str] = ("", "")) -> AppiumProvider:
    return AppiumProvider(
        "lab", url=url, capabilities={"appium:newCommandTimeout": 9}, app=app, reset_policy="app", hub=hub
    )


def test_user_info_in_an_address_becomes_a_header_and_is_never_shown() -> None:
    endpoint = provider("https://me:canary@hub.example:443/wd").endpoint(DEVICE, LEASE)

    assert endpoint.url == "https://hub.example:443/wd"
    assert endpoint.headers["Authorization"].startswith("Basic ")
    assert "canary" not in repr(endpoint)


def test_the_hubs_token_goes_to_the_hub_and_nowhere_else() -> None:
    hub = ("https://hub.example", "canary")

    at_hub = provider("https://hub.example:443/wd/hub", hub=hub).endpoint(DEVICE, LEASE)
    elsewhere = provider("http://hub.example", hub=hub).endpoint(DEVICE, LEASE)

    assert at_hub.headers == {"Authorization": "Bearer canary"}
    assert elsewhere.headers == {}
    assert "canary" not in repr(at_hub)


def test_capabilities_are_those_of_the_block_the_platform_and_the_build() -> None:
    endpoint = provider("http://h:1", app="/builds/bank.apk").endpoint(DEVICE, LEASE)

    assert endpoint.capabilities == {
        "platformName": "android",
        "appium:newCommandTimeout": 9,
        "appium:app": "/builds/bank.apk",
    }
