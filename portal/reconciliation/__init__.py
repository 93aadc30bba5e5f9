"""The books held against Stripe's: what Stripe has is fetched, what the portal has is brought in line, and what is left is named."""
