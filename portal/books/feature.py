"""The books: figures, postings, month-end packs."""

from __future__ import annotations

from portal.books import job_handlers, key_views, pack_views, views
from portal.books.cli import books
from portal.web.features import Feature

FEATURE = Feature(blueprints=(views.bp, pack_views.bp, key_views.bp), jobs=(job_handlers,), commands=(books,))
