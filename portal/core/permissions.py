"""What each role of the staff may do: the one table that pages, API tokens, navigation, tests and docs/reference/roles.md follow.

A page names the permission it takes (`portal.web.guards.staff_only`), a template asks `current_user.may("…")`, and the scopes of an app
that staff sign in with come from here, too (`portal.identity.policy`). What a customer's people may do stands in that module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """Whether someone is a customer's, or what they are among the staff."""

    CUSTOMER = "customer"
    SUPPORT = "support"
    FINANCE = "finance"
    APPROVER = "approver"
    ADMIN = "admin"


STAFF_ROLES: Final = (Role.SUPPORT, Role.FINANCE, Role.APPROVER, Role.ADMIN)


class Permission(StrEnum):
    """One thing that staff may be allowed to do."""

    LOOK_UP = "look_up"
    WRITE_NOTES = "write_notes"
    MANAGE_CUSTOMERS = "manage_customers"
    VIEW_AS_CUSTOMER = "view_as_customer"
    CHANGE_ADDRESSES = "change_addresses"
    DEACTIVATE_CUSTOMERS = "deactivate_customers"
    ISSUE_INVOICES = "issue_invoices"
    CLOSE_INVOICES = "close_invoices"
    MANAGE_REMINDERS = "manage_reminders"
    IMPORT_INVOICES = "import_invoices"
    CANCEL_PAYMENTS = "cancel_payments"
    SEND_DOCUMENTS = "send_documents"
    PROPOSE_REFUNDS = "propose_refunds"
    DECIDE_REFUNDS = "decide_refunds"
    APPROVE_LARGE_REFUNDS = "approve_large_refunds"
    RESOLVE_REFUNDS = "resolve_refunds"
    WRITE_ANSWER_BLOCKS = "write_answer_blocks"
    PREPARE_EVIDENCE = "prepare_evidence"
    SEND_EVIDENCE = "send_evidence"
    VIEW_OPERATIONS = "view_operations"
    REPEAT_JOBS = "repeat_jobs"
    VIEW_BOOKS = "view_books"
    RECONCILE = "reconcile"
    VIEW_AUDIT_TRAIL = "view_audit_trail"
    MANAGE_API_CLIENTS = "manage_api_clients"
    MANAGE_STAFF = "manage_staff"
    VIEW_SETTINGS = "view_settings"
    ANSWER_PRIVACY_REQUESTS = "answer_privacy_requests"


@dataclass(frozen=True, slots=True)
class Right:
    """Who has a permission. `what` says it to a reader of the documents; `scopes` are those of the API that come with it."""

    permission: Permission
    what: str
    roles: frozenset[Role]
    scopes: frozenset[str] = frozenset()


_EVERYONE: Final = frozenset(STAFF_ROLES)
_DESK: Final = frozenset({Role.SUPPORT, Role.APPROVER, Role.ADMIN})
_BOOKKEEPERS: Final = frozenset({Role.FINANCE, Role.APPROVER, Role.ADMIN})
_APPROVERS: Final = frozenset({Role.APPROVER, Role.ADMIN})
_ADMINS: Final = frozenset({Role.ADMIN})

READING: Final = frozenset({"invoices:read", "payments:read", "receipts:read", "refunds:read"})

TABLE: Final = (
    Right(
        Permission.LOOK_UP,
        "see customers, invoices, payments, refunds, disputes and documents",
        _EVERYONE,
        READING | {"customers:read"},
    ),
    Right(Permission.WRITE_NOTES, "write notes about a customer", _DESK),
    Right(
        Permission.MANAGE_CUSTOMERS,
        "create a customer, change its details, and invite its owners",
        _DESK,
        frozenset({"customers:write"}),
    ),
    Right(Permission.VIEW_AS_CUSTOMER, "view a customer's account as the customer sees it, read-only", _DESK),
    Right(
        Permission.CHANGE_ADDRESSES,
        "have a person of a customer sign in with another e-mail address, which is proved there",
        _APPROVERS,
    ),
    Right(
        Permission.DEACTIVATE_CUSTOMERS,
        "deactivate a customer, and bring it back",
        _APPROVERS,
        frozenset({"customers:deactivate"}),
    ),
    Right(
        Permission.ANSWER_PRIVACY_REQUESTS,
        "export all data about a customer, propose to erase one, and decide about what a customer or a colleague asks for",
        _APPROVERS,
    ),
    Right(Permission.ISSUE_INVOICES, "issue an invoice", _DESK, frozenset({"invoices:write"})),
    Right(
        Permission.CLOSE_INVOICES,
        "void an invoice, credit it before it is paid, write it off, record payments of it in another way and reverse them, and approve "
        "what colleagues did so",
        _APPROVERS,
        frozenset({"invoices:credit"}),
    ),
    Right(
        Permission.MANAGE_REMINDERS,
        "send, hold and release the reminders of an invoice, and make and revoke its pay link",
        _DESK,
    ),
    Right(Permission.IMPORT_INVOICES, "import a file of invoices", _APPROVERS),
    Right(
        Permission.CANCEL_PAYMENTS,
        "cancel a payment that waits for its customer",
        _DESK,
        frozenset({"payments:cancel"}),
    ),
    Right(
        Permission.SEND_DOCUMENTS,
        "send a document again, and release one that lacks characters",
        _DESK,
        frozenset({"documents:send"}),
    ),
    Right(Permission.PROPOSE_REFUNDS, "propose a refund", _DESK, frozenset({"refunds:request"})),
    Right(
        Permission.DECIDE_REFUNDS,
        "approve a refund within one's limits, and reject one",
        _DESK,
        frozenset({"refunds:approve"}),
    ),
    Right(
        Permission.APPROVE_LARGE_REFUNDS,
        "approve a refund from the four-eyes threshold on, also as the second one",
        _APPROVERS,
    ),
    Right(Permission.RESOLVE_REFUNDS, "resolve refunds that are unknown, have failed or need review", _APPROVERS),
    Right(Permission.WRITE_ANSWER_BLOCKS, "write the answer blocks that colleagues choose from", _ADMINS),
    Right(Permission.PREPARE_EVIDENCE, "change the evidence for a dispute, and propose to send it", _DESK),
    Right(Permission.SEND_EVIDENCE, "send the evidence that a colleague has proposed to the bank", _APPROVERS),
    Right(Permission.VIEW_OPERATIONS, "see operations: events, webhooks, jobs, and what needs review", _DESK),
    Right(Permission.REPEAT_JOBS, "repeat events, webhooks and jobs", _APPROVERS),
    Right(
        Permission.VIEW_BOOKS,
        "see and export the books, have a month-end package made, and confirm a customer's balance",
        _BOOKKEEPERS,
        frozenset({"balances:confirm"}),
    ),
    Right(Permission.RECONCILE, "compare the books with Stripe now, and resolve discrepancies", _APPROVERS),
    Right(Permission.VIEW_AUDIT_TRAIL, "see and export the audit trail", _ADMINS),
    Right(Permission.MANAGE_API_CLIENTS, "create and revoke API keys", _ADMINS),
    Right(
        Permission.MANAGE_STAFF,
        "decide who works here, and in which role",
        _ADMINS,
        frozenset({"staff:read", "staff:write"}),
    ),
    Right(Permission.VIEW_SETTINGS, "see the settings in force", _ADMINS),
)

_RIGHTS: Final = {right.permission: right for right in TABLE}
_ROLES: Final = {permission: right.roles for permission, right in _RIGHTS.items()}
STAFF_SCOPES: Final = frozenset(scope for right in TABLE for scope in right.scopes)


def may(role: str, permission: Permission) -> bool:
    """Whether staff in this role may; never for customers' people, who have rights of their own."""
    return role in _ROLES[permission]


def scopes_of_staff(role: str) -> frozenset[str]:
    """All that an app may be allowed on behalf of staff in this role."""
    return frozenset(scope for right in TABLE if role in right.roles for scope in right.scopes)
