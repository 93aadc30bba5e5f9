"""Saving a payment method by its reference at Stripe, for apps: the phases of a browser's setup, confirmed by the server.

    save_method     the try is counted, the reference looked up; transaction A: the row, as `start_setup` writes it
    ensure_setup    Stripe: create the setup intent; transaction B: its id
    _confirm        Stripe: confirm it with the payment method, under a key made from the row
    refresh_setup   Stripe: fetch what came of it; transaction C: the row

A row brings its card to the bank once. When the answer is lost, `refresh_setup` finds what came of it: at the app's next call, by a
webhook, or in the job `payment_methods.follow_up`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from portal import gateway, stripe_sync
from portal.core import crash, db, idempotency
from portal.core.errors import N_, Conflict, Declined, Invalid, NotFound
from portal.core.method_kinds import WITH_MANDATE
from portal.gateway import SetupIntent
from portal.payment_methods import card_testing, keeping, queries, setups
from portal.payment_methods.models import PaymentMethodSetup
from portal.payment_methods.setups import AlreadyAdded, SetupStarted, UnderReview
from portal.payment_methods.sources import UnknownMethod, check_reference, usable
from portal.payment_methods.statuses import SetupStatus


class KeyReused(Invalid):
    code = "key_reused"
    message = N_("This key was already used to add another card. Please use a new one.")


def save_method(
    customer_id: str,
    stripe_payment_method_id: str,
    *,
    client_key: str,
    ip: str,
    mandate: Mapping[str, str] | None = None,
) -> SetupStarted:
    """Keep what an app's page has typed into Stripe's fields, by the id of its payment method. `mandate` says with which "ip_address" and
    "user_agent" the holder of a bank account agreed to be debited.

    Returns status "succeeded" with what became of it, "processing", or "requires_action" with the secret with which the app lets
    the customer confirm it to the bank. A second call with the key asks the bank nothing again and tells how things stand now.

    Raises card_testing's refusals after too many declined cards, UnknownMethod, fence.NotAccepted and MandateMissing, AlreadyAdded for one
    that this customer has at Stripe, Declined with advice, Invalid for a bad key, KeyReused, Conflict when the setup has ended,
    UnderReview, and the gateway's errors; after Unavailable a second call finds the row and goes on.
    """
    idempotency.check_client_key(client_key)
    check_reference(stripe_payment_method_id)
    setup = _begun(customer_id, stripe_payment_method_id, client_key, ip) or _begin(
        customer_id, stripe_payment_method_id, client_key, mandate
    )
    if setup.stripe_payment_method_id != stripe_payment_method_id:
        raise KeyReused
    if setup.review_reason:
        raise UnderReview
    intent = setups.ensure_setup(setup.id) if setup.stripe_setup_intent_id is None else setups.refresh_setup(setup.id)
    if (
        intent.status in {SetupStatus.REQUIRES_PAYMENT_METHOD, SetupStatus.REQUIRES_CONFIRMATION}
        and intent.failure is None
    ):
        intent = _confirm(customer_id, setup.id, intent.id, stripe_payment_method_id)
    crash.point("setup finished")
    return _as_started(setup.id, intent)


def setup_by_secret(customer_id: str, client_secret: str) -> SetupStarted:
    """What became of a setup whose customer has confirmed it in the app, by its secret.

    Raises NotFound for a secret that nobody gave to this customer, and what save_method raises of its outcome.
    """
    intent_id, _, _ = client_secret.partition("_secret_")
    with db.reading() as session:
        setup = queries.setup_by_intent(session, intent_id)
    if setup is None or setup.customer_id != customer_id:
        raise NotFound
    intent = setups.refresh_setup(setup.id)
    if not hmac.compare_digest(intent.client_secret.encode(), client_secret.encode()):
        raise NotFound
    return _as_started(setup.id, intent)


def setup_now(customer_id: str, setup_id: str) -> SetupStarted:
    """A setup as it is now, refused ones too. Raises NotFound for another customer's, and the gateway's errors."""
    with db.reading() as session:
        setup = queries.setup_for_customer(session, setup_id, customer_id)
    intent = setups.ensure_setup(setup.id) if setup.stripe_setup_intent_id is None else setups.refresh_setup(setup.id)
    return _as_it_is(setup_id, intent)


def _begun(customer_id: str, stripe_payment_method_id: str, client_key: str, ip: str) -> PaymentMethodSetup | None:
    """The row of this key; where there is none, a try is noted before Stripe is asked about the card."""
    with db.transaction() as session:
        keeping.lock_customer(session, customer_id)
        setup = queries.setup_by_client_key(session, customer_id, client_key)
        if setup is None:
            card_testing.begin(session, customer_id, ip, stripe_payment_method_id)
        return setup


def _begin(
    customer_id: str, stripe_payment_method_id: str, client_key: str, mandate: Mapping[str, str] | None
) -> PaymentMethodSetup:
    method = usable(customer_id, stripe_payment_method_id, is_counted=True, saving=True, agreed=mandate is not None)
    with db.transaction() as session:
        keeping.lock_customer(session, customer_id)
        known = queries.setup_by_client_key(session, customer_id, client_key)
        if known is not None:  # a second call with the key was faster, and may have added the card by now
            return known
        if method.customer_id is None:
            needed = mandate if method.type in WITH_MANDATE else None
            return setups.record_setup(session, customer_id, client_key, stripe_payment_method_id, needed)
        card_testing.close(session, customer_id, stripe_payment_method_id)
    raise AlreadyAdded


def _confirm(customer_id: str, setup_id: str, intent_id: str, stripe_payment_method_id: str) -> SetupIntent:
    """Bring the card to the bank; what came of it is fetched, whatever the answer was."""
    with db.reading() as session:
        setup = session.get_one(PaymentMethodSetup, setup_id)
    key = f"confirm_setup:{setup_id}:{setup.attempt}"
    try:
        gateway.call_once(
            gateway.KeyedCall(
                is_fresh=True,
                send=lambda: gateway.current().confirm_setup(
                    intent_id, key, stripe_payment_method_id, mandate=setup.mandate
                ),
                wait=lambda: True,
                look_up=lambda: None,
                hold=lambda reason: stripe_sync.hold_by_id(setups.KIND, setup_id, reason),
            )
        )
    except gateway.UnusableMethod as error:
        with db.transaction() as session:
            card_testing.close(session, customer_id, stripe_payment_method_id)
        raise UnknownMethod from error
    except gateway.UnexpectedState:
        return setups.refresh_setup(setup_id)
    except Declined:
        setups.refresh_setup(setup_id)
        raise
    crash.point("setup confirmed")
    return setups.refresh_setup(setup_id)


def _as_started(setup_id: str, intent: SetupIntent) -> SetupStarted:
    if intent.failure is not None:
        code, decline_code = intent.failure.code, intent.failure.decline_code
        raise Declined(gateway.advice(code, decline_code), code=code, decline_code=decline_code or None)
    if intent.status == SetupStatus.CANCELED:
        raise Conflict
    return _as_it_is(setup_id, intent)


def _as_it_is(setup_id: str, intent: SetupIntent) -> SetupStarted:
    with db.reading() as session:
        setup = session.get_one(PaymentMethodSetup, setup_id)
    return SetupStarted(
        setup_id,
        intent.id,
        intent.status,
        intent.client_secret,
        setup.outcome,
        setup.payment_method_id,
        setup.verification_url,
    )
