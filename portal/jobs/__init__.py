"""The queue of jobs, and the worker that does them."""
