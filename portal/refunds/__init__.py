"""Refunds: asked for, decided by people, carried out once, and followed until the money has arrived or has come back."""
