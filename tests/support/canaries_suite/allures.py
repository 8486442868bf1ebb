"""Values that go to Allure: attachments, steps, labels, links, parameters."""

from __future__ import annotations

from pathlib import Path

import allure
import pytest
from planted import key, mail, secret, text, wide


def test_attachments():
    allure.attach(text("allure_text"), "text", allure.attachment_type.TEXT)
    allure.attach(text("allure_bytes").encode(), "bytes", allure.attachment_type.TEXT)
    allure.attach(secret("allure_utf16").encode("utf-16"), "wide", allure.attachment_type.TEXT)
    allure.attach(wide("allure_wide"), "wide", allure.attachment_type.TEXT)
    allure.attach('{"password": "' + key("allure_json") + '"}', "json", allure.attachment_type.JSON)
    allure.attach(f"<b>{text('allure_html')}</b>", "html", allure.attachment_type.HTML)
    allure.attach(f"<a text='{mail('allure_xml')}'/>", "xml", allure.attachment_type.XML)
    allure.attach("body", f"name {mail('allure_attachment_name')}", allure.attachment_type.TEXT)
    allure.attach("body", "suffix", extension=f"{key('allure_attachment_suffix')}")


def test_file(tmp_path_factory):
    path = Path(tmp_path_factory.getbasetemp()) / "attached.txt"
    path.write_text(text("allure_file"), encoding="utf-8")
    allure.attach.file(path, f"file {mail('allure_file_name')}", allure.attachment_type.TEXT)
    path.unlink()


@allure.step("signs in as {user}")
def sign_in(user, password):
    with allure.step(f"types {text('allure_step')}"):
        allure.dynamic.parameter("typed", text("allure_parameter"))


def test_steps():
    sign_in(mail("allure_step_title"), secret("allure_step_parameter"))
    with allure.step("fails"):
        raise RuntimeError(text("allure_step_error"))


def test_dynamic():
    allure.dynamic.title(text("allure_dynamic_title"))
    allure.dynamic.description(text("allure_description"))
    allure.dynamic.description_html(f"<p>{text('allure_description_html')}</p>")
    allure.dynamic.label("owner", text("allure_label"))
    allure.dynamic.tag(mail("allure_tag"))
    allure.dynamic.link(f"https://x.example/{key('allure_link')}", name=mail("allure_link_name"))
    allure.dynamic.issue(f"https://x.example/{mail('allure_issue')}")
    allure.dynamic.feature(mail("allure_feature"))
    allure.dynamic.parameter(mail("allure_parameter_name"), 1)
    allure.dynamic.id(mail("allure_id"))


@allure.title("title of {who}")
@allure.description(text("allure_mark_description"))
@allure.severity(allure.severity_level.MINOR)
@allure.story(text("allure_story"))
@pytest.mark.parametrize("who", [mail("allure_title")])
def test_marks(who):
    pass


@pytest.fixture
def prepared():
    with allure.step(text("allure_fixture_step")):
        allure.attach(text("allure_fixture_attachment"), "fixture", allure.attachment_type.TEXT)
    yield
    with allure.step(text("allure_fixture_end_step")):
        pass


@pytest.fixture
def unprepared():
    with allure.step("prepares"):
        raise RuntimeError(text("allure_fixture_error"))


@allure.title(text("allure_fixture_title"))
@pytest.fixture
def titled():
    return 1


def test_fixture(prepared, titled):
    pass


def test_broken_fixture(unprepared):
    pass


def test_global():
    if hasattr(allure, "global_attach"):
        allure.global_attach(text("allure_text"), "global", allure.attachment_type.TEXT)
