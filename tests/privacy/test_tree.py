from __future__ import annotations

import copy
import datetime
import decimal
import enum
import types
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy import tree
from pytest_autorl.privacy.redactor import Redactor
from redactors import MAIL, detector, redactor_over

CARD = int("4" + "1" * 15)
SECRET = "correct horse/battery"
DOWN = detector("PASSWORD", r"password='([^']{1,40})'", group=1)
NUMBERS = detector("CREDIT_CARD", r"\b4\d{15}\b")
ORIGIN = redactor_over((MAIL, DOWN, NUMBERS), fields=["petName", "Mother's maiden"])
ORIGIN.register(SECRET)
ORIGIN.register("48213377", "PIN")


@pytest.fixture
def redactor() -> Redactor:
    return ORIGIN.fresh()


@dataclass
class Account:
    mail: str
    password: str = "x"
    tags: list[str] = field(default_factory=list)
    number: int = field(init=False, default=CARD)


@dataclass(frozen=True)
class Frozen:
    token: str
    mail: str


class Slotted:
    __slots__ = ("mail", "missing")
    __attrs_attrs__ = (types.SimpleNamespace(name="mail"), types.SimpleNamespace(name="missing"))

    def __init__(self, mail: str) -> None:
        self.mail = mail


class Header(NamedTuple):
    name: str
    cookie: str


class Colour(enum.Enum):
    RED = "red"
    MAIL = "a@x.org"


class Word(str, enum.Enum):
    PLAIN = "plain"
    MAIL = "a@x.org"


class Shown:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_texts_at_every_depth_are_redacted(redactor: Redactor) -> None:
    value = {"a": [("x", {"to": "a@x.org"}, {"b@x.org"})], "n": 3, "f": frozenset({"b@x.org"})}
    assert redactor.redact_data(value) == {
        "a": [("x", {"to": "[REDACTED:EMAIL#1]"}, {"[REDACTED:EMAIL#2]"})],
        "n": 3,
        "f": frozenset({"[REDACTED:EMAIL#2]"}),
    }


def test_what_is_given_stays_as_it_is_and_containers_are_new(redactor: Redactor) -> None:
    value = {"a": ["a@x.org", Account("a@x.org", tags=["b@x.org"])], "q": deque(["a@x.org"], 3), "clean": [1]}
    before = copy.deepcopy(value)
    redacted = redactor.redact_data(value)
    assert value == before
    assert redacted["clean"] is not value["clean"]
    assert redacted["q"] == deque(["[REDACTED:EMAIL#1]"], 3)
    assert redacted["q"].maxlen == 3


def test_keys_are_texts_too(redactor: Redactor) -> None:
    value = {"a@x.org": 1, ("b@x.org", 2): 2, 7: 3, CARD: 4, b"a@x.org": 5}
    assert redactor.redact_data(value) == {
        "[REDACTED:EMAIL#1]": 1,
        ("[REDACTED:EMAIL#2]", 2): 2,
        7: 3,
        "[REDACTED:CREDIT_CARD#1]": 4,
        b"[REDACTED:EMAIL#1]": 5,
    }


def test_a_key_that_could_not_be_one_any_more_is_taken_out(redactor: Redactor) -> None:
    class Sequenced(tuple[Any, ...]):
        def __iter__(self) -> Any:
            return iter([[1]])

    assert redactor.redact_data({Sequenced([1]): 1}) == {"[REDACTED:UNSCANNABLE]": 1}


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("userPassword", "PASSWORD"),
        ("token", "API_KEY"),
        ("ssn", "SSN"),
        ("pet-name", "FIELD"),
        ("mothers MAIDEN", "FIELD"),
    ],
)
@pytest.mark.parametrize(
    "value", ["x", 7, 1.5, b"x", Path("x"), Shown("x"), datetime.date(2026, 1, 1), Colour.RED]
)
def test_a_value_under_a_secrets_name_goes_whatever_it_is(
    redactor: Redactor, key: str, kind: str, value: object
) -> None:
    redacted = redactor.redact_data({key: value})[key]
    assert redacted == (
        f"[REDACTED:{kind}#1]".encode() if isinstance(value, bytes) else f"[REDACTED:{kind}#1]"
    )


@pytest.mark.parametrize("value", [None, True, False, "", [], {}, (), b"", "[REDACTED:PASSWORD#3]"])
def test_what_holds_nothing_stays_under_a_secrets_name(redactor: Redactor, value: object) -> None:
    assert redactor.redact_data({"password": value}) == {"password": value}


def test_every_leaf_under_a_secrets_name_goes(redactor: Redactor) -> None:
    value = {"credentials": {"user": "bob", "parts": ["x", {"y": 1}, None]}}
    assert redactor.redact_data(value) == {
        "credentials": {
            "user": "[REDACTED:PASSWORD#1]",
            "parts": ["[REDACTED:PASSWORD#2]", {"y": "[REDACTED:PASSWORD#3]"}, None],
        }
    }


@pytest.mark.parametrize("name_key", ["name", "Name", "key"])
def test_a_name_beside_a_value_is_its_key(redactor: Redactor, name_key: str) -> None:
    assert redactor.redact_data({name_key: "password", "value": "x"}) == {
        name_key: "password",
        "value": "[REDACTED:PASSWORD#1]",
    }
    assert redactor.redact_data({name_key: "colour", "value": "x"}) == {name_key: "colour", "value": "x"}
    assert redactor.redact_data({name_key: ["password"], "value": "x", 3: 4})["value"] == "x"


@pytest.mark.parametrize("pair", [("Authorization", "x"), ["Authorization", "x"]])
def test_the_first_of_a_pair_is_the_key_of_the_second(redactor: Redactor, pair: Any) -> None:
    assert redactor.redact_data([pair]) == [type(pair)(["Authorization", "[REDACTED:API_KEY#1]"])]
    assert redactor.redact_data([("colour", "x")]) == [("colour", "x")]
    assert redactor.redact_data([(1, "x")]) == [(1, "x")]


def test_fields_of_records_are_keys(redactor: Redactor) -> None:
    account = redactor.redact_data(Account("a@x.org", password="x", tags=["b@x.org"]))
    assert isinstance(account, Account)
    assert vars(account) == {
        "mail": "[REDACTED:EMAIL#1]",
        "password": "[REDACTED:PASSWORD#1]",
        "tags": ["[REDACTED:EMAIL#2]"],
        "number": "[REDACTED:CREDIT_CARD#1]",
    }
    assert redactor.redact_data(Frozen("x", "clean")) == Frozen("[REDACTED:API_KEY#1]", "clean")
    assert redactor.redact_data(Header("a@x.org", "x")) == Header(
        "[REDACTED:EMAIL#1]", "[REDACTED:API_KEY#1]"
    )


def test_records_of_attrs_are_redacted(redactor: Redactor) -> None:
    original = Slotted("a@x.org")
    redacted = redactor.redact_data(original)
    assert (original.mail, redacted.mail) == ("a@x.org", "[REDACTED:EMAIL#1]")
    assert not hasattr(redacted, "missing")


def test_other_mappings_become_dicts(redactor: Redactor) -> None:
    for mapping in (OrderedDict(to="a@x.org"), types.MappingProxyType({"to": "a@x.org"})):
        assert redactor.redact_data(mapping) == {"to": "[REDACTED:EMAIL#1]"}


@pytest.mark.parametrize(
    "number",
    [CARD, -CARD, float(CARD), decimal.Decimal(CARD), 48213377],
)
def test_numbers_whose_digits_are_a_value_go(redactor: Redactor, number: Any) -> None:
    kind = "PIN" if number == 48213377 else "CREDIT_CARD"
    assert redactor.redact_data([number]) == [f"[REDACTED:{kind}#1]"]


@pytest.mark.parametrize(
    "number",
    [
        *(0, 7, -3, True, 999, 10**70, CARD * 10, 1.5, 1e300, -1e300, float("inf"), float(CARD) / 7),
        *(
            decimal.Decimal("1.5"),
            decimal.Decimal("NaN"),
            decimal.Decimal("sNaN"),
            decimal.Decimal("Infinity"),
        ),
    ],
)
def test_other_numbers_stay(redactor: Redactor, number: Any) -> None:
    assert redactor.redact_data([number])[0] is number


def test_not_a_number_stays(redactor: Redactor) -> None:
    value = float("nan")
    assert redactor.redact_data(value) is value


def test_bytes_are_redacted_as_what_they_are(redactor: Redactor) -> None:
    assert redactor.redact_data(b"a@x.org") == b"[REDACTED:EMAIL#1]"
    assert redactor.redact_data(bytearray(b"a@x.org")) == bytearray(b"[REDACTED:EMAIL#1]")
    assert redactor.redact_data(memoryview(b"a@x.org")) == b"[REDACTED:EMAIL#1]"
    image = bytes(range(256))
    assert redactor.redact_data(image) == image
    assert redactor.redact_data(image + SECRET.encode()) == b"[REDACTED:UNSCANNABLE]"


@pytest.mark.parametrize(
    "value",
    [
        None,
        ...,
        uuid.UUID(int=5),
        datetime.datetime(2026, 1, 2),
        datetime.timedelta(1),
        Colour.RED,
        Word.PLAIN,
        Path("a/b"),
        int,
        Account,
    ],
)
def test_plain_values_stay_the_same_objects(redactor: Redactor, value: object) -> None:
    assert redactor.redact_data([value])[0] is value


def test_members_paths_and_objects_that_would_show_something_become_text(redactor: Redactor) -> None:
    assert redactor.redact_data(Path("/home/a@x.org/f")) == "/home/[REDACTED:EMAIL#1]/f"
    assert redactor.redact_data(Colour.MAIL) == "<Colour.MAIL: '[REDACTED:EMAIL#1]'>"
    assert redactor.redact_data(Word.MAIL) == "[REDACTED:EMAIL#1]"
    assert redactor.redact_data(Shown("<User password='x'>")) == "<User password='[REDACTED:PASSWORD#1]'>"
    assert redactor.redact_data(ValueError("a@x.org")) == "ValueError('[REDACTED:EMAIL#1]')"
    clean = Shown("<User bob>")
    assert redactor.redact_data(clean) is clean


def test_what_cannot_be_shown_goes(redactor: Redactor) -> None:
    class Broken(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("no")

    assert redactor.redact_data([Unshowable(), Broken()]) == ["[REDACTED:UNSCANNABLE]"] * 2
    assert redactor.redact_data({"password": Unshowable()}) == {"password": "[REDACTED:PASSWORD#1]"}


def test_cycles_are_cut_and_twins_are_not(redactor: Redactor) -> None:
    twin = ["a@x.org"]
    value: dict[str, Any] = {"one": twin, "two": twin}
    value["self"] = value
    assert redactor.redact_data(value) == {
        "one": ["[REDACTED:EMAIL#1]"],
        "two": ["[REDACTED:EMAIL#1]"],
        "self": "[REDACTED:CYCLE]",
    }


def test_depth_is_cut(redactor: Redactor) -> None:
    value: Any = "a@x.org"
    for _ in range(tree.DEEPEST + 1):
        value = [value]
    shown = repr(redactor.redact_data(value))
    assert "[REDACTED:DEPTH]" in shown
    assert "a@x.org" not in shown
    assert "[REDACTED:EMAIL#1]" in repr(redactor.redact_data(value[0]))


def test_size_is_cut(redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MOST_NODES", 4)
    assert redactor.redact_data(["a", "b", "c", "a@x.org"]) == ["a", "b", "c", "[REDACTED:SIZE]"]


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["a@x.org", SECRET, "clean", ""])
)
DATA = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["password", "name", "value", "a@x.org", "key"]), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@given(DATA)
@settings(max_examples=60)
def test_no_data_keeps_a_value_and_twice_is_once(value: Any) -> None:
    before = repr(value)
    redacted = ORIGIN.fresh().redact_data(value)
    assert repr(value) == before
    assert "a@x.org" not in repr(redacted)
    assert SECRET not in repr(redacted)
    assert repr(ORIGIN.fresh().redact_data(redacted)) == repr(redacted)


def test_an_object_that_hides_a_value_in_its_repr_alone_is_text_then() -> None:
    class Address:
        def __repr__(self) -> str:
            return "Address(...)"

        def __str__(self) -> str:
            return "mail to a@x.org"

    assert redactor_over().redact_data([Address()]) == ["mail to [REDACTED:EMAIL#1]"]
