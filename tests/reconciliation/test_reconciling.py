"""What the portal has not heard of is learned, what does not fit is named, and a second run changes nothing."""

from __future__ import annotations

from datetime import timedelta
from operator import methodcaller
from typing import Any

import pytest
import stripe
import time_machine
from sqlalchemy import select, text
from stripe import CardError

from portal import ledger
from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.audit import AuditEvent
from portal.core.errors import Conflict
from portal.ledger import LedgerAccount, Posting
from portal.payments import service as payments
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.reconciliation import lost, messages, queries, service
from portal.reconciliation.models import RunKind, StripePayout, StripeTransaction
from portal.refunds.models import Refund
from tests import factories
from tests.live import SandboxServer
from tests.reconciliation.conftest import Account, books, discrepancy, found, tamper


def stripe_holds(sandbox: SandboxServer) -> dict[str, int]:
    """What Stripe holds for us, by its own balance transactions."""
    totals: dict[str, int] = {}
    for movement in sandbox.client.v1.balance_transactions.list({"limit": 100}).auto_paging_iter():
        totals[movement.currency] = totals.get(movement.currency, 0) + movement.net
    return {currency: total for currency, total in totals.items() if total}


def we_hold() -> dict[str, int]:
    with db.reading() as session:
        return {currency: total for currency, total in ledger.balance(session, LedgerAccount.STRIPE).items() if total}


def posting(reference: str) -> Posting:
    with db.reading() as session:
        return session.execute(select(Posting).where(Posting.reference == reference)).scalar_one()


def test_all_that_stripe_did_without_us_is_learned(account: Account) -> None:
    client = account.sandbox.client.v1
    bought = [account.charged(20_00, "Poster"), account.charged(35_00, "Frame")]
    given_back = client.refunds.create({"payment_intent": str(bought[1].stripe_intent_id), "amount": 10_00})
    disputed = account.charged(50_00, "Lamp", "pm_card_createDispute")
    account.begun(15_00, "Vase")
    account.settle()
    account.sandbox.control("payouts")

    report = account.reconcile()

    assert report.open_discrepancies == 0
    assert [account.payment(payment.id).status for payment in (*bought, disputed)] == [PaymentStatus.SUCCEEDED] * 3
    assert we_hold() == stripe_holds(account.sandbox)
    with db.reading() as session:
        mirrored = session.execute(select(StripeTransaction)).scalars().all()
        kinds = set(session.execute(select(Posting.kind)).scalars())
    assert {row.type for row in mirrored} >= {"charge", "refund", "adjustment"}
    assert all(row.booked_at for row in mirrored)
    assert {"charge", "fee", "refund", "dispute", "dispute_fee"} <= kinds
    assert given_back.amount == posting(f"refund:{given_back.id}").amount_minor


def test_what_moved_no_money_is_learned_as_well(account: Account) -> None:
    canceled, declined = account.begun(), account.begun()
    account.sandbox.client.v1.payment_intents.cancel(str(canceled.stripe_intent_id))
    with pytest.raises(stripe.CardError):
        account.confirm(str(declined.stripe_intent_id), "pm_card_visa_chargeDeclined")
    account.reconcile()
    assert account.payment(canceled.id).status == PaymentStatus.CANCELED
    assert account.payment(declined.id).failure_code == "card_declined"


@pytest.mark.parametrize("asked", [{"amount": 80_00}, {"amount": 60_00, "currency": "usd"}])
@pytest.mark.parametrize("verdict", ["won", "lost"])
def test_a_dispute_that_differs_from_its_payment_leaves_equal_books(
    account: Account, asked: dict[str, object], verdict: str
) -> None:
    charge = account.paid(50_00, "Lamp").stripe_charge_id
    account.sandbox.control("disputes", charge=charge, **asked)
    account.reconcile()
    (dispute,) = account.sandbox.client.v1.disputes.list().data
    account.sandbox.control("disputes/decide", dispute=dispute.id, verdict=verdict)
    account.reconcile()
    assert found() == []
    assert we_hold() == stripe_holds(account.sandbox)
    assert account.reconcile(RunKind.NIGHTLY).open_discrepancies == 0


def test_a_second_run_changes_nothing(account: Account) -> None:
    account.charged(20_00)
    account.foreign_charge()
    account.reconcile()
    before = books()
    report = account.reconcile()
    assert books() == before
    assert report.open_discrepancies == 1
    account.reconcile(RunKind.NIGHTLY)
    assert books() == before


def test_an_old_payment_that_is_paid_late_is_found_by_its_charge(account: Account) -> None:
    """The intent is older than the span, its charge is not."""
    payment = account.charged()
    account.alter("payment_intents", str(payment.stripe_intent_id), lambda intent: intent.update(created=1_700_000_000))
    with db.transaction() as session:
        row = session.get_one(Payment, payment.id)
        row.created_at = row.created_at.replace(year=2023)
    account.settle()
    with db.reading() as session:
        since, _ = service.span(session, RunKind.NIGHTLY)
    report = account.reconcile(since=since)
    assert ("intents" in report.counts, report.counts["settled"]) == (False, 1)
    assert account.payment(payment.id).status == PaymentStatus.SUCCEEDED
    assert "settled" not in account.reconcile(since=since).counts, "what is in our books is not fetched again"


def test_an_old_payment_whose_intent_s_id_was_lost_is_found_by_its_charge(account: Account) -> None:
    payment = account.charged()
    with db.transaction() as session:
        session.get_one(Payment, payment.id).stripe_intent_id = None
    account.alter("payment_intents", str(payment.stripe_intent_id), lambda intent: intent.update(created=1_700_000_000))
    report = account.reconcile(RunKind.NIGHTLY)
    assert [name for name in ("intents", "learned by their money") if report.counts.get(name)] == []
    assert account.payment(payment.id).status == PaymentStatus.SUCCEEDED
    assert "orphan_charge" not in dict(found())


def test_an_intent_whose_id_was_lost_is_found_by_its_metadata(account: Account) -> None:
    payment = account.charged()
    with db.transaction() as session:
        session.get_one(Payment, payment.id).stripe_intent_id = None
    report = account.reconcile()
    assert report.open_discrepancies == 0
    assert account.payment(payment.id).status == PaymentStatus.SUCCEEDED


def test_money_that_is_not_ours_is_named_until_a_person_has_resolved_it(account: Account) -> None:
    account.paid()
    account.foreign_charge(7_00)
    with db.transaction() as session:
        reviewer = factories.staff(session, "admin")
    assert account.reconcile().open_discrepancies == 1
    named = discrepancy("orphan_charge")
    assert "7.00" in messages.of(named).title
    assert we_hold() != stripe_holds(account.sandbox)

    service.resolve(named.id, reviewer.id, "The shop's till uses the same account.")

    assert we_hold() == stripe_holds(account.sandbox)
    assert account.reconcile().open_discrepancies == 0
    assert account.reconcile(RunKind.NIGHTLY).open_discrepancies == 0
    with pytest.raises(Conflict):
        service.resolve(named.id, reviewer.id, "Once more.")
    with db.reading() as session:
        told = session.execute(select(AuditEvent).where(AuditEvent.action == "discrepancy.resolved")).scalar_one()
    assert told.facts["note"] == "The shop's till uses the same account."


def test_what_another_program_did_not_get_is_no_money(account: Account) -> None:
    with pytest.raises(CardError):
        account.foreign_charge(method="pm_card_visa_chargeDeclined")
    (intent,) = account.sandbox.client.v1.payment_intents.list().data
    assert intent.latest_charge is not None
    account.reconcile()
    assert found() == []


def test_money_resolved_before_it_reached_the_balance_is_booked_when_it_does(account: Account) -> None:
    account.paid()
    account.foreign_charge(7_00)
    with db.transaction() as session:
        reviewer = factories.staff(session, "admin")
    service.execute(service.begin(RunKind.COMMAND, to_now=True))
    service.resolve(discrepancy("orphan_charge").id, reviewer.id, "The shop's till.")
    assert account.reconcile().open_discrepancies == 0
    assert we_hold() == stripe_holds(account.sandbox)


@pytest.mark.owner
@pytest.mark.parametrize("minor", [1, -1])
def test_a_cent_in_a_posting_is_named_with_row_and_difference(account: Account, minor: int) -> None:
    payment = account.paid(20_00)
    account.reconcile()
    charge = posting(f"charge:{payment.stripe_intent_id}")
    tamper("postings", charge.id, f"amount_minor = amount_minor + {minor}")

    assert account.reconcile().open_discrepancies == 1

    named = discrepancy("posting_differs")
    assert named.subject == charge.id
    assert named.facts["difference_minor"] == minor
    assert charge.id in messages.of(named).title
    assert f"{minor / 100:.2f}" in messages.of(named).title
    tamper("postings", charge.id, f"amount_minor = amount_minor - {minor}")
    assert account.reconcile().open_discrepancies == 0


@pytest.mark.owner
def test_a_posting_on_another_account_is_named(account: Account) -> None:
    payment = account.paid(20_00)
    charge = posting(f"charge:{payment.stripe_intent_id}")
    tamper("postings", charge.id, "credit = 'fees'")
    account.reconcile()
    assert "stripe_balance / fees" in messages.of(discrepancy("posting_misplaced")).title


def test_a_cent_in_a_payment_is_named_with_row_and_difference(account: Account) -> None:
    payment = account.paid(20_00)
    tamper("payments", payment.id, "amount_minor = amount_minor + 1")
    account.reconcile()
    named = discrepancy("payment_amount")
    assert named.subject == payment.id
    assert (named.facts["ours_minor"], named.facts["stripe_minor"]) == (20_01, 20_00)
    assert "0.01" in messages.of(named).title


def test_a_cent_in_a_fee_is_named(account: Account) -> None:
    payment = account.paid(20_00)
    tamper("payments", payment.id, "fee_minor = fee_minor - 1")
    account.reconcile()
    assert discrepancy("payment_fee").facts["difference_minor"] == -1


def test_a_cent_at_stripe_is_named_with_row_and_difference(account: Account) -> None:
    payment = account.paid(20_00)
    account.reconcile()
    with db.reading() as session:
        mirrored = session.execute(select(StripeTransaction)).scalar_one()
    account.alter(
        "balance_transactions", mirrored.id, lambda row: row.update(amount=row["amount"] + 1, net=row["net"] + 1)
    )
    account.reconcile()
    named = discrepancy("posting_differs")
    assert named.subject == posting(f"charge:{payment.stripe_intent_id}").id
    assert named.facts["transaction"] == mirrored.id
    assert named.facts["difference_minor"] == -1


@pytest.mark.owner
def test_a_refund_that_differs_by_a_cent_is_named(account: Account) -> None:
    payment = account.paid(20_00)
    account.sandbox.client.v1.refunds.create({"payment_intent": str(payment.stripe_intent_id), "amount": 5_00})
    account.reconcile()
    with db.reading() as session:
        refund = session.execute(select(Posting).where(Posting.kind == "refund")).scalar_one()
    tamper("postings", refund.id, "amount_minor = 499")
    account.reconcile()
    assert discrepancy("posting_differs").facts["difference_minor"] == -1


def test_a_cent_in_a_refund_is_named_with_row_and_difference(account: Account) -> None:
    payment = account.paid(20_00)
    account.sandbox.client.v1.refunds.create({"payment_intent": str(payment.stripe_intent_id), "amount": 5_00})
    account.reconcile()
    with db.reading() as session:
        refund = session.execute(select(Refund)).scalar_one()
    tamper("refunds", refund.id, "amount_minor = amount_minor - 1")
    account.reconcile()
    named = discrepancy("refund_amount")
    assert named.subject == refund.id
    assert (named.facts["ours_minor"], named.facts["stripe_minor"]) == (4_99, 5_00)


@pytest.mark.owner
def test_a_deleted_posting_is_named(account: Account) -> None:
    payment = account.paid(20_00)
    charge = posting(f"charge:{payment.stripe_intent_id}")
    with db.engine().begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE postings DISABLE TRIGGER USER"))
        else:
            connection.execute(text("DROP TRIGGER postings_no_delete"))
        connection.execute(text("DELETE FROM postings WHERE id = :id"), {"id": charge.id})
    account.reconcile()
    assert discrepancy("unposted").facts["reference"] == charge.reference


def test_a_payment_that_was_marked_paid_by_hand_is_named(account: Account) -> None:
    payment = account.begun(20_00)
    tamper("payments", payment.id, "status = 'succeeded', succeeded_at = created_at")
    account.reconcile()
    assert {("payment_differs", payment.id), ("paid_unposted", payment.id)} <= set(found())


def test_a_posting_of_nothing_is_named_and_so_are_the_totals(account: Account) -> None:
    payment = account.paid(20_00)
    account.reconcile(RunKind.NIGHTLY)
    earlier = payment.created_at.replace(microsecond=0) - service.OVERLAP * 3
    with db.transaction() as session:
        ledger.post(
            session,
            "charge",
            debit=LedgerAccount.STRIPE,
            credit=LedgerAccount.RECEIVABLES,
            amount=payment.amount,
            subject=payment.id,
            reference="charge:pi_invented",
            at=earlier,
        )
    account.reconcile(RunKind.NIGHTLY)
    assert discrepancy("posting_alone").subject == posting("charge:pi_invented").id
    assert discrepancy("totals_differ").facts["difference_minor"] == 20_00


@pytest.mark.owner
def test_a_line_of_long_ago_is_found_at_night_because_the_totals_differ(account: Account) -> None:
    """Nobody looks at it any more, but for the sums."""
    payment = account.paid(20_00)
    account.reconcile()
    long_ago = "'2023-05-01 10:00:00.000000'"
    charge = posting(f"charge:{payment.stripe_intent_id}")
    fee = next(row for row in books()["postings"] if row[2] == "fee")
    tamper("postings", charge.id, f"at = {long_ago}, amount_minor = amount_minor + 1")
    tamper("postings", fee[0], f"at = {long_ago}")
    tamper("stripe_transactions", _transaction(), f"created_at = {long_ago}, booked_at = {long_ago}")
    for table in ("balance_transactions", "charges", "payment_intents"):
        for row in (payment.stripe_charge_id, payment.stripe_intent_id, _transaction()):
            _age(account, table, str(row))
    account.reconcile(RunKind.NIGHTLY)
    assert discrepancy("posting_differs").subject == charge.id


def _transaction() -> str:
    with db.reading() as session:
        return session.execute(select(StripeTransaction.id)).scalar_one()


def _age(account: Account, table: str, object_id: str) -> None:
    try:
        account.alter(table, object_id, lambda row: row.update(created=1_682_935_200))
    except TypeError:  # it is of another table
        return


@pytest.mark.database("sqlite")  # PostgreSQL's clock cannot be moved
def test_payouts_are_booked_and_equal_what_they_are_made_of(account: Account) -> None:
    payment = account.paid(20_00)
    day = 24 * 3600
    with db.reading() as session:
        since = service.span(session, RunKind.NIGHTLY)[0]
    account.sandbox.control("clock", seconds=3 * day)
    account.sandbox.control("payouts")
    account.sandbox.control("clock", seconds=3 * day)  # the money is in the bank
    (payout,) = account.sandbox.client.v1.payouts.list().data
    assert payout.reconciliation_status == "completed"
    with time_machine.travel(clock.now() + timedelta(days=7)):
        assert service.dry_run(RunKind.COMMAND, to_now=True, since=since).counts["to be posted"] == 1
        account.reconcile(since=since)
        assert found() == [("receipt_missing", payment.id)]  # no worker has run for a week
        with db.reading() as session:
            kept = session.get_one(StripePayout, payout.id)
            parts = session.execute(select(StripeTransaction).where(StripeTransaction.payout_id == payout.id)).scalars()
            assert {row.subject for row in parts} == {payment.id, payout.id}
        assert (kept.status, kept.sum_minor) == ("paid", payout.amount)
        assert we_hold() == stripe_holds(account.sandbox) == {}
        assert posting(f"payout:{payout.balance_transaction}").debit == LedgerAccount.BANK

        # What nobody lists the parts of, or not all of them yet, is held against nothing.
        differs = {"amount": payout.amount + 1, "automatic": True, "reconciliation_status": "completed"}
        for unlisted in ({"automatic": False}, {"reconciliation_status": "in_progress"}):
            change: dict[str, Any] = differs | unlisted
            account.alter("payouts", payout.id, methodcaller("update", change))
            account.reconcile(since=since)
            assert "payout_differs" not in dict(found())
        account.alter("payouts", payout.id, lambda row: row.update(differs))
        account.reconcile(since=since)
        assert discrepancy("payout_differs").facts["difference_minor"] == -1


def test_what_is_charged_twice_is_proposed_for_a_refund_and_never_given_back(account: Account) -> None:
    first, second = account.paid(20_00, "Poster"), account.paid(20_00, "Poster")
    account.paid(20_00, "Frame")
    account.reconcile()
    named = discrepancy("charged_twice")
    assert (named.subject, named.facts["first"], named.payment_id) == (second.id, first.id, second.id)
    assert not account.sandbox.client.v1.refunds.list().data
    account.sandbox.client.v1.refunds.create({"payment_intent": str(second.stripe_intent_id)})
    assert account.reconcile().open_discrepancies == 0


def test_what_stripe_does_not_know_is_named_and_stops_nothing(account: Account) -> None:
    """As after a change to another account of Stripe's."""
    paid = account.paid()
    with db.transaction() as session:
        customer, row = session.get_one(Customer, account.customer_id), session.get_one(Payment, paid.id)
        waiting: dict[str, Any] = {
            "status": PaymentStatus.REQUIRES_ACTION,
            "succeeded_at": None,
            "stripe_charge_id": None,
        }
        payment = factories.payment(session, customer, stripe_intent_id="pi_gone", **waiting)
        refund = factories.refund(session, row, amount_minor=1_00, status="pending", stripe_refund_id="re_gone")
        dispute = factories.dispute(session, row, status="under_review")
        session.add(
            StripePayout(
                id="po_gone",
                amount_minor=1_00,
                currency="eur",
                status="in_transit",
                automatic=True,
                created_at=clock.now() - timedelta(days=60),
                arrives_at=clock.now(),
            )
        )
    late = account.charged(30_00, "Frame")
    account.reconcile(RunKind.NIGHTLY)
    named = {("payment_missing", payment.id), ("refund_missing", refund.id), ("dispute_missing", dispute.id)}
    assert {*named, ("payout_missing", "po_gone")} <= {*found()}
    assert account.payment(late.id).status == PaymentStatus.SUCCEEDED
    assert {*named, ("payout_missing", "po_gone")} <= {
        (one.code, one.subject) for one in account.reconcile(RunKind.NIGHTLY).discrepancies
    }


def test_a_dry_run_writes_nothing_and_finds_the_same(account: Account) -> None:
    account.charged(20_00)
    account.foreign_charge()
    account.settle()
    before = books()
    dry = service.dry_run(RunKind.COMMAND, to_now=True)
    assert books() == before
    assert [one.code for one in dry.discrepancies] == ["orphan_charge"]
    assert dry.counts["settled"] >= 1
    assert dry.dry
    with db.reading() as session:
        assert queries.latest_finished(session) is None


def test_a_dry_run_counts_what_a_run_would_learn(account: Account) -> None:
    account.charged(20_00)
    account.settle()
    before = books()
    dry = service.dry_run(RunKind.COMMAND, to_now=True)
    assert (dry.counts["to be learned"], dry.discrepancies, books()) == (1, [], before)
    assert "to be learned" not in account.reconcile().counts and found() == []


def test_a_dry_run_does_not_call_missing_what_a_run_would_learn(account: Account) -> None:
    payment = account.charged(20_00)
    payments.refresh(payment.id)
    account.settle()  # its fee is known at Stripe only now
    dry = service.dry_run(RunKind.COMMAND, to_now=True)
    assert (dry.counts["to be learned"], dry.discrepancies) == (1, [])


def test_money_of_a_payment_that_was_begun_long_ago_is_learned_of_by_its_movement(account: Account) -> None:
    payment = account.charged(20_00)
    intent = account.sandbox.client.v1.payment_intents.retrieve(str(payment.stripe_intent_id))
    account.settle()
    for table, row in (("payment_intents", intent.id), ("charges", str(intent.latest_charge))):
        _age(account, table, row)  # beyond the days whose payments are listed
    done = account.reconcile()
    assert done.counts["learned by their money"] == 1
    assert account.payment(payment.id).status == PaymentStatus.SUCCEEDED
    assert "unposted" not in dict(found()) and we_hold() == stripe_holds(account.sandbox)


def test_a_dry_run_names_what_is_missing_of_a_payment_that_is_held(account: Account) -> None:
    payment = account.charged(20_00)
    account.settle()
    tamper("payments", payment.id, "review_reason = 'the amount differs'")
    assert "unposted" in {one.code for one in service.dry_run(RunKind.COMMAND, to_now=True).discrepancies}


def test_a_dry_run_only_names_a_payment_that_it_finds_by_its_metadata(account: Account) -> None:
    payment = account.charged(20_00)
    tamper("payments", payment.id, "stripe_intent_id = NULL")
    before = books()
    assert service.dry_run(RunKind.COMMAND, to_now=True).counts["found by metadata"] == 1
    assert books() == before


def test_every_discrepancy_has_words() -> None:
    noted = {code for step in service.STEPS for code in step.codes} | set(lost.LOST)
    assert noted == set(messages.WORDS)
    assert {row.__tablename__ for row in (StripePayout, StripeTransaction)} == {"stripe_payouts", "stripe_transactions"}
