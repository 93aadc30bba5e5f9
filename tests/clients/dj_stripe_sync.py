"""What a shop with dj-stripe does: copy everything from Stripe into its own tables, by dj-stripe's own calls and expansions.

    python dj_stripe_sync.py URL        in the environment of dj-stripe; prints how many rows each table has, as JSON

Errors of a sync are dj-stripe's to report: it ends with another status than 0.
"""

from __future__ import annotations

import io
import json
import sys

import django
from django.conf import settings

API_VERSION = "2026-10-28.endive"
# dj-stripe takes no key for one that is shorter.
KEY_LENGTH = 24
MODELS = (
    "Account Customer PaymentMethod PaymentIntent SetupIntent Charge Refund Dispute BalanceTransaction Payout Mandate Event "
    "WebhookEndpoint"
).split()


def main(url: str) -> None:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "djstripe"],
        SECRET_KEY="only-for-tests",
        STRIPE_API_VERSION=API_VERSION,
        STRIPE_LIVE_MODE=False,
        STRIPE_TEST_SECRET_KEY="sk_test_" + "0" * KEY_LENGTH,
        DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
        # Its tables as they are now: the way there, migration by migration, takes most of a minute.
        MIGRATION_MODULES={"auth": None, "contenttypes": None, "djstripe": None},
        USE_TZ=True,
    )
    django.setup()

    import stripe
    from django.core.management import call_command
    from djstripe import models

    stripe.api_base = url
    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("djstripe_sync_models", *MODELS, fail_on_error=True, stdout=io.StringIO(), stderr=sys.stderr)
    json.dump({name: getattr(models, name).objects.count() for name in MODELS}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
