"""``autorl runs``: the runs of a suite, how well each used its devices, and what they know of the tests' durations."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pytest_autorl.cli.choice import JsonOption
from pytest_autorl.cli.output import complain, show
from pytest_autorl.cli.pytests_options import FarmOption, StateOption
from pytest_autorl.errors import UsageError

if TYPE_CHECKING:
    from pytest_autorl.cli.suite import Suite

app = typer.Typer(help="Look at runs that have ended, and at what they know.", no_args_is_help=True)

SuiteOption = Annotated[
    str,
    typer.Option(
        "--suite", metavar="PATH", help="Root directory of the suite (default: the one pytest finds here)."
    ),
]
FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="A file, or - for the standard stream.")]


@app.command("list")
def list_runs(
    suite: SuiteOption = "", farm: FarmOption = "", state: StateOption = "", as_json: JsonOption = False
) -> None:
    """List the runs of a suite that are known, the latest last."""
    from pytest_autorl.cli.figures import facts_of, list_lines, run_data
    from pytest_autorl.cli.suite import suite_at
    from pytest_autorl.state.peek import peek

    its = suite_at(suite, farm, state)
    runs = peek(its.state, lambda books: books.runs(its.name))
    rows = []
    for run in runs:
        facts = facts_of(run)
        rows.append({**run_data(run), **{key: facts.get(key) for key in ("tests", "makespan_s", "ratio")}})
    data = {"suite": its.name, "state": str(its.state), "runs": rows}
    show(data, list_lines(runs) if runs else [_nothing(its)], as_json=as_json)


@app.command("show")
def show_run(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="Id of a run; default: the latest.")] = "",
    trace: Annotated[
        str, typer.Option("--trace", metavar="FILE", help="A trace.jsonl instead of a run that is known.")
    ] = "",
    suite: SuiteOption = "",
    farm: FarmOption = "",
    state: StateOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show how well a run used its devices. Exit code 1 when it is not known."""
    from pytest_autorl.cli.figures import facts_of, figure_lines, has_blocks, head_lines, run_data

    if trace:
        if run or suite:
            raise UsageError("--trace names a run already", do="leave RUN and --suite out")
        figures = _figures_of(trace, farm)
        lines = figure_lines(figures, blocks=has_blocks())
        show({"run": None, "trace": trace, "figures": figures}, lines, as_json=as_json)
        return
    from pytest_autorl.cli.suite import suite_at
    from pytest_autorl.state import history
    from pytest_autorl.state.peek import peek

    its = suite_at(suite, farm, state)
    found = peek(its.state, lambda books: history.find_run(books, its.name, run or history.LATEST))
    if found is None:
        known = peek(its.state, lambda books: [row.id for row in books.runs(its.name)])
        last = f"known are: {', '.join(dict.fromkeys(known))}" if known else _nothing(its)
        complain(f"autorl: there is no run {run}: {last}" if run else f"autorl: {last}")
        raise typer.Exit(1)
    figures = facts_of(found)
    lines = [*head_lines(found), *figure_lines(figures, blocks=has_blocks())]
    show({"run": run_data(found), "figures": figures}, lines, as_json=as_json)


@app.command("export-history")
def export_history(
    file: FileArgument,
    suite: SuiteOption = "",
    farm: FarmOption = "",
    state: StateOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the seconds that each known test is expected to take, {test id: seconds}."""
    from pytest_autorl.cli.history_file import STREAM, write_durations
    from pytest_autorl.cli.suite import suite_at
    from pytest_autorl.state import history
    from pytest_autorl.state.peek import peek

    its = suite_at(suite, farm, state)
    durations = peek(its.state, lambda books: history.estimates(books, its.name))
    if file == STREAM:
        show(durations, [], as_json=True)
        return
    write_durations(Path(file), durations)
    data = {"file": file, "suite": its.name, "state": str(its.state), "tests": len(durations)}
    show(data, [f"wrote the durations of {_tests(len(durations))} to {file}"], as_json=as_json)


@app.command("import-history")
def import_history(
    file: FileArgument,
    suite: SuiteOption = "",
    farm: FarmOption = "",
    state: StateOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take over durations, {test id: seconds}, in place of what is known of these tests."""
    from pytest_autorl.cli.history_file import read_durations
    from pytest_autorl.cli.suite import suite_at
    from pytest_autorl.state.history import History
    from pytest_autorl.state.sqlite import SqliteEngine

    durations = read_durations(file)  # before a state is made for it
    its = suite_at(suite, farm, state)
    with contextlib.closing(SqliteEngine(its.state)) as engine:
        History(engine, suite=its.name).put(durations)
    data = {"file": file, "suite": its.name, "state": str(its.state), "tests": len(durations)}
    show(data, [f"took over the durations of {_tests(len(durations))} for {its.name}"], as_json=as_json)


def _figures_of(trace: str, farm: str) -> dict[str, Any]:
    """What a trace on the disk says. Raises UsageError; for a farm that is named what `farm_of` does."""
    from pytest_autorl.cli.choice import farm_of
    from pytest_autorl.cli.trace_file import figures_of

    return figures_of(trace, farm_of(farm) if farm else None)


def _nothing(suite: Suite) -> str:
    return f"no runs of {suite.name} are known in {suite.state}"


def _tests(count: int) -> str:
    return "1 test" if count == 1 else f"{count} tests"
