"""Allure: the device of a test, and its artefacts. Uses allure-pytest's public `allure` module only.

`allure` is imported when the first thing is given to it, and only in runs in which allure-pytest writes results.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_autorl.capture.sink import Kind


def attach(name: str, body: str | bytes, kind: Kind) -> None:
    """Attach an artefact to the test that runs now."""
    import allure

    types = allure.attachment_type
    kinds = {"png": types.PNG, "xml": types.XML, "text": types.TEXT, "html": types.HTML, "json": types.JSON}
    allure.attach(body, name=name, attachment_type=kinds[kind])


def note_devices(new_ids: Sequence[str], all_ids: Sequence[str]) -> None:
    """Write devices on the test that runs now: a label for each new one, one parameter with all.

    The parameter is excluded from the history id: else a test would lose its history whenever it ran on
    another device.
    """
    import allure

    for device_id in new_ids:
        allure.dynamic.label("device", device_id)  # type: ignore[no-untyped-call]
    allure.dynamic.parameter("device", ", ".join(all_ids), excluded=True)
