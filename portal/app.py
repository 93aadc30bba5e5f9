"""The web application: extensions, blueprints, error handlers, commands; nothing else."""

from __future__ import annotations

from typing import Any
from wsgiref.headers import Headers

from flask import Flask
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from portal import cli, gateway
from portal.accounts import api_client_views as support_machines
from portal.accounts import jobs as _accounts_jobs
from portal.accounts import people_views as people
from portal.accounts import second_factor_views as second_factor
from portal.accounts import staff_views as support_staff
from portal.accounts import views as accounts
from portal.api import app_requests
from portal.api import auth_views as api_auth
from portal.api import customer_views as api_customers
from portal.api import docs_views as api_docs
from portal.api import endpoint_views as api_endpoints
from portal.api import invoice_views as api_invoices
from portal.api import method_views as api_methods
from portal.api import payment_views as api_payments
from portal.api import receipt_views as api_receipts
from portal.api import refund_views as api_refunds
from portal.api import staff_views as api_staff
from portal.api.operations import PaymentId
from portal.books import jobs as _books_jobs
from portal.books import key_views as books_key
from portal.books import look_views as book_looks
from portal.books import pack_views as book_packs
from portal.books import views as books
from portal.content import anchors, mail
from portal.core import config, db, logs
from portal.core.config import Settings
from portal.disputes import jobs as _disputes_jobs
from portal.disputes import staff_views as support_disputes
from portal.disputes import views as disputes
from portal.documents import jobs as _receipts_jobs
from portal.documents import verification_views as verification
from portal.documents import views as receipts
from portal.invoices import jobs as _invoices_jobs
from portal.invoices import staff_views as support_invoices
from portal.invoices import views as invoices
from portal.mandates import jobs as _mandates_jobs
from portal.mandates import views as mandates
from portal.operations import alerts as _support_alerts
from portal.operations import views as operations
from portal.payment_methods import jobs as _cards_jobs
from portal.payment_methods import views as cards
from portal.payments import jobs as _payments_jobs
from portal.payments import staff_views as support_payments
from portal.payments import views as payments
from portal.reconciliation import jobs as _reconciliation_jobs
from portal.refunds import jobs as _refunds_jobs
from portal.refunds import staff_views as support_refunds
from portal.refunds import views as refunds
from portal.statements import views as statements
from portal.stripe_events import jobs as _webhooks_jobs
from portal.stripe_events import views as webhooks
from portal.support import views as support
from portal.web import failures, pages
from portal.webhook_endpoints import jobs as _deliveries_jobs

# Importing a jobs module registers its handlers with the outbox.
HANDLERS = (
    anchors,
    app_requests,
    _accounts_jobs,
    _deliveries_jobs,
    _cards_jobs,
    _invoices_jobs,
    _payments_jobs,
    _mandates_jobs,
    _disputes_jobs,
    _refunds_jobs,
    _receipts_jobs,
    _webhooks_jobs,
    _reconciliation_jobs,
    _books_jobs,
    _support_alerts,
)

FEATURES = (
    accounts,
    people,
    second_factor,
    invoices,
    payments,
    receipts,
    statements,
    verification,
    refunds,
    cards,
    mandates,
    disputes,
    webhooks,
    support,
    support_invoices,
    support_payments,
    support_disputes,
    support_refunds,
    support_machines,
    support_staff,
    operations,
    books,
    book_looks,
    book_packs,
    books_key,
    api_auth,
    api_customers,
    api_invoices,
    api_payments,
    api_methods,
    api_refunds,
    api_receipts,
    api_endpoints,
    api_staff,
    api_docs,
)

# A file of invoices may have a million, and its form stands around it.
BODY_LIMIT_BYTES = 1_100_000
# How long a browser keeps what other origins may ask of the API.
CORS_SECONDS = 600
STATIC_CACHE_SECONDS = 31_536_000


def create_app(settings: Settings | None = None) -> Flask:
    """A new application on these settings, or on the environment's; its process speaks to their database from then on.

    Raises config.WrongSettings, which names each setting that is missing or wrong.
    """
    settings = config.use(settings or config.load())
    logs.configure(settings.log_level)
    db.connect(settings.database_url)
    gateway.forget()
    app = Flask("portal", template_folder=str(pages.TEMPLATES), static_folder=None)
    app.config.update(
        SECRET_KEY=settings.secret_key.get_secret_value(),
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
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.url_map.converters["payment"] = PaymentId
    pages.install(app)
    failures.install(app)
    mail.mail.state = mail.mail.init_app(app)  # Flask-Mail keeps it by itself only when it is made with the app
    accounts.login_manager.init_app(app)
    for feature in FEATURES:
        app.register_blueprint(feature.bp)
    CORS(
        app,
        resources=r"/api/.*",
        origins=list(settings.api_cors_origins),
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
        expose_headers=["Idempotency-Replayed", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"],
        max_age=CORS_SECONDS,
    )
    cli.install(app)
    _serve_static(app)
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=settings.proxies
        )
    return app


def _limits_options(storage: str) -> dict[str, Any]:
    """A storage elsewhere gets a second to answer; what goes wrong there is one kind of error."""
    elsewhere = {} if storage.startswith("memory:") else {"socket_connect_timeout": 1, "socket_timeout": 1}
    return {"wrap_exceptions": True, **elsewhere}


def _serve_static(app: Flask) -> None:
    """The files under static/, with the same headers as the pages; their addresses change when they do."""

    def add_headers(headers: Headers, _path: str, url: str) -> None:
        for name, value in pages.security_headers(with_stripe=False).items():
            headers[name] = value
        # Modules import each other by their plain names, so the browser asks each time whether they are still the same.
        if url.startswith("/static/js/"):
            headers["Cache-Control"] = "no-cache"

    files = WhiteNoise(
        app.wsgi_app,
        max_age=STATIC_CACHE_SECONDS,
        add_headers_function=add_headers,
        allow_all_origins=False,
        autorefresh=config.current().environment == "development",  # else a file that grew is sent cut off
    )
    files.add_files(str(pages.STATIC), prefix="static/")
    app.wsgi_app = files  # type: ignore[method-assign]
