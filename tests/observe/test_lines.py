"""What a line holds: fields in order, any value as strict JSON, and nothing that the redactor takes out."""

from __future__ import annotations

import dataclasses
import enum
import json
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.observe import bound
from pytest_autorl.observe.lines import ConsoleFormatter, JsonFormatter
from pytest_autorl.observe.plain import CUT, NODES, plain

SECRET = "kite" + "-" + "harbour" + "-" + "91"


def repr_of_type(value: object) -> str:
    return type(value).__name__


def record(message: str = "hello", *args: object, **facts: Any) -> logging.LogRecord:
    made = logging.LogRecord("pytest_autorl.farm", logging.INFO, __file__, 1, message, args, None)
    made.created = 1_700_000_000.25
    if facts:
        made.autorl = facts
    return made


class Swap:
    """A redactor that knows one secret. Like the real one it is given plain data."""

    def redact(self, text: str) -> str:
        return text.replace(SECRET, "[GONE]")

    def redact_data(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.redact(key): self.redact_data(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.redact_data(one) for one in value]
        if isinstance(value, bytes):
            return value.replace(SECRET.encode(), b"[GONE]")
        assert value is None or isinstance(value, str | int | float | bool), type(value)
        return self.redact(value) if isinstance(value, str) else value


class Broken:
    """A redactor whose search fails, with a text that it must not have told."""

    def redact(self, text: str) -> str:
        raise RuntimeError(text)

    def redact_data(self, value: Any) -> Any:
        raise RuntimeError(str(value))


@dataclasses.dataclass
class Login:
    user: str
    hidden: str = dataclasses.field(repr=False)


class TwoFaced:
    """Its repr is harmless, its text is not."""

    def __repr__(self) -> str:
        return "TwoFaced()"

    def __str__(self) -> str:
        return SECRET


class Rude:
    """Has no text at all."""

    def __repr__(self) -> str:
        raise LookupError(SECRET)


def test_a_json_line_has_time_level_logger_message_and_the_facts() -> None:
    line = json.loads(JsonFormatter().format(record("leased %s", "pixel-8", device="pixel-8", waited_s=0.5)))

    assert line == {
        "ts": "2023-11-14T22:13:20.250Z",
        "level": "INFO",
        "logger": "pytest_autorl.farm",
        "message": "leased pixel-8",
        "device": "pixel-8",
        "waited_s": 0.5,
    }


def test_a_fact_cannot_take_the_place_of_what_every_line_has() -> None:
    made = record("real")
    made.autorl = {"message": "forged", "level": "forged"}

    line = json.loads(JsonFormatter().format(made))

    assert (line["message"], line["level"]) == ("real", "INFO")
    assert line["extra_message"] == "forged"


def test_an_exception_stands_in_the_line_with_its_traceback() -> None:
    made = record("it broke")
    try:
        raise KeyError("lost")
    except KeyError as error:
        made.exc_info = (type(error), error, error.__traceback__)

    line = JsonFormatter().format(made)

    assert "\n" not in line
    assert "KeyError: 'lost'" in json.loads(line)["exception"]


def test_facts_that_hold_themselves_are_written_as_text() -> None:
    loop: dict[str, Any] = {"name": "a"}
    loop["self"] = loop

    assert json.loads(JsonFormatter().format(record(loop=loop, n=1)))["n"] == 1


def test_console_lines_are_for_people() -> None:
    line = ConsoleFormatter().format(record("leased pixel-8", device="pixel-8"))

    assert line.endswith("INFO pytest_autorl.farm: leased pixel-8")


def test_ids_stand_between_message_and_facts_and_the_more_special_one_wins() -> None:
    formatter = JsonFormatter(context={"run_id": "r1", "worker": "gw0", "device": "none"})

    with (
        bound(everywhere=True, nodeid="test_a.py::test_a", device="old"),
        bound(device="pixel-8", session="s"),
    ):
        line = json.loads(formatter.format(record(waited_s=1)))

    assert list(line.items())[4:] == [
        ("run_id", "r1"),
        ("worker", "gw0"),
        ("device", "pixel-8"),
        ("nodeid", "test_a.py::test_a"),
        ("session", "s"),
        ("waited_s", 1),
    ]


def test_what_others_give_in_extra_stands_in_the_line_and_the_records_own_parts_do_not() -> None:
    made = logging.getLogger("shop").makeRecord(
        "shop", 20, "f", 1, "sold", (), None, None, {"order": 7, "_x": 1}
    )
    logging.Formatter("%(asctime)s %(message)s").format(made)  # leaves two more attributes on it

    line = json.loads(JsonFormatter().format(made))

    assert list(line) == ["ts", "level", "logger", "message", "order"]
    assert line["order"] == 7


def test_a_record_is_not_changed_by_being_written() -> None:
    """Other handlers, such as pytest's, get the same one."""
    made = record("leased %s", SECRET, token=[SECRET])
    before = made.__dict__.copy()

    JsonFormatter(redactor=Swap()).format(made)

    assert made.__dict__ == before
    assert made.autorl == {"token": [SECRET]}


def test_a_record_of_a_structlog_logger_keeps_its_keys() -> None:
    made = record()
    made.msg = {"event": "sold", "order": 7, "level": "info"}
    made._logger, made._name = None, "info"

    line = json.loads(JsonFormatter().format(made))

    assert (line["message"], line["order"], line["level"]) == ("sold", 7, "INFO")
    assert "extra_level" not in line


def test_what_structlog_has_bound_stands_in_the_line() -> None:
    with structlog.contextvars.bound_contextvars(order=8):
        assert json.loads(JsonFormatter().format(record()))["order"] == 8


def test_a_traceback_that_came_as_text_is_kept() -> None:
    made = record("from afar")
    made.exc_text = "Traceback: far away"

    assert json.loads(JsonFormatter().format(made))["exception"] == "Traceback: far away"


def _fail_with_a_secret() -> None:
    try:
        raise KeyError("inner " + SECRET)
    except KeyError as error:
        raise ValueError(f"outer {SECRET}") from error


def leaky() -> dict[str, logging.LogRecord]:
    """Records that hold the secret in one place each."""
    half = len(SECRET) // 2
    failed = record("failed")
    try:
        _fail_with_a_secret()
    except ValueError:
        failed.exc_info = sys.exc_info()
    remote = record("failed afar")
    remote.exc_text = f"Traceback: {SECRET}"
    stack = record("here")
    stack.stack_info = f"Stack: {SECRET}"
    extra = record("extra")
    extra.order = SECRET
    named = record("named")
    named.name = SECRET
    theirs = record()
    theirs.msg, theirs._logger, theirs._name = {"event": "x", "order": SECRET}, None, "info"
    return {
        "message": record(f"say {SECRET}"),
        "argument": record("say %s", SECRET),
        "split between message and argument": record(SECRET[:half] + "%s", SECRET[half:]),
        "split between arguments": record("%s%s", SECRET[:half], SECRET[half:]),
        "wrong arguments": record("%d %d", SECRET),
        "exception": failed,
        "exception as text": remote,
        "stack": stack,
        "extra": extra,
        "logger": named,
        "structlog": theirs,
        "fact": record(order=SECRET),
        "fact's name": record(**{SECRET: 1}),
        "nested fact": record(order={"lines": [("a", {"b": {SECRET}})]}),
        "key of a nested fact": record(order={"lines": {SECRET: 1}}),
        "bytes": record(order=SECRET.encode()),
        "bytearray": record(order=bytearray(SECRET.encode())),
        "an object's text": record(order=TwoFaced()),
        "an exception as a fact": record(order=ValueError(SECRET)),
        "a dataclass": record(order=Login(SECRET, "x")),
        "an object without text": record(order=Rude()),
        "a message without text": record(Rude()),  # type: ignore[arg-type]
    }


@pytest.mark.parametrize("place", leaky())
@pytest.mark.parametrize("formatter", [JsonFormatter(redactor=Swap()), ConsoleFormatter(redactor=Swap())])
def test_the_secret_leaves_nowhere(formatter: logging.Formatter, place: str) -> None:
    line = formatter.format(leaky()[place])

    assert SECRET not in line
    assert "UNSCANNABLE" not in line


@pytest.mark.parametrize(
    "place", sorted(leaky().keys() - {"an object without text", "a message without text"})
)
def test_without_a_redactor_the_secret_would_have_left(place: str) -> None:
    """Else the test above would prove nothing."""
    assert SECRET in JsonFormatter().format(leaky()[place])


def test_a_secret_in_a_bound_id_leaves_not() -> None:
    with bound(session=SECRET):
        line = json.loads(JsonFormatter(redactor=Swap(), context={"run_id": SECRET}).format(record()))

    assert (line["session"], line["run_id"]) == ("[GONE]", "[GONE]")


@pytest.mark.parametrize("kind", [JsonFormatter, ConsoleFormatter])
def test_a_redactor_that_fails_costs_the_line_and_lets_nothing_through(kind: type[logging.Formatter]) -> None:
    line = kind(redactor=Broken()).format(record("say %s", SECRET, order=SECRET))  # type: ignore[call-arg]

    assert SECRET not in line
    assert "[REDACTED:UNSCANNABLE]" in line
    assert "INFO" in line


def test_a_field_that_a_dataclass_hides_stays_hidden() -> None:
    line = json.loads(JsonFormatter().format(record(login=Login("ann", SECRET))))

    assert line["login"] == {"user": "ann"}


_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.builds(Rude)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(), st.integers(), st.tuples()), inner, max_size=4),
    ),
    max_leaves=12,
)


_names = st.one_of(st.text(max_size=8), st.integers(), st.tuples(st.integers()))


@given(st.text(), st.lists(_values, max_size=3), st.dictionaries(_names, _values, max_size=3))
@settings(max_examples=60, deadline=None)
def test_any_message_arguments_and_facts_make_one_line_of_strict_json(
    message: str, args: list[Any], facts: dict[Any, Any]
) -> None:
    """A log that breaks on an odd value is missing when it is needed.

    Also for readers that split at every end of a line that Unicode knows, and for writers of UTF-8.
    """
    made = record(message, *args)
    made.autorl = facts
    line = JsonFormatter(redactor=Swap()).format(made)

    assert len(line.splitlines()) == 1
    written = line.encode("utf-8", "backslashreplace").decode("utf-8")
    row = json.loads(written, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert list(row)[:4] == ["ts", "level", "logger", "message"]
    assert "[REDACTED:UNSCANNABLE]" not in row["message"]
    assert len(row) <= 4 + len(facts)


@given(st.text())
@settings(max_examples=60, deadline=None)
def test_narrow_json_is_ascii_and_means_the_same(message: str) -> None:
    formatter = JsonFormatter()
    line = formatter.format(record(message.replace("%", "")))

    assert formatter.narrow(line).isascii()
    assert json.loads(formatter.narrow(line)) == json.loads(line)


def test_huge_deep_and_endless_facts_are_cut() -> None:
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]
    loop: dict[str, Any] = {}
    loop["a"] = loop["b"] = loop

    assert CUT in json.dumps(plain(deep))
    assert len(plain(list(range(NODES * 3)))) == NODES + 1
    assert json.dumps(plain(loop)).count('"a"') <= NODES
    assert plain(10**5000).startswith("0x")


class _Broken(Mapping[str, int]):
    """A mapping that does not keep its word."""

    def __getitem__(self, key: str) -> int:
        raise LookupError(SECRET)

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


class _Word(str, enum.Enum):
    ONE = "one"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (_Word.ONE, "one"),
        (enum.IntEnum("N", {"two": 2})(2), 2),
        (True, True),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (memoryview(b"ab"), b"ab"),
        (frozenset({1}), [1]),
        (Login, str(Login)),
        (Path("a") / "b", str(Path("a") / "b")),
        (KeyError("k"), "KeyError: 'k'"),
        ({1: {None: ()}}, {"1": {"None": []}}),
        (_Broken(), "<_Broken: cannot be read, LookupError>"),
        (Rude(), "<Rude: its text fails with LookupError>"),
    ],
    ids=repr_of_type,
)
def test_what_is_no_json_becomes_text_or_its_nearest_kin(value: object, expected: object) -> None:
    made = plain(value)

    assert made == expected
    assert type(made) is type(expected)


def test_a_console_line_paints_only_the_level_and_only_when_asked() -> None:
    plain_line = ConsoleFormatter().format(record("hi"))
    painted = ConsoleFormatter(colours=True).format(record("hi"))

    assert "\x1b" not in plain_line
    assert painted.replace("\x1b[32m", "").replace("\x1b[0m", "") == plain_line
    assert "\x1b[32mINFO\x1b[0m" in painted


def test_text_from_a_device_cannot_steer_the_terminal() -> None:
    line = ConsoleFormatter(colours=True).format(record("a\x1b[2Jb\rc\x9bd\te"))

    assert line.endswith("a\\x1b[2Jb\\rc\\x9bd\te")


def test_a_console_line_has_the_traceback_below_it() -> None:
    made = record("it broke")
    try:
        raise KeyError("lost")
    except KeyError as error:
        made.exc_info = (type(error), error, error.__traceback__)
        expected = traceback.format_exc().rstrip()

    assert ConsoleFormatter().format(made).endswith(f"pytest_autorl.farm: it broke\n{expected}")
