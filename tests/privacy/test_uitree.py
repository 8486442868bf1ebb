"""Page sources: where elements are and what they show. What comes from outside is bounded."""

from __future__ import annotations

import pytest

from pytest_autorl.privacy import uitree
from pytest_autorl.privacy.uitree import NoTreeError, Tree, is_page, read_tree

pytestmark = pytest.mark.unit


def one(attributes: str) -> uitree.Element:
    return read_tree(f'<hierarchy><a {attributes}/><b bounds="[0,0][1,1]"/></hierarchy>').elements[1]


def test_androids_source_is_in_pixels_and_tells_its_size() -> None:
    tree = read_tree(
        "<?xml version='1.0' encoding='UTF-16' standalone='yes' ?>"
        '<hierarchy rotation="0" width="1080" height="2400">'
        '<android.widget.EditText text="Ada" hint="Name" content-desc="Ada" package="com.bank" index="0" '
        'password="false" bounds="[-5,10][40,90]"/></hierarchy>'
    )

    assert (tree.size, tree.is_in_pixels) == ((1080, 2400), True)
    assert tree.elements[1].place == (-5, 10, 40, 90)
    assert tree.elements[1].shown == ["Ada", "Name"]
    assert tree.elements[1].parent is tree.elements[0]


def test_ios_source_is_in_points() -> None:
    tree = read_tree(
        '<AppiumAUT><XCUIElementTypeApplication name="Bank" x="0" y="0" width="390" height="844">'
        '<XCUIElementTypeStaticText value="Ada" label="Ada" name="owner" x="16.5" y="100" width="20" height="10"/>'
        "</XCUIElementTypeApplication></AppiumAUT>"
    )

    assert (tree.size, tree.is_in_pixels) == ((390, 844), False)
    assert tree.elements[2].place == (16.5, 100, 36.5, 110)
    assert tree.elements[2].shown == ["Ada", "owner"]


@pytest.mark.parametrize(
    ("attributes", "place"),
    [
        ('bounds="[9,8][1,2]"', (1, 2, 9, 8)),
        ('bounds="[-999999999999,0][999999999999,5]"', (-999999999999, 0, 999999999999, 5)),
        ('bounds="[0,0][0,0]"', None),
        ('bounds="[0,5][9,5]"', None),
        ('bounds="0,0,9,9"', None),
        (f'bounds="[0,0][{"9" * 400},9]"', None),
        ('x="1" y="2" width="nan" height="4"', None),
        ('x="1" y="2" width="inf" height="4"', None),
        ('x="1" y="2" width="3"', None),
        ('x="1" y="2" width="wide" height="4"', None),
        ('x="5" y="5" width="-3" height="-2"', (2, 3, 5, 5)),
        ("", None),
    ],
)
def test_a_place_that_makes_no_sense_is_none(
    attributes: str, place: tuple[float, float, float, float] | None
) -> None:
    """Far too large, or turned over, it still has a part in the picture."""
    assert one(attributes).place == place


def test_text_between_tags_is_shown() -> None:
    assert read_tree('<a x="0" y="0" width="1" height="1">Ada<b/></a>').elements[0].shown == ["Ada"]


@pytest.mark.parametrize(
    ("attributes", "is_secure", "is_editable"),
    [
        ('class="android.widget.EditText" password="true"', True, True),
        ('type="XCUIElementTypeSecureTextField"', True, True),
        ('IsPassword="True"', True, False),
        ('type="XCUIElementTypeTextView"', False, True),
        ('class="android.widget.TextView"', False, False),
    ],
)
def test_fields_are_known(attributes: str, is_secure: bool, is_editable: bool) -> None:
    assert (one(attributes).is_secure, one(attributes).is_editable) == (is_secure, is_editable)


BOMB = (
    '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;">]><a text="&y;" bounds="[0,0][1,1]"/>'
)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (BOMB, "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/hostname"><a bounds="[0,0][1,1]"/>', "document type"),
        ("", "no XML"),
        ("{}", "no XML"),
        ('<a bounds="[0,0][1,1]">', "no XML"),
        ('<a text="&undeclared;" bounds="[0,0][1,1]"/>', "no XML"),
        ("<page/>", "does not say where"),
        ("<a>" * 500 + "</a>" * 500, "too large"),
    ],
)
def test_what_tells_no_places_is_refused_with_the_reason(source: str, why: str) -> None:
    with pytest.raises(NoTreeError, match=why):
        read_tree(source)


def test_size_and_number_of_elements_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    source = '<a bounds="[0,0][1,1]">' + "<b/>" * 9 + "</a>"
    assert isinstance(read_tree(source), Tree)

    monkeypatch.setattr(uitree, "ELEMENT_LIMIT", 9)
    with pytest.raises(NoTreeError, match="too large"):
        read_tree(source)
    monkeypatch.setattr(uitree, "SOURCE_LIMIT", 40)
    with pytest.raises(NoTreeError, match="too long"):
        read_tree(source)


def test_characters_that_xml_does_not_know_do_no_harm() -> None:
    """A lone half of a pair cannot be encoded."""
    assert one('text="\ud83d"').shown == ["?"]


@pytest.mark.parametrize("before", ["", "\n ", "<?xml version='1.0'?>"])
def test_pages_are_told_from_sources(before: str) -> None:
    assert all(
        is_page(before + page) for page in ("<!DOCTYPE HTML>", "<!doctype  html><p>", '<html lang="en">')
    )
    assert not any(is_page(before + source) for source in ("<hierarchy/>", "<htmlish/>", "", "<AppiumAUT/>"))
