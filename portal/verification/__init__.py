"""Whether a document is genuine, for anyone who holds it: by the code that is printed on it, and by its file."""
