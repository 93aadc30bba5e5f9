"""The books: figures, postings, month-end packs."""

from __future__ import annotations

from portal.books import job_handlers, key_views, pack_views, views
from portal.books.cli import books
from portal.books.staff_list import LIST
from portal.core.errors import N_
from portal.core.permissions import Permission
from portal.web.features import Feature, NavigationEntry

FEATURE = Feature(
    blueprints=(views.bp, pack_views.bp, key_views.bp),
    jobs=(job_handlers,),
    lists=(LIST,),
    commands=(books,),
    navigation=(
        NavigationEntry(
            "books.index",
            "receipt",
            N_("Books"),
            45,
            frozenset({"books", "book_packs", "reconciliation"}),
            permission=Permission.VIEW_BOOKS,
        ),
    ),
)
