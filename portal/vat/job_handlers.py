"""What does the jobs of VAT."""

from portal.accounts import jobs
from portal.vat import service

jobs.check_vat_id.handler(service.check)
