"""What dj-stripe takes for webhooks: a shop on Django whose every event is checked, stored and copied into tables before it is answered.

    python dj_stripe_site.py < events.json      in an environment with dj-stripe, Django and psycopg

Reads {"database": {…as Django has it}, "stripe", "secret", "events": [[body, signature], …]}; prints the processor seconds of each event as
JSON, but for what the SDK does between a request to Stripe and its answer.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import django
from django.conf import settings

API_VERSION = "2026-10-28.endive"
# dj-stripe takes no key for one that is shorter.
KEY_LENGTH = 24


def main() -> None:
    given = json.load(sys.stdin)
    _configure(given["database"])
    import stripe
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from djstripe.models import WebhookEndpoint

    stripe.api_base = given["stripe"]
    call_command("migrate", run_syncdb=True, verbosity=0)
    endpoint = WebhookEndpoint.objects.create(
        id="we_bench", url="http://127.0.0.1/hook", secret=given["secret"], livemode=False, enabled_events=["*"]
    )
    at_stripe = _timed(stripe.RequestsClient)
    application = get_wsgi_application()
    costs = []
    for body, signature in given["events"]:
        at_stripe.clear()
        begun = time.process_time()
        _post(application, f"/webhook/{endpoint.djstripe_uuid}/", body.encode(), signature)
        costs.append(time.process_time() - begun - sum(at_stripe))
    json.dump(costs, sys.stdout)


def _configure(database: dict[str, str]) -> None:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": None, **database}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "djstripe"],
        SECRET_KEY="only-for-measuring",  # noqa: S106
        ROOT_URLCONF="djstripe.urls",
        ALLOWED_HOSTS=["*"],
        DEBUG_PROPAGATE_EXCEPTIONS=True,
        STRIPE_API_VERSION=API_VERSION,
        STRIPE_LIVE_MODE=False,
        STRIPE_TEST_SECRET_KEY="sk_test_" + "0" * KEY_LENGTH,
        DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
        MIGRATION_MODULES={"auth": None, "contenttypes": None, "djstripe": None},
        USE_TZ=True,
    )
    django.setup()


def _timed(client: Any) -> list[float]:
    """The processor seconds of each request to Stripe from now on."""
    taken: list[float] = []
    asked: Callable[..., Any] = client.request

    @wraps(asked)
    def timed(*args: Any, **kwargs: Any) -> Any:
        begun = time.process_time()
        try:
            return asked(*args, **kwargs)
        finally:
            taken.append(time.process_time() - begun)

    client.request = timed
    return taken


def _post(application: Any, path: str, body: bytes, signature: str) -> None:
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": path, "QUERY_STRING": "", "SCRIPT_NAME": "", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)),
        "HTTP_STRIPE_SIGNATURE": signature, "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr, "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip
    told: list[str] = []
    answer = application(environ, lambda status, _headers, _error=None: told.append(status))
    text = b"".join(answer)
    answer.close()
    if not told[0].startswith("200"):
        raise SystemExit(f"{told[0]}: {text[:500]!r}")


if __name__ == "__main__":
    main()
