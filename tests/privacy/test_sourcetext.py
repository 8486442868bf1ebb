"""Page sources as files: no password stands in them, the rest is as it was."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy.masking import Masking
from pytest_autorl.privacy.sourcetext import mask_source

pytestmark = pytest.mark.unit

P, F = "[REDACTED:PASSWORD]", "[REDACTED:FIELD]"


@pytest.mark.parametrize(
    ("source", "masked"),
    [
        (
            '<a text="hunter2" content-desc="Password" password="true" bounds="[0,0][1,1]" />',
            f'<a text="{P}" content-desc="Password" password="true" bounds="[0,0][1,1]" />',
        ),
        ("<a password='true'\n text = 'hunter \" > 2'/>", f"<a password='true'\n text = '{P}'/>"),
        (
            '<XCUIElementTypeSecureTextField value="hunter2" label="Password" name="pw"/>',
            f'<XCUIElementTypeSecureTextField value="{P}" label="{P}" name="pw"/>',
        ),
        ('<a text="Password" hint="Password" password="true"/>', None),
        ('<a text="" password="true"/>', None),
        ('<a text="hunter2" password="false"/>', None),
        ('<!DOCTYPE html><INPUT TYPE=Password VALUE=hunter2>', f"<!DOCTYPE html><INPUT TYPE=Password VALUE={P}>"),
        (
            '<html><input value="a<b" type="password"><input value="c" type="text">',
            f'<html><input value="{P}" type="password"><input value="c" type="text">',
        ),
        ('<html><input type="password" value="a" placeholder="a">', None),
        ('<x y="<a text=\'hunter2\' password=\'true\'"/>', f'<x y="<a text=\'{P}\' password=\'true\'"/>'),
        ('<a password="true" text="hunt', f'<a password="true" text="{P}'),
        ("Forgot password? <", None),
        ('<a password="true" text="&#' + "9" * 5000 + ';"/>', f'<a password="true" text="{P}"/>'),
    ],
)  # fmt: skip
def test_values_of_password_fields_are_taken_out(source: str, masked: str | None) -> None:
    """None: nothing is to change."""
    assert mask_source(source) == (source if masked is None else masked)


def test_what_the_user_masks_is_taken_out_with_all_that_is_in_it() -> None:
    """The names by which it is found stay."""
    source = (
        '<hierarchy><a resource-id="com.bank:id/card" text=""><b text="Dana" content-desc="owner"><c text="12"/></b>'
        '<d text="34"/></a><e text="after"/></hierarchy>'
    )

    masked = mask_source(source, Masking.of(["id=card"]))

    assert masked == (
        f'<hierarchy><a resource-id="com.bank:id/card" text=""><b text="{F}" content-desc="owner"><c text="{F}"/></b>'
        f'<d text="{F}"/></a><e text="after"/></hierarchy>'
    )


def test_in_pages_a_selector_means_the_tag_itself() -> None:
    """Their tags need no end, so what is in one is not known."""
    source = '<html><input id="card" value="12"><br><input value="34">'

    assert mask_source(source, Masking.of(["id=card", "css=br"])) == source.replace('"12"', f'"{F}"')


def test_a_value_within_a_value_goes_with_it() -> None:
    source = """<a text="<b text='x' password='true'" /><c text="y"/>"""

    assert mask_source(source, Masking.of(["class=a"])) == f'<a text="{F}" /><c text="y"/>'


def test_masking_again_changes_nothing() -> None:
    once = mask_source('<a text="hunter2" password="true"><b text="x"/></a>', Masking.of(["class=a"]))

    assert mask_source(once, Masking.of(["class=a"])) == once


pieces = st.sampled_from(
    [
        "<a ",
        "<input ",
        "</a>",
        'text="',
        "text='",
        '"',
        "'",
        ">",
        "/>",
        "=",
        "password",
        '="true"',
        " ",
        "value=x",
        "\n",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(pieces, max_size=40).map("".join))
def test_no_text_is_too_odd(source: str) -> None:
    """Taken out is what stood in the source; everything else is in the same order."""
    masked = mask_source(source, Masking.of(["class=a"]))

    at = 0
    for kept in masked.replace(F, P).split(P):
        found = source.find(kept, at)
        assert found >= 0
        at = found + len(kept)


@pytest.mark.parametrize(
    "piece", ["<a ", '<a b="', "<a b='\"", "<a b=c ", "<a" + " b" * 40, '="password"', "</"]
)
def test_time_grows_with_the_text(piece: str) -> None:
    """Text from outside, four times as long: no more than that, with room for a busy machine."""

    def least_s(times: int, rounds: int) -> float:
        source, taken = "password" + piece * times, []
        for _ in range(rounds):
            begun = time.thread_time()
            mask_source(source)
            taken.append(time.thread_time() - begun)
        return min(taken)

    for rounds in (2, 8, 32):
        before, after = least_s(2000, rounds), least_s(8000, rounds)
        if after < 8 * before + 0.02:
            break
    else:
        pytest.fail(f"{before * 1000:.2f} ms became {after * 1000:.2f} ms")
