"""Numbered documents for money that has moved: receipts (and later credit notes), as frozen facts and as PDF."""
