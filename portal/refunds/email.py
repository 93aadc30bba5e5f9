"""The mails about a refund: that it was asked for, decided, sent to the bank, or has failed. The credit note has a mail of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from portal.accounts import unsubscribing
from portal.accounts.models import Customer, OptionalMail
from portal.content import mail
from portal.content.language import money_text, supported, translate
from portal.core import config, db
from portal.core.errors import N_
from portal.core.money import Money
from portal.identity import queries as accounts
from portal.refunds import messages, queries, sums
from portal.refunds.models import Refund, RefundOrigin, Resolution
from portal.refunds.statuses import UNDECIDED, RefundStatus

# Status → subject. What is not here is not worth a mail: halves of a decision, and what the credit note tells.
_SUBJECTS: Final[dict[str, str]] = {
    RefundStatus.REQUESTED: N_("Your refund request for %(amount)s has arrived"),
    RefundStatus.APPROVED: N_("Your refund of %(amount)s is approved"),
    RefundStatus.REJECTED: N_("Your refund request for %(amount)s"),
    RefundStatus.PENDING: N_("Your refund of %(amount)s is on its way"),
    RefundStatus.UNKNOWN: N_("Your refund of %(amount)s is taking longer"),
    RefundStatus.FAILED: N_("Your refund of %(amount)s did not arrive"),
    RefundStatus.CANCELED: N_("Your refund of %(amount)s did not arrive"),
    Resolution.PAID_OUTSIDE: N_("We paid your refund of %(amount)s another way"),
}
# What staff have to do something about.
_STAFF_SUBJECTS: Final[dict[str, str]] = {
    RefundStatus.UNKNOWN: N_("A refund of %(amount)s needs a decision: its status is unknown"),
    RefundStatus.FAILED: N_("A refund of %(amount)s failed"),
    RefundStatus.CANCELED: N_("A refund of %(amount)s failed"),
}

_QUESTION_SUBJECT: Final = N_("A question about your refund of %(amount)s")
# What a customer may do without.
_PROGRESS: Final = frozenset({RefundStatus.REQUESTED, RefundStatus.APPROVED, RefundStatus.PENDING})

_SUMS_SUBJECT: Final = N_("Refunds of %(amount)s within a day: a second approval is needed")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Whom a mail is sent to; `customer_id` when it is the customer."""

    address: str
    locale: str
    customer_id: str | None = None


def send(refund_id: str, status: str, before: str) -> None:
    """Tell the customer that a refund came from status `before` to `status`; staff, too, when it is theirs to decide or went wrong.

    A second call sends the same Message-IDs again.
    """
    with db.reading() as session:
        row = queries.by_id(session, refund_id)
    if status in _SUBJECTS and _concerns_customer(row, status, before) and _is_wanted(row.customer, status):
        customer = row.customer
        reader = _Reader(customer.email, supported(customer.language), customer.id)
        _send(row, status, _SUBJECTS[status], "step", reader)
    if status in _STAFF_SUBJECTS and (status != RefundStatus.UNKNOWN or row.status == status):
        settings = config.current()
        reader = _Reader(settings.company.support_email, settings.staff_language)
        _send(row, f"{status}:staff", _STAFF_SUBJECTS[status], "staff", reader)


def send_question(message_id: str) -> None:
    """Ask the customer; nothing is sent when they have answered, or someone has decided, meanwhile.

    A second call sends the same Message-ID again.
    """
    with db.reading() as session:
        question = queries.message(session, message_id)
        row = queries.by_id(session, question.refund_id)
    if row.waiting_since is None or row.status not in UNDECIDED:
        return
    locale = supported(row.customer.language)
    mail.send(
        key=f"refund_question:{message_id}",
        to=row.customer.email,
        subject=translate(_QUESTION_SUBJECT, locale, amount=money_text(row.amount, locale)),
        template="refunds/mails/question",
        locale=locale,
        customer_id=row.customer_id,
        refund=row,
        customer=_plain(row.customer),
        question=question.words,
    )


def send_sums(refund_id: str, reason: str) -> None:
    """Tell staff that a refund waits for a second approval because of what came together within a day; `reason` as in `sums`.

    A second call sends the same Message-ID again.
    """
    with db.reading() as session:
        row = queries.by_id(session, refund_id)
        whose, day = row.customer.name, sums.day_of_customer(session, row)
        if reason == sums.OF_STAFF:
            whose, day = _largest_of_staff(session, row)
    if row.status != RefundStatus.APPROVED_ONCE:
        return  # someone was faster than this mail
    settings = config.current()
    locale = settings.staff_language
    mail.send(
        key=f"refund_sums:{row.id}:{row.first_approved_at}",
        to=settings.company.support_email,
        subject=translate(_SUMS_SUBJECT, locale, amount=money_text(day, locale)),
        template="refunds/mails/sums",
        locale=locale,
        refund=row,
        day=day,
        whose=whose,
        of_staff=reason == sums.OF_STAFF,
        customer=_plain(row.customer),
    )


def _largest_of_staff(session: Session, row: Refund) -> tuple[str, Money]:
    """Who of its approver and its proposer has come to more within a day, and to how much."""
    people = [row.first_approved_by, row.asked_by if row.origin == RefundOrigin.STAFF else None]
    found = {person: sums.day_of_staff(session, row, person) for person in people if person}
    largest = max(found, key=lambda person: found[person].minor)
    return accounts.names(session, [largest])[largest], found[largest]


def _concerns_customer(row: Refund, status: str, before: str) -> bool:
    """Who has not asked hears of a refund when it is certain; a decision that was taken back is no news to anyone outside."""
    if status == RefundStatus.REQUESTED:
        return row.origin == RefundOrigin.CUSTOMER and before == RefundStatus.REQUESTED
    if status == RefundStatus.REJECTED:
        return row.origin == RefundOrigin.CUSTOMER
    if status == RefundStatus.UNKNOWN:
        return row.status == RefundStatus.UNKNOWN  # what was cleared up before the mail was sent need not worry anyone
    if status == RefundStatus.APPROVED:
        return row.origin in {RefundOrigin.CUSTOMER, RefundOrigin.PORTAL}
    return True


def _is_wanted(customer: Customer, status: str) -> bool:
    return status not in _PROGRESS or customer.wants(OptionalMail.REFUND_PROGRESS)


def _send(row: Refund, occasion: str, subject: str, template: str, reader: _Reader) -> None:
    mail.send(
        key=f"refund:{row.id}:{row.attempt}:{occasion}",
        to=reader.address,
        subject=translate(subject, reader.locale, amount=money_text(row.amount, reader.locale)),
        template=f"refunds/mails/{template}",
        locale=reader.locale,
        customer_id=reader.customer_id,
        unsubscribe_at=_unsubscribe_at(row, occasion, reader),
        refund=row,
        status=occasion.partition(":")[0],
        customer=_plain(row.customer),
        explanation=messages.for_customer(row, reader.locale),
        for_staff=messages.for_staff(row, reader.locale),
    )


def _unsubscribe_at(row: Refund, occasion: str, reader: _Reader) -> str:
    is_optional = occasion.partition(":")[0] in _PROGRESS and reader.address == row.customer.email
    return unsubscribing.address(row.customer_id, OptionalMail.REFUND_PROGRESS) if is_optional else ""


def _plain(customer: Customer) -> dict[str, str]:
    return {"name": customer.name, "email": customer.email}
