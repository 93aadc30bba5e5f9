"""Reminding customers by mail of invoices that are due."""
