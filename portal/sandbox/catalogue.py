"""Everything the sandbox knows, gathered from its resources: kinds, routes, and what may happen later."""

from __future__ import annotations

from portal.sandbox.events import ENDPOINT, EVENT
from portal.sandbox.kinds import Kind
from portal.sandbox.resources import (
    accounts,
    balance,
    balance_transactions,
    charges,
    confirmation_tokens,
    customer_sessions,
    customers,
    disputes,
    early_fraud_warnings,
    elements_sessions,
    events,
    files,
    mandates,
    payment_confirmation,
    payment_intents,
    payment_method_configurations,
    payment_method_domains,
    payment_methods,
    payouts,
    redirects,
    refunds,
    setup_attempts,
    setup_intents,
    three_d_secure,
    tokens,
    wallets,
    webhook_endpoints,
)
from portal.sandbox.routes import Route
from portal.sandbox.world import Beginning, Effect

KINDS: tuple[Kind, ...] = (
    balance_transactions.BALANCE_TRANSACTION,
    charges.CHARGE,
    confirmation_tokens.CONFIRMATION_TOKEN,
    customer_sessions.CUSTOMER_SESSION,
    customers.CUSTOMER,
    disputes.DISPUTE,
    early_fraud_warnings.WARNING,
    ENDPOINT,
    EVENT,
    files.FILE,
    mandates.MANDATE,
    payment_intents.PAYMENT_INTENT,
    payment_method_configurations.CONFIGURATION,
    payment_method_domains.DOMAIN,
    payment_methods.PAYMENT_METHOD,
    payouts.PAYOUT,
    redirects.REDIRECT,
    refunds.REFUND,
    setup_attempts.SETUP_ATTEMPT,
    setup_intents.SETUP_INTENT,
    three_d_secure.CHALLENGE,
    tokens.TOKEN,
)

ROUTES: tuple[Route, ...] = (
    *accounts.ROUTES,
    *balance.ROUTES,
    *balance_transactions.ROUTES,
    *charges.ROUTES,
    *confirmation_tokens.ROUTES,
    *customer_sessions.ROUTES,
    *customers.ROUTES,
    *disputes.ROUTES,
    *early_fraud_warnings.ROUTES,
    *elements_sessions.ROUTES,
    *events.ROUTES,
    *files.ROUTES,
    *mandates.ROUTES,
    *payment_intents.ROUTES,
    *payment_method_configurations.ROUTES,
    *payment_method_domains.ROUTES,
    *payment_methods.ROUTES,
    *payouts.ROUTES,
    *refunds.ROUTES,
    *setup_attempts.ROUTES,
    *setup_intents.ROUTES,
    *tokens.ROUTES,
    *wallets.ROUTES,
    *webhook_endpoints.ROUTES,
)

EFFECTS: dict[str, Effect] = {
    **charges.EFFECTS,
    **disputes.EFFECTS,
    **early_fraud_warnings.EFFECTS,
    **mandates.EFFECTS,
    **payment_confirmation.EFFECTS,
    **payouts.EFFECTS,
    **refunds.EFFECTS,
}

BEGINNINGS: tuple[Beginning, ...] = (payment_method_configurations.begin, payouts.begin)
