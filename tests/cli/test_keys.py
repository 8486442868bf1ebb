"""`autorl keygen` and `autorl rotate-keys`."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from pytest_autorl.cli import keys
from pytest_autorl.cli.app import app as autorl_app
from pytest_autorl.privacy.keyring import VARIABLE, Keyring, new_key
from pytest_autorl.privacy.vault import SecureDataHandler

pytest.importorskip("cryptography")


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def autorl() -> Callable[..., Said]:
    """The two commands under a root that treats errors as `autorl` does."""
    app = typer.Typer(cls=autorl_app.info.cls, pretty_exceptions_enable=False)
    app.command("keygen")(keys.keygen)
    app.command("rotate-keys")(keys.rotate_keys)

    def call(*arguments: str, stdin: str | None = None) -> Said:
        result = CliRunner().invoke(app, list(arguments), input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    return call


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An old key and a new one, both in the environment."""
    both = {"old": f"old:{new_key()}", "new": f"new:{new_key()}"}
    monkeypatch.setenv(VARIABLE, f"{both['new']},{both['old']}")
    return both


def stored(key: str, run_id: str = "") -> str:
    vault = SecureDataHandler(key, run_id=run_id, remember=False)
    return json.dumps(vault.encrypt_sensitive_data({"name": "Ada", "password": "p"}))


def password(text: str, key: str, run_id: str = "") -> Any:
    data = json.loads(text)
    return SecureDataHandler(key, run_id=run_id, remember=False).decrypt_sensitive_data(data)["password"]


def test_a_new_key_stands_alone_on_standard_output(autorl: Callable[..., Said]) -> None:
    """So that `export AUTORL_ENCRYPTION_KEY="$(autorl keygen)"` works."""
    said = autorl("keygen")

    assert said.code == 0
    assert said.out.count("\n") == 1
    assert Keyring.parse(said.out).kids
    assert said.out.strip() not in said.err
    assert "rotate-keys" in said.err
    assert autorl("keygen").out != said.out


def test_a_key_may_have_a_name(autorl: Callable[..., Said]) -> None:
    assert Keyring.parse(autorl("keygen", "--kid", "2026-11").out).primary == "2026-11"
    refused = autorl("keygen", "--kid", "a:b")
    assert (refused.code, refused.out) == (2, "")


def test_a_key_as_json(autorl: Callable[..., Said]) -> None:
    said = autorl("keygen", "--kid", "k", "--json")

    data = json.loads(said.out)
    assert (data["variable"], data["kid"]) == (VARIABLE, "k")
    assert Keyring.parse(data["value"]).primary == "k"
    assert said.err == ""


def test_files_are_rotated_in_place_and_keep_their_mode(
    autorl: Callable[..., Said], ring: dict[str, str], tmp_path: Path
) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.jsonl"
    one.write_text(stored(ring["old"]))
    two.write_text(f"{stored(ring['old'])}\n{stored(ring['new'])}\n")
    one.chmod(0o640)

    said = autorl("rotate-keys", str(one), str(two))

    assert said.code == 0
    assert f"{one}: 1 of 1 token encrypted anew with new" in said.out
    assert f"{two}: 1 of 2 tokens encrypted anew with new" in said.out
    assert password(one.read_text(), ring["new"]) == "p"
    assert [password(line, ring["new"]) for line in two.read_text().splitlines()] == ["p", "p"]
    if os.name != "nt":
        assert stat.S_IMODE(one.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.json", "two.jsonl"]


def test_a_link_stays_a_link(autorl: Callable[..., Said], ring: dict[str, str], tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text(stored(ring["old"]))
    link.symlink_to(real)

    assert autorl("rotate-keys", str(link)).code == 0
    assert link.is_symlink()
    assert password(real.read_text(), ring["new"]) == "p"


def test_a_dry_run_changes_nothing(autorl: Callable[..., Said], ring: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(before := stored(ring["old"]))

    said = autorl("rotate-keys", "--dry-run", "--json", str(file))

    assert json.loads(said.out) == {
        "kid": "new",
        "dry_run": True,
        "files": [{"file": str(file), "tokens": 1, "rotated": 1, "left": 0}],
    }
    assert file.read_text() == before
    assert "would be encrypted anew" in autorl("rotate-keys", "--dry-run", str(file)).out


def test_an_unknown_key_is_a_no_and_no_file_is_touched(
    autorl: Callable[..., Said], ring: dict[str, str], tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(before := stored(ring["old"]))
    bad.write_text(stored(f"lost:{new_key()}"))

    said = autorl("rotate-keys", str(good), str(bad))

    assert said.code == 1
    assert "'lost'" in said.err
    assert str(bad) in said.err
    assert "no file was changed" in said.err
    assert good.read_text() == before


def test_the_run_may_be_named(autorl: Callable[..., Said], ring: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(stored(ring["old"], "run-1"))

    refused = autorl("rotate-keys", str(file))
    done = autorl("rotate-keys", "--run-id", "run-0", "--run-id", "run-1", str(file))

    assert (refused.code, done.code) == (1, 0)
    assert "--run-id" in refused.err
    assert password(file.read_text(), ring["new"], "run-1") == "p"


def test_a_stream_comes_out_as_it_went_in_but_for_the_tokens(
    autorl: Callable[..., Said], ring: dict[str, str]
) -> None:
    said = autorl("rotate-keys", "-", stdin=f" {stored(ring['old'])}\n\n")

    assert said.out.startswith(" {")
    assert said.out.endswith("}\n\n")
    assert password(said.out, ring["new"]) == "p"
    assert "1 of 1 token" in said.err
    quiet = autorl("rotate-keys", "-", "--json", stdin="{}")
    assert (quiet.out, json.loads(quiet.err)["files"][0]["tokens"]) == ("{}", 0)
    assert "standard input: 0 of 0" in autorl("rotate-keys", "--dry-run", "-", stdin="{}").out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["-", "a.json"], "alone"), (["missing.json"], "cannot read missing.json"), (["."], "cannot read .")],
    ids=["mixed", "missing", "folder"],
)
def test_wrong_use_is_said(
    autorl: Callable[..., Said], ring: dict[str, str], here: Path, arguments: list[str], word: str
) -> None:
    said = autorl("rotate-keys", *arguments)

    assert said.code == 2
    assert word in said.err


def test_what_is_no_json_is_wrong_use_and_not_shown(
    autorl: Callable[..., Said], ring: dict[str, str], here: Path
) -> None:
    Path("a.txt").write_text("not-to-be-shown")

    said = autorl("rotate-keys", "a.txt")

    assert said.code == 2
    assert "a.txt: line 1 is no JSON; no file was changed" in said.err
    assert "not-to-be-shown" not in said.err


def test_without_a_key_the_way_to_one_is_said(autorl: Callable[..., Said], here: Path) -> None:
    Path("a.json").write_text("{}")

    said = autorl("rotate-keys", "a.json")

    assert said.code == 2
    assert "autorl keygen" in said.err


def test_a_file_that_is_too_large_is_not_read(
    autorl: Callable[..., Said], ring: dict[str, str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_MOST_BYTES", 10)
    Path("a.json").write_text("[" + " " * 20 + "]")

    said = autorl("rotate-keys", "a.json")

    assert said.code == 2
    assert "a.json has more than" in said.err


def test_a_file_that_cannot_be_replaced_stays_whole(
    autorl: Callable[..., Said], ring: dict[str, str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.json").write_text(before := stored(ring["old"]))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys.os, "replace", full)
    said = autorl("rotate-keys", "a.json")

    assert said.code == 2
    assert "cannot write a.json: No space left on device" in said.err
    assert Path("a.json").read_text() == before
    assert os.listdir() == ["a.json"]


def test_bytes_that_are_no_text_stay_as_they_are(
    autorl: Callable[..., Said], ring: dict[str, str], here: Path
) -> None:
    raw = b'{"note": "\xff\xfe", ' + stored(ring["old"])[1:].encode()
    Path("a.json").write_bytes(raw)

    assert autorl("rotate-keys", "a.json").code == 0
    assert Path("a.json").read_bytes().startswith(b'{"note": "\xff\xfe", ')


def test_standard_output_takes_bytes(ring: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python writes another encoding than UTF-8 the document is UTF-8 all the same."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO('{"a": "é"}'.encode())))
    monkeypatch.setattr(sys, "stdout", out)

    keys.rotate_keys(["-"])

    assert out.buffer.getvalue() == '{"a": "é"}'.encode()


def test_tokens_within_other_text_are_left_and_said(
    autorl: Callable[..., Said], ring: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(f"{stored(ring['old'])}\n{json.dumps({'body': stored(ring['old'])})}\n")

    said = autorl("rotate-keys", str(file))

    assert said.code == 1
    assert "1 of 1 token encrypted anew with new; 1 within other text left" in said.out
    assert "keep the old keys" in said.err
    assert password(file.read_text().splitlines()[0], ring["new"]) == "p"


def test_lines_that_somebody_appends_meanwhile_are_not_lost(
    autorl: Callable[..., Said], ring: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(f"{stored(ring['old'])}\n")
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        with file.open("a") as other:
            other.write('{"more": 1}\n')
        fsync(descriptor)

    monkeypatch.setattr(keys.os, "fsync", slow)

    said = autorl("rotate-keys", str(file))

    assert said.code == 2
    assert "was written to meanwhile" in said.err
    assert file.read_text().endswith('{"more": 1}\n')
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
