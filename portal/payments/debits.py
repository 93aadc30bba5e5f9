"""Direct debits: on their way for days until their bank answers, and in our balance at Stripe all that time.

Stripe enters a debit when it is confirmed, as a balance transaction of the type "payment", and takes it out again by one of the type
"payment_failure_refund" when the bank says no. So it is booked to the account UNDERWAY first, and from there to what is owed once it has
succeeded. A failure after the success comes as a dispute (portal.disputes).

Source: Stripe, "Balance transaction types" and its pages on SEPA, ACH and Bacs Direct Debit.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy.orm import Session

from portal import ledger
from portal.core import company_days, crash
from portal.core.method_kinds import DEBITS
from portal.core.money import Money
from portal.core.synced_rows import touch
from portal.gateway import BalanceTransaction, Charge
from portal.ledger import LedgerAccount
from portal.payments.models import Payment


def expected_on(charge: Charge) -> date:
    """The company's day by which the money of a debit that is under way is expected."""
    days = DEBITS[charge.method_type].working_days
    return company_days.working_days_after(company_days.day_of(charge.created), days)


def has_news(payment: Payment, charge: Charge) -> bool:
    """Whether Stripe has entered a debit, or has taken it out again, and the books do not have that."""
    is_entered = payment.debit_charge_id == charge.id
    if charge.failure_transaction is not None:
        return is_entered
    return charge.balance_transaction is not None and not is_entered and not charge.paid


def book(session: Session, payment: Payment, charge: Charge) -> None:
    """Book what Stripe has entered of a debit, and what it has taken out, each once; in the caller's transaction, which holds the payment.

    The fee stands in the row while the debit is the payment's last charge. `debit_charge_id` names it as long as it is in the balance
    and has neither succeeded nor been taken out.
    """
    entered, taken_out = charge.balance_transaction, charge.failure_transaction
    is_last = charge.id == payment.stripe_charge_id
    if entered is not None:
        _post(session, payment, charge, entered, is_in=True)
        if is_last:
            payment.fee_minor = entered.fee.minor
        if not charge.paid:
            payment.debit_charge_id = charge.id
    if taken_out is not None:
        _post(session, payment, charge, taken_out, is_in=False)
        if is_last:
            payment.fee_minor = None
    if taken_out is not None or charge.paid:
        payment.debit_charge_id = None if payment.debit_charge_id == charge.id else payment.debit_charge_id
    touch(payment)
    crash.point("debit booked")


def _post(session: Session, payment: Payment, charge: Charge, movement: BalanceTransaction, *, is_in: bool) -> None:
    """All of a movement is of its own moment: a period holds all postings of one movement, or none."""
    ledger.post(
        session,
        "debit" if is_in else "debit_failed",
        debit=LedgerAccount.STRIPE if is_in else LedgerAccount.UNDERWAY,
        credit=LedgerAccount.UNDERWAY if is_in else LedgerAccount.STRIPE,
        amount=payment.amount,
        subject=payment.id,
        reference=f"{'debit' if is_in else 'debit_failed'}:{charge.id}",
        at=movement.created,
    )
    ledger.post_exchange(
        session,
        "charge",
        paid=payment.amount if is_in else Money(-payment.amount_minor, payment.currency),
        settled=movement.amount,
        subject=payment.id,
        transaction_id=movement.id,
        at=movement.created,
    )
    ledger.post_fee(session, "fee", movement.fee, payment.id, movement.id, movement.created)
