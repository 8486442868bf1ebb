"""What `autorl` prints: every text of every command passes here, and so the redactor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from pytest_autorl.capture.sink import Identity, Redactor

_redactor: Redactor = Identity()


def show(data: Any, lines: Iterable[str], *, as_json: bool) -> None:
    """Print an answer: the data as JSON, or the lines for people."""
    if as_json:
        typer.echo(json.dumps(_redactor.redact_data(data), indent=2, ensure_ascii=False, default=str))
        return
    for line in lines:
        typer.echo(_redactor.redact(line))


def redraw(lines: Iterable[str]) -> None:
    """Print lines in place of what the terminal shows."""
    typer.echo("\x1b[H\x1b[J" + "\n".join(_redactor.redact(line) for line in lines))


def complain(text: str) -> None:
    """Print what went wrong, to standard error."""
    typer.echo(_redactor.redact(text), err=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Aligned columns, two spaces apart; columns without any content are left out.

    >>> table(["ID", "WHY", "OS"], [["a", "", 14], ["pixel", "", 9]])
    ['ID     OS', 'a      14', 'pixel  9']
    """
    cells = [[str(cell) for cell in row] for row in rows]
    kept = [i for i in range(len(heads)) if any(row[i] for row in cells)]
    lines = [[heads[i] for i in kept], *([row[i] for i in kept] for row in cells)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
