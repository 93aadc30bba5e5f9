"""The portal under every fault at once, seeded: see docs/reliability.md."""
