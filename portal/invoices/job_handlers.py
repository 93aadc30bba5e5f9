"""What does the jobs of invoices; the PDF of a preview is made by documents."""

from portal.invoices import files, jobs, previews


@jobs.forget_files.handler
def forget_files() -> None:
    files.UPLOADS.forget_old()


jobs.sweep_previews.handler(previews.sweep)
