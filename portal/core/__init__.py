"""What every other part may use: time, money, settings, the database, the audit trail, numbers. Knows neither Flask nor Stripe."""
