"""What does the jobs of packs; each may run twice."""

from portal.books import jobs, service

jobs.make_pack.handler(service.make)
jobs.sweep.handler(service.sweep)
