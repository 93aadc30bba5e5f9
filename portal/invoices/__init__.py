"""What is owed: invoices with their lines, tax and due date."""
