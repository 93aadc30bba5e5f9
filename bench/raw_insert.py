"""The least that a webhook costs: a WSGI application that writes the body of a request into PostgreSQL, and answers."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TABLE = "CREATE TABLE raw_inserts (id text PRIMARY KEY, body bytea NOT NULL, received_at timestamptz NOT NULL)"
_INSERT = "INSERT INTO raw_inserts VALUES (%s, %s, now())"
_own = threading.local()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if not hasattr(_own, "connection"):
        _own.connection = psycopg.connect(os.environ["PORTAL_DATABASE_URL"], autocommit=True)
    _own.connection.execute(_INSERT, (uuid.uuid4().hex, body))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
