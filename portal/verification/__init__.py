"""Anyone who holds a document can ask whether it was issued, by the code that stands on it."""
