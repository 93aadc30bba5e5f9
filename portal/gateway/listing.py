"""Stripe's lists: what was made in a span of time, or belongs to something, newest first and a page at a time.

A list shows what was written just before, which Stripe's search does not. Source: Stripe, "Search", data freshness.
Spans include both ends, in whole seconds. Where a list takes `after`, it goes on behind the object of that id.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from portal.core import clock, db
from portal.core.errors import RateLimited, Unavailable
from portal.gateway.contract import (
    BalanceTransaction,
    Charge,
    Dispute,
    Intent,
    KeptFailure,
    KeyInUse,
    MethodConfiguration,
    PaymentMethod,
    Payout,
    Refund,
    RefusedParameter,
    SetupAttempt,
    SetupIntent,
    StripeCustomer,
    WebhookEndpoint,
)
from portal.gateway.failures import translated
from portal.gateway.translating import (
    to_charge,
    to_customer,
    to_dispute,
    to_intent,
    to_method_configuration,
    to_movement,
    to_payment_method,
    to_payout,
    to_refund,
    to_setup,
    to_setup_attempt,
    to_webhook_endpoint,
)
from portal.jobs import outages

if TYPE_CHECKING:
    from stripe import StripeClient

PAGE: Final = 100

EXPAND_INTENT: Final = ["latest_charge.balance_transaction", "latest_charge.failure_balance_transaction"]
EXPAND_CHARGE: Final = ["balance_transaction", "failure_balance_transaction"]
EXPAND_REFUND: Final = ["balance_transaction", "failure_balance_transaction"]


# Stripe is there and says why it does not do this: only this call is concerned, and no job waits for Stripe to come back.
_ANSWERS: Final = (KeptFailure, KeyInUse, RefusedParameter)


@contextmanager
def api_errors() -> Iterator[None]:
    """A conversation with Stripe: outside any transaction, with its failures in our words."""
    import stripe

    db.refuse_inside_transaction("a call to Stripe")
    try:
        yield
    except stripe.StripeError as error:
        failure = translated(error)
        if isinstance(failure, Unavailable | RateLimited) and not isinstance(failure, _ANSWERS):
            outages.mark(failure, outages.STRIPE)
        raise failure from error


class ListCalls:
    """The part of the gateway that reads lists."""

    _client: StripeClient

    def list_intents(
        self, *, created_from: datetime, created_to: datetime, customer_id: str | None = None, after: str | None = None
    ) -> Iterator[Intent]:
        params = _of_span(created_from, created_to, after) | _expanded(EXPAND_INTENT)
        if customer_id:
            params["customer"] = customer_id
        with api_errors():
            for found in self._client.v1.payment_intents.list(params).auto_paging_iter():  # type: ignore[arg-type]
                yield to_intent(found)

    def list_charges(
        self, *, created_from: datetime, created_to: datetime, after: str | None = None
    ) -> Iterator[Charge]:
        """Each try to take money, also the declined ones."""
        params = _of_span(created_from, created_to, after)
        with api_errors():
            for found in self._client.v1.charges.list(params).auto_paging_iter():  # type: ignore[arg-type]
                yield to_charge(found)

    def list_refunds(self, intent_id: str) -> Iterator[Refund]:
        """All refunds of a payment intent, whoever made them."""
        params: dict[str, Any] = {"payment_intent": intent_id, "limit": PAGE} | _expanded(EXPAND_REFUND)
        with api_errors():
            for found in self._client.v1.refunds.list(params).auto_paging_iter():  # type: ignore[arg-type]
                yield to_refund(found)

    def list_refunds_made(
        self, *, created_from: datetime, created_to: datetime, after: str | None = None
    ) -> Iterator[Refund]:
        params = _of_span(created_from, created_to, after) | _expanded(EXPAND_REFUND)
        with api_errors():
            for found in self._client.v1.refunds.list(params).auto_paging_iter():  # type: ignore[arg-type]
                yield to_refund(found)

    def list_customers(self, *, created_from: datetime, created_to: datetime) -> Iterator[StripeCustomer]:
        """Without those that were deleted."""
        with api_errors():
            for found in self._client.v1.customers.list(_of_span(created_from, created_to)).auto_paging_iter():  # type: ignore[arg-type]
                yield to_customer(found)

    def list_setups(self, *, created_from: datetime, created_to: datetime, customer_id: str) -> Iterator[SetupIntent]:
        params = _of_span(created_from, created_to) | {"customer": customer_id}
        with api_errors():
            for found in self._client.v1.setup_intents.list(params).auto_paging_iter():  # type: ignore[arg-type]
                yield to_setup(found)

    def list_setup_attempts(self, setup_intent_id: str) -> Iterator[SetupAttempt]:
        """Every try to keep a card that a setup intent has seen, the newest first."""
        with api_errors():
            listed = self._client.v1.setup_attempts.list({"setup_intent": setup_intent_id, "limit": PAGE})
            for found in listed.auto_paging_iter():
                yield to_setup_attempt(found)

    def list_methods(self, customer_id: str) -> Iterator[PaymentMethod]:
        """What a customer keeps at Stripe, of every type. Raises MissingAtStripe for a deleted customer."""
        with api_errors():
            listed = self._client.v1.customers.payment_methods.list(customer_id, {"limit": PAGE})
            for found in listed.auto_paging_iter():
                yield to_payment_method(found)

    def list_disputes(
        self, *, created_from: datetime, created_to: datetime, after: str | None = None
    ) -> Iterator[Dispute]:
        params = _of_span(created_from, created_to, after)
        with api_errors():
            for found in self._client.v1.disputes.list(params).auto_paging_iter():  # type: ignore[arg-type]
                yield to_dispute(found)

    def list_transactions(
        self, *, created_from: datetime, created_to: datetime, after: str | None = None
    ) -> Iterator[BalanceTransaction]:
        """Every movement of our balance, of whatever type."""
        params = _of_span(created_from, created_to, after)
        with api_errors():
            for found in self._client.v1.balance_transactions.list(params).auto_paging_iter():  # type: ignore[arg-type]
                movement = to_movement(found)
                if movement is not None:
                    yield movement

    def list_transactions_of(self, payout_id: str) -> Iterator[BalanceTransaction]:
        """What an automatic payout is made of, with the payout's own movement. Source: Stripe, "Payout reconciliation"."""
        params: dict[str, Any] = {"payout": payout_id, "limit": PAGE}
        with api_errors():
            for found in self._client.v1.balance_transactions.list(params).auto_paging_iter():  # type: ignore[arg-type]
                movement = to_movement(found)
                if movement is not None:
                    yield movement

    def list_payouts(
        self, *, created_from: datetime, created_to: datetime, after: str | None = None
    ) -> Iterator[Payout]:
        params = _of_span(created_from, created_to, after)
        with api_errors():
            for found in self._client.v1.payouts.list(params).auto_paging_iter():  # type: ignore[arg-type]
                yield to_payout(found)

    def list_webhook_endpoints(self) -> Iterator[WebhookEndpoint]:
        with api_errors():
            for found in self._client.v1.webhook_endpoints.list({"limit": PAGE}).auto_paging_iter():
                yield to_webhook_endpoint(found)

    def list_method_configurations(self) -> Iterator[MethodConfiguration]:
        with api_errors():
            for found in self._client.v1.payment_method_configurations.list({"limit": PAGE}).auto_paging_iter():
                yield to_method_configuration(found)

    def list_undelivered(
        self, *, created_from: datetime, created_to: datetime, after: str | None = None
    ) -> Iterator[tuple[str, bytes]]:
        """Events that did not reach one of our endpoints: their ids, and themselves as Stripe would have sent them."""
        params = _of_span(created_from, created_to, after) | {"delivery_success": False}
        with api_errors():
            for found in self._client.v1.events.list(params).auto_paging_iter():  # type: ignore[arg-type]
                yield found.id, str(found).encode()

    def list_events(
        self, *, created_from: datetime, created_to: datetime, most: int
    ) -> list[tuple[str, str, datetime]]:
        """What happened at Stripe in a span, newest first and at most so much: ids, types and moments."""
        params = _of_span(created_from, created_to) | {"limit": min(most, PAGE)}
        found: list[tuple[str, str, datetime]] = []
        with api_errors():
            for event in self._client.v1.events.list(params).auto_paging_iter():  # type: ignore[arg-type]
                found.append((event.id, event.type, clock.from_epoch(event.created)))
                if len(found) == most:
                    break
        return found


def _of_span(created_from: datetime, created_to: datetime, after: str | None = None) -> dict[str, Any]:
    params: dict[str, Any] = {
        "created": {"gte": int(created_from.timestamp()), "lte": int(created_to.timestamp())},
        "limit": PAGE,
    }
    if after:
        params["starting_after"] = after
    return params


def _expanded(paths: list[str]) -> dict[str, Any]:
    return {"expand": [f"data.{path}" for path in paths]}
