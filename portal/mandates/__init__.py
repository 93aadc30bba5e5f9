"""Automatic payment: a customer's standing permission to charge their default card, and what is collected under it."""
