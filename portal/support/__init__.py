"""The staff's desk: what staff see and do, for customers, with invoices, and around the machine."""
