"""Payment methods, as other features use them.

- `stripe_customers`: the customer at Stripe who holds a customer's payments and cards.
- `keeping`: the cards that are kept, in step with Stripe.
- `setups`: adding a card without paying, in a browser.
- `by_reference`: the same for apps, which know only the card's reference at Stripe.
- `sources`: what a payment charges: a saved card, or a card by its reference.
"""

from portal.payment_methods.by_reference import save_method, setup_by_secret, setup_now
from portal.payment_methods.card_testing import begin_payment, follow_payment, is_beyond, knows, standings
from portal.payment_methods.keeping import Expired, make_default, remove, remove_once, upsert
from portal.payment_methods.setups import SetupStarted, start_setup, sync_setup
from portal.payment_methods.sources import PaymentSource, UnknownCard, from_reference, from_saved
from portal.payment_methods.stripe_customers import detach_customer, ensure_stripe_customer, link_customer

__all__ = [
    "Expired",
    "PaymentSource",
    "SetupStarted",
    "UnknownCard",
    "begin_payment",
    "detach_customer",
    "ensure_stripe_customer",
    "follow_payment",
    "from_reference",
    "from_saved",
    "is_beyond",
    "knows",
    "link_customer",
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
