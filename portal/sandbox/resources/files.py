"""Files: what is uploaded as evidence for a dispute.

Of a file's content its size and its kind are kept, and no more: nobody downloads it.
Source: Stripe's API reference, "Files", and "File upload guide", which names the kinds of file and their sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.errors import invalid
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import Choice, Parameters, Upload, unsupported
from portal.sandbox.routes import get, post

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

FILE = Kind(object="file", table="files", prefix="file", url="/v1/files", columns=("purpose",), noun="file upload")

DISPUTE_EVIDENCE = "dispute_evidence"
MOST_BYTES = 5_000_000
"""Of one file for a dispute."""

_BEGINNINGS = {b"%PDF-": "pdf", b"\x89PNG\r\n": "png", b"\xff\xd8\xff": "jpg"}

CREATE = Parameters(
    {"file": Upload(), "purpose": Choice((DISPUTE_EVIDENCE,))},
    required=("file", "purpose"),
    unsupported=unsupported("file_link_data"),
)
LIST = list_parameters({"purpose": Choice((DISPUTE_EVIDENCE,))})


def create(call: Call) -> Row:
    given = call.params["file"]
    begins = bytes.fromhex(given["begins"])
    kind = next((name for beginning, name in _BEGINNINGS.items() if begins.startswith(beginning)), None)
    if kind is None:
        raise invalid("The file type uploaded is not supported: evidence is a PDF, a PNG or a JPEG.", "file")
    if given["size"] > MOST_BYTES:
        raise invalid("The uploaded file exceeds the maximum allowable size.", "file")
    file_id = new_id("file")
    row: Row = {
        "id": file_id,
        "object": "file",
        "created": call.now,
        "expires_at": None,
        "filename": given["name"],
        "links": {"object": "list", "data": [], "has_more": False, "url": f"/v1/file_links?file={file_id}"},
        "purpose": call.params["purpose"],
        "size": given["size"],
        "title": None,
        "type": kind,
        "url": f"{call.base_url}/v1/files/{file_id}/contents",
    }
    call.session.insert(FILE, row)
    return row


def retrieve(call: Call, file_id: str) -> Row:
    return call.need(FILE, file_id, "file", in_path=True)


def list_files(call: Call) -> Row:
    return list_of(call, FILE, equal=("purpose",))


def need_evidence(call: Call, file_id: str, place: str) -> None:
    """Raises for an id of nothing that was uploaded as evidence."""
    if call.need(FILE, file_id, place)["purpose"] != DISPUTE_EVIDENCE:
        raise invalid(f"The file {file_id} was not uploaded as {DISPUTE_EVIDENCE}.", place)


ROUTES = (
    get("/v1/files", list_files, LIST),
    post("/v1/files", create, CREATE),
    get("/v1/files/<file_id>", retrieve),
)
