"""Disputes: a customer's bank wants a payment back. Followed from the first warning until the money is where it stays."""
