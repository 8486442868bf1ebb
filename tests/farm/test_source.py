"""Farm files as text: what is read, where it stands, and which text is refused how."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.errors import FarmFileError
from pytest_autorl.farm import yamlnodes
from pytest_autorl.farm.source import MAX_BYTES, Source, parse, read

ENV = {"NUMBER": "7", "WORD": "nfc", "KEY": "canary-4711", "VERSION": "14.10", "YES": "yes", "EMPTY": ""}


def _refused(text: str, **how: bool) -> str:
    with pytest.raises(FarmFileError) as caught:
        parse(text, ENV, path="farm.yml", **how)
    return str(caught.value)


def test_every_key_and_item_knows_its_line() -> None:
    source = parse("version: 1\ndevices:\n- id: a\n  tags: [x,\n    y]\n- {id: b}\n", ENV)

    lines = {at: source.line(at) for at in [("version",), ("devices",), ("devices", 0, "id")]}
    assert lines == {("version",): 1, ("devices",): 2, ("devices", 0, "id"): 3}
    assert source.line(("devices", 0, "tags", 1)) == 5
    assert source.line(("devices", 1, "nothing", "here")) == 6  # the closest place that exists


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${NUMBER}", 7),
        ("'${NUMBER}'", "7"),
        ('"${NUMBER}"', "7"),
        ("${VERSION}", 14.1),
        ("${YES}", True),
        ("${NONE:-12}", 12),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY}", None),
        ("'${EMPTY}'", ""),
        ("${WORD}-${NUMBER}", "nfc-7"),
        ("$${NUMBER}", "${NUMBER}"),
        ("$HOME costs 5$", "$HOME costs 5$"),
        ("${NONE:-http://h:1/a}", "http://h:1/a"),
    ],
)
def test_references_are_replaced_as_yaml_would_read_them(written: str, value: object) -> None:
    assert parse(f"a: {written}", ENV).data == {"a": value}


def test_a_value_of_the_environment_never_becomes_structure() -> None:
    hostile = {"X": "1\ndevices: [evil]\n# {a: b} ${Y} *alias !!python/name:os.system"}

    assert parse("a: ${X}\nb: [c]", hostile).data == {"a": hostile["X"], "b": ["c"]}


def test_an_undefined_variable_is_named_with_its_place() -> None:
    message = _refused("a: 1\nb:\n  - ok\n  - ${NOWHERE}\n")

    assert message.startswith("farm.yml:4: b[1]: environment variable NOWHERE is not defined")
    assert "${NAME:-default}" in message


def test_without_an_environment_references_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"url": "${APPIUM_SERVER}"}')

    assert read(tmp_path / "a.json", None).data == {"url": "${APPIUM_SERVER}"}


def test_values_are_shown_as_the_file_spells_them() -> None:
    """Messages go to CI logs: nothing of the environment, nothing under a secret's name."""
    source = parse("a: ${KEY}\nb: 14.10\nc: [1]\npassword: ${KEY}\nd: '1'", ENV)

    shown = [source.shown((key,)) for key in ("a", "b", "c", "d", "password")]
    assert shown == ["'${KEY}'", "14.10", "a list", "'1'", "a value that is not shown"]
    assert "canary" not in repr(source)


def test_merged_mappings_give_what_the_mapping_does_not_state() -> None:
    text = "base: &b {x: 1, y: 1}\nmore: &m {y: 2, z: 2}\nd: {<<: [*b, *m], x: 9}"

    source = parse(text, ENV)

    assert source.data["d"] == {"x": 9, "y": 1, "z": 2}
    assert source.line(("d", "z")) == 2


def test_yaml_1_1_traps_are_texts() -> None:
    text = "retry: {on: [x]}\noctal: 010\ntime: 12:30\nday: 2026-01-01\nflag: on\nhex: 0x10\nbig: 1_000\nodd: !!float x"

    assert parse(text, ENV).data == {
        "retry": {"on": ["x"]},
        "octal": "010",
        "time": "12:30",
        "day": "2026-01-01",
        "flag": True,
        "hex": 16,
        "big": 1000,
        "odd": "x",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "farm.yml: the file is empty"),
        ("# only a comment\n", "farm.yml: the file is empty"),
        ("- a\n", "farm.yml:1: expected a mapping (key: value), found a list"),
        ("word", "farm.yml:1: expected a mapping (key: value), found one value"),
        ("a: 1\nb: 2\na: 3\n", "farm.yml:3: a: the key stands twice, first in line 1"),
        ("x: {a: 1, a: 2}", "farm.yml:1: x.a: the key stands twice"),
        ("a: 1\n2: b\n", "farm.yml:2: key 2 is not a text"),
        ("true: b", "farm.yml:1: key true is not a text"),
        ("? [a]\n: b", "farm.yml:1: a key is a list or a mapping"),
        ("a: [1,\nb: 2", "farm.yml:2: YAML syntax: "),
        ("a:\n\t- b", "indent with spaces, not tabs"),
        ("a: {b: ${KEY}}", 'a reference needs quotes: "${NAME}"'),
        ("a: *nowhere", "undefined alias"),
        ("a: 1\n---\nb: 2", "farm.yml:2: YAML syntax: expected a single document"),
        ("a: &x [*x]", "farm.yml:1: a[0]: an alias contains itself"),
        ("a: &x {b: [{c: *x}]}", "an alias contains itself"),
        ("a: &x {<<: *x}", "nested more than 50 levels deep"),
        ("a: !!python/object/apply:os.system [x]", "YAML tag !!python/object/apply:os.system has no meaning"),
        ("a: !!python/name:os.system x", "YAML tag !!python/name:os.system has no meaning"),
        ("a: !mine b", "YAML tag !mine has no meaning"),
        ("a: !!binary aGk=", "YAML tag !!binary has no meaning"),
        ("a: ${1x}", "${1x} is no reference"),
        ("a: ${unclosed", "is no reference"),
        ("a: \x07", "farm.yml:1: character U+0007 cannot stand in a YAML file"),
        ("a: " + "[" * 200, "nested more than 50 levels deep"),
        ("a: " + "9" * 5000, "farm.yml:1: a: the number is too long"),
        ('a: "\\UFFFFFFFF"', "YAML syntax"),
        ("<<: [1]", "<< merges mappings only"),
    ],
)
def test_text_that_cannot_be_used_is_refused_with_its_place(text: str, message: str) -> None:
    assert message in _refused(text)


def test_aliases_cannot_expand_without_bound() -> None:
    letters = "abcdefghij"
    bomb = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in itertools.pairwise(letters)
    )

    assert "once its aliases are expanded" in _refused(bomb)


def test_the_number_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlnodes, "MAX_NODES", 50)

    assert parse("a: [" + "1," * 40 + "]", ENV).data
    assert "farm.yml:1: YAML syntax: more than 50 values" in _refused("a: [" + "1," * 60 + "]")


def test_a_long_chain_of_aliases_is_refused_not_a_recursion_error() -> None:
    chain = "k0: &k0 [x]\n" + "".join(f"k{i}: &k{i} [*k{i - 1}]\n" for i in range(1, 3000))

    assert "nested more than 50 levels deep" in _refused(chain)


def test_json_has_the_same_meaning_as_yaml() -> None:
    data = {
        "a": [1, 1.5, True, None, "x\t \u2028 \x85\x7f\ufeff/"],
        "b": {"c": '😀 \\ "', "d": 1e5},
        "": "<<",
    }

    compact = parse(json.dumps(data), ENV, is_json=True)
    tabbed = parse(json.dumps(data, indent="\t", ensure_ascii=False), ENV, is_json=True)

    assert compact.data == tabbed.data == data
    assert tabbed.line(("b", "d")) == 11


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "farm.yml: the file is empty"),
        ('{"a": 1,\n "b" 2}', "farm.yml:2: not JSON: "),
        ('{"a": 1, "a": 2}', "a: the key stands twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("{a: 1}", "not JSON"),
        ('{"a": ' + "[" * 100_000, "nested too deeply"),
        ("[]", "found a list"),
    ],
)
def test_json_that_cannot_be_used_is_refused(text: str, message: str) -> None:
    assert message in _refused(text, is_json=True)


def test_a_file_that_cannot_be_read_says_why_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.yml").write_bytes(b"a: 1\nb: \xe9\n")
    (tmp_path / "huge.yml").write_bytes(b"#" * (MAX_BYTES + 1))
    os.symlink("loop", tmp_path / "loop")
    found = {}

    for name in ("missing.yml", "folder", "latin.yml", "huge.yml", "loop", "nul\0"):
        with pytest.raises(FarmFileError) as caught:
            read(tmp_path / name, ENV)
        found[name] = str(caught.value).removeprefix(f"{tmp_path}/")

    assert found["missing.yml"] == (
        "missing.yml: the farm file does not exist\n"
        "  do: run `autorl init` to write one, or try --autorl-farm virtual"
    )
    assert found["folder"].startswith("folder: is a folder, not a file")
    assert found["latin.yml"].startswith("latin.yml:2: is not UTF-8: byte 0xe9")
    assert found["huge.yml"].startswith("huge.yml: is larger than 2048 KiB")
    assert found["loop"].startswith("loop: cannot be read: ")
    assert found["nul\0"].startswith("nul\\x00: cannot be read: ")


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in folders")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(FarmFileError, match="is not a regular file"):
        read(tmp_path / "pipe", ENV)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("a: 1")
    (tmp_path / "a.yml").chmod(0)

    with pytest.raises(FarmFileError, match="cannot be read: Permission denied"):
        read(tmp_path / "a.yml", ENV)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_bytes("a: ü".encode("utf-8-sig"))

    assert read(tmp_path / "a.yml", ENV).data == {"a": "ü"}


_PIECES = r"""a b: - [ ] { } , : &x *x <<: !t ' " | > ${KEY} ${ } $$ ? # % 1 true ~ \x --- @ é"""
_SPACES = ["\n", "\n  ", " ", "\t", "\u2028"]
_YAMLISH = st.lists(st.sampled_from([*_PIECES.split(" "), *_SPACES]), max_size=30).map("".join)


@settings(max_examples=200)
@given(st.one_of(st.text(max_size=80), _YAMLISH), st.booleans())
def test_no_text_raises_anything_but_a_farm_file_error(text: str, is_json: bool) -> None:
    said = ""
    try:
        found = parse(text, ENV, is_json=is_json)
        assert isinstance(found, Source)
        assert isinstance(found.data, dict)
    except FarmFileError as error:
        said = str(error)
    assert "canary" not in said


_PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=8).map(lambda t: t.replace("$", "")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100)
@given(st.dictionaries(st.text(max_size=5), _PLAIN, max_size=4))
def test_json_that_json_writes_is_read_back(data: dict[str, object]) -> None:
    assert parse(json.dumps(data), {}, is_json=True).data == json.loads(json.dumps(data))
