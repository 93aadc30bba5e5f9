"""The staff's desk: what staff see and do, for customers, and with invoices."""
