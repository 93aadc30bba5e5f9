"""What people read outside the browser, and in which language: mails, texts, files."""
