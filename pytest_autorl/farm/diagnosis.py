"""What is wrong with a farm file, in words: pydantic's errors with line, key, value and the way out.

Values are shown as the file spells them, so nothing of the environment is ever printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_autorl.errors import FarmFileError
from pytest_autorl.farm.predicates import nearest
from pytest_autorl.farm.source import Source
from pytest_autorl.farm.yamlnodes import KeyPath
from pytest_autorl.privacy.names import is_secret_path, url_password

if TYPE_CHECKING:
    from pydantic import ValidationError

_SCHEMA_HINT = "`autorl farm schema` prints all keys"
#: pydantic's error types to what was expected.
_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "finite_number": "a finite number",
    "string_too_short": "a text that is not empty",
}


def diagnose(error: ValidationError, source: Source, schema: Mapping[str, Any]) -> list[FarmFileError]:
    """Each fault once.

    Args:
        schema: The JSON Schema of the model, from which valid keys are told.
    """
    found: dict[tuple[KeyPath, str], FarmFileError] = {}
    wanted: dict[KeyPath, list[str]] = {}  # a union says once for each of its members what it expected
    for detail in error.errors(include_url=False, include_input=False):
        kind, context = detail["type"], detail.get("ctx", {})
        at = _place(detail["loc"], source.data, kind)
        if kind == "autorl":
            at = (*at, *context["at"])
        if kind == "too_short" and source.get(at):
            continue  # pydantic counts only the items that are right
        if kind in _EXPECTED:
            wanted.setdefault(at, []).append(_EXPECTED[kind])
            expected = " or ".join(dict.fromkeys(wanted[at]))
            made = source.error(
                at, f"expected {expected}, got {source.shown(at)}", _way_out(kind, at, source)
            )
        else:
            made = _fault(kind, str(detail["msg"]), context, at, source, schema)
        found[at, "" if kind in _EXPECTED else made.args[0]] = made
    return list(found.values())


def secret_faults(source: Source) -> Iterator[FarmFileError]:
    """Passwords that stand in the file: they belong into the environment."""
    for at, raw in source.raws.items():
        value = source.get(at)
        if value is None or isinstance(value, bool):
            continue
        literal = source.literals.get(at, raw)
        hidden = "\0" in literal
        if is_secret_path(at):
            # "Bearer ${TOKEN}" is fine, "${TOKEN:-s3cret}" is not: its default is a literal.
            if raw and not hidden:
                name = "".join(c if c.isalnum() else "_" for c in str(at[-1])).upper()
                yield source.error(
                    at,
                    "a password or key stands in the file (not shown here)",
                    f'put it into the environment and write "${{{name}}}", without a default',
                )
        elif url_password(literal).replace("\0", ""):
            yield source.error(
                at,
                "the address holds a password (not shown here)",
                "put it into the environment: https://${FARM_USER}:${FARM_PASSWORD}@host",
            )


def _place(loc: tuple[int | str, ...], data: Any, kind: str) -> KeyPath:
    """pydantic's location without what is not in the file: names of union members, "[key]"."""
    at: list[str | int] = []
    node: Any = data
    for i, part in enumerate(loc):
        is_last = i == len(loc) - 1
        if (isinstance(node, dict) and part in node) or (
            isinstance(node, list) and isinstance(part, int) and part < len(node)
        ):
            inner: Any = node
            node = inner[part]
        elif not (is_last and kind == "missing"):
            continue
        at.append(part)
    return tuple(at)


def _fault(
    kind: str,
    message: str,
    context: Mapping[str, Any],
    at: KeyPath,
    source: Source,
    schema: Mapping[str, Any],
) -> FarmFileError:
    if kind == "autorl":
        do = context["do"].replace("{raw}", source.raws.get(at, "")) or _SCHEMA_HINT
        return source.error(at, f"{context['what']} (found {source.shown(at)})", do)
    if kind == "extra_forbidden":
        valid = _keys_at(schema, at[:-1], source)
        near = nearest(str(at[-1]), valid)
        hint = f"did you mean {near}? " if near else ""
        return source.error(at, "unknown key", f"{hint}valid keys: {', '.join(sorted(valid))}")
    if kind == "missing":
        return source.error(at, "this key is missing", "add it")
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        what = f"the type of a provider is appium or virtual (found {source.shown((*at, 'type'))})"
        return source.error((*at, "type"), what, "write e.g. {type: appium, url: ...}")
    if kind == "string_pattern_mismatch":
        what = "letters, digits, dot, dash and underscore, starting with a letter or digit"
        if "\\S" in str(context.get("pattern")):
            what = "a text that is not empty"
        return source.error(at, f"expected {what}, got {source.shown(at)}", "rename it")
    if kind == "too_short":
        return source.error(at, "the list is empty", "name at least one; `autorl init` writes an example")
    text = message.removeprefix("Input should be ").removeprefix("Value should have ")
    do = _SCHEMA_HINT
    if at == ("version",):
        do = "write version: 1, or use the release of pytest-autorl that the file was written for"
    elif kind == "literal_error":
        options = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        near = nearest(source.raws.get(at, ""), options)
        do = f"did you mean {near}?" if near else "use one of these"
    return source.error(at, f"expected {text[:1].lower()}{text[1:]}, got {source.shown(at)}", do)


def _way_out(kind: str, at: KeyPath, source: Source) -> str:
    raw = source.raws.get(at, "")
    if kind == "string_type" and raw:
        return "put it in quotes" if is_secret_path(at) else f'put it in quotes: "{raw[:60]}"'
    if "${" in raw:
        return "write the reference without quotes, on a line of its own, so that it is read as a number"
    return _SCHEMA_HINT


def _keys_at(schema: Mapping[str, Any], at: KeyPath, source: Source) -> set[str]:
    """The keys that the schema knows at a place."""
    nodes = [_resolved(schema, schema)]
    for part in at:
        nodes = [inner for node in nodes for inner in _inside(node, part, schema)]
    # Of a provider block: only the keys of its own kind.
    kind = source.get((*at, "type")) or ("virtual" if at == ("providers", "virtual") else None)
    of_kind = [node for node in nodes if node.get("properties", {}).get("type", {}).get("const") == kind]
    return {key for node in of_kind or nodes for key in node.get("properties", {})}


def _inside(node: Mapping[str, Any], part: str | int, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if isinstance(part, int):
        found = node.get("items", {})
    else:
        by_pattern = next(iter(node.get("patternProperties", {}).values()), None)
        found = node.get("properties", {}).get(part) or node.get("additionalProperties") or by_pattern or {}
    if not isinstance(found, Mapping):
        return []
    choices = [*found.get("oneOf", []), *found.get("anyOf", []), *found.get("allOf", [])]
    return [_resolved(choice, schema) for choice in choices or [found]]


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in node:
        found: Mapping[str, Any] = schema["$defs"][str(node["$ref"]).rpartition("/")[2]]
        return found
    return node
