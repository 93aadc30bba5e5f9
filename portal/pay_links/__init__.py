"""Paying an invoice by a link, without signing in."""
