"""Customers, their people and the staff: whom they invite, what role each has, and what stands on a bill."""
