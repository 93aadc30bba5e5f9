"""The account's balance: the sum of its balance transactions, per currency, available or still pending.

Source: Stripe's API reference, "Balance".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.kinds import Row
from portal.sandbox.routes import get

if TYPE_CHECKING:
    from portal.sandbox.calls import Call


def available(call: Call, currency: str) -> int:
    """What can be paid out now, in minor units; less than nothing when refunds took more than was there."""
    found = call.session.run(
        "SELECT coalesce(sum(json_extract(body, '$.net')), 0) FROM balance_transactions WHERE currency = ? AND available_on <= ?",
        (currency, call.now),
    ).fetchone()
    return int(found[0])


def retrieve(call: Call) -> Row:
    sums = call.session.run(
        "SELECT currency, available_on <= ?, sum(json_extract(body, '$.net')) FROM balance_transactions "
        "WHERE currency IS NOT NULL GROUP BY 1, 2 ORDER BY 1",
        (call.now,),
    ).fetchall()
    by_state: dict[bool, dict[str, int]] = {True: {}, False: {}}
    for currency, is_available, amount in sums:
        by_state[bool(is_available)][currency] = int(amount)
    currencies = sorted({currency for currency, _, _ in sums}) or ["eur"]
    return {
        "object": "balance",
        "available": [_amount(by_state[True].get(currency, 0), currency) for currency in currencies],
        "livemode": False,
        "pending": [_amount(by_state[False].get(currency, 0), currency) for currency in currencies],
        "refund_and_dispute_prefunding": {
            "available": [{"amount": 0, "currency": currency} for currency in currencies],
            "pending": [{"amount": 0, "currency": currency} for currency in currencies],
        },
    }


def _amount(amount: int, currency: str) -> Row:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


ROUTES = (get("/v1/balance", retrieve),)
