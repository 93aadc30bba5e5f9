"""What whoever runs the portal looks at: jobs, events, deliveries, outages, the audit trail."""
