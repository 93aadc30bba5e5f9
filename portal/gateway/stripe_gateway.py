"""Stripe's API behind our own words: the stripe-client of the seed documents.

Every call refuses to run inside a transaction. Every call that changes something takes the idempotency key it is sent with, made
by the caller from its row's id and attempt. Retries are the SDK's, few and with the same key; patience is the worker's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from portal import clock, config, db
from portal.gateway.contract import (
    BalanceTransaction,
    Card,
    Charge,
    Dispute,
    Failure,
    FraudWarning,
    Intent,
    Misconfigured,
    MissingAtStripe,
    PaymentMethod,
    Refund,
    SetupIntent,
    UnusableMethod,
)
from portal.gateway.failures import translated
from portal.money import Money

if TYPE_CHECKING:
    from stripe import Charge as StripeCharge
    from stripe import Dispute as StripeDispute
    from stripe import PaymentIntent, StripeClient
    from stripe import PaymentMethod as StripePaymentMethod
    from stripe import Refund as StripeRefund
    from stripe import SetupIntent as StripeSetupIntent

# A customer waits in front of the page: one retry, then the worker goes on. Seconds.
TIMEOUT_SECONDS: Final = 10
NETWORK_RETRIES: Final = 1
PAGE: Final = 100

_EXPAND_INTENT: Final = ["latest_charge.balance_transaction"]
_EXPAND_REFUND: Final = ["balance_transaction", "failure_balance_transaction"]


class StripeGateway:
    """One client a process; safe in threads (the SDK keeps a connection pool for each)."""

    def __init__(self, secret_key: str, api_base: str) -> None:
        import stripe

        self._client: StripeClient = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base},
            max_network_retries=NETWORK_RETRIES,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
        )

    def create_customer(self, key: str, *, name: str, email: str, metadata: Mapping[str, str]) -> str:
        """A customer at Stripe; returns its id."""
        with _speaking():
            created = self._client.v1.customers.create(
                {"name": name, "email": email, "metadata": dict(metadata)}, {"idempotency_key": key}
            )
        return str(created.id)

    def create_intent(
        self,
        key: str,
        *,
        amount: Money,
        customer_id: str,
        description: str,
        metadata: Mapping[str, str],
        save_card: bool,
    ) -> Intent:
        """An unconfirmed intent: it cannot take money before someone confirms it.

        Raises Unavailable when no answer came (it may exist all the same), and the other errors of portal.gateway.failures.
        """
        params: dict[str, Any] = {
            "amount": amount.minor,
            "currency": amount.currency,
            "customer": customer_id,
            "description": description,
            "metadata": dict(metadata),
            # Cards and wallets only, and nothing that leaves the page: what the portal can follow and refund.
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "expand": _EXPAND_INTENT,
        }
        if save_card:
            params["setup_future_usage"] = "off_session"
        with _speaking():
            return _intent(self._client.v1.payment_intents.create(params, {"idempotency_key": key}))  # type: ignore[arg-type]

    def retrieve_intent(self, intent_id: str) -> Intent:
        with _speaking():
            return _intent(self._client.v1.payment_intents.retrieve(intent_id, {"expand": _EXPAND_INTENT}))

    def set_saving(self, intent_id: str, *, save_card: bool) -> Intent:
        """Change whether the card will be kept; only before the intent is confirmed, else UnexpectedState."""
        with _speaking():
            return _intent(
                self._client.v1.payment_intents.update(
                    intent_id,
                    {"setup_future_usage": "off_session" if save_card else "", "expand": _EXPAND_INTENT},
                )
            )

    def confirm_intent(self, intent_id: str, key: str, *, payment_method_id: str, off_session: bool) -> Intent:
        """Charge a saved card; with `off_session` its holder is not there to answer the bank.

        On session an intent that comes back `requires_action` is finished by the page with stripe.handleNextAction. Raises Declined
        when the bank says no (off session also when it wants to ask the holder: code "authentication_required"), UnexpectedState
        when the intent cannot be confirmed any more, and Unavailable when no answer came: the card may be charged all the same.
        """
        params: dict[str, Any] = {"payment_method": payment_method_id, "expand": _EXPAND_INTENT}
        params["off_session" if off_session else "use_stripe_sdk"] = True
        with _speaking():
            return _intent(self._client.v1.payment_intents.confirm(intent_id, params, {"idempotency_key": key}))  # type: ignore[arg-type]

    def cancel_intent(self, intent_id: str, key: str) -> Intent:
        """Raises UnexpectedState when it has succeeded or is canceled already."""
        with _speaking():
            return _intent(
                self._client.v1.payment_intents.cancel(intent_id, {"expand": _EXPAND_INTENT}, {"idempotency_key": key})
            )

    def list_intents(
        self, *, created_from: datetime, created_to: datetime, customer_id: str | None = None
    ) -> Iterator[Intent]:
        """Intents made in this span (both ends included), newest first, a page at a time."""
        params: dict[str, Any] = {
            "created": {"gte": int(created_from.timestamp()), "lte": int(created_to.timestamp())},
            "limit": PAGE,
            "expand": [f"data.{path}" for path in _EXPAND_INTENT],
        }
        if customer_id:
            params["customer"] = customer_id
        with _speaking():
            for found in self._client.v1.payment_intents.list(params).auto_paging_iter():  # type: ignore[arg-type]
                yield _intent(found)

    def create_refund(
        self, key: str, *, intent_id: str, amount: Money, reason: str, metadata: Mapping[str, str]
    ) -> Refund:
        """Give money back to the card it came from. Raises NotRefundable, and as create_intent does."""
        params: dict[str, Any] = {
            "payment_intent": intent_id,
            "amount": amount.minor,
            "reason": reason,
            "metadata": dict(metadata),
            "expand": _EXPAND_REFUND,
        }
        with _speaking():
            return _refund(self._client.v1.refunds.create(params, {"idempotency_key": key}))  # type: ignore[arg-type]

    def retrieve_refund(self, refund_id: str) -> Refund:
        with _speaking():
            return _refund(self._client.v1.refunds.retrieve(refund_id, {"expand": _EXPAND_REFUND}))

    def list_refunds(self, intent_id: str) -> Iterator[Refund]:
        """All refunds of a payment intent, whoever made them, newest first."""
        params: dict[str, Any] = {
            "payment_intent": intent_id,
            "limit": PAGE,
            "expand": [f"data.{path}" for path in _EXPAND_REFUND],
        }
        with _speaking():
            for found in self._client.v1.refunds.list(params).auto_paging_iter():  # type: ignore[arg-type]
                yield _refund(found)

    def create_setup(self, key: str, *, customer_id: str, metadata: Mapping[str, str]) -> SetupIntent:
        """An unconfirmed setup intent: it keeps no card before someone confirms it with one. Raises as create_intent does."""
        params: dict[str, Any] = {
            "customer": customer_id,
            "metadata": dict(metadata),
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "usage": "off_session",
        }
        with _speaking():
            return _setup(self._client.v1.setup_intents.create(params, {"idempotency_key": key}))  # type: ignore[arg-type]

    def retrieve_setup(self, setup_intent_id: str) -> SetupIntent:
        with _speaking():
            return _setup(self._client.v1.setup_intents.retrieve(setup_intent_id))

    def confirm_setup(self, setup_intent_id: str, key: str, payment_method_id: str) -> SetupIntent:
        """Try to keep a payment method; where the bank asks for 3-D Secure, the answer waits in requires_action.

        Raises UnusableMethod when Stripe refuses what the call brings, which is the payment method alone; Declined when the bank
        says no; UnexpectedState when it was confirmed before.
        """
        import stripe

        try:
            with _speaking():
                return _setup(
                    self._client.v1.setup_intents.confirm(
                        setup_intent_id, {"payment_method": payment_method_id}, {"idempotency_key": key}
                    )
                )
        except (MissingAtStripe, Misconfigured) as error:
            if isinstance(error.__cause__, stripe.InvalidRequestError):
                raise UnusableMethod from error
            raise

    def cancel_setup(self, setup_intent_id: str, key: str) -> SetupIntent:
        """Raises UnexpectedState when it has succeeded or is canceled already."""
        with _speaking():
            return _setup(self._client.v1.setup_intents.cancel(setup_intent_id, None, {"idempotency_key": key}))

    def list_setups(self, *, created_from: datetime, created_to: datetime, customer_id: str) -> Iterator[SetupIntent]:
        """A customer's setup intents made in this span (both ends included), newest first, a page at a time."""
        params: dict[str, Any] = {
            "created": {"gte": int(created_from.timestamp()), "lte": int(created_to.timestamp())},
            "customer": customer_id,
            "limit": PAGE,
        }
        with _speaking():
            for found in self._client.v1.setup_intents.list(params).auto_paging_iter():  # type: ignore[arg-type]
                yield _setup(found)

    def customer_is_gone(self, customer_id: str) -> bool:
        """Whether a customer was deleted at Stripe, which still answers with a note of it, or never was there."""
        try:
            with _speaking():
                return bool(getattr(self._client.v1.customers.retrieve(customer_id), "deleted", False))
        except MissingAtStripe:
            return True

    def retrieve_payment_method(self, payment_method_id: str) -> PaymentMethod:
        with _speaking():
            return _payment_method(self._client.v1.payment_methods.retrieve(payment_method_id))

    def list_cards(self, customer_id: str) -> Iterator[PaymentMethod]:
        """The cards that a customer keeps at Stripe, newest first, a page at a time. Raises MissingAtStripe for a deleted customer."""
        with _speaking():
            listed = self._client.v1.customers.payment_methods.list(customer_id, {"type": "card", "limit": PAGE})
            for found in listed.auto_paging_iter():
                yield _payment_method(found)

    def detach_card(self, payment_method_id: str) -> None:
        """Let go of a saved card. Raises MissingAtStripe or Misconfigured when it is not attached any more."""
        with _speaking():
            self._client.v1.payment_methods.detach(payment_method_id)

    def retrieve_dispute(self, dispute_id: str) -> Dispute:
        """With all its balance transactions, which Stripe sends whole without being asked to expand them."""
        with _speaking():
            return _dispute(self._client.v1.disputes.retrieve(dispute_id))

    def retrieve_fraud_warning(self, warning_id: str) -> FraudWarning:
        with _speaking():
            found = self._client.v1.radar.early_fraud_warnings.retrieve(warning_id)
        return FraudWarning(
            id=found.id,
            charge_id=_id(found.charge) or "",
            intent_id=_id(found.payment_intent),
            fraud_type=found.fraud_type,
            actionable=found.actionable,
            livemode=found.livemode,
            created=clock.from_epoch(found.created),
        )


@contextmanager
def _speaking() -> Iterator[None]:
    """A conversation with Stripe: outside any transaction, with its failures in our words."""
    import stripe

    db.refuse_inside_transaction("a call to Stripe")
    try:
        yield
    except stripe.StripeError as error:
        raise translated(error) from error


def _id(reference: Any) -> str | None:
    """The id of what may be expanded, an id, or nothing."""
    if reference is None or isinstance(reference, str):
        return reference
    return str(reference.id)


def _intent(found: PaymentIntent) -> Intent:
    charge = found.latest_charge
    return Intent(
        id=found.id,
        status=found.status,
        amount=Money(found.amount, found.currency),
        amount_received=Money(found.amount_received or 0, found.currency),
        customer_id=_id(found.customer),
        livemode=found.livemode,
        created=clock.from_epoch(found.created),
        client_secret=found.client_secret or "",
        payment_method_id=_id(found.payment_method),
        charge=_charge(charge) if charge is not None and not isinstance(charge, str) else None,
        failure=_failure(found.last_payment_error),
        setup_future_usage=found.setup_future_usage,
        metadata=_plain(found.metadata),
    )


def _setup(found: StripeSetupIntent) -> SetupIntent:
    return SetupIntent(
        id=found.id,
        status=found.status,
        customer_id=_id(found.customer),
        livemode=found.livemode,
        created=clock.from_epoch(found.created),
        client_secret=found.client_secret or "",
        payment_method_id=_id(found.payment_method),
        attempt_id=_id(found.latest_attempt),
        failure=_failure(found.last_setup_error),
        metadata=_plain(found.metadata),
    )


def _payment_method(found: StripePaymentMethod) -> PaymentMethod:
    return PaymentMethod(found.id, _id(found.customer), _card(getattr(found, "card", None)))


def _charge(found: StripeCharge) -> Charge:
    return Charge(
        id=found.id,
        card=_card(getattr(found.payment_method_details, "card", None)),
        balance_transaction=_movement(found.balance_transaction),
        created=clock.from_epoch(found.created),
        refunded=Money(found.amount_refunded, found.currency),
        disputed=found.disputed,
    )


def _movement(found: Any) -> BalanceTransaction | None:
    """None while there is none; one that was not expanded is not looked at."""
    if found is None or isinstance(found, str):
        return None
    return BalanceTransaction(
        id=found.id,
        amount=Money(found.amount, found.currency),
        fee=Money(found.fee, found.currency),
        created=clock.from_epoch(found.created),
    )


def _refund(found: StripeRefund) -> Refund:
    details = getattr(found.destination_details, "card", None)
    return Refund(
        id=found.id,
        status=found.status or "",
        amount=Money(found.amount, found.currency),
        intent_id=_id(found.payment_intent),
        created=clock.from_epoch(found.created),
        movement=_movement(found.balance_transaction),
        return_movement=_movement(getattr(found, "failure_balance_transaction", None)),
        failure_reason=getattr(found, "failure_reason", None) or "",
        bank_reference=getattr(details, "reference", None) or "",
        metadata=_plain(found.metadata),
    )


def _dispute(found: StripeDispute) -> Dispute:
    evidence = found.evidence_details
    return Dispute(
        id=found.id,
        status=found.status,
        reason=found.reason,
        amount=Money(found.amount, found.currency),
        charge_id=_id(found.charge) or "",
        intent_id=_id(found.payment_intent),
        livemode=found.livemode,
        created=clock.from_epoch(found.created),
        evidence_due_by=clock.from_epoch(evidence.due_by) if evidence.due_by else None,
        has_evidence=evidence.has_evidence,
        is_charge_refundable=found.is_charge_refundable,
        balance_transactions=tuple(filter(None, map(_movement, found.balance_transactions))),
    )


def _card(found: Any) -> Card | None:
    if found is None:
        return None
    wallet = getattr(found, "wallet", None)
    return Card(
        brand=found.brand or "",
        last4=found.last4 or "",
        exp_month=found.exp_month,
        exp_year=found.exp_year,
        country=found.country or "",
        funding=found.funding or "",
        fingerprint=getattr(found, "fingerprint", None) or "",
        wallet=getattr(wallet, "type", "") or "",
    )


def _failure(found: Any) -> Failure | None:
    if found is None:
        return None
    return Failure(getattr(found, "code", None) or "", getattr(found, "decline_code", None) or "")


def _plain(metadata: Any) -> Mapping[str, str]:
    return {} if metadata is None else dict(metadata.to_dict())


_current: StripeGateway | None = None
_lock = threading.Lock()


def current() -> StripeGateway:
    """The gateway of this process, made from the settings the first time it is asked for."""
    global _current
    with _lock:
        if _current is None:
            settings = config.current()
            _current = StripeGateway(settings.stripe_secret_key.get_secret_value(), settings.stripe_api_base)
        return _current


def forget() -> None:
    """Let the next call make a new one: the settings have changed."""
    global _current
    with _lock:
        _current = None
