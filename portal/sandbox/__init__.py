"""A stand-in for Stripe that runs on this machine alone.

It speaks Stripe's API at the version the portal is written for to any unmodified Stripe SDK, delivers signed webhooks, and serves the
browser script that takes the place of Stripe.js. It keeps its own SQLite file and imports nothing of the portal, so that it can be
believed: what the portal does is seen here only as Stripe would see it.

`app.create_sandbox` gives the WSGI application, `server.serve` runs it with its delivery thread and its mail sink.
"""
