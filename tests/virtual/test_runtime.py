"""A running app without any server: what taps, keys, swipes, time and rotation do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.virtual.app_loader import load_model
from pytest_autorl.virtual.backend import MAX_RECORDS, Backend
from pytest_autorl.virtual.display import Display, overlap
from pytest_autorl.virtual.library import load_app
from pytest_autorl.virtual.node import Node
from pytest_autorl.virtual.runtime import AppRun

PHONE = Display(1080, 2400, 2.625, 63, 63)
PHONE_FLAT = Display(2400, 1080, 2.625, 63, 63)
TABLET = Display(1600, 2560, 2.0, 48, 48, is_tablet=True)
BANK = load_model("bank", load_app("bank"))


class User:
    """A user in front of a screen, with a clock of his own."""

    def __init__(
        self, display: Display = PHONE, *, online: bool = True, granted: dict[str, bool] | None = None
    ) -> None:
        self.now_ms = 0.0
        self.backend = Backend(BANK.backend)
        self.effects: list[tuple[str, dict[str, Any]]] = []
        self.run = AppRun(
            BANK,
            backend=self.backend,
            local=dict(BANK.local),
            permissions=granted if granted is not None else {},
            display=display,
            clock_ms=lambda: self.now_ms,
            facts=lambda: {"online": online},
            emit=lambda kind, /, **detail: self.effects.append((kind, detail)),
        )

    def nodes(self) -> list[Node]:
        return list(self.run.tree().walk())

    def names(self) -> set[str]:
        return {node.name for node in self.nodes()}

    def see(self, name: str) -> Node:
        found = [node for node in self.nodes() if name in (node.name, node.description)]
        assert found, f"{name} is not on {self.run.screen}: {sorted(self.names())}"
        return found[0]

    def tap(self, name: str) -> None:
        assert self.run.tap(self.see(name).key), name

    def type(self, name: str, text: str) -> None:
        assert self.run.type_text(self.see(name).key, text), name

    def sign_in(self) -> User:
        self.type("username", "demo")
        self.type("password", "demo-pass\n")
        assert self.run.screen == "account_list"
        return self

    def start_transfer(self, amount: str) -> User:
        self.tap("transfer_button")
        self.tap("choose_payee_button")
        self.tap("choose_electric")
        self.type("amount", amount)
        self.tap("continue_button")
        return self


def test_empty_fields_are_pointed_at_one_by_one() -> None:
    user = User()

    user.tap("sign_in_button")

    assert user.see("username_error").text == "Enter your user name"
    assert user.see("password_error").text == "Enter your password"
    user.type("username", "d")
    assert "username_error" not in user.names(), "typing takes the complaint away"


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("demo", "wrong-pass", "Wrong user name or password"),
        ("nobody", "demo-pass", "Wrong user name or password"),
        ("locked", "demo-pass", "This user is locked. Call the bank."),
    ],
)
def test_a_wrong_sign_in_says_why_and_stays(name: str, password: str, said: str) -> None:
    user = User()
    user.type("username", name)
    user.type("password", password)

    user.tap("sign_in_button")

    assert (user.run.screen, user.see("sign_in_error").text) == ("sign_in", said)


def test_without_a_network_nobody_signs_in() -> None:
    user = User(online=False)
    user.type("username", "demo")
    user.type("password", "demo-pass\ue007")

    assert user.see("sign_in_error").text == "No connection"


def test_a_password_is_shown_as_bullets_and_kept_as_typed() -> None:
    user = User()

    user.type("password", "secret\ue003x")

    assert (user.see("password").text, user.see("password").value) == ("••••••", "secrex")


def test_tab_moves_the_focus_and_enter_presses_the_button() -> None:
    user = User()
    user.type("username", "demo\ue004")
    assert user.see("password").focused
    assert user.run.keyboard_shown

    user.run.type_keys("demo-pass\ue007")

    assert user.run.screen == "account_list"


def test_a_transfer_moves_money_and_writes_a_transaction() -> None:
    user = User().sign_in().start_transfer("12.50")
    assert user.see("dialog_message").text == "Send 12.50 to City Electric?"

    user.tap("confirm_button")

    assert user.see("success_text").text == "Transfer of 12.50 sent"
    assert user.backend.collection("accounts")[0]["balance"] == 248750
    newest = user.backend.collection("transactions")[0]
    assert (newest["account"], newest["amount"], newest["title"]) == ("everyday", -1250, "City Electric")
    assert ("backend", "change") in {(kind, detail.get("op")) for kind, detail in user.effects}


def test_a_cancelled_transfer_moves_nothing() -> None:
    user = User().sign_in().start_transfer("12.50")

    user.tap("cancel_button")

    assert user.run.screen == "transfer"
    assert user.backend.collection("accounts")[0]["balance"] == 250000


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("", "Enter an amount"),
        ("abc", "Enter an amount such as 12.50"),
        ("0", "The amount must be more than zero"),
        ("2500.01", "Insufficient funds"),
        ("10000.01", "The limit is 10,000.00"),
    ],
)
def test_an_amount_that_cannot_be_sent_is_explained(amount: str, said: str) -> None:
    user = User().sign_in().start_transfer(amount)

    assert user.see("amount_error").text == said
    assert user.run.dialog() is None


def test_a_transfer_without_a_payee_is_explained() -> None:
    user = User().sign_in()
    user.tap("transfer_button")
    user.type("amount", "5\n")

    assert user.see("transfer_error").text == "Choose a payee"


def test_a_payee_needs_a_valid_iban_and_mail_and_then_stays_at_the_bank() -> None:
    user = User().sign_in()
    user.tap("payees_button")
    user.tap("add_payee_button")
    assert not user.see("save_payee_button").enabled
    user.type("payee_name", "Kim")
    user.type("payee_iban", "GB82 WEST 1234 5698 7654 33")
    user.type("payee_email", "kim at example")
    user.tap("save_payee_button")
    assert user.see("payee_iban_error").text == "This IBAN is not valid"
    assert user.see("payee_email_error").text == "This e-mail address is not valid"

    user.run.clear(user.see("payee_iban").key)
    user.type("payee_iban", "GB82 WEST 1234 5698 7654 32")
    user.run.clear(user.see("payee_email").key)
    user.tap("save_payee_button")

    assert user.run.screen == "payee_list"
    assert user.see("toast").text == "Payee saved"
    assert user.backend.collection("payees")[-1]["name"] == "Kim"
    user.now_ms += 2500
    assert "toast" not in user.names()


@pytest.mark.parametrize(
    ("button", "granted"), [("permission_allow_button", True), ("permission_deny_button", False)]
)
def test_a_permission_is_asked_once_and_the_switch_follows_the_answer(button: str, granted: bool) -> None:
    user = User().sign_in()
    user.tap("settings_button")
    user.tap("notifications_switch")
    assert user.see("permission_message").package == "com.android.permissioncontroller"
    assert "settings_screen" not in user.names(), "only the dialog is to be seen"

    user.tap(button)

    assert user.see("notifications_switch").checked is granted
    user.tap("notifications_switch")
    user.tap("notifications_switch")
    assert user.run.dialog() is None, "an answered question does not come again"


def test_a_slow_screen_shows_progress_until_its_time_has_passed() -> None:
    user = User().sign_in()
    user.tap("account_everyday")
    user.tap("statement_button")
    assert "loading_indicator" in user.names()
    user.now_ms += 599
    assert "statement_heading" not in user.names()

    user.now_ms += 1

    assert user.see("statement_heading").text == "Statement for March"
    assert "loading_indicator" not in user.names()


def test_a_long_list_scrolls_to_its_end_and_no_further() -> None:
    user = User().sign_in()
    user.tap("account_everyday")
    middle = (500, 1800)
    assert "transaction_t20" not in {node.description for node in user.nodes()}

    moves = 0
    while user.run.swipe(middle, (500, 900)):
        moves += 1

    assert moves > 1
    assert "transaction_t20" in {node.description for node in user.nodes()}
    assert "transaction_t01" not in {node.description for node in user.nodes()}


def test_on_a_tablet_the_chosen_account_stands_beside_the_list() -> None:
    user = User(TABLET).sign_in()
    assert user.see("detail_placeholder").text == "Choose an account"
    before = user.see("account_everyday").key
    user.tap("account_everyday")
    assert user.see("detail_balance").text == "2,500.00"

    user.tap("account_travel")

    assert user.see("detail_balance").text == "75.25"
    assert user.see("account_everyday").key == before, "the list stays the same list"
    assert not [node for node in user.nodes() if node.name == "back_button"]
    user.run.back()
    assert "detail_placeholder" in user.names(), "choices beside a list do not pile up"


def test_coming_back_to_a_screen_makes_its_elements_new() -> None:
    user = User().sign_in()
    before = user.see("transfer_button").key
    user.tap("account_everyday")

    user.tap("back_button")

    assert user.run.screen == "account_list"
    assert user.see("transfer_button").key != before


def test_back_hides_the_keyboard_then_closes_the_dialog_then_leaves() -> None:
    user = User()
    user.type("username", "demo")
    assert user.run.back()
    assert user.run.screen == "sign_in"
    assert not user.run.back(), "the first screen has nothing before it"
    user.type("password", "demo-pass\n")
    assert user.run.back()
    assert user.see("dialog_title").text == "Leave Autorl Bank?"
    assert user.run.back()
    assert user.run.screen == "account_list"


def test_a_disabled_element_does_not_react() -> None:
    user = User().sign_in()
    user.tap("payees_button")
    user.tap("add_payee_button")

    assert not user.run.tap(user.see("save_payee_button").key)
    assert user.run.screen == "new_payee"


def test_landscape_phones_scroll_the_body_and_hide_what_is_outside() -> None:
    user = User(PHONE_FLAT)
    assert not user.see("version_text").displayed

    assert user.run.swipe((1000, 900), (1000, 200))

    assert user.see("version_text").displayed


def drive(user: User, choices: list[int]) -> None:
    for choice in choices:
        nodes = [node for node in user.nodes() if node.clickable and node.displayed]
        if not nodes or choice % 11 == 10:
            user.run.back()
        elif choice % 11 == 9:
            user.run.swipe((500, 1500), (500, 700))
        elif (node := nodes[choice % len(nodes)]).role in ("field", "password"):
            user.run.type_text(node.key, "demo-pass" if node.role == "password" else "demo")
        else:
            user.run.tap(node.key)
        user.now_ms += 300


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 500), max_size=40), st.sampled_from([PHONE, PHONE_FLAT, TABLET]), st.booleans()
)
def test_whatever_a_user_does_the_screen_stays_well_formed(
    choices: list[int], display: Display, signed_in: bool
) -> None:
    """Unique keys, no clickable node off the screen that counts as displayed, money never out of nothing."""
    user = User(display)
    if signed_in:
        user.sign_in()

    drive(user, choices)

    picture = user.run.picture()
    nodes = list(picture.root.walk())
    assert len({node.key for node in nodes}) == len(nodes)
    screen = (0, 0, display.width, display.height)
    assert all(overlap(node.bounds, screen) for node in nodes if node.displayed and node.clickable)
    sent = -sum(t["amount"] for t in user.backend.collection("transactions") if t["date"] == "today")
    assert sum(a["balance"] for a in user.backend.collection("accounts")) == 1457575 - sent


def test_a_backend_outlives_the_app_and_only_a_reseed_renews_it() -> None:
    first = User().sign_in().start_transfer("1")
    first.tap("confirm_button")
    assert first.backend.collection("accounts")[0]["balance"] == 249900

    first.backend.reseed()

    assert first.backend.collection("accounts")[0]["balance"] == 250000
    assert BANK.backend["accounts"][0]["balance"] == 250000, "the model itself is never changed"


def test_a_collection_of_the_backend_never_grows_without_end() -> None:
    backend = Backend({"things": []})

    for number in range(MAX_RECORDS + 5):
        backend.add("things", {"id": str(number)})

    assert len(backend.collection("things")) == MAX_RECORDS
    assert backend.collection("things")[0]["id"] == "5"


@pytest.mark.parametrize("first", [True, False])
def test_records_get_ids_of_their_own(first: bool) -> None:
    backend = Backend({"things": [{"id": "things-2"}]})

    ids = [backend.add("things", {}, first=first)["id"] for _ in range(3)]

    assert len({*ids, "things-2"}) == 4


def test_changes_and_removals_say_how_many_they_touched() -> None:
    backend = Backend({"things": [{"id": "a", "n": 1}, {"id": "b", "n": 1}]})
    same: Callable[[dict[str, Any]], bool] = lambda record: record["n"] == 1  # noqa: E731

    assert backend.change("things", same, lambda record: {"n": 2}) == 2
    assert backend.remove("things", lambda record: record["id"] == "a") == 1
    assert backend.collection("things") == [{"id": "b", "n": 2}]
