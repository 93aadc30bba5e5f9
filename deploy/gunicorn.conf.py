"""How gunicorn serves the portal. WEB_CONCURRENCY says how many processes, GUNICORN_CMD_ARGS overrides anything.

Most of a payment is waiting for Stripe, so threads carry more than processes do: 16 of them wait while one computes.
"""

worker_class = "gthread"
threads = 16

# A thread waits at most 10 s for Stripe and tries once more; nothing that is well takes longer than this, in seconds.
timeout = 45
graceful_timeout = 30
# Longer than the usual reverse proxy keeps its connections, so that it and not we closes them.
keepalive = 75

# Heartbeats through memory: a slow disk must not make a worker look dead.
worker_tmp_dir = "/dev/shm"
# A worker makes room after this many requests, not all of them at once.
max_requests = 20_000
max_requests_jitter = 2_000

control_socket_disable = True
