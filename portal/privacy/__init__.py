"""What is kept about people, for how long and why: their copy of it, and its end."""
