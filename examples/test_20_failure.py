"""What a failure leaves behind: screenshot, page source and log of the device, as they were when it failed.

Look into `reports/artefacts/` after a run; with Allure they hang on the test. `pytest --xfail-tb` also prints the
section that a failure has in the terminal: device, files, and the command that runs this test on this device again.
"""

from __future__ import annotations

import pytest

from examples.pages import AccountsPage


@pytest.mark.xfail(
    raises=AssertionError, strict=True, reason="fails on purpose, to leave something to look at"
)
def test_this_one_fails_on_purpose(accounts: AccountsPage) -> None:
    """An expected failure, so that the suite stays green; your own tests need no marker for any of this."""
    account = accounts.open("everyday")
    assert account.balance == "1,000,000.00", "not rich yet"
