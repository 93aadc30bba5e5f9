"""What a restored database has lost is brought back from Stripe, told by one intent at a time; tests/recovery does a whole restore."""

from __future__ import annotations

import pytest
import stripe

from portal import gateway
from portal.accounts.models import Customer
from portal.core import clock, db, recovery
from portal.core.db import new_id
from portal.invoices.models import Invoice
from portal.payment_methods import service as cards
from portal.payments import restoring
from portal.payments import service as payments
from portal.payments.models import Confirmation, Payment
from portal.payments.queries import WITH_INVOICES
from portal.payments.statuses import Duplicate, PaymentStatus
from portal.reconciliation import recovering, service
from portal.reconciliation.models import RunKind
from portal.reconciliation.service import Report
from tests import factories
from tests.payments.conftest import jobs as jobs_named
from tests.reconciliation.conftest import Account, found

YEARS_AGO = 1_700_000_000
GROSS = 119_00


def forgotten(
    account: Account, payment_id: str, *, minor: int = 20_00, method: str | None = "pm_card_visa", **metadata: str
) -> str:
    """An intent that the portal made for a payment, and paid with this card if there is one; returns its id."""
    customer = cards.ensure_stripe_customer(account.customer_id)
    made = account.sandbox.client.v1.payment_intents.create(
        {
            "amount": minor,
            "currency": "eur",
            "customer": customer,
            "metadata": {"customer_id": account.customer_id, "payment_id": payment_id, **metadata},
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    if method:
        account.confirm(made.id, method)
    return made.id


def begin_recovery() -> None:
    with db.transaction() as session:
        recovery.begin(session, recovery.OPERATOR, {})


def recover(account: Account) -> Report:
    """A comparison in recovery mode."""
    begin_recovery()
    return account.reconcile(RunKind.NIGHTLY)


def at_stripe(intent_id: str) -> str:
    return gateway.current().retrieve_intent(intent_id).status


def all_payments() -> list[Payment]:
    with db.reading() as session:
        return session.query(Payment).options(WITH_INVOICES).order_by(Payment.created_at, Payment.id).all()


# A payment that no row knows


def test_what_was_paid_late_is_brought_back_by_its_charge(account: Account) -> None:
    """The intent is older than all that is compared, its charge is not."""
    intent_id = forgotten(account, new_id("pay"))
    account.alter("payment_intents", intent_id, lambda intent: intent.update(created=YEARS_AGO))
    report = recover(account)
    assert "intents" not in report.counts
    assert report.counts["brought back"] == 1
    (payment,) = all_payments()
    assert (payment.stripe_intent_id, payment.status) == (intent_id, PaymentStatus.SUCCEEDED)
    assert "orphan_charge" not in dict(found())


@pytest.mark.parametrize("is_recovery", [True, False])
def test_what_another_program_took_late_is_named_in_recovery_as_well(account: Account, is_recovery: bool) -> None:
    """Before it has reached the balance."""
    intent_id = account.foreign_charge()
    account.alter("payment_intents", intent_id, lambda intent: intent.update(created=YEARS_AGO))
    charge = gateway.current().retrieve_intent(intent_id).charge
    assert charge is not None and charge.balance_transaction is None
    if is_recovery:
        begin_recovery()
    service.execute(service.begin(RunKind.NIGHTLY, to_now=True))
    assert found() == [("orphan_charge", charge.id)]


@pytest.mark.parametrize(
    ("method", "told"), [(None, []), ("pm_card_visa_chargeDeclined", []), ("pm_card_visa", ["lost_customer"])]
)
def test_of_what_may_be_another_system_s_only_money_is_named_and_nothing_is_touched(
    account: Account, method: str | None, told: list[str]
) -> None:
    intent_id = forgotten(account, new_id("pay"), method=None, customer_id=new_id("cus"))
    if method == "pm_card_visa_chargeDeclined":
        with pytest.raises(stripe.CardError):
            account.confirm(intent_id, method)
    elif method:
        account.confirm(intent_id, method)
    before = at_stripe(intent_id)
    recover(account)
    assert [code for code, _subject in found() if code.startswith("lost_")] == told
    assert (all_payments(), at_stripe(intent_id)) == ([], before)


def test_what_could_not_be_brought_back_is_closed_when_it_is(account: Account) -> None:
    invoice_id = new_id("inv")
    forgotten(account, new_id("pay"), minor=GROSS, invoice_id=invoice_id)
    recover(account)
    assert "lost_invoice" in dict(found())
    with db.transaction() as session:
        factories.invoice(session, session.get_one(Customer, account.customer_id), id=invoice_id)
    recover(account)
    assert "lost_invoice" not in dict(found())
    assert [payment.selection for payment in all_payments()] == [invoice_id]


def test_what_could_not_be_brought_back_stays_named_after_the_recovery(account: Account) -> None:
    """An ordinary comparison does not look for it."""
    forgotten(account, new_id("pay"), minor=GROSS, invoice_id=new_id("inv"))
    recover(account)
    recovering.finish("The invoice is written again from its PDF.")
    account.reconcile(RunKind.NIGHTLY)
    assert "lost_invoice" in dict(found())


# A payment whose row has another intent, or none


def test_an_intent_that_waits_is_adopted_by_the_row_that_has_none(account: Account) -> None:
    payment = account.begun()
    with db.transaction() as session:
        session.get_one(Payment, payment.id).stripe_intent_id = None
    recover(account)
    now = account.payment(payment.id)
    assert (now.stripe_intent_id, now.review_reason) == (payment.stripe_intent_id, "")
    assert at_stripe(str(payment.stripe_intent_id)) == PaymentStatus.REQUIRES_PAYMENT_METHOD


def test_the_customer_at_stripe_is_known_again_by_the_intent_of_a_row(account: Account) -> None:
    payment = account.charged()
    with db.transaction() as session:
        session.get_one(Payment, payment.id).stripe_intent_id = None
        customer = session.get_one(Customer, account.customer_id)
        known, customer.stripe_customer_id = customer.stripe_customer_id, None
    recover(account)
    assert (account.payment(payment.id).status, account.payment(payment.id).review_reason) == ("succeeded", "")
    with db.reading() as session:
        assert session.get_one(Customer, account.customer_id).stripe_customer_id == known


@pytest.mark.parametrize("was_canceled", [False, True])
def test_a_second_intent_that_nobody_has_paid_is_called_off_and_its_row_stays(
    account: Account, was_canceled: bool
) -> None:
    payment = account.begun()
    second = forgotten(account, payment.id, method=None)
    if was_canceled:
        account.sandbox.client.v1.payment_intents.cancel(second)
    recover(account)
    assert at_stripe(second) == PaymentStatus.CANCELED
    now = account.payment(payment.id)
    assert (now.stripe_intent_id, now.status, now.review_reason) == (payment.stripe_intent_id, payment.status, "")
    assert at_stripe(str(now.stripe_intent_id)) == PaymentStatus.REQUIRES_PAYMENT_METHOD


def test_what_a_second_intent_has_taken_is_a_payment_of_its_own_that_goes_back(account: Account) -> None:
    payment = account.paid()
    second = forgotten(account, payment.id)
    recover(account)
    (stray,) = [one for one in all_payments() if one.id != payment.id]
    assert (stray.stripe_intent_id, stray.status, stray.duplicate) == (second, "succeeded", Duplicate.SECOND_INTENT)
    assert account.payment(payment.id).stripe_intent_id == payment.stripe_intent_id


# An invoice whose payment of the backup is another one


def invoice_of(account: Account) -> str:
    with db.transaction() as session:
        return factories.invoice(session, session.get_one(Customer, account.customer_id)).id


def begun_for(account: Account, invoice_id: str) -> Payment:
    """The payment that the backup has."""
    started = payments.start_for_invoice(account.customer_id, invoice_id, client_key=new_id("key"), save_card=False)
    return account.payment(started.payment_id)


def brought_back(account: Account, invoice_id: str) -> Payment:
    """The payment of the same invoice that came after the backup and was paid."""
    payment_id = new_id("pay")
    intent_id = forgotten(account, payment_id, minor=GROSS, invoice_id=invoice_id)
    assert payments.bring_back(gateway.current().retrieve_intent(intent_id)) == ""
    payment = account.payment(payment_id)
    assert (payment.status, payment.stripe_intent_id) == (PaymentStatus.SUCCEEDED, intent_id)
    return payment


def status_of(invoice_id: str) -> str:
    with db.reading() as session:
        return session.get_one(Invoice, invoice_id).status


def test_the_one_of_the_backup_that_waits_is_called_off_for_the_one_that_was_paid(account: Account) -> None:
    invoice_id = invoice_of(account)
    before = begun_for(account, invoice_id)
    payment = brought_back(account, invoice_id)
    assert at_stripe(str(before.stripe_intent_id)) == PaymentStatus.CANCELED
    assert account.payment(before.id).status == PaymentStatus.CANCELED
    assert (payment.selection, payment.duplicate, status_of(invoice_id)) == (invoice_id, None, "paid")


def test_the_one_of_the_backup_finds_the_intent_that_was_made_after_it(account: Account) -> None:
    invoice_id = invoice_of(account)
    before = begun_for(account, invoice_id)
    intent_id = str(before.stripe_intent_id)
    with db.transaction() as session:
        row = session.get_one(Payment, before.id)
        row.stripe_intent_id, row.status = None, PaymentStatus.CREATED
    account.sandbox.client.v1.payment_intents.cancel(intent_id)
    payment = brought_back(account, invoice_id)
    now = account.payment(before.id)
    assert (now.stripe_intent_id, now.status) == (intent_id, PaymentStatus.CANCELED)
    assert (payment.selection, status_of(invoice_id)) == (invoice_id, "paid")


def confirmation(payment: Payment) -> Confirmation:
    """A try of which nobody knows yet what came."""
    now = clock.now()
    return Confirmation(
        id=new_id("cnf"),
        payment_id=payment.id,
        customer_id=payment.customer_id,
        client_key=new_id("key"),
        stripe_payment_method_id="pm_1",
        off_session=False,
        key_used_at=now,
        created_at=now,
    )


def test_the_one_of_the_backup_that_never_came_to_stripe_is_given_up(account: Account) -> None:
    invoice_id = invoice_of(account)
    with db.transaction() as session:
        customer, invoice = session.get_one(Customer, account.customer_id), session.get_one(Invoice, invoice_id)
        before = factories.payment(
            session,
            customer,
            invoice,
            status="created",
            stripe_intent_id=None,
            stripe_charge_id=None,
            succeeded_at=None,
        )
        other = factories.payment(session, customer, status="created", succeeded_at=None)
        session.add_all([confirmation(before), confirmation(other)])
    payment = brought_back(account, invoice_id)
    with db.reading() as session:
        answered = {one.payment_id for one in session.query(Confirmation) if one.answered_at is not None}
    assert answered == {before.id}, "what another payment's bank was asked stays open"
    now = account.payment(before.id)
    assert (now.stripe_intent_id, now.status) == (None, PaymentStatus.CANCELED)
    assert (payment.selection, payment.duplicate, status_of(invoice_id)) == (invoice_id, None, "paid")


def test_where_the_one_of_the_backup_was_paid_as_well_the_other_one_goes_back(account: Account) -> None:
    invoice_id = invoice_of(account)
    before = begun_for(account, invoice_id)
    account.confirm(str(before.stripe_intent_id))
    payment = brought_back(account, invoice_id)
    assert (payment.selection, payment.duplicate) == ("", Duplicate.SECOND_INTENT)
    assert jobs_named("refunds.return_duplicate") == [{"payment_id": payment.id}]
    now = account.payment(before.id)
    assert (now.status, now.selection, status_of(invoice_id)) == (PaymentStatus.SUCCEEDED, invoice_id, "paid")


# Before a card is charged without its holder


@pytest.mark.database("sqlite")
def test_a_card_is_charged_again_only_for_an_invoice_whose_every_payment_is_known(account: Account) -> None:
    invoice_id, other_id = invoice_of(account), invoice_of(account)
    begun_for(account, invoice_id)
    forgotten(account, new_id("pay"), minor=GROSS, invoice_id=other_id)
    canceled = forgotten(account, new_id("pay"), minor=GROSS, method=None, invoice_id=invoice_id)
    account.sandbox.client.v1.payment_intents.cancel(canceled)
    restoring.refuse_lost(account.customer_id, invoice_id)
    with pytest.raises(recovery.InRecovery):
        restoring.refuse_lost(account.customer_id, other_id)
