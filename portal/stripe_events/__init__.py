"""Stripe's events: verified, stored once, and applied by the worker, which asks Stripe for the truth."""
