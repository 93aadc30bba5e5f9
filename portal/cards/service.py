"""Saved cards, as other features use them: the payment-method-service of the seed documents.

- `holders`: the customer at Stripe who holds a customer's payments and cards.
- `keeping`: the cards that are kept, in step with Stripe.
- `setups`: adding a card without paying.
"""

from portal.cards.holders import holder, lose_holder
from portal.cards.keeping import remember
from portal.cards.setups import hear_of_setup

__all__ = ["hear_of_setup", "holder", "lose_holder", "remember"]
