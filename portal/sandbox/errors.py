"""Errors in Stripe's shape: HTTP status, type, code, parameter and message.

Source: Stripe's API reference, "Errors", and its page "Error codes". The messages are Stripe's own wording where it is documented or
well known, because people search for them.
"""

from __future__ import annotations

from typing import Any

from portal.sandbox.kinds import Kind, Row

DOCS_URL = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """An answer other than 200.

    `effects_stay` is true for refusals that are themselves events, such as a declined card: what was written stays written.
    `began` is false for requests refused before anything ran; their answers are not kept under an idempotency key.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",  # noqa: A002 - Stripe's name for it
        code: str | None = None,
        param: str | None = None,
        effects_stay: bool = False,
        began: bool = True,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.effects_stay = effects_stay
        self.began = began
        self.headers = headers or {}
        self.fields: Row = {"message": message, "type": type}
        if code is not None:
            self.fields |= {"code": code, "doc_url": DOCS_URL + code.replace("_", "-")}
        if param is not None:
            self.fields["param"] = param
        self.fields |= {name: value for name, value in more.items() if value is not None}

    def body(self, request_log_url: str | None) -> Row:
        fields = dict(self.fields)
        if request_log_url is not None:
            fields["request_log_url"] = request_log_url
        return {"error": dict(sorted(fields.items()))}


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeError:
    """A parameter that is wrong in itself; nothing ran."""
    return StripeError(message, param=param, code=code, began=False)


def missing_parameter(param: str) -> StripeError:
    return invalid(f"Missing required param: {param}.", param, "parameter_missing")


def unknown_parameter(param: str) -> StripeError:
    return invalid(f"Received unknown parameter: {param}", param, "parameter_unknown")


def unsupported_parameter(param: str) -> StripeError:
    """Stripe knows this parameter and the sandbox does not carry it out: saying so beats pretending."""
    return invalid(
        f"The sandbox does not carry out the parameter {param}, which Stripe knows.",
        param,
        "sandbox_unsupported_parameter",
    )


def empty_parameter(param: str) -> StripeError:
    return invalid(
        f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter; however '{param}' cannot "
        f"be unset. You should remove '{param}' from your request or supply a non-empty value.",
        param,
        "parameter_invalid_empty",
    )


def no_such(kind: Kind, row_id: str, param: str, *, in_path: bool) -> StripeError:
    """404 when the address names the object, 400 when a parameter does."""
    return StripeError(
        f"No such {kind.noun}: '{row_id}'",
        status=404 if in_path else 400,
        code="resource_missing",
        param=param,
        began=False,
    )


def no_such_url(method: str, path: str) -> StripeError:
    return StripeError(
        f"Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove the trailing slash. If you are trying to "
        "retrieve an object, make sure you passed a valid (non-empty) identifier in your code. Please see "
        "https://stripe.com/docs or we can "
        "help at https://support.stripe.com/.",
        status=404,
        began=False,
    )


def wrong_state(message: str, intent: Row) -> StripeError:
    """Source: Stripe's error code payment_intent_unexpected_state (setup_intent_unexpected_state for the other sort)."""
    noun = str(intent["object"])
    more: dict[str, Any] = {noun: intent}
    return StripeError(message, code=f"{noun}_unexpected_state", **more)


def unauthorized(message: str) -> StripeError:
    return StripeError(message, status=401, began=False)


def forbidden(message: str, code: str | None = None) -> StripeError:
    return StripeError(message, status=403, code=code, began=False)


def no_access_to(account: str, shown_key: str | None = None) -> StripeError:
    """Source: Stripe's error code account_invalid; its status as Stripe answers."""
    key = f" '{shown_key}'" if shown_key else ""
    return forbidden(
        f"The provided key{key} does not have access to account '{account}' (or that account does not exist). Application access may have "
        "been revoked.",
        "account_invalid",
    )


def key_reused(key: str) -> StripeError:
    return StripeError(
        "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than "
        f"'{key}' if you meant to execute a different request.",
        type="idempotency_error",
        began=False,
    )


def key_in_use(key: str) -> StripeError:
    return StripeError(
        f"There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other "
        f"request is still going through): {key}. Please try again later.",
        status=409,
        type="idempotency_error",
        code="idempotency_key_in_use",
        began=False,
    )


def card_error(message: str, code: str, *, param: str | None = None, **more: Any) -> StripeError:
    """402: the card, not the request, is at fault."""
    return StripeError(
        message,
        status=402,
        type="card_error",
        code=code,
        param=param,
        effects_stay=True,
        **more,
    )


def too_many_requests(message: str, retry_after_seconds: int = 1) -> StripeError:
    return StripeError(
        message, status=429, code="rate_limit", began=False, headers={"Retry-After": str(retry_after_seconds)}
    )


def lock_timeout() -> StripeError:
    """Source: Stripe, "Rate limits" (object lock timeouts); recorded answers are all 429, none 409."""
    return StripeError(
        "This object cannot be accessed right now because another API request or Stripe process is currently accessing it. If you see this "
        "error intermittently, retry the request. If you see this error frequently and are making multiple concurrent requests to a single "
        "object, make your requests serially or at a lower rate. For more details, see "
        "https://stripe.com/docs/rate-limits#object-lock-timeouts.",
        status=429,
        code="lock_timeout",
        began=False,
        headers={"Stripe-Should-Retry": "true"},
    )


def internal_error(message: str = "An unknown error occurred") -> StripeError:
    return StripeError(message, status=500, type="api_error")
