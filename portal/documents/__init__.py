"""Numbered documents for money that has moved: receipts and credit notes, as frozen facts and as PDF."""
