"""Stripe's API behind our own words.

Every call refuses to run inside a transaction. Every call that changes something takes the idempotency key it is sent with, made
by the caller from its row's id and attempt. Retries are the SDK's, few and with the same key; patience is the worker's.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from portal.core import config, db, recovery
from portal.core.money import Money
from portal.gateway.contract import (
    Charge,
    Dispute,
    EarlyFraudWarning,
    EvidenceRefused,
    Intent,
    Mandate,
    MethodConfiguration,
    MethodDomain,
    Misconfigured,
    MissingAtStripe,
    PaymentMethod,
    Payout,
    Refund,
    RefusedParameter,
    SetupIntent,
    StripeCustomer,
    UnusableMethod,
    WebhookEndpoint,
)
from portal.gateway.listing import EXPAND_CHARGE, EXPAND_INTENT, EXPAND_REFUND, ListCalls, api_errors
from portal.gateway.translating import (
    to_charge,
    to_customer,
    to_dispute,
    to_fraud_warning,
    to_intent,
    to_mandate,
    to_method_configuration,
    to_method_domain,
    to_payment_method,
    to_payout,
    to_refund,
    to_setup,
    to_webhook_endpoint,
)

if TYPE_CHECKING:
    from stripe import StripeClient

# A customer waits in front of the page: one retry, then the worker goes on. Seconds.
TIMEOUT_SECONDS: Final = 10
NETWORK_RETRIES: Final = 1
# Where Stripe takes files; whatever stands in for it takes them where it takes the rest.
STRIPE_FILES: Final = "https://files.stripe.com"


@contextmanager
def making() -> Iterator[None]:
    """Like `api_errors`, for what is made or confirmed at Stripe. Raises recovery.InRecovery while nothing may be."""
    db.refuse_inside_transaction("a call to Stripe")
    recovery.refuse_now()
    with api_errors():
        yield


@contextmanager
def _evidence() -> Iterator[None]:
    """Likewise, for evidence: a refusal holds Stripe's word."""
    import stripe

    try:
        with making():
            yield
    except (MissingAtStripe, Misconfigured, RefusedParameter) as error:
        if isinstance(error.__cause__, stripe.InvalidRequestError):
            raise EvidenceRefused(error.__cause__.user_message or "") from error
        raise


def _payable_with(methods: Mapping[str, Any]) -> dict[str, Any]:
    """Source: Stripe's changelog, 2026-07-29.dahlia (`allowed_payment_method_types`, which excludes the others) and 2026-09-30.endive."""
    if "types" in methods:
        return {"allowed_payment_method_types": list(methods["types"])}
    if "configuration" in methods:
        return {
            "payment_method_configuration": methods["configuration"],
            "automatic_payment_methods": {"enabled": True},
            "excluded_payment_method_types": list(methods["excluded"]),
        }
    return {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}


class StripeGateway(ListCalls):
    """One client a process; safe in threads (the SDK keeps a connection pool for each)."""

    def __init__(self, secret_key: str, api_base: str) -> None:
        import stripe

        from portal.gateway.http_client import BoundedClient

        self._client: StripeClient = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base, "files": STRIPE_FILES if api_base == config.STRIPE_API else api_base},
            max_network_retries=NETWORK_RETRIES,
            http_client=BoundedClient(TIMEOUT_SECONDS),
        )

    @property
    def api_version(self) -> str:
        """The version of Stripe's API that the SDK is made for."""
        import stripe

        return str(stripe.api_version)

    def create_customer(
        self, key: str, *, metadata: Mapping[str, str], name: str = "", email: str = ""
    ) -> StripeCustomer:
        """A customer at Stripe. Raises RefusedParameter for a name or an address that Stripe does not take."""
        params: dict[str, Any] = {"name": name, "email": email, "metadata": dict(metadata)}
        given = {field: value for field, value in params.items() if value}
        with making():
            return to_customer(self._client.v1.customers.create(given, {"idempotency_key": key}))  # type: ignore[arg-type]

    def retrieve_customer(self, customer_id: str) -> StripeCustomer:
        """Also one that was deleted. Raises MissingAtStripe for one that never was there."""
        with api_errors():
            return to_customer(self._client.v1.customers.retrieve(customer_id))

    def create_intent(
        self,
        key: str,
        *,
        amount: Money,
        customer_id: str,
        description: str,
        metadata: Mapping[str, str],
        save_card: bool,
        methods: Mapping[str, Any] | None = None,
    ) -> Intent:
        """An unconfirmed intent: it cannot take money before someone confirms it.

        `methods` are {"types": […]}, of which Stripe leaves out what does not fit amount and currency; or {"configuration": "pmc_…",
        "excluded": […]}, what is on in a payment method configuration without some types. Without them, as payments of earlier versions
        were asked for, it can be paid with whatever the account has on and does not leave the page.

        Raises Unavailable when no answer came (it may exist all the same), and the other errors of portal.gateway.failures.
        """
        params: dict[str, Any] = {
            "amount": amount.minor,
            "currency": amount.currency,
            "customer": customer_id,
            "description": description,
            "metadata": dict(metadata),
            "expand": EXPAND_INTENT,
        }
        params |= _payable_with(methods or {})
        if save_card:
            params["setup_future_usage"] = "off_session"
        with making():
            return to_intent(self._client.v1.payment_intents.create(params, {"idempotency_key": key}))  # type: ignore[arg-type]

    def retrieve_intent(self, intent_id: str) -> Intent:
        with api_errors():
            return to_intent(self._client.v1.payment_intents.retrieve(intent_id, {"expand": EXPAND_INTENT}))

    def set_saving(self, intent_id: str, *, save_card: bool) -> Intent:
        """Change whether the card will be kept; only before the intent is confirmed, else UnexpectedState."""
        with making():
            return to_intent(
                self._client.v1.payment_intents.update(
                    intent_id,
                    {"setup_future_usage": "off_session" if save_card else "", "expand": EXPAND_INTENT},
                )
            )

    def label_intent(self, intent_id: str, labels: Mapping[str, str]) -> None:
        """Write these entries into an intent's metadata, beside those that it has; possible in every state."""
        with api_errors():
            self._client.v1.payment_intents.update(intent_id, {"metadata": dict(labels)})

    def label_refund(self, refund_id: str, labels: Mapping[str, str]) -> None:
        """Likewise for a refund."""
        with api_errors():
            self._client.v1.refunds.update(refund_id, {"metadata": dict(labels)})

    def confirm_intent(
        self,
        intent_id: str,
        key: str,
        *,
        payment_method_id: str,
        off_session: bool,
        return_url: str = "",
        mandate: Mapping[str, str] | None = None,
    ) -> Intent:
        """Charge a saved card; with `off_session` its holder is not there to answer the bank.

        On session an intent that comes back `requires_action` is finished by the page with stripe.handleNextAction. Raises Declined
        when the bank says no (off session also when it wants to ask the holder: code "authentication_required"), UnexpectedState
        when the intent cannot be confirmed any more, and Unavailable when no answer came: the card may be charged all the same. An
        intent that can be paid with what leaves the page wants a `return_url`, also where this payment method does not. With a
        `mandate` ("ip_address" and "user_agent" of its holder's consent) a bank account is debited.
        """
        params: dict[str, Any] = {"payment_method": payment_method_id, "expand": EXPAND_INTENT}
        if return_url:
            params["return_url"] = return_url
        if mandate:
            params["mandate_data"] = {"customer_acceptance": {"type": "online", "online": dict(mandate)}}
        params["off_session" if off_session else "use_stripe_sdk"] = True
        with making():
            return to_intent(self._client.v1.payment_intents.confirm(intent_id, params, {"idempotency_key": key}))  # type: ignore[arg-type]

    def cancel_intent(self, intent_id: str, key: str) -> Intent:
        """Raises UnexpectedState when it has succeeded or is canceled already."""
        with api_errors():
            return to_intent(
                self._client.v1.payment_intents.cancel(intent_id, {"expand": EXPAND_INTENT}, {"idempotency_key": key})
            )

    def create_refund(
        self, key: str, *, intent_id: str, amount: Money, reason: str, metadata: Mapping[str, str]
    ) -> Refund:
        """Give money back to the card it came from. Raises NotRefundable, and as create_intent does."""
        params: dict[str, Any] = {
            "payment_intent": intent_id,
            "amount": amount.minor,
            "reason": reason,
            "metadata": dict(metadata),
            "expand": EXPAND_REFUND,
        }
        with making():
            return to_refund(self._client.v1.refunds.create(params, {"idempotency_key": key}))  # type: ignore[arg-type]

    def retrieve_refund(self, refund_id: str) -> Refund:
        with api_errors():
            return to_refund(self._client.v1.refunds.retrieve(refund_id, {"expand": EXPAND_REFUND}))

    def create_setup(
        self, key: str, *, customer_id: str, metadata: Mapping[str, str], methods: Mapping[str, Any] | None = None
    ) -> SetupIntent:
        """An unconfirmed setup intent: it keeps nothing before someone confirms it. `methods` and errors as of create_intent."""
        params: dict[str, Any] = {"customer": customer_id, "metadata": dict(metadata), "usage": "off_session"}
        params |= _payable_with(methods or {})
        with making():
            return to_setup(self._client.v1.setup_intents.create(params, {"idempotency_key": key}))  # type: ignore[arg-type]

    def retrieve_setup(self, setup_intent_id: str) -> SetupIntent:
        with api_errors():
            return to_setup(self._client.v1.setup_intents.retrieve(setup_intent_id))

    def confirm_setup(
        self,
        setup_intent_id: str,
        key: str,
        payment_method_id: str,
        *,
        return_url: str = "",
        mandate: Mapping[str, str] | None = None,
    ) -> SetupIntent:
        """Try to keep a payment method; where the bank asks for 3-D Secure, the answer waits in requires_action.

        `return_url` and `mandate` as of confirm_intent.

        Raises UnusableMethod when Stripe refuses what the call brings, which is the payment method alone; Declined when the bank
        says no; UnexpectedState when it was confirmed before.
        """
        import stripe

        params: dict[str, Any] = {"payment_method": payment_method_id}
        if mandate:
            params["mandate_data"] = {"customer_acceptance": {"type": "online", "online": dict(mandate)}}
        if return_url:
            params["return_url"] = return_url
        try:
            with making():
                return to_setup(
                    self._client.v1.setup_intents.confirm(setup_intent_id, params, {"idempotency_key": key})  # type: ignore[arg-type]
                )
        except (MissingAtStripe, Misconfigured) as error:
            if isinstance(error.__cause__, stripe.InvalidRequestError):
                raise UnusableMethod from error
            raise

    def cancel_setup(self, setup_intent_id: str, key: str) -> SetupIntent:
        """Raises UnexpectedState when it has succeeded or is canceled already."""
        with api_errors():
            return to_setup(self._client.v1.setup_intents.cancel(setup_intent_id, None, {"idempotency_key": key}))

    def delete_customer(self, customer_id: str) -> None:
        """Stripe forgets who it was, and lets go of saved payment methods; payments stay. Raises MissingAtStripe for one that is gone.
        Never undone, so held while a restored database does not know all yet.
        """
        with making():
            self._client.v1.customers.delete(customer_id)

    def customer_is_gone(self, customer_id: str) -> bool:
        """Whether a customer was deleted at Stripe, which still answers with a note of it, or never was there."""
        try:
            return self.retrieve_customer(customer_id).is_deleted
        except MissingAtStripe:
            return True

    def retrieve_payment_method(self, payment_method_id: str) -> PaymentMethod:
        with api_errors():
            return to_payment_method(self._client.v1.payment_methods.retrieve(payment_method_id))

    def retrieve_mandate(self, mandate_id: str) -> Mandate:
        """As its holder's bank has it now. Raises MissingAtStripe."""
        with api_errors():
            return to_mandate(self._client.v1.mandates.retrieve(mandate_id))

    def retrieve_method_configuration(self, configuration_id: str) -> MethodConfiguration:
        """Which payment methods are on in it. Raises MissingAtStripe."""
        with api_errors():
            return to_method_configuration(self._client.v1.payment_method_configurations.retrieve(configuration_id))

    def method_domain(self, name: str) -> MethodDomain | None:
        """A domain on which wallets may be shown, as it is registered; None where it is not."""
        with api_errors():
            found = self._client.v1.payment_method_domains.list({"domain_name": name, "limit": 1}).data
        return to_method_domain(found[0]) if found else None

    def register_domain(self, name: str) -> MethodDomain:
        """Register a domain for wallets, switch it on, and have Stripe verify it. A second call does the same."""
        with api_errors():
            domains = self._client.v1.payment_method_domains
            made = domains.create({"domain_name": name})
            if not made.enabled:
                domains.update(made.id, {"enabled": True})
            return to_method_domain(domains.validate(made.id))

    def detach_method(self, payment_method_id: str) -> None:
        """Let go of a saved payment method. Raises MissingAtStripe or Misconfigured when it is not attached any more."""
        with api_errors():
            self._client.v1.payment_methods.detach(payment_method_id)

    def retrieve_dispute(self, dispute_id: str) -> Dispute:
        """With all its balance transactions, which Stripe sends whole without being asked to expand them."""
        with api_errors():
            return to_dispute(self._client.v1.disputes.retrieve(dispute_id))

    def upload_evidence(self, key: str, name: str, content: bytes) -> str:
        """The id of a file, a PDF or a picture of at most 5 MB, that evidence may name. Raises EvidenceRefused."""
        file = io.BytesIO(content)
        file.name = name
        with _evidence():
            made = self._client.v1.files.create({"file": file, "purpose": "dispute_evidence"}, {"idempotency_key": key})
        return made.id

    def give_evidence(
        self,
        dispute_id: str,
        key: str,
        evidence: Mapping[str, str],
        *,
        submit: bool,
        visa_ce3: Mapping[str, Any] | None = None,
    ) -> Dispute:
        """Lay evidence ready at Stripe, over what lies there, or with `submit` send it to the bank, for good; an empty text takes one away.

        `visa_ce3` is Visa's Compelling Evidence 3.0, in Stripe's shape: none leaves what Stripe has filled in itself, an empty one takes
        away what we gave. Raises EvidenceRefused.
        """
        params: dict[str, Any] = {"evidence": dict(evidence), "submit": submit}
        if visa_ce3 is not None:
            params["evidence"]["enhanced_evidence"] = {"visa_compelling_evidence_3": visa_ce3} if visa_ce3 else ""
        with _evidence():
            return to_dispute(self._client.v1.disputes.update(dispute_id, params, {"idempotency_key": key}))  # type: ignore[arg-type]

    def retrieve_charge(self, charge_id: str) -> Charge:
        with api_errors():
            return to_charge(self._client.v1.charges.retrieve(charge_id, {"expand": EXPAND_CHARGE}))

    def retrieve_payout(self, payout_id: str) -> Payout:
        with api_errors():
            return to_payout(self._client.v1.payouts.retrieve(payout_id))

    def create_webhook_endpoint(self, key: str, url: str, types: Sequence[str]) -> WebhookEndpoint:
        """An endpoint at the version of the API that this gateway speaks, with its signing secret."""
        params: dict[str, Any] = {"url": url, "enabled_events": list(types), "api_version": self.api_version}
        with api_errors():
            return to_webhook_endpoint(self._client.v1.webhook_endpoints.create(params, {"idempotency_key": key}))  # type: ignore[arg-type]

    def update_webhook_endpoint(self, endpoint_id: str, types: Sequence[str]) -> WebhookEndpoint:
        """Have exactly these types sent, and switch it on."""
        params: dict[str, Any] = {"enabled_events": list(types), "disabled": False}
        with api_errors():
            return to_webhook_endpoint(self._client.v1.webhook_endpoints.update(endpoint_id, params))  # type: ignore[arg-type]

    def delete_webhook_endpoint(self, endpoint_id: str) -> None:
        with api_errors():
            self._client.v1.webhook_endpoints.delete(endpoint_id)

    def retrieve_fraud_warning(self, warning_id: str) -> EarlyFraudWarning:
        with api_errors():
            return to_fraud_warning(self._client.v1.radar.early_fraud_warnings.retrieve(warning_id))


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
