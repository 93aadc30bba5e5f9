"""The web application: extensions, blueprints, error handlers, commands; nothing else."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from portal import cli, gateway
from portal.accounts.feature import FEATURE as ACCOUNTS
from portal.api.feature import FEATURE as API
from portal.api.operations import CustomerId, PaymentId
from portal.books.feature import FEATURE as BOOKS
from portal.content import mail
from portal.core import config, db, logs, secret_keys
from portal.core.config import Settings
from portal.disputes.feature import FEATURE as DISPUTES
from portal.documents import certificates
from portal.documents.feature import FEATURE as DOCUMENTS
from portal.edelivery.feature import FEATURE as EDELIVERY
from portal.evidence.feature import FEATURE as EVIDENCE
from portal.identity import web as identity
from portal.identity.feature import FEATURE as IDENTITY
from portal.invoices.feature import FEATURE as INVOICES
from portal.mandates.feature import FEATURE as MANDATES
from portal.operations.feature import FEATURE as OPERATIONS
from portal.pay_links.feature import FEATURE as PAY_LINKS
from portal.payment_methods.feature import FEATURE as PAYMENT_METHODS
from portal.payments.feature import FEATURE as PAYMENTS
from portal.privacy.feature import FEATURE as PRIVACY
from portal.reconciliation.feature import FEATURE as RECONCILIATION
from portal.refunds.feature import FEATURE as REFUNDS
from portal.reminders.feature import FEATURE as REMINDERS
from portal.statements.feature import FEATURE as STATEMENTS
from portal.stripe_events.feature import FEATURE as STRIPE_EVENTS
from portal.support.feature import FEATURE as SUPPORT
from portal.vat.feature import FEATURE as VAT
from portal.verification.feature import FEATURE as VERIFICATION
from portal.web import access, compression, failures, features, list_views, pages, static_files, views
from portal.webhook_endpoints.feature import FEATURE as WEBHOOK_ENDPOINTS

FEATURES = (
    IDENTITY,
    ACCOUNTS,
    VAT,
    INVOICES,
    PAYMENTS,
    PAY_LINKS,
    PAYMENT_METHODS,
    MANDATES,
    REFUNDS,
    DISPUTES,
    DOCUMENTS,
    EDELIVERY,
    REMINDERS,
    EVIDENCE,
    STATEMENTS,
    VERIFICATION,
    STRIPE_EVENTS,
    WEBHOOK_ENDPOINTS,
    RECONCILIATION,
    BOOKS,
    SUPPORT,
    OPERATIONS,
    PRIVACY,
    API,
)

# A file of invoices may have a million, and its form stands around it.
BODY_LIMIT_BYTES = 1_100_000
# How long a browser keeps what other origins may ask of the API.
CORS_SECONDS = 600


def create_app(settings: Settings | None = None) -> Flask:
    """A new application on these settings, or on the environment's; its process speaks to their database from then on.

    Raises config.WrongSettings, which names each setting that is missing or wrong.
    """
    settings = config.use(settings or config.load())
    logs.configure(settings.log_level)
    db.connect(settings.database_url)
    gateway.forget()
    app = Flask("portal", template_folder=None, static_folder=None)
    app.config.update(
        SECRET_KEY=secret_keys.newest(),
        SECRET_KEY_FALLBACKS=list(secret_keys.every()[1:]),
        WTF_CSRF_SECRET_KEY=secret_keys.oldest_first(),  # forms that are open while the secret key changes
        SESSION_COOKIE_NAME="__Host-portal" if settings.secure_cookies else "portal",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=BODY_LIMIT_BYTES,
        WTF_CSRF_TIME_LIMIT=None,  # the token dies with the session
        RATELIMIT_STORAGE_URI=settings.limits_storage,
        RATELIMIT_STORAGE_OPTIONS=_limits_options(settings.limits_storage),
        BABEL_DEFAULT_LOCALE=settings.languages[0],
        MAIL_SERVER=settings.mail_server,
        MAIL_PORT=settings.mail_port,
        MAIL_USE_TLS=settings.mail_use_tls,
        MAIL_USERNAME=settings.mail_username or None,
        MAIL_PASSWORD=settings.mail_password.get_secret_value() or None,
        MAIL_SUPPRESS_SEND=False,
    )
    app.url_map.converters["payment"] = PaymentId
    app.url_map.converters["customer"] = CustomerId
    compression.install(app)
    pages.install(app)
    app.register_blueprint(views.bp)
    app.register_blueprint(list_views.bp)
    failures.install(app)
    mail.mail.state = mail.mail.init_app(app)  # Flask-Mail keeps it by itself only when it is made with the app
    identity.login_manager.init_app(app)
    certificates.identity()  # a key that cannot be read stops the start, and not each document
    features.install(app, FEATURES)
    app.wsgi_app = access.Watched(app.wsgi_app)  # type: ignore[method-assign]
    CORS(
        app,
        resources=r"/api/.*",
        origins=list(settings.api_cors_origins),
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
        expose_headers=["Idempotent-Replayed", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"],
        max_age=CORS_SECONDS,
    )
    cli.install(app)
    static_files.serve(app, pages.static_headers())
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=settings.proxies
        )
    return app


def commands_alone() -> Flask:
    """An application that has the commands and nothing else: they can be listed and explained before there are settings."""
    app = Flask("portal")
    for feature in FEATURES:
        for command in feature.commands:
            app.cli.add_command(command)
    cli.install(app)
    return app


def _limits_options(storage: str) -> dict[str, Any]:
    """A storage elsewhere gets a second to answer; what goes wrong there is one kind of error."""
    elsewhere = {} if storage.startswith("memory:") else {"socket_connect_timeout": 1, "socket_timeout": 1}
    return {"wrap_exceptions": True, **elsewhere}
