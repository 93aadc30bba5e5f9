"""The mails to staff: a payment is disputed, its evidence is due, a card's issuer suspects fraud."""

from __future__ import annotations

from typing import Any, Final

from portal import gateway
from portal.content import mail
from portal.content.language import date_text, translate
from portal.core import config, db
from portal.core.errors import N_
from portal.disputes import queries
from portal.disputes.models import Dispute
from portal.disputes.returning import is_final
from portal.disputes.settling import ESCALATED

INQUIRY: Final = N_("A bank asks about a payment of %(amount)s by %(customer)s")
OPENED: Final = N_("A payment of %(amount)s by %(customer)s is disputed")
BECAME: Final = N_("The bank’s question about %(amount)s by %(customer)s has become a dispute")
DUE: Final = N_("Evidence for the dispute of %(amount)s by %(customer)s is due on %(day)s")
SUSPECTED: Final = N_("A payment of %(amount)s by %(customer)s may be fraud")


def send_opened(dispute_id: str, occasion: str) -> None:
    """Tell staff of a dispute, as it stands when the mail is sent; at least once."""
    with db.reading() as session:
        dispute = queries.dispute(session, dispute_id)
    subject = BECAME if occasion == ESCALATED else INQUIRY if dispute.is_inquiry else OPENED
    _send_about(dispute, f"dispute_{occasion}:{dispute_id}", subject, "opened", occasion=occasion)


def send_reminder(dispute_id: str, due_by: str) -> None:
    """Remind staff that the bank still waits for evidence; nothing is sent when it was sent, or when the day has been moved.

    `due_by` is the moment that the reminder was planned for, in ISO 8601.
    """
    with db.reading() as session:
        dispute = queries.dispute(session, dispute_id)
    if not dispute.waits_for_evidence or dispute.deadline.isoformat() != due_by:
        return
    _send_about(dispute, f"dispute_reminder:{dispute_id}:{due_by}", DUE, "reminder")


def send_warning(warning_id: str) -> None:
    """Tell staff what a card's issuer suspects; at least once."""
    with db.reading() as session:
        warning = queries.warning(session, warning_id)
    payment = warning.payment
    _send(
        f"fraud_warning:{warning_id}",
        SUSPECTED,
        "warning",
        amount=payment.amount,
        customer=warning.customer,
        payment=payment,
        warning=warning,
        stripe_url=gateway.page_of("payments", payment.stripe_intent_id or ""),
    )


def _send_about(dispute: Dispute, key: str, subject: str, template: str, **facts: Any) -> None:
    _send(
        key,
        subject,
        template,
        amount=dispute.amount,
        customer=dispute.customer,
        day=dispute.deadline,
        payment=dispute.payment,
        dispute=dispute,
        is_final=is_final(dispute.payment),
        stripe_url=dispute.dashboard_url,
        **facts,
    )


def _send(key: str, subject: str, template: str, **facts: Any) -> None:
    settings = config.current()
    locale = settings.staff_language
    words = {"amount": facts["amount"].format(locale), "customer": " ".join(facts["customer"].name.split())}
    if "day" in facts:
        words["day"] = date_text(facts["day"], locale)
    mail.send(
        key=key,
        to=settings.company.support_email,
        subject=translate(subject, locale, **words),
        template=f"disputes/mails/{template}",
        locale=locale,
        **facts,
    )
