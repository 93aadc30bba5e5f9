"""Doing without a mail that a customer may do without, by a link in it: for whoever reads the mail, who need not be able to sign in.

Programs that show mails press it by themselves for their readers (one click). Source: RFC 8058.
"""

from __future__ import annotations

from typing import Final

from itsdangerous import BadSignature, URLSafeSerializer

from portal.accounts import queries, service
from portal.accounts.models import OptionalMail
from portal.core import config, db, reach, secret_keys
from portal.core.errors import NotFound

PATH: Final = "/mails/unsubscribe/"


def address(customer_id: str, mail: OptionalMail) -> str:
    """The whole link for a mail of this kind. It works as long as the secret key is accepted."""
    return config.current().base_url + PATH + _signed().dumps([customer_id, mail.value])


def read(token: str) -> tuple[str, OptionalMail]:
    """The id of the customer, and the mail that it is about. Raises NotFound for what is no link of ours."""
    try:
        customer_id, mail = _signed().loads(token)
        return str(customer_id), OptionalMail(mail)
    except (BadSignature, ValueError, TypeError) as error:
        raise NotFound from error


def unsubscribe(token: str) -> None:
    """From now on such mails are not sent to this customer. A second call changes nothing. Raises NotFound."""
    customer_id, unwanted = read(token)
    reach.narrow(customer_id)
    with db.reading() as session:
        customer = queries.customer(session, customer_id)
    service.choose_mails(customer_id, [mail for mail in OptionalMail if customer.wants(mail) and mail != unwanted])


def _signed() -> URLSafeSerializer:
    return URLSafeSerializer(secret_keys.oldest_first(), salt="unsubscribe")
