"""A self-hosted customer billing portal over Stripe: see docs/architecture.md."""

# As pyproject.toml has it, which is no part of the image; a test holds one against the other.
RELEASE = "0.1.0"
