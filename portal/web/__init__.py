"""What every page shares: layout, guards, failures, lists and forms."""
