"""Paths from outside stay inside their folder, on every platform."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy.paths import UnsafePathError, sanitize_path

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("a.txt", ["a.txt"]),
        ("a/b/c.txt", ["a", "b", "c.txt"]),
        ("a\\b.txt", ["a", "b.txt"]),
        ("./a//b/", ["a", "b"]),
        ("..a/b..c", ["..a", "b..c"]),
        ("grün/日本.png", ["grün", "日本.png"]),
        (PurePosixPath("a/b"), ["a", "b"]),
        ("console.log", ["console.log"]),
        ("com10", ["com10"]),
        ("x" * 255, ["x" * 255]),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_plain_relative_paths_lead_inside(tmp_path: Path, path: str, parts: list[str]) -> None:
    assert sanitize_path(path, tmp_path) == tmp_path.resolve().joinpath(*parts)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "empty"),
        (".", "empty"),
        ("..", "traversal"),
        ("a/../../b", "traversal"),
        ("a\\..\\..\\b", "traversal"),
        ("%2e%2e/b", "traversal"),
        ("..%2fb", "traversal"),
        ("\uff0e\uff0e/b", "traversal"),
        (".. /b", "traversal"),
        ("/etc/passwd", "absolute"),
        ("\\\\host\\share", "absolute"),
        ("C:\\a", "absolute"),
        ("c:a", "absolute"),
        ("%2fetc", "absolute"),
        ("a\x00b", "character"),
        ("a\nb", "character"),
        ("a\ud800", "character"),
        ("ab:c", "character"),
        ("a|b", "character"),
        ("what?", "character"),
        (b"a", "character"),
        ("a.", "ending"),
        ("a /b", "ending"),
        ("nul", "reserved"),
        ("a/NUL.txt", "reserved"),
        ("com1.log.txt", "reserved"),
        ("con .txt", "reserved"),
        ("LPT\u00b9", "reserved"),
        ("x" * 256, "long"),
        ("é" * 128, "long"),
        ("a/" * 2100 + "b", "long"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_leads_out_or_means_something_else_elsewhere_is_refused(
    tmp_path: Path, path: str, reason: str
) -> None:
    with pytest.raises(UnsafePathError) as caught:
        sanitize_path(path, tmp_path)

    assert caught.value.reason == reason


def test_the_error_holds_nothing_of_the_path(tmp_path: Path) -> None:
    with pytest.raises(UnsafePathError) as caught:
        sanitize_path("my-own-passphrase/../..", tmp_path)

    assert "passphrase" not in str(caught.value)


needs_links = pytest.mark.skipif(os.name == "nt", reason="links need a right of their own on Windows")


@needs_links
def test_links_out_of_the_folder_are_refused_and_those_inside_followed(tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "real").mkdir(parents=True)
    (base / "inside").symlink_to(base / "real")
    (base / "out").symlink_to(tmp_path)
    (base / "dangling").symlink_to(tmp_path / "missing")

    assert sanitize_path("inside/a.txt", base) == base.resolve() / "real" / "a.txt"
    for path in ("out/a.txt", "out", "dangling", "dangling/a"):
        with pytest.raises(UnsafePathError) as caught:
            sanitize_path(path, base)
        assert caught.value.reason == "symlink"


@needs_links
def test_a_loop_of_links_is_refused_or_stays_inside(tmp_path: Path) -> None:
    """Python below 3.13 complains about it; later ones leave the link as it is, where opening fails."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    try:
        found = sanitize_path("loop/a", tmp_path)
    except UnsafePathError:
        return

    assert found.is_relative_to(tmp_path.resolve())


@needs_links
def test_the_way_to_the_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert sanitize_path("a", tmp_path / "link") == (tmp_path / "real").resolve() / "a"


@settings(max_examples=150)
@given(
    st.lists(
        st.sampled_from(["..", ".", "/", "\\", "a", "%2e", "%2f", " ", "C:", "nul", "\uff0e"]), max_size=8
    )
)
def test_no_path_ever_leads_out(pieces: list[str]) -> None:
    base = Path("/srv/results")
    try:
        found = sanitize_path("".join(pieces), base)
    except UnsafePathError:
        return

    assert found.is_relative_to(base.resolve())
    assert found != base.resolve()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("%252e%252e%252fb", "traversal"),
        ("%EF%BC%8E%EF%BC%8E/b", "traversal"),
        ("a%00b", "character"),
        ("a\u2028b", "character"),
        ("photo_\u202egpj.exe", "character"),
        ("%2525252541", "traversal"),
    ],
)
def test_layers_of_encoding_and_names_that_are_shown_turned_around(
    tmp_path: Path, path: str, reason: str
) -> None:
    with pytest.raises(UnsafePathError) as caught:
        sanitize_path(path, tmp_path)

    assert caught.value.reason == reason
