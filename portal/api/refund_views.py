"""Refunds: asked for by customers, decided by staff, by the same rules as on the pages."""

from __future__ import annotations

from portal.api import refund_schemas, representations, schemas
from portal.api.callers import Caller
from portal.api.once import key_of
from portal.api.operations import blueprint, operation
from portal.core import db
from portal.core.errors import N_, Invalid
from portal.core.money import Money
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.refunds import queries, service
from portal.refunds.models import Refund

bp = blueprint("refunds")


def _one(caller: Caller, refund_id: str) -> Refund:
    with db.reading() as session:
        whose = caller.customer_id
        row = queries.for_customer(session, refund_id, whose) if whose else queries.by_id(session, refund_id)
    caller.record_access(row.id, row.customer_id, "refund")
    return row


def _shown(caller: Caller, refund_id: str) -> refund_schemas.Refund:
    row = _one(caller, refund_id)
    with db.reading() as session:
        return representations.refunds_as_shown(session, [row])[0]


@bp.post("/payments/refund")
@operation(
    "refunds:request",
    tag="Refunds",
    answer=refund_schemas.Refund,
    status=201,
    refusals=(404,),
    body=refund_schemas.NewRefund,
    again=_shown,
    limit="changes",
)
def refund_payment(caller: Caller, body: refund_schemas.NewRefund) -> refund_schemas.Refund:
    """Ask for money back.

    A customer's request is decided by staff. What a member of staff asks for is a proposal that a colleague approves; it is approved at
    once only up to the sum of the company's settings, if any, and if the token includes refunds:approve.
    """
    with db.reading() as session:
        whose, wanted = caller.customer_id, body.payment_id
        payment = payments.for_customer(session, wanted, whose) if whose else payments.by_id(session, wanted)
    amount = _amount(body, payment)
    key = key_of(caller)
    if not caller.for_company:
        refund_id = service.ask(
            caller.customer(),
            caller.user_id,
            payment.id,
            amount,
            body.reason,
            body.explanation,
            client_key=key,
            invoice_id=body.invoice_id,
        )
        return _shown(caller, refund_id)
    reviewer = caller.reviewer()
    refund_id = service.propose(
        reviewer.id,
        payment.id,
        amount,
        body.reason,
        body.explanation,
        client_key=key,
        invoice_id=body.invoice_id,
    )
    if "refunds:approve" in caller.scopes:
        service.approve_own(refund_id, reviewer)
    return _shown(caller, refund_id)


def _amount(body: refund_schemas.NewRefund, payment: Payment) -> Money | None:
    if body.currency is not None and body.currency != payment.currency:
        raise Invalid(N_("The refund is in another currency than the payment."), field="currency")
    return Money(body.amount, payment.currency) if body.amount is not None else None


@bp.get("/refunds")
@operation(
    "refunds:read",
    tag="Refunds",
    answer=schemas.Page[refund_schemas.Refund],
    query=refund_schemas.RefundList,
    refusals=(404,),
)
def list_refunds(caller: Caller, query: refund_schemas.RefundList) -> schemas.Page[refund_schemas.Refund]:
    """List refunds, newest first: a customer's own; for staff and API clients those of all customers, or of one."""
    whose = caller.customer_named(query.customer_id)
    with db.reading() as session:
        found = queries.history(session, query.cursor, customer_id=whose, status=query.status, size=query.limit)
        rows = representations.refunds_as_shown(session, found.rows)
    return representations.page(found, rows)


@bp.get("/refunds/failed")
@operation(
    "refunds:read",
    tag="Refunds",
    answer=schemas.Page[refund_schemas.Refund],
    query=refund_schemas.FailedRefundList,
    refusals=(404,),
)
def list_failed_refunds(caller: Caller, query: refund_schemas.FailedRefundList) -> schemas.Page[refund_schemas.Refund]:
    """List the refunds that have failed and that nobody has dealt with, the longest waiting first. For staff."""
    caller.reviewer()
    with db.reading() as session:
        found = queries.failed(session, query.cursor, size=query.limit)
        rows = representations.refunds_as_shown(session, found.rows)
    for row in found.rows:
        caller.record_access(row.id, row.customer_id, "refund")
    return representations.page(found, rows)


@bp.get("/refunds/<refund_id>")
@operation("refunds:read", tag="Refunds", answer=refund_schemas.Refund, refusals=(404,))
def get_refund(caller: Caller, refund_id: str) -> refund_schemas.Refund:
    """Get one refund."""
    return _shown(caller, refund_id)


@bp.post("/refunds/<refund_id>/approval")
@operation(
    "refunds:approve",
    tag="Refunds",
    answer=refund_schemas.Refund,
    refusals=(404,),
    body=refund_schemas.RefundApproval,
    again=_shown,
    limit="changes",
)
def approve_refund(caller: Caller, refund_id: str, body: refund_schemas.RefundApproval) -> refund_schemas.Refund:
    """Approve a refund, in full or for less. For staff.

    Who proposed it does not approve it. Above the threshold of its currency, and where the refunds of a member of staff or of a customer
    within a day come to a sum of the settings, a second person must approve it, too: neither who asked nor who approved first; and the
    sign-in must be ten minutes old at most.
    """
    reviewer, row = caller.reviewer(), _one(caller, refund_id)
    with db.reading() as session:
        is_large = service.needs_two(session, row)
    if is_large:
        caller.require_recent_proof()
    amount = Money(body.amount, row.currency) if body.amount is not None else None
    service.approve(refund_id, reviewer, amount=amount, note=body.note)
    return _shown(caller, refund_id)


@bp.post("/refunds/<refund_id>/rejection")
@operation(
    "refunds:approve",
    tag="Refunds",
    answer=refund_schemas.Refund,
    refusals=(404,),
    body=refund_schemas.RefundRejection,
    again=_shown,
    limit="changes",
)
def reject_refund(caller: Caller, refund_id: str, body: refund_schemas.RefundRejection) -> refund_schemas.Refund:
    """Reject a refund, with a reason that the customer reads. For staff."""
    service.reject(refund_id, caller.reviewer(), rejection=body.rejection, note=body.note)
    return _shown(caller, refund_id)


@bp.post("/refunds/<refund_id>/withdrawal")
@operation("refunds:request", tag="Refunds", answer=refund_schemas.Refund, refusals=(404, 409))
def withdraw_refund(caller: Caller, refund_id: str) -> refund_schemas.Refund:
    """Withdraw a request that is not decided yet. For customers. A second call changes nothing."""
    service.withdraw(refund_id, caller.customer())
    return _shown(caller, refund_id)


@bp.post("/refunds/<refund_id>/new-attempt")
@operation(
    "refunds:approve", tag="Refunds", answer=refund_schemas.Refund, refusals=(404, 409), again=_shown, limit="changes"
)
def retry_refund(caller: Caller, refund_id: str) -> refund_schemas.Refund:
    """Send a refund whose status is “unknown” once more. For approvers.

    Look for it in Stripe's dashboard before. Where Stripe's list shows it after all it is taken over instead, and the answer is
    `refund_found`.
    """
    service.send_again(_one(caller, refund_id).id, caller.reviewer())
    return _shown(caller, refund_id)


@bp.post("/refunds/<refund_id>/abandonment")
@operation(
    "refunds:approve", tag="Refunds", answer=refund_schemas.Refund, refusals=(404, 409), again=_shown, limit="changes"
)
def abandon_refund(caller: Caller, refund_id: str) -> refund_schemas.Refund:
    """Declare that a refund whose status is “unknown” was never made: its amount is free again. For approvers; as with a new attempt."""
    service.give_up(_one(caller, refund_id).id, caller.reviewer())
    return _shown(caller, refund_id)


@bp.post("/refunds/<refund_id>/replacement")
@operation(
    "refunds:request",
    tag="Refunds",
    answer=refund_schemas.Refund,
    status=201,
    refusals=(404, 409),
    again=_shown,
    limit="changes",
)
def replace_refund(caller: Caller, refund_id: str) -> refund_schemas.Refund:
    """Send a refund that has failed again: a new refund of the same amount, which is approved like all others. For staff."""
    return _shown(caller, service.replace(_one(caller, refund_id).id, caller.reviewer()))


@bp.post("/refunds/<refund_id>/outside-payment")
@operation(
    "refunds:approve",
    tag="Refunds",
    answer=refund_schemas.Refund,
    refusals=(404, 409),
    body=refund_schemas.RefundPaidOutside,
    again=_shown,
    limit="changes",
)
def pay_refund_outside(caller: Caller, refund_id: str, body: refund_schemas.RefundPaidOutside) -> refund_schemas.Refund:
    """Record that the customer of a failed refund was paid another way than through Stripe. For approvers.

    The amount counts as refunded then. The customer gets a mail.
    """
    service.pay_outside(_one(caller, refund_id).id, caller.reviewer(), paid_on=body.paid_on, note=body.note)
    return _shown(caller, refund_id)


@bp.post("/refunds/<refund_id>/closure")
@operation(
    "refunds:approve",
    tag="Refunds",
    answer=refund_schemas.Refund,
    refusals=(404, 409),
    body=refund_schemas.RefundClosure,
    again=_shown,
    limit="changes",
)
def close_refund(caller: Caller, refund_id: str, body: refund_schemas.RefundClosure) -> refund_schemas.Refund:
    """Record that nothing is owed for a refund that has failed. For approvers."""
    service.close(_one(caller, refund_id).id, caller.reviewer(), note=body.note)
    return _shown(caller, refund_id)
