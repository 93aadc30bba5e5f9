"""What the documentation shows as sent and as answered. tests/api/test_docs.py holds all of it against the schemas.

Bodies are written down, for what belongs together no schema says. Answers are made from their schemas, with a value for each name.
"""

from __future__ import annotations

from typing import Any, Final

BODIES: Final[dict[str, dict[str, Any]]] = {
    "get_token": {"grant_type": "password", "email": "ada@example.org", "password": "the password"},
    "revoke_token": {"refresh_token": "prt_Zk3…"},
    "process_payment": {"invoice_id": "inv_01k8w2m4", "payment_method_id": "method_01k8w1p7"},
    "save_method": {"payment_method_id": "pm_1Pq2Rs3Tu4"},
    "refund_payment": {
        "payment_id": "pay_01k8w3x9",
        "amount": 20_00,
        "reason": "product_unacceptable",
        "explanation": "One of the two panels arrived broken.",
    },
    "create_customer": {
        "name": "Oberbaum Workshop GmbH",
        "email": "invoices@example.org",
        "address": ["Oberbaumstraße 5", "10997 Berlin"],
        "country": "DE",
        "external_id": "C-4711",
        "contact": "Ada Lang",
    },
    "change_customer": {"email": "accounts@example.org", "version": 3},
    "deactivate_customer": {"reason": "The contract has ended."},
    "invite_owner": {"name": "Ada Lang", "email": "ada@example.org"},
    "change_staff_role": {"role": "approver"},
    "approve_refund": {"amount": 20_00, "note": "Photos seen."},
    "pay_refund_outside": {"paid_on": "2026-11-30", "note": "Bank transfer, reference 4711."},
    "close_refund": {"note": "The customer keeps the amount as a credit."},
    "reject_refund": {"rejection": "The panel was taken back and replaced on Monday."},
    "open_portal_session": {"external_customer_id": "C-4711", "to": "invoice", "invoice_id": "inv_01k8w2m4"},
    "issue_invoice": {
        "customer_id": "cus_01k8vzt2",
        "currency": "eur",
        "lines": [
            {
                "description": "Green electricity, October",
                "quantity": "420",
                "unit": "KWH",
                "unit_price": 31,
                "tax_rate": "19",
            }
        ],
        "due_on": "2026-12-15",
        "external_reference": "ERP-4711",
    },
    "credit_invoice": {"reason": "Two of the panels were returned.", "lines": [{"line": 1, "quantity": "2"}]},
    "void_invoice": {"reason": "Billed twice."},
    "confirm_balance": {"customer_id": "cus_01k8vzt2", "day": "2026-10-31", "language": "de"},
    "reject_credit": {"reason": "The panels were replaced."},
    "write_off_invoice": {"reason": "The customer is insolvent."},
    "reject_write_off": {"reason": "A payment is announced."},
    "reverse_write_off": {"reason": "The money has come after all."},
    "add_endpoint": {
        "url": "https://erp.example.org/payments",
        "events": ["payment.succeeded", "invoice.paid"],
        "description": "Our bookkeeping",
    },
}

_IDS: Final = {
    "BalanceConfirmation": "bcf_01k8w7e6",
    "Credit": "icr_01k8w6b2",
    "Customer": "cus_01k8vzt2",
    "CustomerPerson": "usr_01k8vzs1",
    "CustomerSummary": "cus_01k8vzt2",
    "Document": "rct_01k8w3z5",
    "Endpoint": "wep_01k8w0d6",
    "Invoice": "inv_01k8w2m4",
    "Me": "cus_01k8vzt2",
    "InvoiceSummary": "inv_01k8w2m4",
    "Payment": "pay_01k8w3x9",
    "PaymentMethod": "method_01k8w1p7",
    "PortalSession": "pse_01k8w8a2",
    "PaymentMethodSetup": "set_01k8w1n3",
    "Person": "usr_01k8vzs1",
    "ProcessedPayment": "pay_01k8w3x9",
    "Refund": "rfd_01k8w4c6",
    "StaffMember": "usr_01k8vzt5",
    "WriteOff": "wof_01k8w6d4",
}

# By name, wherever it stands; what is not here is made from its type alone.
_VALUES: Final[dict[str, Any]] = {
    "access_token": "eyJhbGciOiJFZERTQSIsImtpZCI6Ij…",
    "address": ["Oberbaumstraße 5", "10997 Berlin"],
    "amount": 119_00,
    "amount_asked": 20_00,
    "amount_refunded": 0,
    "brand": "visa",
    "code": "not_found",
    "country": "DE",
    "created_at": "2026-11-20T09:30:00Z",
    "credit_note_id": None,
    "currency": "eur",
    "customer_id": "cus_01k8vzt2",
    "description": "Green electricity, October",
    "detail": "We could not find that page. It may have moved, or it belongs to another account.",
    "due_on": "2026-12-15",
    "email": "ada@example.org",
    "error": None,
    "errors": [],
    "exp_month": 12,
    "exp_year": 2030,
    "expires_in": 600,
    "external_id": "C-4711",
    "external_reference": "ERP-4711",
    "funding": "credit",
    "invoice_id": "inv_01k8w2m4",
    "issued_on": "2026-11-20",
    "items": [],
    "language": "en",
    "last4": "4242",
    "metadata": {},
    "name": "Spree Bikes GmbH",
    "net": 100_00,
    "next_cursor": "eyJrIjoi…",
    "number": "INV-2026-00042",
    "payment_id": "pay_01k8w3x9",
    "payment_method_id": "pm_1Pq2Rs3Tu4",
    "payment_method_type": "card",
    "quantity": "1",
    "receipt_id": "rct_01k8w3z5",
    "reference": "PO-7",
    "refresh_token": "prt_Zk3…",
    "request_id": "5f0c2b9a7d31e846",
    "scope": "invoices:read payments:read payments:write",
    "scopes": ["account:read", "invoices:read", "payments:read", "payments:write"],
    "signing_secret": "whsec_bXkt…",
    "status": "succeeded",
    "stripe_payment_intent_id": "pi_3Pq2Rs3Tu4",
    "stripe_payment_method_id": "pm_1Pq2Rs3Tu4",
    "succeeded_at": "2026-11-20T09:30:04Z",
    "supplies": "services",
    "tax": 19_00,
    "tax_id": "DE987654321",
    "electronic_address": "0204:991-1234512345-06",
    "consultation_number": "WAPIAAAAZ0123456",
    "tax_rate": "19",
    "title": "Not found",
    "total": 119_00,
    "amount_paid": 0,
    "amount_credited": 0,
    "amount_due": 119_00,
    "unit": "C62",
    "unit_amount": 119_00,
    "unit_price": 100_00,
    "updated_at": "2026-11-20T09:30:04Z",
    "url": "https://erp.example.org/payments",
    "verification_code": "7KQ2-M9XF-3TDA-P4HV-8CZR",
    "wallet": "",
}

# As things stand that went well: nothing failed, and nothing is left to do.
_UNSET: Final = frozenset(
    {
        "acquirer_reference_number",
        "charge_on",
        "client_secret",
        "credit_id",
        "decline_code",
        "disabled_at",
        "disabled_reason",
        "failed_at",
        "failure_reason",
        "next_action",
        "payment",
        "paid_at",
        "refund_id",
        "rejection",
        "reversed_at",
        "replaced_by",
        "resolution",
        "revoked_at",
        "verification_url",
        "voided_at",
    }
)


def answer(schema: dict[str, Any], objects: dict[str, Any]) -> Any:
    """A value that fits `schema`; `objects` are the document's components."""
    return _value(schema, objects, name="", of="")


def _value(schema: dict[str, Any], objects: dict[str, Any], *, name: str, of: str) -> Any:
    if "$ref" in schema:
        title = schema["$ref"].rpartition("/")[2]
        return _value(objects[title], objects, name=name, of=title)
    choices = schema.get("anyOf", [])
    is_optional = {"type": "null"} in choices
    if choices:
        if is_optional and (name in _UNSET or (name in _VALUES and _VALUES[name] is None)):
            return None
        return _value(next(one for one in choices if one != {"type": "null"}), objects, name=name, of=of)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return _VALUES[name] if _VALUES.get(name) in schema["enum"] else schema["enum"][0]
    if schema.get("type") == "object" and "properties" in schema:
        title = of or schema.get("title", "")
        return {
            key: _value(inner, objects, name=key, of="" if key != "id" else title)
            for key, inner in schema["properties"].items()
        }
    return _plain(schema, objects, name, of)


def _plain(schema: dict[str, Any], objects: dict[str, Any], name: str, of: str) -> Any:
    kind = schema.get("type")
    if name == "id" and of in _IDS:
        return _IDS[of]
    if isinstance(_VALUES.get(name), _PYTHON[kind or "object"]):
        return _VALUES[name]
    if kind == "array":
        return [_value(schema["items"], objects, name="", of="")]
    by_format = {"date": "2026-11-20", "date-time": "2026-11-20T09:30:00Z"}
    return by_format.get(schema.get("format", ""), _BY_TYPE[kind or "object"])


_PYTHON: Final = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
_BY_TYPE: Final[dict[str, Any]] = {"string": "", "integer": 1, "boolean": False, "array": [], "object": {}}
