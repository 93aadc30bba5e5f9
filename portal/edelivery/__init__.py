"""E-invoices for networks (Peppol, platforms of states): handed over to whoever sends them on, and what came of it."""
