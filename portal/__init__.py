"""A self-hosted customer billing portal over Stripe: see docs/architecture.md."""
