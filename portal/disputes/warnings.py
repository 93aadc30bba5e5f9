"""Early fraud warnings: a card's issuer suspects fraud, before anybody disputes the payment.

Source: Stripe's API reference, "Early fraud warnings".
"""

from __future__ import annotations

import structlog
from sqlalchemy.orm import Session

from portal import gateway
from portal.core import audit, clock, config, db
from portal.core.db import new_id
from portal.core.errors import Unavailable
from portal.disputes import queries
from portal.disputes.models import FraudWarning
from portal.disputes.settling import MOST_RACES, locked_payment, payment_of
from portal.jobs import outbox
from portal.payments.models import Payment

log = structlog.get_logger(__name__)


def hear_of(stripe_warning_id: str) -> bool:
    """A card's issuer suspects fraud: keep what it says. Returns False when the charge is none of ours. Raises as settling.refresh does."""
    for _ in range(MOST_RACES):
        with db.reading() as session:
            known = queries.warning_by_stripe_id(session, stripe_warning_id)
        found = gateway.current().retrieve_fraud_warning(stripe_warning_id)
        payment_id = known.payment_id if known else payment_of(found.intent_id, found.charge_id)
        if payment_id is None:
            return False
        settled = settle(payment_id, found, seen_version=known.version if known else None)
        if settled is not None:
            return settled
    raise Unavailable


def settle(payment_id: str, found: gateway.FraudWarning, *, seen_version: int | None) -> bool | None:
    """Keep a warning as Stripe had it while ours was at `seen_version`; None, having done nothing, when ours has moved on since.

    Returns False for a charge, or a mode, that is not the payment's. Staff are told of a new one.
    """
    with db.transaction() as session:
        payment = locked_payment(session, payment_id)
        warning = queries.warning_by_stripe_id(session, found.id)
        if (warning.version if warning else None) != seen_version:
            return None
        if found.charge_id != payment.stripe_charge_id or found.livemode != config.current().livemode:
            log.error("fraud_warning_does_not_fit", payment_id=payment_id, stripe_warning_id=found.id)
            return False
        if warning is None:
            _keep(session, payment, found)
        elif (warning.fraud_type, warning.actionable) != (found.fraud_type, found.actionable):
            audit.record(
                session,
                "fraud_warning.changed",
                warning.id,
                {"actionable": {"before": warning.actionable, "after": found.actionable}, "type": found.fraud_type},
                customer_id=payment.customer_id,
            )
            warning.fraud_type, warning.actionable = found.fraud_type, found.actionable
            warning.version += 1
            warning.updated_at = clock.now()
        return True


def _keep(session: Session, payment: Payment, found: gateway.FraudWarning) -> None:
    warning = FraudWarning(
        id=new_id("efw"),
        payment_id=payment.id,
        customer_id=payment.customer_id,
        stripe_warning_id=found.id,
        fraud_type=found.fraud_type,
        actionable=found.actionable,
        created_at=found.created,
        updated_at=clock.now(),
        version=1,
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
    outbox.enqueue(session, "disputes.mail_warning", key=f"fraud_warning:{warning.id}", warning_id=warning.id)
