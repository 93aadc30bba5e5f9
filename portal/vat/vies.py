"""VIES, the European Commission's: it asks the register of the member state that a VAT ID belongs to.

Source: VIES, "REST API" (check-vat-number), https://ec.europa.eu/taxation_customs/vies/#/technical-information. It answers with `valid`,
and with `requestIdentifier`, the consultation number, where it was told who asks. What is not known is "---". When it cannot say,
`errorWrappers` holds a code such as MS_UNAVAILABLE, also in an answer with the status 200.
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

from portal.core import db
from portal.core.breaker import Breaker, LeftAlone
from portal.vat import port
from portal.vat.models import LONGEST_ADDRESS, LONGEST_NAME, LONGEST_NUMBER
from portal.vat.port import Answer, NotAnswered

# For the connection, for each silence, and for the whole answer, in seconds. A member state's register may take some.
CONNECT_SECONDS: Final = 4.0
SILENCE_SECONDS: Final = 10.0
WITHIN_SECONDS: Final = 15.0
LARGEST_ANSWER_BYTES: Final = 20_000
_NOTHING: Final = "---"
_COUNTRY: Final = 2
LONGEST_CODE: Final = 60


class Vies:
    """`url` is the address of its REST API, without the name of an operation. Safe in threads; one for each address and process."""

    def __init__(self, url: str, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._url = f"{url.rstrip('/')}/check-vat-number"
        self._silence_seconds = silence_seconds
        self._breaker = Breaker("vies")

    def ask(self, tax_id: str, requester: str) -> Answer:
        import requests  # the worker alone needs it

        db.refuse_inside_transaction("a question to VIES")
        asked = {"countryCode": tax_id[:_COUNTRY], "vatNumber": tax_id[_COUNTRY:]}
        if requester:
            asked |= {"requesterMemberStateCode": requester[:_COUNTRY], "requesterNumber": requester[_COUNTRY:]}
        try:
            with self._breaker.calling(requests.RequestException):
                body = self._post(asked)
        except LeftAlone as error:
            raise NotAnswered(port.LEFT_ALONE) from error
        except requests.Timeout as error:
            raise NotAnswered(port.TIMED_OUT) from error
        except requests.RequestException as error:
            raise NotAnswered(port.UNREACHABLE) from error
        return read(body, asked)

    def _post(self, asked: dict[str, str]) -> bytes:
        """The beginning of the answer, whatever its status: VIES says in the body what went wrong."""
        import requests

        ends = time.monotonic() + WITHIN_SECONDS
        with requests.post(
            self._url,
            json=asked,
            headers={"Accept": "application/json"},
            timeout=(CONNECT_SECONDS, self._silence_seconds),
            allow_redirects=False,
            stream=True,
        ) as answered:
            body = bytearray()
            for some in answered.iter_content(1_000):
                body += some
                if time.monotonic() >= ends:
                    raise requests.Timeout
                if len(body) > LARGEST_ANSWER_BYTES:
                    break
            return bytes(body[:LARGEST_ANSWER_BYTES])


def read(body: bytes, asked: dict[str, str]) -> Answer:
    """What an answer to this question says. Raises NotAnswered for what is neither yes nor no, or is about another VAT ID."""
    text = body.decode("utf-8", errors="replace").replace("\x00", "\ufffd")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotAnswered(port.UNREADABLE, text) from error
    if not isinstance(said, dict):
        raise NotAnswered(port.UNREADABLE, text)
    if "errorWrappers" in said or said.get("actionSucceed") is False:
        raise NotAnswered(_code(said.get("errorWrappers")), text)
    is_about_it = all(said.get(name) == asked[name] for name in ("countryCode", "vatNumber"))
    if not isinstance(said.get("valid"), bool) or not is_about_it:
        raise NotAnswered(port.UNREADABLE, text)
    return Answer(
        is_valid=said["valid"],
        consultation_number=_text(said.get("requestIdentifier"), LONGEST_NUMBER),
        trader_name=_text(said.get("name"), LONGEST_NAME),
        trader_address=_text(said.get("address"), LONGEST_ADDRESS),
        body=text,
    )


def _code(errors: Any) -> str:
    """The first code among errorWrappers, such as MS_UNAVAILABLE."""
    first = errors[0] if isinstance(errors, list) and errors else None
    code = first.get("error") if isinstance(first, dict) else None
    return _text(code, LONGEST_CODE) or port.UNREADABLE


def _text(said: Any, longest: int) -> str:
    """On one line, of what can be shown."""
    if not isinstance(said, str) or said.strip() == _NOTHING:
        return ""
    return " ".join("".join(mark if mark.isprintable() else " " for mark in said).split())[:longest]
