"""Page objects of the bank app: what a user can do on a screen, in the words of the bank."""

from examples.pages.accounts import AccountPage, AccountsPage, StatementPage, cents
from examples.pages.base import Page
from examples.pages.payees import NewPayeePage, PayeesPage
from examples.pages.settings import SettingsPage
from examples.pages.sign_in import PASSWORD, USER, SignInPage
from examples.pages.transfer import TransferDonePage, TransferPage

__all__ = [
    "PASSWORD",
    "USER",
    "AccountPage",
    "AccountsPage",
    "NewPayeePage",
    "Page",
    "PayeesPage",
    "SettingsPage",
    "SignInPage",
    "StatementPage",
    "TransferDonePage",
    "TransferPage",
    "cents",
]
