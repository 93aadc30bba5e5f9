"""What does the jobs of the desk; each may run twice."""

from portal.support import jobs, staff_mails

jobs.mail_staff.handler(staff_mails.send_due)
