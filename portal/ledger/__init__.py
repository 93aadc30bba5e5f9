"""The books: append-only postings, each with a debit and a credit side of the same amount.

A posting names both of its accounts in one row, so debits equal credits by construction and no entry can be half written.
Source: TigerBeetle, "Data modeling: transfers" (two accounts and one amount a row).
"""

from portal.ledger.postings import (
    Item,
    LedgerAccount,
    Posting,
    balance,
    post,
    post_exchange,
    post_fee,
    sums_of,
)

__all__ = [
    "Item",
    "LedgerAccount",
    "Posting",
    "balance",
    "post",
    "post_exchange",
    "post_fee",
    "sums_of",
]
