"""Who someone is and what they may do: users, sessions, passwords, second factors, one-time links, apps and API clients."""
