"""The certificate that documents are signed with, where whoever verifies a signature finds it."""

from flask import Blueprint, Response

from portal.documents import certificates

bp = Blueprint("documents_certificate", __name__)


@bp.get("/.well-known/document-signing-certificate.pem")
def certificate() -> Response:
    return Response(certificates.pem(), content_type="application/x-pem-file")
