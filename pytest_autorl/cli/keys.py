"""``autorl keygen`` and ``autorl rotate-keys``: the keys that sensitive fields are encrypted with."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from pytest_autorl.cli.choice import JsonOption
from pytest_autorl.cli.output import complain, show
from pytest_autorl.errors import AutorlError, UsageError

#: Stands for standard input and output.
STREAM = "-"
#: A larger file is not read into memory, bytes.
_MOST_BYTES = 512 * 1024 * 1024
_HELP = """\
A new key. It is shown this once and kept nowhere: put it where your CI keeps its secrets.
  one key:     export {variable}="$(autorl keygen)"
  a newer one: export {variable}="$(autorl keygen --kid NEW),OLD"
               then `autorl rotate-keys FILE...`, and take the old one out"""


def keygen(
    kid: Annotated[
        str, typer.Option("--kid", metavar="NAME", help="Name of the key (default: none, its fingerprint).")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Print a new encryption key, ready to be put into AUTORL_ENCRYPTION_KEY."""
    from pytest_autorl.privacy.keyring import VARIABLE, Keyring, check_name, new_key

    key = new_key()
    entry = f"{check_name(kid)}:{key}" if kid else key
    # Not through `output`, whose redactor takes keys out: this one is what was asked for.
    if as_json:
        data = {"variable": VARIABLE, "kid": Keyring.parse(entry).primary, "value": entry}
        typer.echo(json.dumps(data, indent=2))
        return
    typer.echo(entry)
    complain(_HELP.format(variable=VARIABLE))


def rotate_keys(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="JSON or JSONL files, or - for standard input to output."),
    ],
    run_id: Annotated[
        list[str] | None,
        typer.Option(
            "--run-id", metavar="ID", help="Run that wrote the tokens; may be given more than once."
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="NAME", help="Field that tokens were made for, if moved since."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Encrypt every token in files anew with the newest key. Exit code 1, and no file touched, where one cannot be.

    Tokens within other text are left as they are; where there are any, the exit code is 1 as well.
    """
    from pytest_autorl.privacy.keyring import Keyring
    from pytest_autorl.privacy.rotation import Rotated, rotate

    if STREAM in files and len(files) > 1:
        raise UsageError("- stands for all there is", do="give files, or - alone")
    ring = Keyring.from_environment(os.environ)
    done: dict[str, Rotated] = {}
    before: dict[str, str] = {}
    for file in dict.fromkeys(files):
        before[file] = _read(file)
        try:
            done[file] = rotate(before[file], ring=ring, run_ids=run_id or (), fields=field or ())
        except AutorlError as error:
            # The same error, with the file in front: usage stays usage for the exit code.
            raise type(error)(f"{_name(file)}: {error.args[0]}; no file was changed", do=error.do) from None
    if not dry_run:
        for file, one in done.items():
            if file != STREAM and one.rotated:
                _replace(Path(file), before[file], one.text)
    rows = [
        {"file": file, "tokens": one.tokens, "rotated": one.rotated, "left": one.left}
        for file, one in done.items()
    ]
    lines = [_line(file, one, ring.primary, dry_run) for file, one in done.items()]
    if files == [STREAM] and not dry_run:
        # Standard output is the document, byte by byte; tokens hold nothing that a redactor should take out.
        sys.stdout.buffer.write(done[STREAM].text.encode("utf-8", "surrogateescape"))
        sys.stdout.flush()
        complain(json.dumps(_report(ring.primary, dry_run, rows)) if as_json else lines[0])
    else:
        show(_report(ring.primary, dry_run, rows), lines, as_json=as_json)
    if any(one.left for one in done.values()):
        complain("tokens within other text are as they were: keep the old keys for them")
        raise typer.Exit(1)


def _report(kid: str, dry_run: bool, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kid": kid, "dry_run": dry_run, "files": rows}


def _line(file: str, one: Any, kid: str, dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    noun = "token" if one.tokens == 1 else "tokens"
    line = f"{_name(file)}: {one.rotated} of {one.tokens} {noun} {would}encrypted anew with {kid}"
    return f"{line}; {one.left} within other text left" if one.left else line


def _name(file: str) -> str:
    return "standard input" if file == STREAM else file


def _read(file: str) -> str:
    """Bytes that are no UTF-8 come back as they were. Raises UsageError."""
    try:
        if file == STREAM:
            raw = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with open(file, "rb") as source:
                raw = source.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {_name(file)}: {error.strerror}", do="name a file") from error
    if len(raw) > _MOST_BYTES:
        what = f"{_name(file)} has more than {_MOST_BYTES // 1024**2} MB"
        raise UsageError(what, do="split it: a JSONL file may be cut between any two lines")
    return raw.decode("utf-8", "surrogateescape")


def _replace(path: Path, before: str, text: str) -> None:
    """Whole or not at all, with the mode and owner that it had; through a link, what the link leads to.

    Raises: UsageError, also where the file is not any more as it was read: somebody else writes to it.
    """
    target = path.resolve()
    try:
        status = target.stat()
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))
                file.flush()
                os.fsync(file.fileno())
            if hasattr(os, "chown"):
                with contextlib.suppress(OSError):  # only root gives files away
                    os.chown(temporary, status.st_uid, status.st_gid)
            os.chmod(temporary, stat.S_IMODE(status.st_mode))
            if _read(str(path)) != before:
                raise UsageError(
                    f"{path} was written to meanwhile; it was not changed",
                    do="try again when nothing writes to it",
                )
            os.replace(temporary, target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", do="see its folder's rights") from error
