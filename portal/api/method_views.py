"""Saved payment methods."""

from __future__ import annotations

from portal.api import end_users, method_schemas, representations, schemas
from portal.api.callers import Caller
from portal.api.once import key_of
from portal.api.operations import blueprint, operation
from portal.api.payment_schemas import Mandate
from portal.core import db
from portal.core.errors import NotFound
from portal.payment_methods import queries, service, statuses

bp = blueprint("methods")


@bp.get("/payments/methods/list")
@operation("methods:read", tag="Payment methods", answer=schemas.Page[method_schemas.PaymentMethod])
def list_methods(caller: Caller) -> schemas.Page[method_schemas.PaymentMethod]:
    """List the saved payment methods, the default first."""
    with db.reading() as session:
        kept = queries.of_customer(session, caller.customer())
    return representations.whole([representations.payment_method(row) for row in kept])


def _shown(caller: Caller, setup_id: str) -> method_schemas.PaymentMethodSetup:
    return _told(caller, service.setup_now(caller.customer(), setup_id))


@bp.post("/payments/methods/save")
@operation(
    "methods:write",
    tag="Payment methods",
    answer=method_schemas.PaymentMethodSetup,
    status=201,
    refusals=(402, 404),
    body=method_schemas.SaveMethod,
    again=_shown,
    limit="changes",
    takes_cards=True,
)
def save_method(caller: Caller, body: method_schemas.SaveMethod) -> method_schemas.PaymentMethodSetup:
    """Save a payment method.

    With the id of a payment method that your app has made with Stripe's SDK, a card is brought to its bank at once, and a bank account is
    kept with its holder's mandate. Without one, a setup is begun: let the customer confirm it with the client_secret, then send that
    here to learn what became of it. What is saved already is kept once.
    """
    me = caller.customer()
    if body.setup_intent_client_secret is not None:
        return _told(caller, service.setup_by_secret(me, body.setup_intent_client_secret))
    ip = end_users.address()
    if body.payment_method_id is not None:
        return _told(caller, _saved(me, body.payment_method_id, caller, body.mandate, ip))
    return _told(caller, service.start_setup(me, client_key=key_of(caller), ip=ip))


def _saved(me: str, payment_method_id: str, caller: Caller, mandate: Mandate | None, ip: str) -> service.SetupStarted:
    consent = mandate.model_dump() if mandate is not None else None
    return service.save_method(me, payment_method_id, client_key=key_of(caller), ip=ip, mandate=consent)


def _told(caller: Caller, setup: service.SetupStarted) -> method_schemas.PaymentMethodSetup:
    with db.reading() as session:
        method = None
        if setup.payment_method_id is not None:
            try:
                method = representations.payment_method(
                    queries.for_customer(session, setup.payment_method_id, caller.customer())
                )
            except NotFound:  # removed since
                method = None
    left = setup.status not in statuses.FINAL
    return method_schemas.PaymentMethodSetup.model_validate(
        {
            "id": setup.setup_id,
            "status": statuses.public_status(setup.status),
            "client_secret": setup.client_secret if left else None,
            "outcome": setup.outcome or None,
            "payment_method": method,
            "verification_url": setup.verification_url or None,
        }
    )


@bp.delete("/payments/methods/delete")
@operation(
    "methods:write", tag="Payment methods", answer=schemas.Deleted, query=method_schemas.DeleteMethod, refusals=(404,)
)
def delete_method(caller: Caller, query: method_schemas.DeleteMethod) -> schemas.Deleted:
    """Remove a payment method, here and at Stripe.

    A second call, and one for what is gone at Stripe already, gets the same answer.
    """
    service.remove_once(query.payment_method_id, caller.customer())
    return schemas.Deleted()
