"""Properties: Hypothesis thinks of the inputs, the device must hold for all of them.

A function-scoped fixture is made once for all examples of a test, so what one example leaves behind would meet the
next. Hence a device of a wider scope, and `reset()` at the start of each example.
"""

from __future__ import annotations

import pytest

from examples.pages import SignInPage, TransferPage, cents
from pytest_autorl import DeviceHandle

hypothesis = pytest.importorskip("hypothesis", reason="needs hypothesis")
st = hypothesis.strategies

#: A marker on the module says what `module_device` needs.
pytestmark = pytest.mark.device(platform="android")

#: An example takes a tenth of a second: few of them, and none is too slow.
few = hypothesis.settings(max_examples=8, deadline=None)

BALANCE = 250_000


@few
@hypothesis.given(amount=st.integers(min_value=1, max_value=BALANCE))
def test_exactly_what_is_sent_leaves_the_account(module_device: DeviceHandle, amount: int) -> None:
    module_device.reset()
    accounts = SignInPage(module_device.driver).sign_in()
    accounts.start_transfer().send(payee="landlord", amount=f"{amount / 100:.2f}").done()
    assert cents(accounts.balance_of("everyday")) == BALANCE - amount


@few
@hypothesis.given(excess=st.integers(min_value=1, max_value=1_000_000 - BALANCE))
def test_more_than_there_is_can_never_be_sent(module_device: DeviceHandle, excess: int) -> None:
    module_device.reset()
    transfer = SignInPage(module_device.driver).sign_in().start_transfer()
    transfer.submit(payee="landlord", amount=f"{(BALANCE + excess) / 100:.2f}")
    assert transfer.text("amount_error") == "Insufficient funds"


@few
@hypothesis.given(word=st.text("abcxyz-+,.!?", min_size=1, max_size=12))
def test_words_are_no_amounts(module_device: DeviceHandle, word: str) -> None:
    module_device.reset()
    SignInPage(module_device.driver).sign_in().start_transfer()
    transfer = TransferPage(module_device.driver)
    transfer.submit(payee="landlord", amount=word)
    assert transfer.text("amount_error") == "Enter an amount such as 12.50"
