"""What does the jobs of personal data; each may run twice."""

from portal.privacy import jobs, service

jobs.make_file.handler(service.make)
jobs.sweep.handler(service.sweep)
