"""Saved cards: references to payment methods that Stripe keeps, never a number."""
