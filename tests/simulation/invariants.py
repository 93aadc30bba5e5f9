"""What must hold once everything is calm: the portal's rows against Stripe's own lists, and against what clients were told.

Nothing of portal.reconciliation is used here, so that a mistake in it cannot hide itself. The letters are those of docs/reliability.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING

from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import audit, clock, db
from portal.documents import facts
from portal.documents import jobs as documents
from portal.documents.models import OF_PAYMENTS, OF_REFUNDS, Document, DocumentKind
from portal.invoices.models import Invoice, OutsidePayment
from portal.jobs.models import JobRow
from portal.ledger import LedgerAccount, Posting
from portal.payments.models import Allocation, Confirmation, Payment
from portal.refunds import jobs as refund_jobs
from portal.refunds.models import Refund, RefundOrigin
from portal.stripe_events.models import StripeEvent
from tests.simulation import stripe_side, told
from tests.simulation.stripe_side import StripeSide
from tests.simulation.told import Told

if TYPE_CHECKING:
    from stripe import StripeClient

SUCCEEDED = "succeeded"
# Nobody but the customer, or nobody at all, has anything to do.
RESTING_PAYMENTS = frozenset(
    {"requires_payment_method", "requires_confirmation", "requires_action", SUCCEEDED, "canceled"}
)
RESTING_REFUNDS = frozenset({"requested", "approved_once", "rejected", "withdrawn", SUCCEEDED, "failed", "canceled"})
# Their amount is free for another refund.
FREED = frozenset({"rejected", "withdrawn", "failed", "canceled"})
# How long a job that is due may be at work, or next in line.
AT_WORK_SECONDS = 5
# What staff are told of by mail when it dies counts as told.
MAIL_JOBS = frozenset({documents.mail.name, documents.mail_revocation.name, refund_jobs.mail.name})


@dataclass
class PortalSide:
    """The portal's rows, read in one view. `broken_chain` is what the audit trail's check says."""

    payments: list[Payment]
    invoices: list[Invoice]
    refunds: list[Refund]
    documents: list[Document]
    postings: list[Posting]
    customers: dict[str, Customer]
    allocations: list[Allocation]
    outside: list[OutsidePayment]
    open_jobs: list[JobRow]
    unanswered: list[Confirmation]
    unapplied: list[StripeEvent]
    broken_chain: str | None
    by_intent: dict[str, list[Payment]] = field(default_factory=lambda: defaultdict(list))
    by_id: dict[str, Payment] = field(default_factory=dict)
    taken_back: set[str] = field(default_factory=set)
    parts_of: dict[str, list[Allocation]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.taken_back = {one.subject for one in self.postings if one.kind == "debit_returned"}
        for one in self.allocations:
            self.parts_of[one.payment_id].append(one)
        for payment in self.payments:
            self.by_id[payment.id] = payment
            if payment.stripe_intent_id:
                self.by_intent[payment.stripe_intent_id].append(payment)


def read_portal() -> PortalSide:
    with db.reading() as session:
        return PortalSide(
            payments=list(session.scalars(select(Payment))),
            invoices=list(session.scalars(select(Invoice))),
            refunds=list(session.scalars(select(Refund))),
            documents=list(session.scalars(select(Document))),
            postings=list(session.scalars(select(Posting))),
            customers={row.id: row for row in session.scalars(select(Customer))},
            allocations=list(session.scalars(select(Allocation))),
            outside=list(session.scalars(select(OutsidePayment))),
            open_jobs=list(session.scalars(select(JobRow).where(JobRow.status != "done"))),
            unanswered=list(session.scalars(select(Confirmation).where(Confirmation.answered_at.is_(None)))),
            unapplied=list(session.scalars(select(StripeEvent).where(StripeEvent.status == "received"))),
            broken_chain=audit.verify(session),
        )


def violations(
    client: StripeClient,
    notes: Iterable[Told] = (),
    mails: Sequence[EmailMessage] | None = None,
    *,
    worker_runs: bool = True,
) -> list[str]:
    """Every promise that does not hold now, a sentence each; empty when all do.

    `notes` are what clients were told, `mails` what the mail server took; without them nothing is said about mails beyond the rows.
    Where no worker runs any more, jobs that have come due are nobody's fault.
    The portal is read before Stripe: what happens in between shows, so all must be calm.
    """
    ours, theirs = read_portal(), stripe_side.read(client)
    found = [
        *paid_and_charged(ours, theirs),
        *charged_once(ours, theirs),
        *ledger_equals_balance(ours, theirs),
        *debits_under_way(ours, theirs),
        *refunds_fit(ours, theirs),
        *documents_stand(ours),
        *nothing_under_way(ours),
        *jobs_done(ours, worker_runs=worker_runs),
        *debits_equal_credits(ours),
        *open_items_fit(ours),
        *allocations_fit(ours),
        *what_was_told(ours, theirs, notes),
    ]
    if mails is not None:
        found += mails_arrived(ours, mails)
    if ours.broken_chain:
        found.append(f"I: the audit trail is broken: {ours.broken_chain}")
    return found


def paid_and_charged(ours: PortalSide, theirs: StripeSide) -> Iterator[str]:
    """A and B."""
    for intent in theirs.succeeded:
        paid = [payment for payment in ours.by_intent.get(intent.id, []) if payment.status == SUCCEEDED]
        if len(paid) != 1:
            states = [(payment.id, payment.status) for payment in ours.by_intent.get(intent.id, [])]
            yield f"A: {intent.id} has succeeded, and {len(paid)} payments say so: {states}"
            continue
        (payment,) = paid
        if (payment.amount_minor, payment.currency) != (intent.received, intent.currency):
            yield f"A: {payment.id} is over {payment.amount}, {intent.id} over {intent.received} {intent.currency}"
        holder = ours.customers[payment.customer_id].stripe_customer_id
        if holder != intent.customer:
            yield f"A: {payment.id} is of {holder}, {intent.id} of {intent.customer}"
    for payment in ours.payments:
        named = theirs.intents.get(payment.stripe_intent_id or "")
        if payment.status == SUCCEEDED and (named is None or named.status != SUCCEEDED):
            yield f"B: {payment.id} says paid, {payment.stripe_intent_id} is {named.status if named else 'not there'}"
        if payment.stripe_intent_id and named is None:
            yield f"B: {payment.id} names {payment.stripe_intent_id}, which Stripe does not have"
        if named is not None and named.status == "canceled" and payment.status != "canceled":
            yield f"B: {payment.id} is {payment.status}, {named.id} is canceled"
    kept = [payment for payment in ours.payments if payment.status == SUCCEEDED and payment.id not in ours.taken_back]
    paid_for = Counter[str]()
    for one in (one for payment in kept for one in ours.parts_of[payment.id]):
        paid_for[one.invoice_id] += one.amount_minor
    for invoice in ours.invoices:
        is_paid = paid_for[invoice.id] >= invoice.total_minor
        if (invoice.status == "paid") != is_paid:
            yield f"B: invoice {invoice.number} is {invoice.status}, paid for or not: {is_paid}"


def charged_once(ours: PortalSide, theirs: StripeSide) -> Iterator[str]:
    """P1: what was paid a second time for one invoice or one order has gone back by itself, in full."""
    sold: dict[str, list[str]] = defaultdict(list)
    for intent in theirs.succeeded:
        payment = next(iter(ours.by_intent.get(intent.id, [])), None)
        if intent.id in theirs.lost_debits:
            continue  # its bank has given the money back, and what it paid is owed again
        of_invoices = ours.parts_of[payment.id] if payment else []
        subjects = [f"{one.invoice_id} ({one.opening})" for one in of_invoices]
        subjects += [f"order {intent.metadata['order']}"] if "order" in intent.metadata else []
        for subject in subjects:
            sold[subject].append(intent.id)
    returned = {
        ours.by_id[refund.payment_id].stripe_intent_id: refund.amount_minor
        for refund in ours.refunds
        if refund.origin == RefundOrigin.PORTAL and refund.status == SUCCEEDED
    }
    for subject, intents in sold.items():
        kept = [intent for intent in intents if returned.get(intent, 0) < theirs.intents[intent].received]
        if len(kept) > 1:
            yield f"P1: {subject} was charged {len(kept)} times: {', '.join(kept)}"


def debits_under_way(ours: PortalSide, theirs: StripeSide) -> Iterator[str]:
    """C: what is under way by the books is what Stripe has in the balance of debits that neither succeeded nor were taken out."""
    booked = Counter[str]()
    for posting in ours.postings:
        sign = (posting.credit == LedgerAccount.UNDERWAY) - (posting.debit == LedgerAccount.UNDERWAY)
        booked[posting.subject] += sign * posting.amount_minor
    for payment in ours.payments:
        intent = theirs.intents.get(payment.stripe_intent_id or "")
        expected = payment.amount_minor if intent is not None and intent.status == "processing" else 0
        if booked[payment.id] != expected:
            yield f"C: {booked[payment.id]} of {payment.id} is under way by the books, {expected} at Stripe"
    lost = {
        payment.id
        for intent_id in theirs.lost_debits
        for payment in ours.by_intent.get(intent_id, [])
        if payment.has_invoices and payment.duplicate is None
    }
    for payment_id in lost ^ ours.taken_back:
        yield f"C: {payment_id} was taken back by its bank: {payment_id in lost}, by the books: {payment_id in ours.taken_back}"


def ledger_equals_balance(ours: PortalSide, theirs: StripeSide) -> Iterator[str]:
    """C, as a whole by currency, and payment by payment so that two mistakes cannot cancel each other."""
    booked, moved = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for posting in ours.postings:
        sign = (posting.debit == LedgerAccount.STRIPE) - (posting.credit == LedgerAccount.STRIPE)
        booked[posting.subject, posting.currency] += sign * posting.amount_minor
    for movement in theirs.movements:
        payments = ours.by_intent.get(movement.intent_id or "", [])
        subject = payments[0].id if payments else movement.intent_id or "no payment"
        moved[subject, movement.currency] += movement.net
    of_payments = {key for key in (*booked, *moved) if key[0].startswith(("pay_", "pi_"))}
    for subject, currency in sorted(of_payments):
        ledger_says, stripe_says = booked[subject, currency], moved[subject, currency]
        if ledger_says != stripe_says:
            yield f"C: of {subject} the ledger has {ledger_says} {currency}, Stripe's balance {stripe_says}"
    for currency in sorted({key[1] for key in (*booked, *moved)}):
        total, balance = (sum(amount for key, amount in side.items() if key[1] == currency) for side in (booked, moved))
        if total != balance:
            yield f"C: the ledger has {total} {currency} at Stripe, Stripe's balance transactions come to {balance}"


def refunds_fit(ours: PortalSide, theirs: StripeSide) -> Iterator[str]:
    """D and P5: never more back than came in, no refund made twice, and each of Stripe's stands in one row as it is there."""
    sent = Counter(refund.metadata["refund_id"] for refund in theirs.refunds.values() if "refund_id" in refund.metadata)
    for refund_id, times in sent.items():
        if times > 1:
            yield f"D: {refund_id} was made {times} times at Stripe"
    rows: dict[str, list[Refund]] = defaultdict(list)
    for row in ours.refunds:
        rows[row.stripe_refund_id or ""].append(row)
        if row.status == SUCCEEDED and row.stripe_refund_id not in theirs.refunds:
            yield f"D: {row.id} says succeeded, and Stripe has no {row.stripe_refund_id}"
        if row.stripe_refund_id is None and sent[row.id]:
            yield f"D: {row.id} is {row.status} and knows of no refund at Stripe, which has it"
    for refund in theirs.refunds.values():
        if len(rows[refund.id]) != 1:
            yield f"D: Stripe's {refund.id} stands in {len(rows[refund.id])} rows"
        for row in rows[refund.id]:
            if (row.status, row.amount_minor, row.currency) != (refund.status, refund.amount, refund.currency):
                there = f"{refund.status} over {refund.amount} {refund.currency}"
                yield f"D: {row.id} is {row.status} over {row.amount}, Stripe's {refund.id} {there}"
    yield from _no_more_than_received(ours, theirs)


def _no_more_than_received(ours: PortalSide, theirs: StripeSide) -> Iterator[str]:
    for intent in theirs.intents.values():
        if theirs.given_back(intent.id) > intent.received:
            yield f"D: {theirs.given_back(intent.id)} of {intent.received} {intent.currency} of {intent.id} went back"
    reserved = Counter[str]()
    for row in ours.refunds:
        if row.status not in FREED:
            reserved[row.payment_id] += row.amount_minor
    for payment_id, amount in reserved.items():
        if amount > ours.by_id[payment_id].amount_minor:
            yield f"D: refunds of {amount} are reserved of {payment_id}, over {ours.by_id[payment_id].amount_minor}"


def documents_stand(ours: PortalSide) -> Iterator[str]:
    """E, as far as the rows tell."""
    issued = Counter(document.payment_id for document in ours.documents if document.kind in OF_PAYMENTS)
    notes = {document.refund_id: document for document in ours.documents if document.kind in OF_REFUNDS}
    told_to_staff = {str(job.args) for job in ours.open_jobs if job.status == "dead"}
    for payment in ours.payments:
        wanted = int(payment.status == SUCCEEDED)
        if issued[payment.id] != wanted:
            yield f"E: {payment.id} is {payment.status} and has {issued[payment.id]} receipts"
    for refund in ours.refunds:
        note = notes.get(refund.id)
        if refund.status == SUCCEEDED and (note is None or note.revoked_at is not None):
            yield f"E: {refund.id} has succeeded, and its credit note is {'revoked' if note else 'missing'}"
        if refund.status != SUCCEEDED and note is not None and note.revoked_at is None:
            yield f"E: {refund.id} is {refund.status}, and its credit note {note.number} stands"
    for document in ours.documents:
        owner = ours.by_id.get(str(document.payment_id))
        if (
            owner is not None
            and document.kind in OF_PAYMENTS
            and (document.total_minor, document.currency)
            != (
                owner.amount_minor,
                owner.currency,
            )
        ):
            yield f"E: {document.number} is over {document.total}, its payment over {owner.amount}"
        mailed = document.mailed_at or document.revoked_at
        if not mailed and not any(document.id in args for args in told_to_staff):
            yield f"E: {document.number} was not mailed, and nobody was told"
        if document.revoked_at and document.kind in OF_REFUNDS and not document.revocation_mailed_at:
            yield f"E: that {document.number} is void was not mailed"
    yield from _gaps(ours.documents)


def _gaps(documents: Sequence[Document]) -> Iterator[str]:
    """Each series of numbers counts up from its first without a gap."""
    series: dict[str, list[int]] = defaultdict(list)
    for document in documents:
        name, _, number = document.number.rpartition("-")
        series[name].append(int(number))
    for name, numbers in series.items():
        missing = sorted(set(range(min(numbers), max(numbers) + 1)) - set(numbers))
        if missing:
            yield f"E: the numbers {missing} of {name} are missing"


def mails_arrived(ours: PortalSide, mails: Sequence[EmailMessage]) -> Iterator[str]:
    """E and P4, as the mail server saw it: what is marked as mailed arrived, and a repeat has the first one's Message-ID."""
    for document in ours.documents:
        if not document.mailed_at:
            continue
        names = {
            mail["Message-ID"]
            for mail in mails
            if document.number in str(mail["Subject"]) and any(True for _ in mail.iter_attachments())
        }
        if not names:
            yield f"E: {document.number} is marked as mailed, and no mail server took it"
        elif len(names) > 1:
            yield f"E: {document.number} was mailed under {len(names)} Message-IDs"


def nothing_under_way(ours: PortalSide) -> Iterator[str]:
    """F: once calm, nothing waits but for the customer, and nothing was set aside but what was paid twice and went back."""
    returned = {refund.payment_id for refund in ours.refunds if refund.origin == RefundOrigin.PORTAL}
    for payment in ours.payments:
        if payment.status not in RESTING_PAYMENTS:
            yield f"F: {payment.id} is {payment.status}"
        if payment.review_reason and payment.id not in returned:
            yield f"F: {payment.id} was set aside: {payment.review_reason}"
    for refund in ours.refunds:
        if refund.status not in RESTING_REFUNDS:
            yield f"F: {refund.id} is {refund.status}"
        if refund.review_reason:
            yield f"F: {refund.id} was set aside: {refund.review_reason}"
    for confirmation in ours.unanswered:
        yield f"F: {confirmation.id} of {confirmation.payment_id} has no answer"
    for event in ours.unapplied:
        yield f"F: the event {event.id} ({event.type}) is not applied"


def jobs_done(ours: PortalSide, *, worker_runs: bool) -> Iterator[str]:
    """F, of the work that stands behind it. Jobs that look after something come due again and again; these may be at work now."""
    late = clock.now() - timedelta(seconds=AT_WORK_SECONDS)
    for job in ours.open_jobs:
        if job.status == "dead" and job.name not in MAIL_JOBS:
            yield f"F: {job.name} {job.args} died of: {job.last_error}"
        elif job.status == "queued" and (job.last_error or (worker_runs and job.run_at <= late)):
            yield f"F: {job.name} {job.args} is still to be done; its last error: {job.last_error}"


def debits_equal_credits(ours: PortalSide) -> Iterator[str]:
    """H."""
    accounts = Counter[tuple[str, str]]()
    for posting in ours.postings:
        accounts[posting.debit, posting.currency] += posting.amount_minor
        accounts[posting.credit, posting.currency] -= posting.amount_minor
    for currency in {currency for _account, currency in accounts}:
        total = sum(amount for (_account, of), amount in accounts.items() if of == currency)
        if total:
            yield f"H: debits and credits differ by {total} {currency}"
    for reference, times in Counter(posting.reference for posting in ours.postings).items():
        if times > 1:
            yield f"H: {reference} was posted {times} times"


def open_items_fit(ours: PortalSide) -> Iterator[str]:
    """J: by the postings alone, what is owed of each invoice is what is due of it, and of all else nothing; what went back is explained."""
    owed, back = Counter[str](), Counter[str]()
    for posting in ours.postings:
        for account, sign in ((posting.debit, 1), (posting.credit, -1)):
            if account == LedgerAccount.RECEIVABLES:
                owed[str(posting.item_id)] += sign * posting.amount_minor
            elif account == LedgerAccount.REFUNDS:
                back[posting.subject] += sign * posting.amount_minor
    due = {invoice.id: invoice.amount_due.minor for invoice in ours.invoices}
    for item in sorted({*owed, *due}):
        if owed[item] != due.get(item, 0):
            yield f"J: by the books {owed[item]} is owed of {item}, and {due.get(item, 0)} is due"
    for subject, minor in back.items():
        if minor:
            yield f"J: {minor} of what went back of {subject} is not explained"
    yield from _credit_notes_fit(ours)


def allocations_fit(ours: PortalSide) -> Iterator[str]:
    """K: what a payment pays of its invoices comes to the payment, and is booked so; what counts of an invoice is what is paid of it, and
    never above its total; and of each opening of an invoice one payment at most has a claim.
    """
    for payment in ours.payments:
        parts = ours.parts_of[payment.id]
        if bool(parts) != payment.has_invoices:
            yield f"K: {payment.id} has {len(parts)} allocations, and invoices or not: {payment.has_invoices}"
        if parts and sum(one.amount_minor for one in parts) != payment.amount_minor:
            yield f"K: the allocations of {payment.id} do not come to {payment.amount}"
    yield from _allocations_booked(ours)
    counted, claims = Counter[str](), Counter[tuple[str, int]]()
    for one in ours.allocations:
        counted[one.invoice_id] += one.amount_minor if one.counts else 0
        claims[one.invoice_id, one.opening] += one.released_at is None
    for record in ours.outside:
        counted[record.invoice_id] += record.amount_minor if record.is_booked else 0
    for invoice in ours.invoices:
        if not counted[invoice.id] == invoice.paid_minor <= invoice.total_minor:
            yield f"K: {counted[invoice.id]} counts of {invoice.number}, and {invoice.paid_minor} of {invoice.total} is paid"
    for (invoice_id, opening), number in claims.items():
        if number > 1:
            yield f"K: {number} payments claim {invoice_id} in its opening {opening}"


def _allocations_booked(ours: PortalSide) -> Iterator[str]:
    """K: an allocation stands where its payment does, and so do the books."""
    booked = Counter[tuple[str, str]]()
    for posting in ours.postings:
        if posting.kind == "charge":
            booked[posting.subject, str(posting.item_id)] += posting.amount_minor
    for one in ours.allocations:
        payment = ours.by_id[one.payment_id]
        paid = one.amount_minor if payment.status == SUCCEEDED else 0
        stands = (one.settled_at is not None, one.released_at is not None)
        allowed = {
            SUCCEEDED: {(True, False), (True, True), (False, True)},
            "canceled": {(False, True)},
        }
        if booked[payment.id, one.invoice_id] != paid:
            yield f"K: {payment.id} is {payment.status}, and {booked[payment.id, one.invoice_id]} of {one.invoice_id} is booked"
        if stands not in allowed.get(str(payment.status), {(False, False), (False, True)}):
            yield f"K: {payment.id} is {payment.status}, its part of {one.invoice_id} settled and released: {stands}"


def _credit_notes_fit(ours: PortalSide) -> Iterator[str]:
    """J: the books lower revenue and tax of each rate by what the credit notes that stand say."""
    booked = Counter[tuple[str, int | None, str]]()
    for posting in ours.postings:
        name, _, rest = posting.reference.removeprefix("reversed:").partition(":")
        if name == "credit":
            sign = -1 if posting.reference.startswith("reversed:") else 1
            account = posting.credit if sign < 0 else posting.debit
            booked[rest.partition(":")[0], posting.tax_rate_basis_points, account] += sign * posting.amount_minor
    for note in ours.documents:
        if note.kind != DocumentKind.CREDIT_NOTE or note.revoked_at is not None:
            continue
        for tax in facts.from_json(note.facts).taxes:
            for account, minor in ((LedgerAccount.REVENUE, tax.net_minor), (LedgerAccount.TAX, tax.tax_minor)):
                found = booked[str(note.refund_id or note.credit_id), tax.tax_rate_basis_points, account]
                if found != minor:
                    yield f"J: {note.number} takes {minor} of {account} back, the books {found}"


def what_was_told(ours: PortalSide, theirs: StripeSide, notes: Iterable[Told]) -> Iterator[str]:
    """P6: nothing that was acknowledged is lost or untrue."""
    refunds = {refund.id: refund for refund in ours.refunds}
    receipt_of = {document.payment_id: document for document in ours.documents if document.kind in OF_PAYMENTS}
    charged = {intent.metadata.get("order") for intent in theirs.succeeded}
    for note in set(notes):
        payment, refund = ours.by_id.get(note.subject), refunds.get(note.subject)
        if note.what == told.BEGUN and payment is None:
            yield f"P6: {note}, and there is no such payment"
        elif note.what == told.PAID:
            if payment is None or payment.status != SUCCEEDED:
                yield f"P6: {note}, and it is {payment.status if payment else 'not there'}"
            elif (payment.amount_minor, payment.currency) != (note.amount, note.currency):
                yield f"P6: {note}, and it is over {payment.amount}"
        elif note.what == told.REFUSED and note.subject in charged:
            yield f"P6: {note}, and the card was charged"
        elif note.what in {told.ASKED, told.APPROVED}:
            undecided = {"requested", "approved_once"}
            if refund is None or (note.what == told.APPROVED and refund.status in undecided):
                yield f"P6: {note}, and it is {refund.status if refund else 'not there'}"
        elif note.what == told.RECEIPT:
            receipt = receipt_of.get(note.subject)
            if receipt is None or note.detail not in {receipt.id, receipt.number}:
                yield f"P6: {note}, and it is {receipt.number if receipt else 'not there'}"
