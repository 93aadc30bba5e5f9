"""The living style page: every macro on one page, in a small app that needs no database.

`python -m tests.front.style_app` serves it; the tests of this folder hold it against axe and the
Content-Security-Policy of the real portal.
"""

from __future__ import annotations

import sys
from mimetypes import guess_type
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Flask, abort, current_app, make_response, request, url_for
from flask_babel import Babel
from flask_wtf import CSRFProtect, FlaskForm
from jinja2 import ChoiceLoader, FileSystemLoader, Undefined
from werkzeug.security import safe_join
from werkzeug.wrappers import Response
from wtforms import BooleanField, EmailField, PasswordField, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # its stubs are older
from wtforms.validators import DataRequired, Length

from portal.content.templates import TEMPLATES, LocaleEnvironment
from portal.web import static_files

ROOT = Path(__file__).resolve().parents[2]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Example(FlaskForm):  # type: ignore[misc]  # flask-wtf has no types
    """One field of each kind."""

    email = EmailField("E-mail", validators=[DataRequired("Enter your e-mail address")])
    password = PasswordField("Password", validators=[Length(min=12, message="Use at least 12 characters")])
    name = StringField("Name on the invoice", description="As it should stand on your receipts.")
    amount = StringField("Amount")
    country = SelectField("Country", choices=[SelectChoice("de", "Germany"), SelectChoice("at", "Austria")])
    note = TextAreaField("Note")
    remember = BooleanField("Keep me signed in", description="Only on a device that is yours.")
    reason = RadioField("Reason", choices=[SelectChoice("twice", "Paid twice"), SelectChoice("no", "Goods returned")])


def create_style_app(brand: str = "#2a4fd0", brand_contrast: str = "#ffffff", locale: str = "en") -> Flask:
    """The style page as an app; `locale` is the language it speaks, `brand` the company's colour."""
    app = Flask(__name__, static_folder=None, template_folder=None)
    app.config.update(
        SECRET_KEY="style-page",
        SESSION_COOKIE_SAMESITE="Lax",
        BABEL_TRANSLATION_DIRECTORIES=str(ROOT / "portal" / "translations"),
    )
    CSRFProtect(app)
    Babel(app, locale_selector=lambda: request.args.get("lang", locale))
    app.add_template_global(list, "navigation")

    @app.context_processor
    def context() -> dict[str, Any]:
        return {
            "company": SimpleNamespace(
                name="Nordlicht Software GmbH",
                support_email="billing@nordlicht.example",
                address_lines=["Hafenstraße 12", "20457 Hamburg"],
                logo_url=None,
            ),
            "current_user": SimpleNamespace(
                is_authenticated=True, name="Mara Lindqvist", email="mara@example.com", role="customer"
            ),
            "in_recovery": lambda: False,
            "locale": request.args.get("lang", locale),
            "languages": [("en", "English"), ("de", "Deutsch")],
            "request_id": "req_01j9x2m4",
            "static_url": lambda name: url_for("static", filename=name),
            "static_integrity": static_files.integrity,
            "style_sheets": static_files.sheets,
        }

    def named(endpoint: str, rule: str, methods: list[str] | None = None) -> None:
        app.add_url_rule(rule, endpoint, lambda **_: abort(404), methods=methods)

    named("invoices.index", "/invoices")
    named("payments.history", "/payments")
    named("payment_methods.index", "/payment-methods")
    named("identity.sign_in", "/sign-in", ["GET", "POST"])
    named("identity.sign_out", "/sign-out", ["POST"])
    named("accounts.profile", "/account")
    named("pages.language", "/language/<code>")

    app.add_url_rule("/static/<path:filename>", "static", _static_file)

    @app.get("/theme.css", endpoint="pages.theme")
    def theme() -> Response:
        answer = make_response(f":root{{--brand:{brand};--brand-contrast:{brand_contrast}}}")
        answer.mimetype = "text/css"
        return answer

    @app.get("/", endpoint="payments.overview")
    def overview() -> str:
        bad = Example()
        bad.email.errors = ["Enter your e-mail address"]
        bad.amount.errors = ["The least you can pay is €1.00"]
        bad.reason.errors = ["Choose a reason"]
        return _render("style/page.html", form=Example(prefix="good"), bad=bad, echo=Example(prefix="echo"))

    @app.get("/plain")
    def plain() -> str:
        return _render("style/plain.html", form=Example())

    @app.get("/error")
    def error() -> str:
        return _render(
            "errors/error.html",
            status=503,
            title="We cannot reach the payment service",
            message="Nothing was charged. Your invoice is still open.",
            next_step="Please try again in a few minutes.",
        )

    @app.route("/echo", methods=["GET", "POST"])
    def echo() -> tuple[str, int]:
        """Answers a form with the status it asks for, so that a browser shows what app.js makes of it."""
        form = Example()
        status = int(request.values.get("status", "200"))
        if status == 422:
            form.email.errors = ["Enter your e-mail address"]
        return _render("style/_echo.html", form=form, answer=status, times=_count(app)), status

    @app.after_request
    def policy(answer: Response) -> Response:
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    return app


def _render(template: str, **facts: Any) -> str:
    current_app.update_template_context(facts)
    environment = LocaleEnvironment(facts["locale"], undefined=Undefined)
    environment.loader = ChoiceLoader(
        [FileSystemLoader(TEMPLATES), FileSystemLoader(Path(__file__).parent / "templates")]
    )
    environment.bytecode_cache = current_app.jinja_env.bytecode_cache
    own = {"money": lambda value: value["text"], "date": str, "datetime": str}
    environment.filters |= own
    shared = current_app.jinja_env.globals
    environment.globals |= {name: value for name, value in shared.items() if name not in environment.globals}
    return environment.get_template(template).render(facts)


def _static_file(filename: str) -> Response:
    """Whole, because a browser that closes in the middle of a file would leave it open."""
    path = Path(safe_join(str(ROOT / "static"), filename) or "")
    return Response(path.read_bytes(), mimetype=guess_type(filename)[0])


def _count(app: Flask) -> int:
    app.config["ECHOES"] = app.config.get("ECHOES", 0) + 1
    return int(app.config["ECHOES"])


if __name__ == "__main__":
    create_style_app().run(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
