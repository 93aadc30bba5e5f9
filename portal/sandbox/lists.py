"""Stripe's lists: newest first, pages by cursor, the filters of each resource.

Source: Stripe's API reference, "Pagination".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import invalid, no_such
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.params import CREATED, LIST_FIELDS, Parameters, Reader
from portal.sandbox.store import Bound
from portal.sandbox.wire import as_list

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

DEFAULT_LIMIT = 10
_OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def list_parameters(
    filters: Mapping[str, Reader] | None = None,
    *,
    created: bool = True,
    unsupported: frozenset[str] = frozenset(),
    required: tuple[str, ...] = (),
) -> Parameters:
    fields: dict[str, Reader] = {**LIST_FIELDS, **(filters or {})}
    if created:
        fields["created"] = CREATED
    return Parameters(fields, required, unsupported)


def list_of(
    call: Call,
    kind: Kind,
    *,
    equal: Sequence[str] = (),
    fixed: Mapping[str, object] | None = None,
    among: Mapping[str, Sequence[object]] | None = None,
    without: Mapping[str, Sequence[object]] | None = None,
    ranges: Sequence[str] = ("created",),
    url: str | None = None,
) -> Row:
    """The page the call's parameters ask for.

    `equal` names parameters that filter the column of the same name, `ranges` those that may be a number or bounds, and `fixed` holds
    for every page; `among` and `without` say which values of a column are in, or left out.
    """
    params = call.params
    wanted = {name: params[name] for name in equal if name in params}
    cursors = [name for name in ("starting_after", "ending_before") if name in params]
    if len(cursors) > 1:
        raise invalid("You can only specify one of these parameters: starting_after, ending_before.")
    positions: dict[str, tuple[int, int]] = {}
    for name in cursors:
        position = call.session.position(kind, params[name])
        if position is None:
            raise no_such(kind, params[name], name, in_path=False)
        positions[name] = position
    page = call.session.page(
        kind,
        limit=params.get("limit", DEFAULT_LIMIT),
        equal={**wanted, **(fixed or {})},
        among=among,
        without=without,
        bounds=[bound for name in ranges for bound in _bounds(name, params.get(name))],
        after=positions.get("starting_after"),
        before=positions.get("ending_before"),
    )
    return as_list(url or kind.url, [call.shown(row) for row in page.rows], has_more=page.has_more)


def _bounds(column: str, given: Any) -> list[Bound]:
    if given is None:
        return []
    if isinstance(given, int):
        return [Bound(column, ">=", given), Bound(column, "<=", given)]
    return [Bound(column, _OPERATORS[name], value) for name, value in given.items()]
