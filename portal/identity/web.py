"""Who is signed in to a browser. The cookie holds a session's token; whether it still stands for someone, the database says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask import Response, request, session, url_for
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from portal.core import permissions, time_zones
from portal.identity import service, sessions
from portal.identity.models import CustomerRole
from portal.identity.sessions import Viewing
from portal.web import pages, resuming

login_manager = LoginManager()
login_manager.session_protection = None  # the row decides; an address that changes on the way to work ends nothing


@dataclass(frozen=True, slots=True, eq=False)
class SignedIn(UserMixin):  # type: ignore[misc]
    """Flask-Login's current_user: who the cookie's token stands for."""

    token: str
    id: str
    email: str
    name: str
    role: str
    customer_id: str | None
    customer_role: str | None
    language: str
    time_zone: str
    guessed_time_zone: str
    shortcuts: bool
    is_staff: bool
    may_pay: bool
    may_manage: bool
    has_second_factor: bool
    owes_second_factor: bool
    proved_at: datetime
    by_provider: bool
    # Of staff who view a customer's account: customer_id, role and rights are those of an owner there, and `id` is still their own.
    viewing: Viewing | None = None

    def may(self, permission: str) -> bool:
        """Whether staff in this role may; templates write the permission as its word. Raises ValueError for a word that is none."""
        return permissions.may(self.role, permissions.Permission(permission))

    def get_id(self) -> str:
        """What Flask-Login puts into the cookie."""
        return self.token


@login_manager.user_loader
def _who(token: str) -> SignedIn | None:
    user = sessions.find(token)
    if user is None:
        return None
    if user.viewing is not None and not user.viewing.is_over:
        user = replace(
            user, role=permissions.Role.CUSTOMER, customer_id=user.viewing.customer_id, customer_role=CustomerRole.OWNER
        )
    return SignedIn(
        token=token,
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        customer_id=user.customer_id,
        customer_role=user.customer_role,
        language=user.language,
        time_zone=user.time_zone,
        guessed_time_zone=user.guessed_time_zone,
        shortcuts=user.shortcuts,
        is_staff=user.is_staff,
        may_pay=user.may_pay,
        may_manage=user.may_manage,
        has_second_factor=user.has_second_factor,
        owes_second_factor=user.owes_second_factor,
        proved_at=user.proved_at,
        by_provider=user.by_provider,
        viewing=user.viewing,
    )


def begin(token: str) -> None:
    """This browser now holds this session and nothing of what it held before, but for the language it reads and what this very
    user had typed into a form.
    """
    user = _who(token)
    unsent = resuming.kept_for(user.id) if user else None
    end()
    login_user(user)
    if user:
        said = request.cookies.get(time_zones.COOKIE, "")
        if said != user.guessed_time_zone:
            service.note_time_zone(user.id, said)
        resuming.mark_forms_of(user.id)
        resuming.restore(unsent)


def end() -> None:
    """Nobody is signed in to this browser any more; what was typed last waits for its owner."""
    if current_user.is_authenticated:
        sessions.sign_out(current_user.token)
        logout_user()
    kept = {name: session[name] for name in ("language", resuming.KEPT) if name in session}
    session.clear()
    session.update(kept)


def home() -> str:
    return url_for("support.index" if current_user.is_staff else "payments.overview")


def browser() -> dict[str, str]:
    return {"ip": request.remote_addr or "", "user_agent": request.user_agent.string}


def status(form: Any) -> int:
    return 422 if form.errors else 200


def link_not_kept() -> Response:
    """The browser does not know which link was opened: it keeps no cookies, or someone has signed in to it since."""
    return pages.page("identity/link_not_kept.html", status=404, cookies_blocked=not pages.brought_cookie())
