"""What does the jobs of networks."""

from portal.edelivery import jobs, service

jobs.hand_over.handler(service.hand_over)
