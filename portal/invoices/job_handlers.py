"""What does the jobs of invoices."""

from portal.invoices import files, jobs

jobs.forget_files.handler(files.forget_files)
