"""Event deliveries: what customers' own systems are told, signed, at addresses that they have registered."""
