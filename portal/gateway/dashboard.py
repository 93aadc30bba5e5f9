"""Where an object stands in Stripe's dashboard, for the staff's links."""

from portal.core import config

ADDRESS = "https://dashboard.stripe.com"


def page_of(kind: str, object_id: str) -> str:
    """The address of an object's page in the mode that we are in; `kind` is the dashboard's own word: payments, disputes …"""
    mode = "" if config.current().livemode else "test/"
    return f"{ADDRESS}/{mode}{kind}/{object_id}"
