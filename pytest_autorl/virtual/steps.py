"""What steps do to a running app: checks, assignments, ways to go, changes at the back-end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_autorl.virtual import app as m
from pytest_autorl.virtual.display import Target
from pytest_autorl.virtual.expressions import Expression

if TYPE_CHECKING:
    from pytest_autorl.virtual.runtime import AppRun


def do(run: AppRun, steps: m.Steps, target: Target | None) -> bool:
    """Do the steps of a tap one after the other; False when a check stopped them.

    ``target`` is what was tapped: its list item is `item` in the steps' expressions.
    """
    if steps:
        run.state.pop("error", None)
    return do_nested(run, steps, target)


def do_nested(run: AppRun, steps: m.Steps, target: Target | None) -> bool:
    """As `do`, for steps inside a step: an error text that is shown stays."""
    return all(_step(run, step, target) for step in steps)


def _step(run: AppRun, step: m.Step, target: Target | None) -> bool:
    item = target.item if target is not None else None
    match step:
        case m.Check(rule):
            if not rule.that(run.scope(item)):
                run.state["error"] = rule.error(run.scope(item))
                return False
        case m.Validate():
            return _validate(run)
        case m.Assign(values):
            for path, value in values:
                run.write(path, value(run.scope(item)))
        case m.Go():
            run.go(step, target.entry if target is not None else None)
        case m.Back():
            run.pop()
        case m.Show(name):
            run.show(name)
        case m.Toast(text):
            run.show_toast(text(run.scope(item)))
        case m.ClearFields():
            run.fields.clear()
        case m.Ask():
            return _ask(run, step, target)
        case m.If(test, then, otherwise):
            return do_nested(run, then if test(run.scope(item)) else otherwise, target)
        case m.Add() | m.Change() | m.Remove():
            _change_backend(run, step, item)
    return True


def _ask(run: AppRun, step: m.Ask, target: Target | None) -> bool:
    answer = run.permissions.get(step.permission)
    if answer is None:
        run.ask(step)
        return False
    return do_nested(run, step.granted if answer else step.denied, target)


def _validate(run: AppRun) -> bool:
    run.errors.clear()
    for element in run.top.screen.walk():
        scope = run.scope(value=run.fields.get(element.name, ""))
        failed = next((rule for rule in element.rules if not rule.that(scope)), None)
        if failed is not None:
            run.errors[element.name] = failed.error(scope)
    return not run.errors


def _change_backend(run: AppRun, step: m.Add | m.Change | m.Remove, item: Any) -> None:
    """Do a step that changes the back-end, and report it."""
    name = step.collection
    if isinstance(step, m.Add):
        scope = run.scope(item)
        record = {key: value(scope) for key, value in step.record}
        stored = run.backend.add(name, record, first=step.first)
        run.tell("backend", op="add", collection=name, record=dict(stored))
        return

    def holds(test: Expression, record: dict[str, Any]) -> bool:
        return bool(test(run.scope(item=record)))

    if isinstance(step, m.Remove):
        count = run.backend.remove(name, lambda record: holds(step.where, record))
        run.tell("backend", op="remove", collection=name, count=count)
        return

    def changed(record: dict[str, Any]) -> dict[str, Any]:
        return {key: value(run.scope(item=record)) for key, value in step.values}

    count = run.backend.change(name, lambda record: holds(step.where, record), changed)
    run.tell("backend", op="change", collection=name, count=count)
