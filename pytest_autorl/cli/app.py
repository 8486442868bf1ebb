"""`autorl` itself: the commands put together, and what its errors mean for the exit code.

Exit codes: 0 fine, 1 the answer is no, 2 wrong use or missing input. Command modules import nothing heavy before
a command runs, so that help and completion stay quick.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pytest_autorl import __version__
from pytest_autorl.cli import doctor, farm, init, keys, output, plan, redact, runs, virtual, why
from pytest_autorl.errors import AutorlError, FarmFileError, NoFarmError, RequirementError, UsageError

#: Errors of what the user gave; all others mean that something does not work.
_MISUSE = (UsageError, FarmFileError, RequirementError, NoFarmError)

#: Arguments that a command does not know are pytest's.
_PYTESTS = {"allow_extra_args": True, "ignore_unknown_options": True}


class _Root(TyperGroup):
    """Turns our errors into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """See click's `Group.invoke`."""
        try:
            return super().invoke(ctx)
        except AutorlError as error:
            output.complain(f"autorl: {error}")
            raise typer.Exit(2 if isinstance(error, _MISUSE) else 1) from None


# Pretty exceptions print local variables, which may hold secrets.
app = typer.Typer(
    cls=_Root,
    name="autorl",
    help="Device farms for pytest: look at the farm, explain needs, check the set-up.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("init")(init.init)
app.command("doctor")(doctor.doctor)
app.add_typer(farm.app, name="farm")
app.command("why", context_settings=_PYTESTS)(why.why)
app.command("plan", context_settings=_PYTESTS)(plan.plan)
app.add_typer(runs.app, name="runs")
app.command("redact")(redact.redact)
app.command("keygen")(keys.keygen)
app.command("rotate-keys")(keys.rotate_keys)
app.add_typer(virtual.app, name="virtual")


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        output.show({"version": __version__}, [f"pytest-autorl {__version__}"], as_json=False)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
