"""Payouts: available money leaves for the bank, by request or by the account's schedule.

Source: Stripe's API reference, "Payouts", and "Payout reconciliation": an automatic payout consists of the balance transactions that became
available since the last one, and `payout.reconciliation_completed` says when they can be listed by it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from portal.sandbox import money
from portal.sandbox.errors import StripeError, invalid
from portal.sandbox.events import emit
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row, copied
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import (
    CREATED,
    Choice,
    Integer,
    Metadata,
    Parameters,
    Reference,
    Text,
    merge_metadata,
    unsupported,
)
from portal.sandbox.resources import balance_transactions
from portal.sandbox.resources.balance import available
from portal.sandbox.resources.balance_transactions import BALANCE_TRANSACTION
from portal.sandbox.routes import get, post
from portal.sandbox.settings import DAY_SECONDS

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

PAYOUT = Kind(
    object="payout",
    table="payouts",
    prefix="po",
    url="/v1/payouts",
    columns=("status", "arrival_date", "destination"),
    expandable={
        # The account at the bank is not kept as an object of its own: expanded, it stays its id.
        "destination": "bank_account",
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
        "original_payout": "payout",
        "reversed_by": "payout",
    },
)

STATES: dict[str, frozenset[str]] = {
    "pending": frozenset({"in_transit", "paid", "canceled", "failed"}),
    "in_transit": frozenset({"paid", "failed"}),
    "paid": frozenset({"failed"}),
    "failed": frozenset(),
    "canceled": frozenset(),
}
DESTINATION = "ba_1SandboxBankAccount"

CREATE = Parameters(
    {
        "amount": Integer(1),
        "currency": Text(3, clearable=False),
        "description": Text(),
        "metadata": Metadata(),
        "method": Choice(("instant", "standard")),
        "source_type": Choice(("bank_account", "card", "fpx")),
        "statement_descriptor": Text(22),
    },
    required=("amount", "currency"),
    unsupported=unsupported("destination payout_method"),
)
UPDATE = Parameters({"metadata": Metadata()})
LIST = list_parameters(
    {
        "status": Choice(("canceled", "failed", "in_transit", "paid", "pending")),
        "destination": Reference(),
        "arrival_date": CREATED,
    }
)


def create(call: Call) -> Row:
    params: dict[str, Any] = call.params
    currency = money.known_currency(params["currency"])
    amount = int(params["amount"])
    if amount > available(call, currency):
        raise StripeError(
            "You have insufficient funds in your Stripe account for this transfer. Your card balance is too low.  You "
            "can use the /v1/balance "
            "endpoint to view your Stripe balance (for more details, see stripe.com/docs/api#balance).",
            code="balance_insufficient",
        )
    payout = _start(call, amount, currency, automatic=False)
    payout |= {name: params[name] for name in ("description", "statement_descriptor", "method") if name in params}
    payout["metadata"] = merge_metadata({}, params.get("metadata", {}))
    call.session.save(PAYOUT, payout)
    emit(call, "payout.created", payout)
    return payout


def _start(call: Call, amount: int, currency: str, *, automatic: bool) -> Row:
    payout: Row = {
        "id": new_id("po"),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": int(call.now + call.settings.payout_delay_seconds),
        "automatic": automatic,
        "balance_transaction": None,
        "created": call.now,
        "currency": currency,
        "description": "STRIPE PAYOUT" if automatic else None,
        "destination": DESTINATION,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "in_progress" if automatic else "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "pending",
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }
    payout["balance_transaction"] = _post(call, payout, "payout", -amount)["id"]
    call.session.insert(PAYOUT, payout)
    call.later("payout.arrive", call.settings.payout_delay_seconds, payout=payout["id"])
    return payout


def _post(call: Call, payout: Row, kind: str, amount: int, category: str | None = None) -> Row:
    return balance_transactions.record(
        call,
        kind=kind,
        amount=amount,
        currency=payout["currency"],
        source=payout["id"],
        description=payout["description"],
        reporting_category=category,
        available_at_once=True,
    )


def pay_out_everything(call: Call) -> list[Row]:
    """What the account's schedule does: one automatic payout for each currency with money available."""
    made = []
    for (currency,) in call.session.run("SELECT DISTINCT currency FROM balance_transactions ORDER BY 1").fetchall():
        included = [
            row
            for row in call.session.all(BALANCE_TRANSACTION, currency=currency)
            if row["_payout"] is None and row["available_on"] <= call.now and not row["type"].startswith("payout")
        ]
        amount = min(sum(row["net"] for row in included), available(call, currency))
        if amount <= 0:
            continue
        payout = _start(call, amount, currency, automatic=True)
        for row in [*included, call.need(BALANCE_TRANSACTION, payout["balance_transaction"])]:
            row["_payout"] = payout["id"]
            call.session.save(BALANCE_TRANSACTION, row)
        emit(call, "payout.created", payout)
        made.append(payout)
    return made


def begin(call: Call) -> None:
    """Have the schedule come round each day, where there is one."""
    runs = call.session.run("SELECT count(*) FROM effects WHERE name = 'payout.schedule'").fetchone()[0]
    if call.settings.payout_interval != "manual" and not runs:
        call.later("payout.schedule", DAY_SECONDS, day=call.now + DAY_SECONDS)


def keep_schedule(call: Call, body: dict[str, Any]) -> None:
    """Pay out, on a day of the schedule, and come back tomorrow."""
    if call.settings.payout_interval == "manual":
        return
    day = int(body["day"])
    if _is_due(call.settings.payout_interval, day):
        if call.settings.debits_negative_balance:
            _collect(call)
        pay_out_everything(call)
    call.later("payout.schedule", day + DAY_SECONDS - call.now, day=day + DAY_SECONDS)


def _is_due(interval: str, day: int) -> bool:
    date = time.gmtime(day)
    return {"daily": True, "weekly": date.tm_wday == 0, "monthly": date.tm_mday == 1}[interval]


def _collect(call: Call) -> None:
    """Take what is missing from the bank: a payout of less than nothing."""
    for (currency,) in call.session.run("SELECT DISTINCT currency FROM balance_transactions ORDER BY 1").fetchall():
        missing = available(call, currency)
        if missing < 0:
            emit(call, "payout.created", _start(call, missing, currency, automatic=True))


def _move(call: Call, payout: Row, status: str, event: str, **changes: Any) -> None:
    if status not in STATES[payout["status"]]:
        raise AssertionError(f"a payout cannot go from {payout['status']} to {status}")
    payout |= {"status": status, **changes}
    call.session.save(PAYOUT, payout)
    emit(call, event, payout)


def arrive(call: Call, body: dict[str, Any]) -> None:
    """The money is in the bank."""
    payout = call.session.find(PAYOUT, body["payout"])
    if payout is None or payout["status"] not in ("pending", "in_transit"):
        return
    _move(
        call,
        payout,
        "paid",
        "payout.paid",
        trace_id={"status": "supported", "value": f"SANDBOX{payout['id'][-8:].upper()}"},
    )
    if payout["automatic"]:
        payout["reconciliation_status"] = "completed"
        call.session.save(PAYOUT, payout)
        emit(call, "payout.reconciliation_completed", payout)


def fail(call: Call, body: dict[str, Any]) -> None:
    """The bank returns the money, which may also come after it was paid."""
    payout = call.session.find(PAYOUT, body["payout"])
    if payout is None or "failed" not in STATES[payout["status"]]:
        return
    back = _post(call, payout, "payout_failure", payout["amount"])
    _move(
        call,
        payout,
        "failed",
        "payout.failed",
        failure_balance_transaction=back["id"],
        failure_code="account_closed",
        failure_message="The bank account has been closed.",
    )


def retrieve(call: Call, payout_id: str) -> Row:
    return call.need(PAYOUT, payout_id, "payout", in_path=True)


def update(call: Call, payout_id: str) -> Row:
    payout = call.need(PAYOUT, payout_id, "payout", in_path=True)
    before = copied(payout)
    if "metadata" in call.params:
        payout["metadata"] = merge_metadata(payout["metadata"], call.params["metadata"])
    call.session.save(PAYOUT, payout)
    emit(call, "payout.updated", payout, before)
    return payout


def cancel(call: Call, payout_id: str) -> Row:
    """Only a payout that was asked for and has not left can be called back."""
    payout = call.need(PAYOUT, payout_id, "payout", in_path=True)
    if payout["status"] != "pending" or payout["automatic"]:
        raise StripeError(
            "Payouts can only be canceled if they are manual and have not yet been paid out (status pending)."
        )
    back = _post(call, payout, "payout_cancel", payout["amount"], "payout_reversal")
    _move(call, payout, "canceled", "payout.canceled", failure_balance_transaction=back["id"])
    return payout


def reverse(call: Call, payout_id: str) -> Row:
    """Call paid money back from the bank: a second payout, of less than nothing."""
    payout = call.need(PAYOUT, payout_id, "payout", in_path=True)
    if payout["status"] not in ("paid", "in_transit") or payout["reversed_by"] or payout["amount"] < 0:
        raise invalid("This payout cannot be reversed.", "payout")
    back = _start(call, -payout["amount"], payout["currency"], automatic=False)
    back |= {"original_payout": payout["id"]}
    back["metadata"] = merge_metadata({}, call.params.get("metadata", {}))
    call.session.save(PAYOUT, back)
    payout["reversed_by"] = back["id"]
    call.session.save(PAYOUT, payout)
    emit(call, "payout.created", back)
    return back


def list_payouts(call: Call) -> Row:
    return list_of(call, PAYOUT, equal=("status", "destination"), ranges=("created", "arrival_date"))


EFFECTS = {"payout.arrive": arrive, "payout.fail": fail, "payout.schedule": keep_schedule}

ROUTES = (
    post("/v1/payouts", create, CREATE),
    get("/v1/payouts", list_payouts, LIST),
    get("/v1/payouts/<payout_id>", retrieve),
    post("/v1/payouts/<payout_id>", update, UPDATE),
    post("/v1/payouts/<payout_id>/cancel", cancel),
    post("/v1/payouts/<payout_id>/reverse", reverse, UPDATE),
)
