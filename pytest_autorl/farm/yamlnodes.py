"""YAML nodes: text into nodes, nodes into plain data, every key path with its line.

Depth, number of values and expansion of aliases are bounded, tags that make objects are refused, environment
variables are put into single values after parsing, so that a value can never become structure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from pytest_autorl.errors import FarmFileError
from pytest_autorl.farm.environment import ReferenceFault, substitute

#: Place of a value: keys and list indexes from the top.
KeyPath = tuple[str | int, ...]

MAX_DEPTH = 50
#: Values, once aliases are expanded: a thousand devices have about twenty thousand.
MAX_NODES = 100_000

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
#: Dates, "=" and "<<" are texts here.
_SCALAR_TAGS = frozenset({"bool", "float", "int", "merge", "null", "str", "timestamp", "value"})
#: Words that YAML 1.1 takes for true and false where a person means a key (``retry: {on: [...]}``).
_WORDS_AS_KEYS = frozenset({"on", "off", "yes", "no", "y", "n"})
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)\Z", re.ASCII)
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z", re.ASCII)
_FLOATS = {"inf": float("inf"), "-inf": float("-inf"), "+inf": float("inf"), "nan": float("nan")}


def dotted(at: KeyPath) -> str:
    """``("devices", 2, "id")`` as people write it: ``devices[2].id``.

    >>> dotted(("devices", 2, "id"))
    'devices[2].id'
    """
    text = ""
    for part in at:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            short = part if len(part) <= 60 else part[:57] + "..."
            text += ("." if text else "") + (short if short.isprintable() else ascii(short)[1:-1])
    return text


class _Loader(yaml.SafeLoader):
    """Composes nodes within bounds: PyYAML's own composer recurses without one."""

    depth = 0
    nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        self.nodes += 1
        if self.depth > MAX_DEPTH or self.nodes > MAX_NODES:
            what = f"nested more than {MAX_DEPTH} levels deep"
            if self.nodes > MAX_NODES:
                what = f"more than {MAX_NODES} values"
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, what, mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def compose(text: str, path: str) -> yaml.Node | None:
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        node: yaml.Node | None = loader.get_single_node()
        return node
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character[:1] or "\0")
        raise FarmFileError(
            f"character U+{code:04X} cannot stand in a YAML file",
            path=path,
            line=text.count("\n", 0, error.position) + 1,
            do="remove it, or save the file as plain UTF-8 text",
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(part) for part in (error.context, error.problem) if part)
        do = "correct it there, or one line above"
        if "\\t" in problem:
            do = "indent with spaces, not tabs"
        elif mark and "${" in _up_to(mark, text):
            do = 'within {...} and [...] a reference needs quotes: "${NAME}"'
        raise FarmFileError(
            f"YAML syntax: {problem}"[:300] + (f", column {mark.column + 1}" if mark else ""),
            path=path,
            line=mark.line + 1 if mark else None,
            do=do,
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        # ValueError and OverflowError: PyYAML itself fails so on escapes such as "\\UFFFFFFFF".
        raise FarmFileError(
            f"YAML syntax: {type(error).__name__}",
            path=path,
            do="correct the file, or check it with an editor",
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


def _up_to(mark: yaml.Mark, text: str) -> str:
    """The marked line as far as the mark, "" when YAML counts lines in another way than we do."""
    lines = text.split("\n")
    return lines[mark.line][: mark.column + 1] if mark.line < len(lines) else ""


# --- nodes into data ------------------------------------------------------------------------------------


class Builder:
    """Turns composed nodes into plain data, and remembers places."""

    def __init__(self, path: str, env: Mapping[str, str] | None, is_json: bool) -> None:
        self.path = path
        self.env = env
        self.is_json = is_json
        self.lines: dict[KeyPath, int] = {}
        self.raws: dict[KeyPath, str] = {}
        self.literals: dict[KeyPath, str] = {}
        self._nodes = 0
        self._open: set[int] = set()  # collections around the one that is built: an alias to one is a cycle
        self._scalars: dict[int, tuple[Any, str | None]] = {}  # by node: an alias is substituted once

    def fail(self, node: yaml.Node, at: KeyPath, what: str, do: str) -> FarmFileError:
        return FarmFileError(what, path=self.path, line=node.start_mark.line + 1, key=dotted(at), do=do)

    def build(self, node: yaml.Node, at: KeyPath, depth: int) -> Any:
        self._count(node, at, depth)
        self.lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, at)
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            raise self._strange_tag(node, at)
        if id(node) in self._open:
            raise self.fail(node, at, "an alias contains itself", "write the value out where it is needed")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, at, depth)
            return [self.build(item, (*at, i), depth + 1) for i, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _count(self, node: yaml.Node, at: KeyPath, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self.fail(
                node,
                at,
                f"the file has more than {MAX_NODES} values once its aliases are expanded",
                "use fewer aliases, and `count:` for devices that are alike",
            )
        if depth > MAX_DEPTH:
            raise self.fail(node, at, f"nested more than {MAX_DEPTH} levels deep", "write it flatter")

    def _strange_tag(self, node: yaml.Node, at: KeyPath) -> FarmFileError:
        tag = node.tag.replace(_TAG, "!!")[:60]
        return self.fail(node, at, f"YAML tag {tag} has no meaning in a farm file", "write a plain value")

    def _mapping(self, node: yaml.MappingNode, at: KeyPath, depth: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key, (key_node, value) in self._pairs(node, at, depth).items():
            place = (*at, key)
            self.lines[place] = key_node.start_mark.line + 1
            built[key] = self.build(value, place, depth + 1)
        return built

    def _pairs(
        self, node: yaml.MappingNode, at: KeyPath, depth: int
    ) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Own keys in the file's order, then what ``<<: *defaults`` adds; own keys win, then earlier ones."""
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        inherited: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key_node, value in node.value:
            if key_node.tag == _MERGE and not self.is_json:
                for source in self._merged(value, at, depth):
                    for key, pair in self._pairs(source, at, depth + 1).items():
                        inherited.setdefault(key, pair)
                continue
            key = self._key(key_node, at)
            if key in own:
                first = own[key][0].start_mark.line + 1
                raise self.fail(
                    key_node, (*at, key), f"the key stands twice, first in line {first}", "remove one of them"
                )
            own[key] = (key_node, value)
        return own | {key: pair for key, pair in inherited.items() if key not in own}

    def _merged(self, value: yaml.Node, at: KeyPath, depth: int) -> Iterator[yaml.MappingNode]:
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for source in sources:
            self._count(source, at, depth)  # merges of merges grow, and can be cyclic, like any alias
            if not isinstance(source, yaml.MappingNode):
                raise self.fail(value, at, "<< merges mappings only", "write `<<: *name` of a mapping")
            yield source

    def _key(self, node: yaml.Node, at: KeyPath) -> str:
        if isinstance(node, yaml.ScalarNode):
            plain = node.style is None and not self.is_json
            if node.tag == _TAG + "str" or (plain and node.value.lower() in _WORDS_AS_KEYS):
                return _joined_surrogates(node.value)
            shown = node.value[:60]
            raise self.fail(node, at, f"key {shown or 'null'} is not a text", f'quote it: "{shown}"')
        raise self.fail(node, at, "a key is a list or a mapping", "use a word as key")

    def _scalar(self, node: yaml.ScalarNode, at: KeyPath) -> Any:
        self.raws[at] = node.value
        if id(node) not in self._scalars:
            self._scalars[id(node)] = self._value(node, at)
        value, literal = self._scalars[id(node)]
        if literal is not None:
            self.literals[at] = literal
        return value

    def _value(self, node: yaml.ScalarNode, at: KeyPath) -> tuple[Any, str | None]:
        """The value, and of a text with references the part that is written in the file."""
        if not node.tag.startswith(_TAG) or node.tag[len(_TAG) :] not in _SCALAR_TAGS:
            raise self._strange_tag(node, at)
        if self.is_json and node.style is None:
            return json.loads(node.value), None
        kind = node.tag[len(_TAG) :]
        if kind in _TYPED:
            return self._typed(kind, node.value, node, at), None
        text = _joined_surrogates(node.value)
        if self.env is None:
            return text, None
        try:
            found = substitute(text, self.env)
        except ReferenceFault as fault:
            do = "define it, or give a default: ${NAME:-default}" if "defined" in str(fault) else "correct it"
            raise self.fail(node, at, str(fault), do) from None
        if not found.used:
            return found.text, None
        value: Any = found.text
        if node.style is None and kind == "str":
            again = _resolved(found.text)
            if again in _TYPED:
                value = self._typed(again, found.text, node, at)
        return value, found.literal

    def _typed(self, kind: str, text: str, node: yaml.Node, at: KeyPath) -> Any:
        try:
            return _TYPED[kind](text)
        except ValueError:  # more digits than Python turns into an int
            raise self.fail(node, at, "the number is too long", "write a number that is meant") from None


def _resolved(text: str) -> str:
    """The type that YAML sees in a plain scalar: "int", "str", ..."""
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
    return tag[len(_TAG) :]


def _int(text: str) -> int | str:
    # YAML 1.1 would read 010 as eight and 12:30 as 750: here both stay texts.
    if _INT.match(text):
        return int(text.replace("_", ""))
    return int(text, 16) if _HEX.match(text) else text


def _float(text: str) -> float | str:
    word = text.lower().replace(".", "", 1) if text.lower().endswith(("inf", "nan")) else ""
    if word in _FLOATS:
        return _FLOATS[word]
    try:
        return float(text.replace("_", ""))
    except ValueError:
        return text


def _bool(text: str) -> bool | str:
    return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(
        text.lower(), text
    )


def _null(text: str) -> None:
    return None


_TYPED: dict[str, Callable[[str], Any]] = {"int": _int, "float": _float, "bool": _bool, "null": _null}
_RESOLVER: Any = yaml.resolver.Resolver()


def _joined_surrogates(text: str) -> str:
    """JSON writes characters beyond U+FFFF as two escapes, which YAML takes for two characters.

    Half a pair, which no file or terminal could take, becomes a replacement character.
    """
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
