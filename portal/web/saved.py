"""Views that staff have saved: filters of a list, each under a name that one person has given it for themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import JSON, ForeignKey, Select, String, UniqueConstraint, bindparam, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import audit, db, texts
from portal.core.db import Base, new_id
from portal.core.errors import N_, Invalid

LONGEST_NAME: Final = 60
# Of one person and one list.
MOST_VIEWS: Final = 20


class SavedView(Base):
    """`arguments` are those of the list's address."""

    __tablename__ = "saved_views"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    list_name: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    arguments: Mapped[dict[str, str]] = mapped_column(JSON)

    __table_args__ = (UniqueConstraint("user_id", "list_name", "name"),)


_VIEWS: Final[Select[SavedView]] = (
    select(SavedView)
    .where(SavedView.user_id == bindparam("user"), SavedView.list_name == bindparam("list"))
    .order_by(SavedView.name)
)


def views_of(session: Session, user_id: str, list_name: str) -> Sequence[SavedView]:
    """Those of one person for one list, by name."""
    return list(session.scalars(_VIEWS, {"user": user_id, "list": list_name}))


def save(user_id: str, list_name: str, name: str, arguments: Mapping[str, str]) -> None:
    """Give a filter a name, for oneself alone; another of the same name is replaced. Raises Invalid without a name, and for more than
    MOST_VIEWS.
    """
    name = texts.one_line(name, field="name", longest=LONGEST_NAME)
    if not name:
        raise Invalid(N_("Please give the view a name."), field="name")
    with db.transaction() as session:
        mine = (SavedView.user_id == user_id, SavedView.list_name == list_name)
        number = session.scalar(select(func.count()).where(*mine, SavedView.name != name)) or 0
        if number >= MOST_VIEWS:
            raise Invalid(N_("At most %(most)s views can be saved."), field="name", most=MOST_VIEWS)
        upsert = postgresql.insert if db.dialect_of(session) == "postgresql" else sqlite.insert
        row = {"user_id": user_id, "list_name": list_name, "name": name, "arguments": dict(arguments)}
        session.execute(
            upsert(SavedView)
            .values(id=new_id("view"), **row)
            .on_conflict_do_update(index_elements=["user_id", "list_name", "name"], set_={"arguments": dict(arguments)})
        )
        audit.record(session, "view.saved", user_id, {"list": list_name})


def remove(user_id: str, list_name: str, view_id: str) -> None:
    """Take a name away again. One that is someone else's, or none, stays as it is."""
    with db.transaction() as session:
        mine = (SavedView.id == view_id, SavedView.user_id == user_id, SavedView.list_name == list_name)
        if session.execute(delete(SavedView).where(*mine).returning(SavedView.id)).first() is not None:
            audit.record(session, "view.removed", user_id, {"list": list_name})
