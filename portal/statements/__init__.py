"""What became of a customer's money, as a file for their own books."""
