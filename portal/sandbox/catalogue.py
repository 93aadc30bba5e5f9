"""Everything the sandbox knows, gathered from its resources: kinds, routes, and what may happen later."""

from __future__ import annotations

from portal.sandbox.events import ENDPOINT, EVENT
from portal.sandbox.kinds import Kind
from portal.sandbox.resources import (
    balance_transactions,
    charges,
    confirmation_tokens,
    customers,
    elements_sessions,
    events,
    payment_intents,
    payment_methods,
    refunds,
    setup_attempts,
    setup_intents,
    three_d_secure,
    webhook_endpoints,
)
from portal.sandbox.routes import Route
from portal.sandbox.world import Effect

KINDS: tuple[Kind, ...] = (
    balance_transactions.BALANCE_TRANSACTION,
    charges.CHARGE,
    confirmation_tokens.CONFIRMATION_TOKEN,
    customers.CUSTOMER,
    ENDPOINT,
    EVENT,
    payment_intents.PAYMENT_INTENT,
    payment_methods.PAYMENT_METHOD,
    refunds.REFUND,
    setup_attempts.SETUP_ATTEMPT,
    setup_intents.SETUP_INTENT,
    three_d_secure.CHALLENGE,
)

ROUTES: tuple[Route, ...] = (
    *balance_transactions.ROUTES,
    *charges.ROUTES,
    *confirmation_tokens.ROUTES,
    *customers.ROUTES,
    *elements_sessions.ROUTES,
    *events.ROUTES,
    *payment_intents.ROUTES,
    *payment_methods.ROUTES,
    *refunds.ROUTES,
    *setup_attempts.ROUTES,
    *setup_intents.ROUTES,
    *webhook_endpoints.ROUTES,
)

EFFECTS: dict[str, Effect] = {**charges.EFFECTS, **refunds.EFFECTS}
