"""Forms whose session was gone when they were sent: nothing is done, and their reader is led back to them with what they typed.

A form's CSRF token names, under our signature, whom the form was drawn for; so what was typed into it is given back to that person
alone, whoever signs in to this browser next. Until then it is kept in the browser's session.
"""

from __future__ import annotations

import json
import secrets
import zlib
from datetime import timedelta
from typing import Any, Final, TypedDict
from urllib.parse import urlsplit

from flask import current_app, flash, request, session
from flask_babel import gettext
from flask_login import current_user
from flask_wtf import FlaskForm
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from portal.core import clock, secret_keys
from portal.web.forms import PortalForm
from portal.web.pages import is_from_this_site, local_path, wants_part

_CSRF: Final = "csrf_token"
KEPT: Final = "unsent"
# Never kept, whatever form they are of, and whatever stands before their name ("password-current").
SECRET_FIELDS: Final = frozenset({"password", "repeated", "current", "code"})
# A cookie holds 4 kB; this much, compressed, leaves room for the session's other facts.
MOST_BYTES: Final = 2_200
KEPT_FOR: Final = timedelta(hours=1)


class Unsent(TypedDict):
    """What was typed. `page`: the path where the form stands; `owner`: whose form it was, "" for nobody's; `at`: seconds since 1970."""

    page: str
    action: str
    owner: str
    at: int
    typed: list[tuple[str, str]]


def mark_forms_of(user_id: str) -> None:
    """Forms that this browser gets from now on are this user's. Called when a session begins."""
    session[_CSRF] = f"{secrets.token_hex(20)}.{user_id}"


def owner_of_form() -> str | None:
    """Whose form was sent: a user's id, "" when nobody was signed in; None when it is no form that we drew, or comes from another site."""
    if not is_from_this_site():
        return None
    names = [name for name in request.form if name == _CSRF or name.endswith(f"-{_CSRF}")]
    token = request.form[names[0]] if names else request.headers.get("X-CSRFToken", "")
    try:
        raw = URLSafeTimedSerializer(secret_keys.oldest_first(), salt="wtf-csrf-token").loads(token)
    except BadData:
        return None
    return str(raw).partition(".")[2]


def page_of_form() -> str | None:
    """Where the form that was sent stands, as a path of this site that can be opened: the page that sent it, else the nearest above
    its address.
    """
    here = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
    if here.netloc == request.host and _can_be_opened(here.path):
        return local_path(f"{here.path}?{here.query}" if here.query else here.path, "") or None
    path = request.path
    while path.count("/") > 1:
        if _can_be_opened(path):
            return path
        path = path.rpartition("/")[0]
    return path if _can_be_opened(path) else None


def _can_be_opened(path: str) -> bool:
    try:
        current_app.url_map.bind("").match(path, method="GET")
    except (HTTPException, RequestRedirect):
        return False
    return True


# What was typed


def keep(page: str | None, owner: str) -> None:
    """Keep what was typed into the form that was sent, but for secrets and files; what is too long for a cookie is lost."""
    typed = [
        (name, value)
        for name, value in request.form.items(multi=True)
        if not name.endswith(_CSRF) and name.rpartition("-")[2] not in SECRET_FIELDS
    ]
    drop()
    if page and typed and len(zlib.compress(json.dumps(typed).encode())) <= MOST_BYTES:
        unsent: Unsent = {
            "page": urlsplit(page).path,
            "action": request.path,
            "owner": owner,
            "at": int(clock.now().timestamp()),
            "typed": typed,
        }
        session[KEPT] = unsent


def kept_for(user_id: str) -> Unsent | None:
    """What is kept in this browser for this user, if anything: it survives the sign-in in which the rest of the session ends."""
    unsent: Unsent | None = session.get(KEPT)
    if unsent is None or unsent["owner"] != user_id:
        return None
    is_fresh = clock.now() - clock.from_epoch(unsent["at"]) < KEPT_FOR
    return unsent if is_fresh else None


def restore(unsent: Unsent | None) -> None:
    """Put back into a session that has just begun what `kept_for` gave."""
    if unsent is not None:
        session[KEPT] = unsent


def drop() -> None:
    session.pop(KEPT, None)


def _for_this_page() -> Unsent | None:
    if request.method != "GET":
        return None
    unsent = kept_for(current_user.id if current_user.is_authenticated else "")
    here = urlsplit(request.headers.get("HX-Current-URL") or request.path).path
    return unsent if unsent and unsent["page"] == here else None


def _give_back() -> None:
    """Once: whoever opens the page a second time finds it as it is."""
    drop()
    if not wants_part():
        flash(gettext("What you had entered is back in the form. Please check it and send it again."), "info")


def typed_into(action: str) -> dict[str, str]:
    """For a form that is plain HTML: what was typed into the one with this address, by field, and only once. Else empty."""
    unsent = _for_this_page()
    if unsent is None or unsent["action"] != action:
        return {}
    _give_back()
    return dict(unsent["typed"])


class ResumableForm(PortalForm):
    """Every form of our pages: where it was sent in vain, it shows what was typed when its page is there again."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]  # flask-wtf has no types
        def wrap_formdata(self, form: Any, formdata: Any) -> Any:
            given = super().wrap_formdata(form, formdata)
            if given is not None:
                return given
            unsent = _for_this_page()
            if unsent is None or not all(_has_field(form, name) for name, _value in unsent["typed"]):
                return None
            _give_back()
            return MultiDict(unsent["typed"])


def _has_field(form: Any, name: str) -> bool:
    """Also of a list of fields: "lines-0-price" is in "lines"."""
    names = [field.name for field in form]
    return name in names or any(name.startswith(f"{known}-") for known in names)
