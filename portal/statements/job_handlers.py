"""What does the jobs of statements of account, and of confirmations of balances."""

from portal.statements import confirmations, jobs, service

jobs.make.handler(service.make)
jobs.make_confirmation.handler(confirmations.make)
jobs.sweep.handler(service.sweep)
