"""VAT: whether the VAT ID of a customer is known to be valid, with the proof of it, and why a line has no tax."""
