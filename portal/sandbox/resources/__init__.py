"""Stripe's resources, one a file: what each holds, the calls it answers, and its table of states where it has one."""
