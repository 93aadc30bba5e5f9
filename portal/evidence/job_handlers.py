"""What does the jobs of evidence; each may run twice."""

from portal.disputes import jobs as dispute_jobs
from portal.evidence import jobs, sending, service

dispute_jobs.gather_evidence.handler(service.gather)
jobs.stage.handler(sending.stage)
jobs.send.handler(sending.send)
