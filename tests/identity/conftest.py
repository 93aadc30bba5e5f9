"""The mailbox, as the tests of accounts have it."""

from tests.accounts.conftest import mails

__all__ = ["mails"]
