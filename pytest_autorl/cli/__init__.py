"""The command line tool `autorl`, one module a command group."""

from __future__ import annotations


def main() -> None:
    """Entry point of the console script."""
    from pytest_autorl.cli.app import app

    app(prog_name="autorl")
