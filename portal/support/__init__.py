"""The staff's desk: finding customers and payments, and what staff do with invoices."""
