"""What does the jobs of statements of account."""

from portal.statements import jobs, service

jobs.make.handler(service.make)
jobs.sweep.handler(service.sweep)
