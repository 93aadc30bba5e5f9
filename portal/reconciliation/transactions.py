"""Step seven: every balance transaction has its postings, and every posting its balance transaction.

What Stripe says is kept as a mirror, so that the books can be held against it at any time without asking Stripe again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import or_, select, tuple_
from sqlalchemy.orm import Session

from portal import gateway, ledger
from portal.core import db
from portal.disputes import service as disputes
from portal.gateway import BalanceTransaction, Charge
from portal.ledger import LedgerAccount, Posting
from portal.payments import queries as payments_by
from portal.payments import service as payments
from portal.payments.models import Payment
from portal.reconciliation import balances
from portal.reconciliation.balances import Balance
from portal.reconciliation.models import Discrepancy, DiscrepancyStatus, StripeTransaction
from portal.reconciliation.movements import (
    CHARGE_FAILURES,
    CHARGES,
    REFUND_FAILURES,
    REFUNDS,
    Account,
    Expected,
    accounts_of,
    post_as_other,
)
from portal.reconciliation.run import Checkpoint, DiscrepancyDraft, Run, batches
from portal.refunds import service as refunds

log = structlog.get_logger(__name__)

# Stripe makes the balance transaction of a charge some time after its success. Source: Stripe, "Asynchronous capture": up to an hour.
COMES_WITHIN: Final = timedelta(hours=2)
ROWS: Final = 200


def transactions(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """Seven: each movement of the span is mirrored, and accounted for by exactly its postings."""
    listed = gateway.current().list_transactions(created_from=run.since, created_to=run.until, after=after)
    for batch in batches(listed):
        run.count("transactions", len(batch))
        _account_for(run, batch)
        yield Checkpoint(batch[-1].id, batch[-1].created)


def mirrored(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """All movements that were ever mirrored, held against the books anew: at night, when the totals differ, to name the line."""
    last = after or ""
    while run.is_full_run and (last or _totals_differ(run)):
        with db.reading() as session:
            query = select(StripeTransaction).where(StripeTransaction.id > last).order_by(StripeTransaction.id)
            rows = session.execute(query.limit(ROWS)).scalars().all()
        _account_for(run, [_movement(row) for row in rows])
        if not rows:
            return
        last = rows[-1].id
        yield Checkpoint(last)


def _movement(row: StripeTransaction) -> BalanceTransaction:
    return BalanceTransaction(
        id=row.id,
        amount=row.amount,
        fee=row.fee,
        created=row.created_at,
        type=row.type,
        category=row.category,
        source_id=row.source_id,
        available_on=row.available_on,
        description=row.description,
    )


def totals_at(session: Session, moment: datetime, *, anew: bool) -> dict[str, Balance]:
    """What Stripe holds for us, by currency, with the movements of this moment; `anew` as balances.before has it."""
    behind = moment + timedelta(microseconds=1)
    return {
        currency: balances.before(session, currency, behind, anew=anew) for currency in balances.currencies(session)
    }


def _totals_differ(run: Run) -> bool:
    with db.reading() as session:
        found = totals_at(session, run.until - COMES_WITHIN, anew=True)
    return any(balance.ours != balance.stripes for balance in found.values())


def _account_for(run: Run, movements: Sequence[BalanceTransaction]) -> None:
    with db.reading() as session:
        found = accounts_of(session, movements)
        resolved = _resolved(session, found)
    for account in found:
        if account.movement.id in resolved:
            post_as_other(account)
    if not run.dry:
        healed = [account.movement for account in found if not account.is_ours_to_post and _heal(run, account)]
        with db.reading() as session:
            again = {account.movement.id: account for account in accounts_of(session, healed)}
        found = [again.get(account.movement.id, account) for account in found]
        with db.transaction() as session:
            for account in found:
                if account.is_ours_to_post:
                    _post(run, session, account)
        with db.transaction() as session:
            _mirror(session, found)
    for account in found:
        _judge(run, account)


def _resolved(session: Session, found: list[Account]) -> set[str]:
    """The movements of charges that nothing here is about, and that a person has resolved before they reached the balance."""
    strange = [account.movement for account in found if not account.is_known and account.movement.type in CHARGES]
    if not strange:
        return set()
    charges = {movement.source_id: movement.id for movement in strange}
    query = select(Discrepancy.subject).where(
        Discrepancy.subject.in_(list(charges)), Discrepancy.status == DiscrepancyStatus.RESOLVED
    )
    return {charges[subject] for subject in session.scalars(query)}


def _heal(run: Run, account: Account) -> bool:
    """Learn about what a movement is of, in the usual way, where our postings for it are missing."""
    if account.is_known and not account.missing:
        return False
    movement = account.movement
    if movement.source_id is None or (account.payment is not None and account.payment.review_reason):
        return False
    if movement.type in CHARGES | CHARGE_FAILURES:
        intent_id = gateway.current().retrieve_charge(movement.source_id).intent_id
        heard = intent_id is not None and payments.sync_intent(intent_id)
        heard = payments.sync_debit(movement.source_id) or heard
    elif movement.type in REFUNDS | REFUND_FAILURES:
        heard = refunds.sync_refund(movement.source_id)
    elif movement.source_id.startswith(("du_", "dp_")):
        heard = disputes.sync_dispute(movement.source_id) is not None
    else:
        return False
    run.count("learned by their money", int(heard))
    return heard


def _post(run: Run, session: Session, account: Account) -> None:
    if account.missing:
        run.count("posted", len(account.missing))
        _post_missing(session, account)
        references = [one.reference for one in account.expected]
        posted = session.execute(select(Posting).where(Posting.reference.in_(references))).scalars()
        account.posted = {posting.reference: posting for posting in posted}


def _post_missing(session: Session, account: Account) -> None:
    for one in account.missing:
        ledger.post(
            session,
            one.kind,
            debit=one.debit,
            credit=one.credit,
            amount=one.amount,
            subject=account.subject,
            reference=one.reference,
            at=account.movement.created,
        )


def _mirror(session: Session, found: list[Account]) -> None:
    """What is the same already is not written again."""
    ids = [account.movement.id for account in found]
    rows = {
        row.id: row for row in session.execute(select(StripeTransaction).where(StripeTransaction.id.in_(ids))).scalars()
    }
    for account in found:
        movement = account.movement
        row = rows.get(movement.id)
        if row is None:
            row = StripeTransaction(id=movement.id)
            session.add(row)
        row.type, row.category = movement.type, movement.category
        row.source_id, row.description = movement.source_id, movement.description
        row.amount_minor, row.fee_minor = movement.amount.minor, movement.fee.minor
        row.currency = movement.amount.currency
        row.created_at, row.available_on = movement.created, movement.available_on
        row.booked_at, row.subject = account.booked_at, account.subject


def _judge(run: Run, account: Account) -> None:
    movement = account.movement
    facts: dict[str, Any] = {"transaction": movement.id, "type": movement.type}
    payment_id = account.payment.id if account.payment else None
    if not account.is_known:
        _record_unknown(run, movement)
        return
    for one in account.missing:
        if account.is_ours_to_post:
            run.count("to be posted")  # a dry run leaves it
            continue
        if run.dry and not (account.payment and account.payment.review_reason):
            run.count("to be learned")
            continue
        missing = facts | {
            "reference": one.reference,
            "amount_minor": one.amount.minor,
            "currency": one.amount.currency,
        }
        run.record(DiscrepancyDraft("unposted", one.reference, missing, payment_id, movement.created))
    for one, posting in account.wrong:
        _record_wrong(run, account, one, posting)
    payment = account.payment
    is_fee_of = (
        payment is not None
        and movement.type in CHARGES
        and movement.source_id == payment.stripe_charge_id  # what was tried before has a fee of its own
        and payment.fee_minor is not None
    )
    if payment is not None and is_fee_of and payment.fee_minor != movement.fee.minor:
        fee = {
            "payment": payment.id,
            "transaction": movement.id,
            "ours_minor": payment.fee_minor,
            "stripe_minor": movement.fee.minor,
            "difference_minor": (payment.fee_minor or 0) - movement.fee.minor,
            "currency": movement.fee.currency,
        }
        run.record(DiscrepancyDraft("payment_fee", payment.id, fee, payment.id, movement.created))


def _record_wrong(run: Run, account: Account, one: Expected, posting: Posting) -> None:
    facts: dict[str, Any] = {"posting": posting.id, "transaction": account.movement.id, "reference": one.reference}
    if posting.amount != one.amount and posting.currency == one.amount.currency:
        code = "posting_differs"
        facts |= {
            "currency": one.amount.currency,
            "ours_minor": posting.amount_minor,
            "stripe_minor": one.amount.minor,
            "difference_minor": posting.amount_minor - one.amount.minor,
        }
    else:
        code = "posting_misplaced"
        facts |= {
            "ours": f"{posting.amount}, {posting.debit} / {posting.credit}",
            "stripe": f"{one.amount}, {one.debit} / {one.credit}",
        }
    payment_id = account.payment.id if account.payment else None
    run.record(DiscrepancyDraft(code, posting.id, facts, payment_id, account.movement.created))


def _record_unknown(run: Run, movement: BalanceTransaction) -> None:
    if movement.type in CHARGES and movement.source_id:
        _record_unknown_charge(run, movement, gateway.current().retrieve_charge(movement.source_id))
        return
    facts = {
        "transaction": movement.id,
        "type": movement.type,
        "source": movement.source_id,
        "description": movement.description,
        "amount_minor": movement.net.minor,
        "currency": movement.net.currency,
    }
    run.record(DiscrepancyDraft("unknown_transaction", movement.id, facts, None, movement.created))


def _record_unknown_charge(run: Run, movement: BalanceTransaction, charge: Charge) -> None:
    with db.reading() as session:
        payment = payments_by.by_intent(session, charge.intent_id or "")
    facts: dict[str, Any] = {"amount_minor": charge.amount.minor, "currency": charge.amount.currency}
    if payment is None:
        facts |= {"charge": charge.id, "intent": charge.intent_id}
        run.record(DiscrepancyDraft("orphan_charge", charge.id, facts, None, charge.created))
    elif run.dry and not payment.review_reason:
        run.count("to be learned")
    else:  # it is set aside for staff, and so not booked
        reference = f"charge:{charge.intent_id}"
        facts |= {"transaction": movement.id, "type": movement.type, "reference": reference}
        run.record(DiscrepancyDraft("unposted", reference, facts, payment.id, movement.created))


def book_as_other(session: Session, subject: str) -> None:
    """Post what a person has resolved, in their transaction: the movement of this id, or those of this charge."""
    rows = session.execute(
        select(StripeTransaction).where(
            or_(StripeTransaction.id == subject, StripeTransaction.source_id == subject),
            StripeTransaction.booked_at.is_(None),
        )
    ).scalars()
    found = accounts_of(session, [_movement(row) for row in rows])
    for account in found:
        if not account.is_known:
            post_as_other(account)
            _post_missing(session, account)
    session.flush()
    _mirror(session, accounts_of(session, [account.movement for account in found]))


# From the books to Stripe


def postings(run: Run, after: str | None) -> Iterator[Checkpoint]:
    """Seven, the other way round: each posting about our balance at Stripe is of a movement there."""
    last = _place(after)
    until = run.until - COMES_WITHIN
    moves_balance = or_(Posting.debit == LedgerAccount.STRIPE, Posting.credit == LedgerAccount.STRIPE)
    while True:
        query = select(Posting).where(moves_balance, Posting.at >= run.since, Posting.at <= until)
        if last is not None:
            query = query.where(tuple_(Posting.at, Posting.id) > last)
        with db.reading() as session:
            rows = session.execute(query.order_by(Posting.at, Posting.id).limit(ROWS)).scalars().all()
            alone = _without_transaction(session, rows)
        run.count("postings", len(rows))
        for posting in alone:
            facts = {"posting": posting.id, "reference": posting.reference, "amount_minor": posting.amount_minor}
            facts["currency"] = posting.currency
            payment_id = posting.subject if posting.subject.startswith("pay_") else None
            run.record(DiscrepancyDraft("posting_alone", posting.id, facts, payment_id, posting.at))
        if not rows:
            return
        last = rows[-1].at, rows[-1].id
        yield Checkpoint(f"{rows[-1].at.isoformat()} {rows[-1].id}")


def _place(after: str | None) -> tuple[datetime, str] | None:
    if after is None:
        return None
    moment, _, posting_id = after.partition(" ")
    return datetime.fromisoformat(moment).astimezone(UTC), posting_id


def _without_transaction(session: Session, rows: Sequence[Posting]) -> list[Posting]:
    named = {posting.id: posting.reference.partition(":")[2] for posting in rows}
    intents = [named[posting.id] for posting in rows if posting.kind == "charge"]
    charge_of = dict(
        session.execute(
            select(Payment.stripe_intent_id, Payment.stripe_charge_id).where(Payment.stripe_intent_id.in_(intents))
        ).all()
    )
    wanted = {posting.id: charge_of.get(named[posting.id], named[posting.id]) or "" for posting in rows}
    about = list(set(wanted.values()))
    found = session.execute(
        select(StripeTransaction.id, StripeTransaction.source_id, StripeTransaction.type).where(
            or_(StripeTransaction.id.in_(about), StripeTransaction.source_id.in_(about))
        )
    ).all()
    there = {(row.source_id, row.type) for row in found} | {(row.id, None) for row in found}
    types: dict[str, frozenset[str]] = {
        "charge": CHARGES,
        "refund": REFUNDS,
        "refund_failed": REFUND_FAILURES,
        "debit": CHARGES,
        "debit_failed": CHARGE_FAILURES,
    }

    def is_there(posting: Posting) -> bool:
        if posting.kind in types:
            return any((wanted[posting.id], kind) in there for kind in types[posting.kind])
        return (wanted[posting.id], None) in there

    return [posting for posting in rows if not is_there(posting)]
