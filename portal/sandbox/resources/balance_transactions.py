"""Balance transactions: every movement of the account's money, with its fee. They are written once and never change.

Source: Stripe's API reference, "Balance transactions". The tariff stands in `portal.sandbox.money`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox import money
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import Reference, Text
from portal.sandbox.routes import get

if TYPE_CHECKING:
    from portal.sandbox.calls import Call


def _with_status(call: Call, row: Row) -> Row:
    """Money becomes available when its day has come."""
    return {**row, "status": "available" if row["available_on"] <= call.now else "pending"}


BALANCE_TRANSACTION = Kind(
    object="balance_transaction",
    table="balance_transactions",
    prefix="txn",
    url="/v1/balance_transactions",
    columns=("currency", "type", "source", "available_on", "_payout"),
    expandable={"source": "*"},
    view=_with_status,
    noun="balance transaction",
)

LIST = list_parameters({"currency": Text(3), "payout": Reference(), "source": Reference(), "type": Text(100)})

REPORTING_CATEGORIES = {
    "adjustment": "dispute",
    "charge": "charge",
    "payment": "charge",
    "payment_failure_refund": "charge_failure",
    "payment_refund": "refund",
    "payout": "payout",
    "payout_failure": "payout_reversal",
    "refund": "refund",
    "refund_failure": "refund_failure",
}


def record(  # noqa: PLR0913 - the facts of one movement
    call: Call,
    *,
    kind: str,
    amount: int,
    currency: str,
    source: str,
    fee: int = 0,
    fee_description: str = "Stripe processing fees",
    description: str | None = None,
    reporting_category: str | None = None,
    available_at_once: bool = False,
) -> Row:
    """Write one movement: `amount` and `fee` in minor units of `currency`, `net` is their difference.

    Where the account settles in one currency, both are converted into it, and `exchange_rate` says how.
    """
    into = call.settings.settlement_currency or currency
    rate = None
    if into != currency:
        rate = money.exchange_rate(currency, into)
        amount, fee = (money.converted(value, currency, into, rate) for value in (amount, fee))
        currency = into
    delay = 0 if available_at_once else call.settings.available_delay_seconds
    row: Row = {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": int(call.now + delay),
        "balance_type": "payments",
        "created": call.now,
        "currency": currency,
        "description": description,
        "exchange_rate": rate,
        "fee": fee,
        "fee_details": [
            {
                "amount": fee,
                "application": None,
                "currency": currency,
                "description": fee_description,
                "type": "stripe_fee",
            }
        ]
        if fee
        else [],
        "net": amount - fee,
        "reporting_category": reporting_category or REPORTING_CATEGORIES[kind],
        "source": source,
        "status": "pending",
        "type": kind,
        "_payout": None,
    }
    call.session.insert(BALANCE_TRANSACTION, row)
    return row


def retrieve(call: Call, transaction_id: str) -> Row:
    return call.need(BALANCE_TRANSACTION, transaction_id, in_path=True)


def list_transactions(call: Call) -> Row:
    payout = call.params.get("payout")
    return list_of(
        call,
        BALANCE_TRANSACTION,
        equal=("currency", "source", "type"),
        fixed=None if payout is None else {"_payout": payout},
    )


ROUTES = (
    get("/v1/balance_transactions", list_transactions, LIST),
    get("/v1/balance_transactions/<transaction_id>", retrieve),
    get("/v1/balance/history", list_transactions, LIST),
    get("/v1/balance/history/<transaction_id>", retrieve),
)
