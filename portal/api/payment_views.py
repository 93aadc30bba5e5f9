"""Payments: made, listed and looked at."""

from __future__ import annotations

from decimal import Decimal

from portal.api import end_users, payment_schemas, representations, schemas
from portal.api.callers import Caller
from portal.api.once import RefusedWith, key_of
from portal.api.operations import blueprint, operation
from portal.core import db
from portal.core.errors import Declined
from portal.core.money import Money
from portal.payments import queries, service
from portal.payments.models import Payment
from portal.payments.service import Item, Order, OrderResult, Share, whole
from portal.payments.statuses import PaymentStatus

bp = blueprint("payments")

# What the bank has refused, and nobody has answered since.
_REFUSED = frozenset({PaymentStatus.REQUIRES_PAYMENT_METHOD, PaymentStatus.REQUIRES_CONFIRMATION})


def _shown(caller: Caller, payment_id: str) -> payment_schemas.ProcessedPayment:
    return _processed(service.current(payment_id, caller.customer()))


@bp.post("/payments/process")
@operation(
    "payments:write",
    tag="Payments",
    answer=payment_schemas.ProcessedPayment,
    status=201,
    refusals={402: payment_schemas.Declined, 404: schemas.Problem, 409: payment_schemas.NotNow},
    body=payment_schemas.ProcessPayment,
    again=_shown,
    limit="changes",
    takes_cards=True,
)
def process_payment(caller: Caller, body: payment_schemas.ProcessPayment) -> payment_schemas.ProcessedPayment:
    """Pay one or several invoices, or an amount without one.

    With a payment_method_id the card is charged at once. While a step is left to the customer, next_action says which, and client_secret is
    for taking it with Stripe's SDK. An invoice that is being paid already goes on with its one payment. As long as the status is
    processing the card may be charged: ask for the payment again, or have payment.succeeded and payment.failed delivered, to learn how it
    ends, and begin no other one. An order of the same amount and description is refused meanwhile, with payment_unresolved.
    """
    try:
        done = service.process(_order(caller, body))
    except service.Unresolved as error:
        raise RefusedWith(error, _as_it_stands(caller, error.payment_id), "payment") from error
    answer = _processed(done)
    if body.payment_method_id is not None and answer.error is not None and done.payment.public_status in _REFUSED:
        refused = Declined(answer.error.message, code=answer.error.code)
        raise RefusedWith(refused, answer, "payment", decline_code=answer.error.decline_code)
    return answer


def _as_it_stands(caller: Caller, payment_id: str) -> payment_schemas.ProcessedPayment:
    """Without asking Stripe: what stands in the way of another request is not finished by it."""
    with db.reading() as session:
        payment = queries.for_customer(session, payment_id, caller.customer())
    return _processed(OrderResult(payment, None, None))


def _order(caller: Caller, body: payment_schemas.ProcessPayment) -> Order:
    amount = Money(body.amount, body.currency) if body.amount is not None and body.currency is not None else None
    return Order(
        customer_id=caller.customer(),
        invoices=_shares(body),
        amount=amount,
        description=body.description,
        items=tuple(
            Item(item.description, int(Decimal(item.quantity) * 1_000), item.unit_amount) for item in body.items
        ),
        metadata=body.metadata,
        method=body.payment_method_id,
        save_card=body.save_payment_method,
        allow_duplicate=body.allow_duplicate,
        mandate=body.mandate.model_dump() if body.mandate else None,
        client_key=key_of(caller),
        ip=end_users.address(),
    )


def _shares(body: payment_schemas.ProcessPayment) -> tuple[Share, ...]:
    if body.invoice_id is not None:
        return whole(body.invoice_id)
    return tuple(
        Share(one.invoice_id, Money(one.amount, one.currency) if one.amount is not None and one.currency else None)
        for one in body.invoices
    )


def _processed(done: OrderResult) -> payment_schemas.ProcessedPayment:
    with db.reading() as session:
        payment = representations.payment(session, done.payment)
    steps = {"client_secret": done.client_secret, "next_action": done.next_action}
    return payment_schemas.ProcessedPayment.model_validate(payment.model_dump() | steps)


@bp.get("/payments/history")
@operation(
    "payments:read",
    tag="Payments",
    answer=schemas.Page[payment_schemas.Payment],
    query=payment_schemas.PaymentList,
    refusals=(404,),
)
def list_payments(caller: Caller, query: payment_schemas.PaymentList) -> schemas.Page[payment_schemas.Payment]:
    """List a customer's payments.

    While `has_more` is true, the next page is that of `cursor`, the `next_cursor` of this one.
    """
    whose = caller.one_customer(query.customer_id)
    wanted = queries.Filter(
        status=query.status or "",
        since=query.since,
        until=query.until,
        currency=query.currency or "",
        text=query.q or "",
    )
    with db.reading() as session:
        found = queries.history(
            session,
            whose,
            wanted,
            query.cursor,
            size=query.limit,
            oldest_first=query.sort == "created_at",
            with_items=True,
        )
        rows = representations.payments(session, found.rows)
        total = queries.count(session, whose, wanted) if query.total else None
    return representations.page(found, rows, total=total)


# Told apart from the words that stand in its place in other addresses, so that these answer to their own methods alone.
@bp.get("/payments/<payment:payment_id>")
@operation("payments:read", tag="Payments", answer=payment_schemas.Payment, refusals=(404,))
def get_payment(caller: Caller, payment_id: str) -> payment_schemas.Payment:
    """Get one payment, as the portal knows it now."""
    row = _one(caller, payment_id)
    with db.reading() as session:
        shown = representations.payment(session, row)
    caller.record_access(row.id, row.customer_id, "payment")
    return shown


@bp.post("/payments/<payment:payment_id>/cancellation")
@operation(
    "payments:write",
    "payments:cancel",
    tag="Payments",
    answer=payment_schemas.Payment,
    refusals=(404, 409),
    limit="changes",
)
def cancel_payment(caller: Caller, payment_id: str) -> payment_schemas.Payment:
    """Cancel a payment that its customer has not finished: nothing is charged, and its invoice can be paid again.

    A second call changes nothing. A success that comes at the same moment wins, and is told with already_paid; while the bank has the word
    it is payment_in_progress, and may be tried again later.
    """
    _one(caller, payment_id)
    service.cancel_waiting(payment_id)
    with db.reading() as session:
        return representations.payment(session, queries.by_id(session, payment_id))


def _one(caller: Caller, payment_id: str) -> Payment:
    """Raises NotFound, also for another customer's."""
    with db.reading() as session:
        whose = caller.customer_id
        return queries.for_customer(session, payment_id, whose) if whose else queries.by_id(session, payment_id)
