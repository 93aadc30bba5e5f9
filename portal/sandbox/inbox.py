"""The inbox of the mail sink, as pages, files and JSON."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from portal.sandbox import mailsink
from portal.sandbox.mailsink import Mail
from portal.sandbox.store import Store

HTML_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""A mail may style itself and nothing more: no scripts, no requests, no forms."""


def mail(store: Store, number: int) -> Mail:
    found = mailsink.find(store, number)
    if found is None:
        raise NotFound
    return found


def html_part(store: Store, number: int) -> Response:
    text = mail(store, number).body("html")
    if text is None:
        raise NotFound
    return Response(
        text,
        headers={
            "Content-Security-Policy": HTML_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
        mimetype="text/html",
    )


def raw(store: Store, number: int) -> Response:
    return _download(f"mail-{number}.eml", mail(store, number).raw, "message/rfc822")


def attachment(store: Store, number: int, attachment_number: int) -> Response:
    for found in mail(store, number).attachments:
        if found.number == attachment_number:
            return _download(found.name, found.content, found.content_type)
    raise NotFound


def as_json(found: Mail) -> dict[str, Any]:
    """One message for programs; attachments by address."""
    return {
        "number": found.number,
        "received": found.received,
        "from": found.sender,
        "to": found.recipients,
        "subject": found.subject,
        "message_id": found.message_id,
        "text": found.body("plain"),
        "html": found.body("html"),
        "attachments": [
            {
                "name": part.name,
                "content_type": part.content_type,
                "size": len(part.content),
                "url": f"/_sandbox/mail/{found.number}/attachments/{part.number}",
            }
            for part in found.attachments
        ],
    }


def _download(name: str, content: bytes, content_type: str) -> Response:
    """A file to save. Nothing from a mail is ever shown as a page of the sandbox."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return Response(
        content,
        headers={
            "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
            "Content-Security-Policy": "sandbox",
            "X-Content-Type-Options": "nosniff",
        },
        content_type=content_type,
    )
