"""Payment methods, as other features use them.

- `stripe_customers`: the customer at Stripe who holds a customer's payments and payment methods.
- `keeping`: the payment methods that are kept, in step with Stripe.
- `bank_mandates`: the mandates by which bank accounts are debited.
- `setups`: adding a payment method without paying, in a browser.
- `by_reference`: the same for apps, which know only its reference at Stripe.
- `sources`: what a payment charges: a saved payment method, or one by its reference.
"""

from portal.payment_methods.bank_mandates import follow as follow_mandate
from portal.payment_methods.by_reference import save_method, setup_by_secret, setup_now
from portal.payment_methods.card_testing import begin_payment, follow_payment, is_beyond, knows, standings
from portal.payment_methods.keeping import Expired, Revoked, make_default, remove, remove_once, upsert
from portal.payment_methods.setups import VERIFIED_WITHIN, SetupStarted, start_setup, sync_setup
from portal.payment_methods.sources import PaymentSource, UnknownMethod, from_reference, from_saved
from portal.payment_methods.stripe_customers import (
    delete_customers,
    detach_customer,
    ensure_stripe_customer,
    link_customer,
)
from portal.payment_methods.verifying import send as mail_verification

__all__ = [
    "VERIFIED_WITHIN",
    "Expired",
    "PaymentSource",
    "Revoked",
    "SetupStarted",
    "UnknownMethod",
    "begin_payment",
    "delete_customers",
    "detach_customer",
    "ensure_stripe_customer",
    "follow_mandate",
    "follow_payment",
    "from_reference",
    "from_saved",
    "is_beyond",
    "knows",
    "link_customer",
    "mail_verification",
    "make_default",
    "remove",
    "remove_once",
    "save_method",
    "setup_by_secret",
    "setup_now",
    "standings",
    "start_setup",
    "sync_setup",
    "upsert",
]
