"""The public half of the key that packs are signed with, where an auditor finds it."""

from flask import Blueprint, Response

from portal.books import verifying
from portal.core import signing_keys

bp = Blueprint("books_key", __name__)


@bp.get("/.well-known/books-signing-key.pem")
def signing_key() -> Response:
    return Response(signing_keys.pem(verifying.our_key()), content_type="application/x-pem-file")
