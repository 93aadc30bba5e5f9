"""Every table of the database, each with what is said of it in portal.privacy.held: a table that is missing here fails a test.

Rows lead to their owner by one column each, so a customer's rows can be found, copied and erased without knowing more of a table.
"""

from __future__ import annotations

from typing import Final

from portal.content.mail import NOWHERE
from portal.privacy import kinds
from portal.privacy.held import Erase, Held
from portal.privacy.inventory_of_money import MONEY

_BROWSER: Final = {"ip": "to show where one is signed in", "user_agent": "to show with what one is signed in"}
_CHECKS: Final = "checks of our own books, about amounts"
_TWICE: Final = "what is in other files, as it was sent or kept for programs"
_SECRETS: Final = "keeps secrets, or their hashes, and nothing else of a person"
_GOES: Final = "gone within hours"

_ACCOUNTS: Final = (
    Held(
        "customers",
        kinds.CUSTOMERS,
        "id",
        Erase.REPLACE,
        personal={
            "name": "stands on invoices and documents",
            "email": "documents and mails go there",
            "address": "stands on invoices and documents",
            "postal_code": "for e-invoices",
            "city": "for e-invoices",
            "country": "decides about tax; stands on documents",
            "tax_id": "decides about tax; stands on documents",
            "buyer_reference": "by what its invoices are sent on",
            "electronic_address": "e-invoices go there by a network",
            "external_id": "what the company's own systems call it",
        },
        replaced={
            "name": "Erased customer",
            "email": f"{{id}}@{NOWHERE}",
            "address": "",
            "postal_code": "",
            "city": "",
            "country": "",
            "tax_id": "",
            "buyer_reference": "",
            "electronic_address": "",
            "external_id": None,
        },
    ),
    Held("customer_words", kinds.CUSTOMERS, "customer_id", Erase.REMOVE, {"word": "staff find a customer by it"}),
    Held(
        "document_recipients",
        kinds.CUSTOMERS,
        "customer_id",
        Erase.REMOVE,
        {"email": "documents go there, too"},
        frozenset({"token_hash"}),
    ),
    Held("invitation_attempts", kinds.SIGN_INS, "customer_id", Erase.REMOVE),
    Held("customer_notes", kinds.NOTES, "customer_id", Erase.REMOVE, {"words": "what colleagues should know"}),
    Held(
        "account_viewings",
        kinds.BOOKS,
        "customer_id",
        Erase.REPLACE,
        {"customer_name": "whose account staff looked at", "reason": "why they did"},
        replaced={"customer_name": "Erased customer"},
    ),
    Held(
        "users",
        kinds.PEOPLE,
        "customer_id",
        Erase.REPLACE,
        {
            "email": "one signs in with it, and gets mails",
            "name": "colleagues and staff read it",
            "time_zone": "times are shown by its clocks",
            "guessed_time_zone": "times are shown by its clocks",
            "provider_subject": "the company's own staff sign in by it",
            "password_hash": "to check the password",
        },
        frozenset({"password_hash"}),
        replaced={
            "email": f"{{id}}@{NOWHERE}",
            "name": "Erased person",
            "time_zone": "",
            "guessed_time_zone": "",
            "password_hash": None,
            "active": False,
            "ended_with_customer": False,
        },
    ),
    Held("sign_in_sessions", kinds.SIGN_INS, "user_id", Erase.REMOVE, _BROWSER, frozenset({"token_hash"})),
    Held(
        "portal_sessions",
        kinds.SIGN_INS,
        "user_id",
        Erase.REMOVE,
        {"opens": "the page where the session begins"},
        frozenset({"token_hash"}),
    ),
    Held("app_grants", kinds.SIGN_INS, "user_id", Erase.REMOVE, _BROWSER),
    Held("refresh_tokens", kinds.SIGN_INS, "grant_id", Erase.REMOVE, withheld=_SECRETS),
    Held("account_tokens", kinds.SIGN_INS, "user_id", Erase.REMOVE, withheld=_SECRETS),
    Held(
        "email_changes",
        kinds.SIGN_INS,
        "user_id",
        Erase.REMOVE,
        {"old_email": "told of the change", "new_email": "has to be proved"},
        frozenset({"confirm_hash", "stop_hash"}),
    ),
    Held(
        "second_factors",
        kinds.SIGN_INS,
        "user_id",
        Erase.REMOVE,
        {"secret": "to check codes; encrypted"},
        frozenset({"secret", "key_name", "last_step"}),
    ),
    Held("second_factor_resets", kinds.SIGN_INS, "user_id", Erase.REMOVE),
    Held(
        "passkeys",
        kinds.SIGN_INS,
        "user_id",
        Erase.REMOVE,
        {"name": "to tell one's passkeys apart", "public_key": "to check signatures"},
        frozenset({"public_key"}),
    ),
    Held("passkey_challenges", kinds.SIGN_INS, "user_id", Erase.REMOVE, withheld=_SECRETS),
    Held("recovery_codes", kinds.SIGN_INS, "user_id", Erase.REMOVE, withheld=_SECRETS),
    Held(
        "sign_in_attempts",
        kinds.SIGN_INS,
        personal={"email": "guesses at one account are counted", "network": "guesses from one place are counted"},
        withheld=_GOES,
    ),
    Held("saved_views", kinds.STAFF, "user_id", Erase.REMOVE, {"name": "what one calls a list's filters"}),
    Held("recent_subjects", kinds.STAFF, "user_id", Erase.REMOVE),
    Held("staff_mail_choices", kinds.STAFF, "user_id", Erase.REMOVE),
)

_MESSAGES: Final = (
    Held(
        "sent_mails",
        kinds.MAILS,
        "customer_id",
        Erase.REPLACE,
        {"recipient": "to whom it went", "subject": "what it was about"},
        replaced={"recipient": f"someone@{NOWHERE}", "subject": ""},
    ),
    Held(
        "refused_addresses",
        kinds.MAILS,
        "customer_id",
        Erase.REMOVE,
        {"recipient": "mail does not arrive there", "said": "why not"},
    ),
    Held(
        "webhook_endpoints",
        kinds.ENDPOINTS,
        "customer_id",
        Erase.REMOVE,
        {"url": "events go there", "description": "to tell one's endpoints apart"},
    ),
    Held("webhook_events", kinds.ENDPOINTS, "customer_id", Erase.REMOVE, {"payload": "what the system is told"}),
    Held("webhook_deliveries", kinds.ENDPOINTS, "customer_id", Erase.REMOVE, {"answer": "what the system answered"}),
    Held(
        "stripe_events",
        kinds.STRIPE,
        personal={"body": "what Stripe said, also of who pays"},
        withheld=_TWICE,
    ),
    Held("document_archives", kinds.FILES, "customer_id", Erase.REMOVE),
    Held("document_archive_parts", kinds.FILES, "archive_id", Erase.REMOVE, withheld=_TWICE),
    Held("statement_files", kinds.FILES, "customer_id", Erase.REMOVE),
    Held("statement_file_parts", kinds.FILES, "file_id", Erase.REMOVE, withheld=_TWICE),
    Held("invoice_previews", kinds.FILES, "customer_id", Erase.REMOVE, withheld="drafts of ours, gone within hours"),
    Held("invoice_preview_parts", kinds.FILES, "preview_id", Erase.REMOVE, withheld=_TWICE),
    Held("personal_data_files", kinds.FILES, "customer_id", Erase.REMOVE),
    Held("personal_data_file_parts", kinds.FILES, "file_id", Erase.REMOVE, withheld=_TWICE),
)

_OURS: Final = (
    Held(
        "audit_events",
        kinds.BOOKS,
        "customer_id",
        personal={
            "facts": "what changed, before and after",
            "actor_id": "who did it",
            "ip": "from where",
        },
        secret=frozenset({"previous_hash", "hash", "request_id"}),
    ),
    Held("audit_head", kinds.SYSTEM),
    Held("app_requests", kinds.REQUESTS, personal={"caller": "whose key it is", "answer": "what is answered again"}),
    Held("jobs", kinds.REQUESTS, personal={"name": "which job it is"}),
    Held("discrepancies", kinds.SYSTEM, "payment_id", withheld=_CHECKS, personal={"facts": "what does not fit"}),
    Held("reconciliations", kinds.SYSTEM),
    Held("recoveries", kinds.SYSTEM, personal={"facts": "what was lost", "reason": "why the database went back"}),
    Held("kept_balances", kinds.SYSTEM),
    Held("number_series", kinds.SYSTEM),
    Held("price_items", kinds.SYSTEM, personal={"name": "of a product", "description": "of a product"}),
    Held("service_answers", kinds.SYSTEM),
    Held("stripe_payouts", kinds.SYSTEM),
    Held("stripe_transactions", kinds.SYSTEM, personal={"description": "what Stripe booked"}),
    Held("upkeep", kinds.SYSTEM),
    Held("webhook_silence", kinds.SYSTEM),
    Held("word_trigrams", kinds.SYSTEM, personal={"word": "found with slips of the pen; goes with its last customer"}),
    Held("book_packs", kinds.SYSTEM),
    Held("book_pack_parts", kinds.SYSTEM),
    Held("invoice_files", kinds.SYSTEM, personal={"content": "invoices to be issued, with their customers"}),
    Held("customer_files", kinds.SYSTEM, personal={"content": "customers to be added"}),
    Held("answer_blocks", kinds.STAFF),
    Held("api_clients", kinds.STAFF, personal={"name": "of another system of the company's"}),
)

TABLES: Final = (*_ACCOUNTS, *MONEY, *_MESSAGES, *_OURS)
BY_TABLE: Final = {held.table: held for held in TABLES}
