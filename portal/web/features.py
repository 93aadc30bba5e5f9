"""What a feature adds to the application: each package declares it once, in its `feature` module, and `app.py` takes it from there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Final

import click
from flask import Flask, current_app, request
from flask.blueprints import Blueprint
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.core.permissions import Permission, may
from portal.web import pages
from portal.web.light_routes import LightRoute, LightRoutes
from portal.web.staff_lists import LISTS, StaffList, ViewedPage, lists_shown
from portal.web.waiting import Backlog, Staff, Waiting


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """A link in the navigation, to `endpoint`. `label` is a text of the catalogue, and `icon` a name of components/icons.html.

    Entries stand in the order of `position`. An entry is marked as the reader's place on the pages of the blueprints and at the endpoints
    in `covers`; an endpoint counts for more than its blueprint. With a `permission` it is for staff who have it, else for customers'
    people. `waiting` tells how many things wait there, "" for none.
    """

    endpoint: str
    icon: str
    label: str
    position: int
    covers: frozenset[str]
    permission: Permission | None = None
    waiting: Callable[[], str] = str


@dataclass(frozen=True, slots=True)
class Feature:
    """Blueprints with pages or operations; routes that are answered in front of the application; modules whose import registers what
    does the jobs; commands; entries of the navigation; what tells what waits for staff; lists of staff, and pages with saved
    views."""

    blueprints: tuple[Blueprint, ...] = ()
    light_routes: tuple[LightRoute, ...] = ()
    jobs: tuple[ModuleType, ...] = ()
    commands: tuple[click.Command, ...] = ()
    navigation: tuple[NavigationEntry, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    lists: tuple[StaffList | ViewedPage, ...] = ()


def install(app: Flask, features: Sequence[Feature]) -> None:
    """Add all features to the application, and `navigation` to its templates."""
    for feature in features:
        for blueprint in feature.blueprints:
            app.register_blueprint(blueprint)
        for command in feature.commands:
            app.cli.add_command(command)
    light = [route for feature in features for route in feature.light_routes]
    app.wsgi_app = LightRoutes(app.wsgi_app, light, pages.security_headers(with_stripe=False))  # type: ignore[method-assign]
    app.extensions[_WAITING] = tuple(one for feature in features for one in feature.waiting)
    app.extensions[LISTS] = {one.name: one for feature in features for one in feature.lists}
    app.add_template_global(lists_shown, "staff_lists")
    entries = sorted((entry for feature in features for entry in feature.navigation), key=lambda entry: entry.position)
    app.add_template_global(lambda: _navigation(entries), "navigation")


_WAITING: Final = "portal-waiting"


def backlogs(session: Session, staff: Staff) -> list[Backlog]:
    """All that waits for this person, of every feature."""
    tellers: tuple[Waiting, ...] = current_app.extensions[_WAITING]
    found = [backlog for tell in tellers for backlog in tell(session, staff) if backlog.number]
    return sorted(found, key=lambda backlog: backlog.position)


def _navigation(entries: Sequence[NavigationEntry]) -> list[tuple[NavigationEntry, bool]]:
    """The entries of the one who is signed in, each with whether they are there."""
    shown = [
        entry
        for entry in entries
        if (may(current_user.role, entry.permission) if entry.permission else not current_user.is_staff)
    ]
    endpoint = request.endpoint or ""
    here = endpoint if any(endpoint in entry.covers for entry in shown) else endpoint.rpartition(".")[0]
    return [(entry, here in entry.covers) for entry in shown]
