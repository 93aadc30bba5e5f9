"""Early fraud warnings: a card's issuer suspects fraud, before anybody disputes the payment.

Source: Stripe's API reference, "Early fraud warnings".
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from portal import gateway, stripe_sync
from portal.core import audit, clock, config
from portal.core.db import new_id
from portal.core.synced_rows import hold_for_review, touch
from portal.disputes import jobs
from portal.disputes.models import EarlyFraudWarning
from portal.disputes.settling import locked_payment, payment_of
from portal.payments.models import Payment


def sync_warning(stripe_warning_id: str) -> bool:
    """A card's issuer suspects fraud: keep what it says. Returns False when the charge is none of ours; a second call changes nothing.

    Raises as stripe_sync.sync does.
    """
    return stripe_sync.sync(KIND, stripe_warning_id) is not None


def _mismatch(session: Session, warning: EarlyFraudWarning, found: gateway.EarlyFraudWarning) -> str:
    """Why this warning cannot be about its payment, or an empty text."""
    if found.charge_id != session.get_one(Payment, warning.payment_id).stripe_charge_id:
        return f"the charge {found.charge_id} of the warning is not this payment's"
    if found.livemode != config.current().livemode:
        return "Stripe's warning is of the other mode (live or test)"
    return ""


def _open(session: Session, payment_id: str, found: gateway.EarlyFraudWarning) -> EarlyFraudWarning:
    """Keep a new warning, and tell staff of it by mail; one that does not fit is held for review, where they find it."""
    payment = session.get_one(Payment, payment_id)
    warning = EarlyFraudWarning(
        id=new_id("efw"),
        payment_id=payment.id,
        customer_id=payment.customer_id,
        stripe_warning_id=found.id,
        fraud_type=found.fraud_type,
        actionable=found.actionable,
        created_at=found.created,
        updated_at=clock.now(),
        version=1,
        review_reason="",
    )
    session.add(warning)
    session.flush()
    audit.record(
        session,
        "fraud_warning.received",
        warning.id,
        {"payment": payment.id, "type": found.fraud_type, "actionable": found.actionable},
        customer_id=payment.customer_id,
    )
    if not _mismatch(session, warning, found):
        jobs.mail_warning.enqueue(session, warning_id=warning.id)
    return warning


def _apply(session: Session, warning: EarlyFraudWarning, found: gateway.EarlyFraudWarning, _nothing: object) -> None:
    audit.record(
        session,
        "fraud_warning.changed",
        warning.id,
        {"actionable": {"before": warning.actionable, "after": found.actionable}, "type": found.fraud_type},
        customer_id=warning.customer_id,
    )
    warning.fraud_type, warning.actionable = found.fraud_type, found.actionable
    touch(warning)


KIND: Final[stripe_sync.Opened[EarlyFraudWarning, gateway.EarlyFraudWarning]] = stripe_sync.Opened(
    model=EarlyFraudWarning,
    column="stripe_warning_id",
    fetch=lambda stripe_id: gateway.current().retrieve_fraud_warning(stripe_id),
    gather=lambda _found: None,
    differs=_mismatch,
    hold=hold_for_review,
    has_changes=lambda one, found: (one.fraud_type, one.actionable) != (found.fraud_type, found.actionable),
    apply=_apply,
    owner=lambda found: payment_of(found.intent_id, found.charge_id),
    lock_owner=locked_payment,
    open=_open,
)
