"""Joins the sources of Stripe.js into what is served: one classic script a page, each file under the digest of its content.

There is no build step: the sources are read once, when the sandbox starts. Modules are joined in the order stated here into one
strict function, so that their names are theirs alone and the page that loads the script gets ``window.Stripe`` and nothing else.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent

HOST_MODULES = (
    "shared/api.js",
    "shared/locale.js",
    "shared/refusals.js",
    "host/errors.js",
    "host/frame_channel.js",
    "host/dialog.js",
    "host/challenge.js",
    "host/wallet_sheet.js",
    "host/framed_element.js",
    "host/payment_element.js",
    "host/details_elements.js",
    "host/express_checkout_element.js",
    "host/card_cvc_element.js",
    "host/elements_options.js",
    "host/elements.js",
    "host/confirm_params.js",
    "host/confirm.js",
    "host/stripe.js",
)
FRAME_MODULES = (
    "shared/api.js",
    "shared/locale.js",
    "shared/refusals.js",
    "frame/host_link.js",
    "frame/messages.js",
    "frame/countries.js",
    "frame/card_brands.js",
    "frame/validation.js",
    "frame/formatting.js",
    "frame/appearance.js",
    "frame/field.js",
    "frame/frame_events.js",
    "frame/card_form.js",
    "frame/method_form.js",
    "frame/saved_methods.js",
    "frame/save_choice.js",
    "frame/layout.js",
    "frame/submission.js",
    "frame/app.js",
)
CVC_MODULES = (
    "shared/api.js",
    "shared/locale.js",
    "shared/refusals.js",
    "frame/host_link.js",
    "frame/messages.js",
    "frame/card_brands.js",
    "frame/validation.js",
    "frame/formatting.js",
    "frame/appearance.js",
    "frame/field.js",
    "frame/card_cvc.js",
)
DETAILS_MODULES = (
    "shared/locale.js",
    "frame/host_link.js",
    "frame/messages.js",
    "frame/countries.js",
    "frame/validation.js",
    "frame/formatting.js",
    "frame/appearance.js",
    "frame/field.js",
    "frame/frame_events.js",
    "frame/address_form.js",
    "frame/email_form.js",
    "frame/details.js",
)
EXPRESS_MODULES = (
    "shared/locale.js",
    "frame/host_link.js",
    "frame/messages.js",
    "frame/appearance.js",
    "frame/validation.js",
    "frame/formatting.js",
    "frame/field.js",
    "frame/frame_events.js",
    "frame/express.js",
)
WALLET_MODULES = ("shared/api.js", "shared/locale.js", "frame/host_link.js", "wallet/sheet.js")
CHALLENGE_MODULES = ("shared/locale.js", "frame/host_link.js", "challenge/challenge.js")
ICONS = (
    "visa",
    "mastercard",
    "amex",
    "discover",
    "diners",
    "jcb",
    "unionpay",
    "unknown",
    "card",
    "cvc",
    "cvc-amex",
    "bank",
)

# Long enough that two versions never meet, short enough to read in a list of requests.
DIGEST_LENGTH = 20


@dataclass(frozen=True)
class Asset:
    """A file as it is served. ``digest`` is of ``body``; ``fingerprinted`` says that ``path`` holds it."""

    path: str
    body: bytes
    mimetype: str
    digest: str
    fingerprinted: bool


class Bundle:
    """All of Stripe.js: ``script``, and ``assets`` that it and the frames load by fingerprinted addresses."""

    def __init__(self) -> None:
        icons = {name: _icon(name) for name in ICONS}
        payment = _frame_page(
            "elements-inner-payment",
            page=_source("frame/payment.html"),
            style=_source("frame/payment.css"),
            script=_joined(FRAME_MODULES, ICONS={name: asset.path for name, asset in icons.items()}),
        )
        cvc = _frame_page(
            "elements-inner-card-cvc",
            page=_source("frame/plain.html"),
            style=_source("frame/card_cvc.css"),
            script=_joined(CVC_MODULES),
        )
        details, express = (
            _frame_page(
                f"elements-inner-{name}",
                page=_source("frame/plain.html"),
                style=_source("frame/payment.css"),
                script=_joined(modules),
            )
            for name, modules in (("details", DETAILS_MODULES), ("express", EXPRESS_MODULES))
        )
        wallet = _frame_page(
            "wallet-sheet",
            page=_source("wallet/sheet.html"),
            style=_source("challenge/challenge.css") + _source("wallet/sheet.css"),
            script=_joined(WALLET_MODULES),
        )
        challenge = _frame_page(
            "three-ds-2-challenge",
            page=_source("challenge/challenge.html"),
            style=_source("challenge/challenge.css"),
            script=_joined(CHALLENGE_MODULES),
        )
        frames = {
            "payment": payment,
            "cardCvc": cvc,
            "details": details,
            "express": express,
            "wallet": wallet,
            "challenge": challenge,
        }
        body = _joined(HOST_MODULES, FRAME_PATHS={name: assets[0].path for name, assets in frames.items()})
        self.script = Asset("/v3/", body, "text/javascript", _digest(body), fingerprinted=False)
        self.assets = [*(asset for assets in frames.values() for asset in assets), *icons.values()]


def _frame_page(name: str, *, page: bytes, style: bytes, script: bytes) -> list[Asset]:
    """A frame's page, which comes first, and the two files it names by the marks STYLE and SCRIPT."""
    css = _fingerprinted("/v3/fingerprinted/css/{}.css", name, style, "text/css")
    js = _fingerprinted("/v3/fingerprinted/js/{}.js", name, script, "text/javascript")
    html = page.replace(b"{{STYLE}}", css.path.encode()).replace(b"{{SCRIPT}}", js.path.encode())
    return [_fingerprinted("/v3/{}.html", name, html, "text/html"), css, js]


def _icon(name: str) -> Asset:
    return _fingerprinted("/v3/fingerprinted/img/{}.svg", name, _source(f"icons/{name}.svg"), "image/svg+xml")


def _joined(modules: tuple[str, ...], **constants: dict[str, str]) -> bytes:
    """One script of ``modules`` in their order, which see ``constants`` by their names."""
    head = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in constants.items())
    parts = [f"// {module}\n{_source(module).decode()}" for module in modules]
    return f'(function () {{\n"use strict";\n{head}{"".join(parts)}}})();\n'.encode()


def _fingerprinted(pattern: str, name: str, body: bytes, mimetype: str) -> Asset:
    digest = _digest(body)
    return Asset(pattern.format(f"{name}-{digest}"), body, mimetype, digest, fingerprinted=True)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:DIGEST_LENGTH]


def _source(name: str) -> bytes:
    return (SOURCES / name).read_bytes()
