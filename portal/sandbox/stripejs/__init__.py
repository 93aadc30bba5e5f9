"""The sandbox's Stripe.js: what a page loads in place of js.stripe.com.

``routes()`` is all the sandbox's application needs: rules, methods and handlers to mount. The script behaves as Stripe.js of
the release "endive", whichever of Stripe's paths it was loaded from; ``Stripe.version`` alone follows the path, since
@stripe/stripe-js looks at it.

``host/`` runs in the page that loads the script, ``frame/`` in the elements' iframes, where card numbers and codes are typed and
leave for the API, ``challenge/`` in the dialog around the bank's page; ``shared/`` in more than one of them. ``bundle.py`` joins
them. Page and frames talk by postMessage, each end checking window, origin and frame name.

Source: docs.stripe.com/js, docs.stripe.com/sdks/stripejs-versioning and the declarations of @stripe/stripe-js 10.
"""

from collections.abc import Callable
from functools import partial

from werkzeug import Request, Response

from portal.sandbox.stripejs.bundle import Asset, Bundle

Handler = Callable[[Request], Response]
Route = tuple[str, list[str], Handler]

# Stripe names its releases of Stripe.js after herbs and salads, twice a year; "v3" is what came before the names.
SCRIPT_PATHS = (
    "/v3",
    "/v3/",
    "/v3/stripe.js",
    "/acacia/stripe.js",
    "/basil/stripe.js",
    "/clover/stripe.js",
    "/dahlia/stripe.js",
    "/endive/stripe.js",
)

# A frame may be embedded by any page (as Stripe's), may load only its own files, and may speak only to the sandbox.
FRAME_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'"
)


def routes() -> list[Route]:
    """Every address of Stripe.js: the script, the frames' pages, and the files those load."""
    bundle = Bundle()
    script: list[Route] = [(path, ["GET"], partial(_answer, bundle.script)) for path in SCRIPT_PATHS]
    files: list[Route] = [(asset.path, ["GET"], partial(_answer, asset)) for asset in bundle.assets]
    return script + files


def _answer(asset: Asset, request: Request) -> Response:
    response = Response(asset.body, mimetype=asset.mimetype)
    response.headers["X-Content-Type-Options"] = "nosniff"
    # The page that loads the script is of another origin, and may itself be isolated (COEP).
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Access-Control-Allow-Origin"] = "*"
    if asset.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = FRAME_POLICY
        response.headers["Referrer-Policy"] = "origin"
    response.set_etag(asset.digest)
    # The script's address never changes, so browsers must ask each time; the others carry their digest in the name.
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if asset.fingerprinted else "no-cache"
    return response.make_conditional(request)
