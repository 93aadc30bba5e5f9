"""Who may open what: every route, for everyone who may knock. A new route has to be added to the table, or these tests fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus, urlsplit

import html5lib
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse
from wtforms.fields.core import UnboundField

from portal.accounts.models import Customer
from portal.api import tokens
from portal.books.models import Pack, PackPart
from portal.core import clock, db
from portal.core.db import Base, new_id
from portal.core.money import Money
from portal.core.permissions import STAFF_ROLES, may
from portal.documents import service as receipts
from portal.documents.models import DocumentArchive, DocumentArchivePart, PaymentDocument
from portal.identity import api_clients, app_grants, policy, second_factor, sessions
from portal.identity.models import Passkey, User
from portal.invoices import price_list
from portal.invoices.models import Invoice, InvoiceCredit, OutsidePayment
from portal.invoices.price_list import ItemDraft
from portal.invoices.write_offs import WriteOff
from portal.payment_methods.models import PaymentMethod, PaymentMethodSetup
from portal.payment_methods.statuses import SetupStatus
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.privacy.models import PersonalDataFile, PersonalDataFilePart
from portal.reconciliation.models import Discrepancy
from portal.refunds import answer_blocks
from portal.statements.models import BalanceConfirmation, StatementFile, StatementFilePart
from portal.web import guards
from portal.web.forms import PortalForm
from tests import factories

# What the pages do with the database is tested elsewhere, on both; here it is about who gets there.
# Every route for every role, in one test: that takes its time on a busy machine.
# Passkeys are there where the address has a name.
pytestmark = [
    pytest.mark.database("sqlite"),
    pytest.mark.timeout(600),
    pytest.mark.settings(PORTAL_BASE_URL="http://localhost"),
]

# Stripe is not there in these tests: 503 means that someone came past every guard as far as the call to Stripe.
# 422 likewise: the form was looked at, and found empty.
# One line a route, one column for each who may knock: nobody who is signed in; the owner, a payer and a viewer of the customer
# whose things they are; the owner of another customer; and staff. Signing out comes last: it ends the session that the others need.
TABLE = """
                                                   nobody  owner  payer  viewer  other  support  approver  admin
GET  /metrics                                      404     404    404    404     404    404      404       404
GET  /theme.css                                    200     200    200    200     200    200      200       200
POST /csp-reports                                  204     204    204    204     204    204      204       204
POST /appearance                                   303     303    303    303     303    303      303       303
GET  /language/<code>                              303     303    303    303     303    303      303       303
GET  /healthz                                      200     200    200    200     200    200      200       200
GET  /readyz                                       200     200    200    200     200    200      200       200
GET  /api/openapi.json                             200     200    200    200     200    200      200       200
GET  /.well-known/jwks.json                        200     200    200    200     200    200      200       200
GET  /sign-in                                      200     303    303    303     303    303      303       303
POST /sign-in                                      422     422    422    422     422    422      422       422
GET  /sign-in/code                                 303     303    303    303     303    303      303       303
POST /sign-in/code                                 303     303    303    303     303    303      303       303
GET  /sign-in/link                                 200     303    303    303     303    303      303       303
POST /sign-in/link                                 422     303    303    303     303    303      303       303
GET  /sign-in/link/code                            303     303    303    303     303    303      303       303
POST /sign-in/link/code                            303     303    303    303     303    303      303       303
GET  /sign-in/link/open/<token>                    404     404    404    404     404    404      404       404
GET  /sign-in/provider                             404     404    404    404     404    404      404       404
GET  /sign-in/provider/return                      404     404    404    404     404    404      404       404
GET  /portal-sessions/<token>                      404     404    404    404     404    404      404       404
GET  /password/reset/<token>                       303     303    303    303     303    303      303       303
GET  /password/reset                               404     404    404    404     404    404      404       404
POST /password/reset                               404     404    404    404     404    404      404       404
GET  /sign-up/confirm/<token>                      303     303    303    303     303    303      303       303
GET  /invitation/<token>                           303     303    303    303     303    303      303       303
GET  /invitation                                   404     404    404    404     404    404      404       404
POST /invitation                                   404     404    404    404     404    404      404       404
GET  /password/forgotten                           200     200    200    200     200    200      200       200
POST /password/forgotten                           422     422    422    422     422    422      422       422
GET  /password/forgotten/sent                      200     200    200    200     200    200      200       200
GET  /sign-up                                      404     404    404    404     404    404      404       404
POST /sign-up                                      404     404    404    404     404    404      404       404
GET  /sign-up/sent                                 200     200    200    200     200    200      200       200
GET  /account                                      303     200    200    200     200    200      200       200
POST /account/profile                              303     422    422    422     422    422      422       422
POST /account/billing-details                      303     422    403    403     422    403      403       403
POST /account/password                             303     422    422    422     422    422      422       422
GET  /account/confirmation                         303     200    200    200     200    200      200       200
POST /account/confirmation                         303     422    422    422     422    422      422       422
POST /account/sessions/<session_id>/end            303     303    404    404     404    404      404       404
GET  /account/notifications                        303     200    200    200     200    403      403       403
POST /account/notifications                        303     303    403    403     303    403      403       403
POST /account/shortcuts                            303     303    303    303     303    303      303       303
POST /account/sessions/end-others                  303     303    303    303     303    303      303       303
GET  /account/second-factor                        303     200    200    200     200    200      200       200
POST /account/second-factor/setup                  303     303    303    303     303    303      303       303
GET  /account/second-factor/setup                  303     200    200    200     200    200      200       200
POST /account/second-factor/confirmation           303     422    422    422     422    422      422       422
POST /account/second-factor/recovery-codes         303     422    422    422     422    422      422       422
POST /account/second-factor/off                    303     422    422    422     422    422      422       422
GET  /account/email                                303     200    200    200     200    200      200       200
POST /account/email                                303     422    422    422     422    422      422       422
POST /account/email/cancellation                   303     303    303    303     303    303      303       303
GET  /account/email/confirmation/<token>           303     303    303    303     303    303      303       303
GET  /account/email/confirmation                   404     404    404    404     404    404      404       404
POST /account/email/confirmation                   404     404    404    404     404    404      404       404
GET  /account/email/stop/<token>                   303     303    303    303     303    303      303       303
GET  /account/email/stop                           404     404    404    404     404    404      404       404
POST /account/email/stop                           404     404    404    404     404    404      404       404
POST /sign-in/passkey/options                      200     200    200    200     200    200      200       200
POST /sign-in/passkey                              303     303    303    303     303    303      303       303
POST /account/confirmation/passkey/options         303     200    200    200     200    200      200       200
POST /account/confirmation/passkey                 303     303    303    303     303    303      303       303
GET  /account/passkeys                             303     200    200    200     200    200      200       200
POST /account/passkeys/options                     303     200    200    200     200    200      200       200
POST /account/passkeys                             303     422    422    422     422    422      422       422
POST /account/passkeys/<passkey_id>/removal        303     303    404    404     404    404      404       404
GET  /account/webhooks                             303     200    403    403     200    403      403       403
GET  /account/webhooks/new                         303     200    403    403     200    403      403       403
POST /account/webhooks/new                         303     422    403    403     422    403      403       403
GET  /account/webhooks/<endpoint_id>               303     200    403    403     404    403      403       403
POST /account/webhooks/<endpoint_id>/test          303     303    403    403     404    403      403       403
POST /account/webhooks/<endpoint_id>/off           303     303    403    403     404    403      403       403
POST /account/webhooks/<endpoint_id>/on            303     303    403    403     404    403      403       403
POST /account/webhooks/<endpoint_id>/secret        303     200    403    403     404    403      403       403
POST /account/webhooks/deliveries/<delivery_id>/replays 303 303   403    403     404    403      403       403
POST /account/apps/<grant_id>/end                  303     303    404    404     404    404      404       404
POST /support/customers/people/<user_id>/invitation 303 404 404 404 404   303      303       303
GET  /support/customers/people/<user_id>/email 303 404 404 404    404    404      200       200
POST /support/customers/people/<user_id>/email 303 404 404 404    404    404      422       422
GET  /account/people                               303     200    200    200     200    403      403       403
POST /account/people                               303     422    403    403     422    403      403       403
POST /account/people/<user_id>/role                303     422    403    403     404    403      403       403
POST /account/people/<user_id>/invitation          303     303    403    403     404    403      403       403
POST /account/people/<user_id>/access/end          303     409    403    403     404    403      403       403
POST /account/people/<user_id>/access/restoration  303     303    403    403     404    403      403       403
POST /account/people/<user_id>/withdrawal          303     303    403    403     404    403      403       403
GET  /account/recipients                           303     200    200    200     200    403      403       403
POST /account/recipients                           303     422    403    403     422    403      403       403
GET  /account/recipients/<recipient_id>            303     200    403    403     404    403      403       403
POST /account/recipients/<recipient_id>            303     422    403    403     404    403      403       403
POST /account/recipients/<recipient_id>/confirmation 303   303    403    403     404    403      403       403
GET  /recipients/confirmation/<token>              303     303    303    303     303    303      303       303
GET  /recipients/confirmation                      404     404    404    404     404    404      404       404
POST /recipients/confirmation                      404     404    404    404     404    404      404       404
GET  /support/customers/<customer_id>/recipients   303     404    404    404     404    200      200       200
POST /support/customers/<customer_id>/recipients   303     404    404    404     404    422      422       422
GET  /support/customers/<customer_id>/recipients/<recipient_id> 303 404 404 404  404    200      200       200
POST /support/customers/<customer_id>/recipients/<recipient_id> 303 404 404 404  404    422      422       422
POST /support/customers/<customer_id>/recipients/<recipient_id>/confirmation 303 404 404 404 404 303 303 303
POST /account/recipients/<recipient_id>/removal    303     303    403    403     404    403      403       403
GET  /support/customers/<customer_id>/vat-id       303     404    404    404     404    200      200       200
POST /support/customers/<customer_id>/vat-id/check 303     404    404    404     404    303      303       303
POST /support/customers/<customer_id>/recipients/<recipient_id>/removal 303 404 404 404 404 303 303 303
GET  /support/invoices/<invoice_id>/reminders      303     404    404    404     404    200      200       200
POST /support/invoices/<invoice_id>/reminders      303     404    404    404     404    303      303       303
POST /support/invoices/<invoice_id>/reminders/hold 303     404    404    404     404    422      422       422
POST /support/invoices/<invoice_id>/reminders/release 303  404    404    404     404    303      303       303
GET  /support/invoices/<invoice_id>/network        303     404    404    404     404    200      200       200
GET  /support/network                              303     404    404    404     404    200      200       200
POST /support/network/<document_id>                303     404    404    404     404    404      404       404
GET  /support/reminders/ended                      303     404    404    404     404    200      200       200
GET  /mails/unsubscribe/<token>                    404     404    404    404     404    404      404       404
POST /mails/unsubscribe/<token>                    404     404    404    404     404    404      404       404
GET  /pay/open/<token>                             404     404    404    404     404    404      404       404
GET  /pay/<link_id>                                404     404    404    404     404    404      404       404
POST /pay/<link_id>/start                          404     404    404    404     404    404      404       404
POST /pay/<link_id>/cancellation                   404     404    404    404     404    404      404       404
GET  /pay/<link_id>/outcome                        404     404    404    404     404    404      404       404
GET  /pay/<link_id>/return                         404     404    404    404     404    404      404       404
GET  /invoices/<invoice_id>/pay-link               303     200    200    200     404    403      403       403
POST /invoices/<invoice_id>/pay-link               303     303    303    403     404    403      403       403
POST /invoices/<invoice_id>/pay-link/revocation    303     303    303    403     404    403      403       403
GET  /support/invoices/<invoice_id>/pay-link       303     404    404    404     404    200      200       200
POST /support/invoices/<invoice_id>/pay-link       303     404    404    404     404    303      303       303
POST /support/invoices/<invoice_id>/pay-link/revocation 303 404 404 404 404     303      303       303
GET  /                                             303     200    200    200     200    403      403       403
GET  /invoices                                     303     200    200    200     200    403      403       403
GET  /invoices/<invoice_id>                        303     200    200    200     404    403      403       403
GET  /payments/invoices/<selection>                303     200    200    403     404    403      403       403
POST /payments/invoices/<selection>/start          303     303    303    403     404    403      403       403
GET  /payments/invoices/<invoice_id>/part          303     422    422    403     404    403      403       403
POST /payments/invoices/<invoice_id>/card          303     503    503    403     404    403      403       403
GET  /payments/invoices/<invoice_id>/ways          303     200    200    403     404    403      403       403
GET  /payments                                     303     200    200    200     200    403      403       403
GET  /payments.csv                                 303     200    200    200     200    403      403       403
GET  /payments/together                            303     200    200    403     200    403      403       403
GET  /payments/other                               303     200    200    403     200    403      403       403
POST /payments/other                               303     422    422    403     422    403      403       403
GET  /payments/<payment_id>                        303     200    200    200     404    403      403       403
GET  /payments/<payment_id>/pay                    303     303    303    403     404    403      403       403
POST /payments/<payment_id>/start                  303     303    303    403     404    403      403       403
GET  /payments/<payment_id>/outcome                303     200    200    200     404    403      403       403
GET  /payments/<payment_id>/return                 303     303    303    303     404    403      403       403
GET  /payments/of-invoice/<invoice_id>             303     200    200    200     404    403      403       403
GET  /receipts/                                    303     200    200    200     200    403      403       403
GET  /receipts/<document_id>                        303     200    200    200     404    403      403       403
GET  /receipts/<document_id>/e-invoice              303     404    404    404     404    403      403       403
GET  /receipts/<document_id>/xrechnung/<syntax>     303     404    404    404     404    403      403       403
GET  /support/documents/<document_id>/xrechnung/<syntax> 303 404  404    404     404    404      404       404
GET  /receipts/<document_id>/pdf                    303     200    200    200     404    403      403       403
GET  /receipts/file-of-invoice/<invoice_id>        303     200    200    200     404    403      403       403
POST /receipts/archives                            303     422    422    422     422    403      403       403
GET  /receipts/archives/<archive_id>               303     200    200    200     404    403      403       403
GET  /receipts/archives/<archive_id>/file          303     200    200    200     404    403      403       403
GET  /statement                                    303     200    200    200     200    403      403       403
GET  /account/privacy                              303     200    403    403     200    403      403       403
POST /account/privacy/files                        303     303    403    403     303    403      403       403
GET  /account/privacy/files/<data_file_id>         303     200    403    403     404    403      403       403
GET  /account/privacy/files/<data_file_id>/zip     303     200    403    403     404    403      403       403
GET  /support/customers/<customer_id>/privacy      303     404    404    404     404    404      200       200
POST /support/customers/<customer_id>/privacy/files 303 404      404    404     404    404      303       303
GET  /support/customers/<customer_id>/privacy/files/<data_file_id> 303 404 404 404 404 404      200       200
GET  /support/customers/<customer_id>/privacy/files/<data_file_id>/zip 303 404 404 404 404 404   200       200
POST /account/privacy/erasure                      303     409    403    403     303    403      403       403
POST /account/privacy/erasure/withdrawal           303     303    403    403     303    403      403       403
POST /support/customers/<customer_id>/privacy/erasure 303 404    404    404     404    404      422       422
POST /support/customers/<customer_id>/privacy/erasure/approval 303 404 404 404  404    404      409       409
POST /support/customers/<customer_id>/privacy/erasure/rejection 303 404 404 404 404    404      422       422
GET  /statement/file.csv                           303     200    200    200     200    403      403       403
POST /statement/files                              303     303    303    303     303    403      403       403
GET  /statement/files/<statement_id>                    303     200    200    200     404    403      403       403
GET  /statement/files/<statement_id>/pdf                303     200    200    200     404    403      403       403
GET  /support/customers/<customer_id>/balance-confirmations 303 404 404 404     404    404      200       200
POST /support/customers/<customer_id>/balance-confirmations 303 404 404 404     404    404      422       422
GET  /support/customers/<customer_id>/balance-confirmations/<confirmation_id> 303 404 404 404 404 404 200   200
GET  /support/customers/<customer_id>/balance-confirmations/<confirmation_id>/pdf 303 404 404 404 404 404 200 200
GET  /support/customers/<customer_id>/statement    303     404    404    404     404    200      200       200
GET  /support/customers/<customer_id>/statement/file.csv 303 404  404    404     404    200      200       200
POST /support/customers/<customer_id>/statement/files 303 404     404    404     404    303      303       303
GET  /support/customers/<customer_id>/statement/files/<statement_id> 303 404 404 404  404    200      200       200
GET  /support/customers/<customer_id>/statement/files/<statement_id>/pdf 303 404 404 404 404 200      200       200
GET  /receipts/of-payment/<payment_id>             303     200    200    200     404    403      403       403
GET  /receipts/of-invoice/<invoice_id>             303     200    200    200     404    403      403       403
GET  /receipts/corrections-of-invoice/<invoice_id> 303     200    200    200     404    403      403       403
GET  /cards                                        301     301    301    301     301    301      301       301
GET  /cards/new                                    301     301    301    301     301    301      301       301
GET  /payment-methods                              303     200    200    200     200    403      403       403
POST /payment-methods/<payment_method_id>/default  303     303    303    403     404    403      403       403
POST /payment-methods/<payment_method_id>/removal  303     503    503    403     404    403      403       403
GET  /payment-methods/watched/<token>              404     404    404    404     404    404      404       404
GET  /payment-methods/new                          303     200    200    403     200    403      403       403
POST /payment-methods/setups                       303     503    503    403     503    403      403       403
GET  /payment-methods/setups/<setup_id>/outcome    303     200    200    200     404    403      403       403
GET  /payment-methods/setups/<setup_id>/return     303     303    303    303     404    403      403       403
GET  /automatic-payment                            303     200    200    200     200    403      403       403
POST /automatic-payment/on                         303     303    303    403     303    403      403       403
POST /automatic-payment/off                        303     303    303    403     303    403      403       403
GET  /automatic-payment/summary                    303     200    200    200     200    403      403       403
GET  /automatic-payment/of-invoice/<invoice_id>    303     200    200    200     404    403      403       403
GET  /payments/<payment_id>/dispute                303     200    200    200     404    403      403       403
GET  /payments/<payment_id>/refunds                303     200    200    200     404    403      403       403
GET  /payments/<payment_id>/refund-requests        303     200    200    403     404    403      403       403
POST /payments/<payment_id>/refund-requests        303     422    422    403     404    403      403       403
GET  /refunds                                      303     200    200    200     200    403      403       403
GET  /refunds/<refund_id>                          303     200    200    200     404    403      403       403
POST /refunds/<refund_id>/withdrawal               303     303    303    403     404    403      403       403
POST /refunds/<refund_id>/answer                   303     422    422    403     404    403      403       403
GET  /support/books/today                          303     404    404    404     404    200      200       200
GET  /support/search                               303     404    404    404     404    303      303       303
GET  /support/search/<noun>                        303     404    404    404     404    200      200       200
GET  /support/mails                                303     404    404    404     404    200      200       200
POST /support/mails                                303     404    404    404     404    303      303       303
GET  /support                                      303     404    404    404     404    200      200       200
GET  /support/customers/<customer_id>              303     404    404    404     404    200      200       200
GET  /support/customers/<customer_id>/<name>       303     404    404    404     404    200      200       200
GET  /support/customers/new                        303     404    404    404     404    200      200       200
POST /support/customers/new                        303     404    404    404     404    422      422       422
GET  /support/customers/import                     303     404    404    404     404    200      200       200
POST /support/customers/import                     303     404    404    404     404    422      422       422
GET  /support/customers/import/<file_id>           303     404    404    404     404    404      404       404
POST /support/customers/import/<file_id>           303     404    404    404     404    404      404       404
GET  /support/customers/<customer_id>/details      303     404    404    404     404    200      200       200
POST /support/customers/<customer_id>/details      303     404    404    404     404    422      422       422
GET  /support/customers/<customer_id>/people/new   303     404    404    404     404    200      200       200
POST /support/customers/<customer_id>/people/new   303     404    404    404     404    422      422       422
GET  /support/customers/<customer_id>/deactivation 303     404    404    404     404    404      200       200
POST /support/customers/<customer_id>/deactivation 303     404    404    404     404    404      422       422
POST /support/customers/<customer_id>/reactivation 303     404    404    404     404    404      303       303
GET  /support/customers/<customer_id>/view         303     404    404    404     404    200      200       200
POST /support/customers/<customer_id>/view         303     404    404    404     404    422      422       422
POST /viewing/end                                  303     303    303    303     303    303      303       303
POST /support/customers/<customer_id>/notes        303     404    404    404     404    422      422       422
POST /payments/<payment_id>/cancellation           303     303    303    403     404    403      403       403
GET  /support/payments/of-invoice/<invoice_id>      303     404    404    404     404    200      200       200
GET  /support/payments/<payment_id>                303     404    404    404     404    200      200       200
GET  /support/refunds/oldest                       303     404    404    404     404    303      303       303
GET  /support/refunds/of-payment/<payment_id>      303     404    404    404     404    200      200       200
GET  /support/disputes/of-payment/<payment_id>     303     404    404    404     404    200      200       200
GET  /support/disputes/warnings-of-payment/<payment_id> 303     404    404    404     404    200      200       200
GET  /support/documents/of-invoice/<invoice_id>    303     404    404    404     404    200      200       200
GET  /support/documents/<document_id>              303     404    404    404     404    303      303       303
GET  /support/documents/<document_id>/e-invoice    303     404    404    404     404    404      404       404
GET  /support/documents/<document_id>/pdf          303     404    404    404     404    200      200       200
GET  /support/documents/of-payment/<payment_id>    303     404    404    404     404    200      200       200
POST /support/payments/<payment_id>/cancellation   303     404    404    404     404    303      303       303
POST /support/documents/<document_id>/mail         303     404    404    404     404    303      303       303
POST /support/documents/<document_id>/rendering    303     404    404    404     404    303      303       303
GET  /support/invoices                             303     404    404    404     404    200      200       200
GET  /support/invoices/new                         303     404    404    404     404    200      200       200
POST /support/invoices/new                         303     404    404    404     404    422      422       422
GET  /support/invoices/new/customers               303     404    404    404     404    200      200       200
POST /support/invoices/new/total                   303     404    404    404     404    200      200       200
GET  /support/invoices/new/items                   303     404    404    404     404    200      200       200
POST /support/invoices/new/pdf                     303     404    404    404     404    422      422       422
GET  /support/invoices/previews/<preview_id>       303     404    404    404     404    404      404       404
GET  /support/invoices/previews/<preview_id>/file  303     404    404    404     404    404      404       404
GET  /support/price-list                           303     404    404    404     404    200      200       200
GET  /support/price-list/list.csv                  303     404    404    404     404    200      200       200
GET  /support/price-list/new                       303     404    404    404     404    200      200       200
POST /support/price-list/new                       303     404    404    404     404    422      422       422
GET  /support/price-list/<item_id>                 303     404    404    404     404    200      200       200
POST /support/price-list/<item_id>                 303     404    404    404     404    422      422       422
POST /support/price-list/<item_id>/retirement      303     404    404    404     404    303      303       303
GET  /support/invoices/<invoice_id>                303     404    404    404     404    200      200       200
POST /support/invoices/<invoice_id>/void           303     404    404    404     404    404      422       422
POST /support/invoices/<invoice_id>/outside-payment 303   404    404    404     404    404      422       422
GET  /support/invoices/second-approvals            303     404    404    404     404    404      200       200
POST /support/invoices/outside-payments/<record_id>/approval 303 404 404 404     404    404      303       303
POST /support/invoices/outside-payments/<record_id>/rejection 303 404 404 404    404    404      422       422
POST /support/invoices/outside-payments/<record_id>/reversal 303 404 404 404     404    404      422       422
GET  /support/invoices/credits-for-approval        303     404    404    404     404    404      200       200
GET  /support/invoices/<invoice_id>/credits/new    303     404    404    404     404    404      200       200
POST /support/invoices/<invoice_id>/credits        303     404    404    404     404    404      422       422
POST /support/invoices/credits/<credit_id>/approval 303    404    404    404     404    404      303       303
POST /support/invoices/credits/<credit_id>/rejection 303   404    404    404     404    404      422       422
GET  /support/invoices/write-offs-for-approval     303     404    404    404     404    404      200       200
POST /support/invoices/<invoice_id>/write-off      303     404    404    404     404    404      422       422
POST /support/invoices/write-offs/<write_off_id>/approval 303 404 404   404     404    404      303       303
POST /support/invoices/write-offs/<write_off_id>/rejection 303 404 404  404     404    404      422       422
POST /support/invoices/write-offs/<write_off_id>/reversal 303 404 404   404     404    404      422       422
GET  /support/invoices/import                      303     404    404    404     404    404      200       200
POST /support/invoices/import                      303     404    404    404     404    404      422       422
GET  /support/invoices/import/<file_id>            303     404    404    404     404    404      404       404
GET  /support/invoices/import/<file_id>/corrected.csv 303  404    404    404     404    404      404       404
POST /support/invoices/import/<file_id>            303     404    404    404     404    404      404       404
GET  /support/answer-blocks                        303     404    404    404     404    404      404       200
GET  /support/answer-blocks/new                    303     404    404    404     404    404      404       200
POST /support/answer-blocks/new                    303     404    404    404     404    404      404       422
GET  /support/answer-blocks/<block_id>             303     404    404    404     404    404      404       200
POST /support/answer-blocks/<block_id>             303     404    404    404     404    404      404       422
POST /support/answer-blocks/<block_id>/retirement  303     404    404    404     404    404      404       303
POST /support/answer-blocks/<block_id>/return      303     404    404    404     404    404      404       303
GET  /support/refunds                              303     404    404    404     404    200      200       200
GET  /support/refunds.csv                          303     404    404    404     404    200      200       200
POST /support/refunds/decisions                    303     404    404    404     404    422      422       422
POST /support/lists/<name>/views                   303     404    404    404     404    303      303       303
POST /support/lists/<name>/views/<view_id>/removal 303     404    404    404     404    303      303       303
GET  /support/payments                             303     404    404    404     404    200      200       200
GET  /support/payments/list.csv                    303     404    404    404     404    200      200       200
GET  /support/customers                            303     404    404    404     404    200      200       200
GET  /support/customers/list.csv                   303     404    404    404     404    200      200       200
GET  /support/refunds/all                          303     404    404    404     404    200      200       200
GET  /support/refunds/all.csv                      303     404    404    404     404    200      200       200
GET  /support/documents                            303     404    404    404     404    200      200       200
GET  /support/documents/list.csv                   303     404    404    404     404    200      200       200
GET  /support/disputes/list.csv                    303     404    404    404     404    200      200       200
GET  /support/books/payouts.csv                    303     404    404    404     404    404      200       200
GET  /support/mails/sent                           303     404    404    404     404    200      200       200
GET  /support/mails/sent.csv                       303     404    404    404     404    200      200       200
GET  /support/mails/unsent                         303     404    404    404     404    200      200       200
GET  /support/mails/unsent.csv                     303     404    404    404     404    200      200       200
GET  /support/invoices/list.csv                    303     404    404    404     404    200      200       200
GET  /support/refunds/decisions                    303     404    404    404     404    200      200       200
POST /support/refunds/decisions/undo               303     404    404    404     404    303      303       303
POST /support/refunds/<refund_id>/assignment       303     404    404    404     404    303      303       303
POST /support/refunds/<refund_id>/question         303     404    404    404     404    422      422       422
GET  /support/refunds/<refund_id>                  303     404    404    404     404    200      200       200
GET  /support/refunds/<refund_id>/decision         303     404    404    404     404    200      200       200
GET  /support/refunds/<refund_id>/next             303     404    404    404     404    303      303       303
POST /support/refunds/<refund_id>/undo             303     404    404    404     404    303      303       303
POST /support/refunds/<refund_id>/claim            303     404    404    404     404    303      303       303
POST /support/refunds/<refund_id>/release          303     404    404    404     404    303      303       303
POST /support/refunds/<refund_id>/approval         303     404    404    404     404    409      409       409
POST /support/refunds/<refund_id>/rejection        303     404    404    404     404    422      422       422
POST /support/refunds/<refund_id>/new-attempt      303     404    404    404     404    404      503       503
POST /support/refunds/<refund_id>/abandonment      303     404    404    404     404    404      503       503
POST /support/refunds/<refund_id>/replacement      303     404    404    404     404    303      303       303
POST /support/refunds/<refund_id>/outside-payment  303     404    404    404     404    404      303       303
POST /support/refunds/<refund_id>/closure          303     404    404    404     404    404      303       303
POST /support/refunds/<refund_id>/review/lift     303     404    404    404     404    404      303       303
GET  /support/payments/<payment_id>/refund         303     404    404    404     404    200      200       200
POST /support/payments/<payment_id>/refund         303     404    404    404     404    422      422       422
GET  /support/disputes                             303     404    404    404     404    200      200       200
GET  /support/disputes/<dispute_id>                303     404    404    404     404    200      200       200
GET  /support/disputes/<dispute_id>/evidence       303     404    404    404     404    200      200       200
POST /support/disputes/<dispute_id>/evidence       303     404    404    404     404    422      422       422
GET  /support/disputes/<dispute_id>/evidence/state 303     404    404    404     404    200      200       200
POST /support/disputes/<dispute_id>/evidence/gathering 303 404    404    404     404    303      303       303
POST /support/disputes/<dispute_id>/evidence/proposal/withdrawal 303 404 404 404 404    303      303       303
POST /support/disputes/<dispute_id>/evidence/approval 303  404    404    404     404    404      303       303
GET  /support/disputes/of-customer/<customer_id>   303     404    404    404     404    200      200       200
GET  /support/api-clients                          303     404    404    404     404    404      404       200
GET  /support/api-clients/new                      303     404    404    404     404    404      404       200
POST /support/api-clients/new                      303     404    404    404     404    404      404       422
POST /support/api-clients/<client_id>/secret       303     404    404    404     404    404      404       200
POST /support/api-clients/<client_id>/revocation   303     404    404    404     404    404      404       303
GET  /support/staff                                303     404    404    404     404    404      404       200
POST /support/staff                                303     404    404    404     404    404      404       422
POST /support/staff/<staff_id>/role                303     404    404    404     404    404      404       422
POST /support/staff/<staff_id>/invitation          303     404    404    404     404    404      404       409
POST /support/staff/<staff_id>/access/end          303     404    404    404     404    404      404       303
POST /support/staff/<staff_id>/access/restoration  303     404    404    404     404    404      404       303
POST /support/staff/<staff_id>/second-factor/reset 303     404    404    404     404    404      404       409
POST /support/staff/<staff_id>/second-factor/reset/confirmation 303 404 404 404 404    404      404       409
POST /support/staff/<staff_id>/second-factor/reset/withdrawal 303 404 404 404   404    404      404       303
GET  /support/staff/<staff_id>                     303     404    404    404     404    404      404       200
POST /support/staff/<staff_id>/sessions/<session_id>/end 303 404 404    404     404    404      404       303
POST /support/staff/<staff_id>/apps/<grant_id>/end 303     404    404    404     404    404      404       404
GET  /verify                                       200     200    200    200     200    200      200       200
POST /verify                                       422     422    422    422     422    422      422       422
GET  /verify/<path:document_code>                  200     200    200    200     200    200      200       200
GET  /.well-known/document-signing-certificate.pem 200     200    200    200     200    200      200       200
POST /verify/file                                  422     422    422    422     422    422      422       422
GET  /support/operations                           303     404    404    404     404    200      200       200
GET  /support/operations/events                    303     404    404    404     404    200      200       200
GET  /support/operations/events/<event_id>         303     404    404    404     404    200      200       200
POST /support/operations/events/<event_id>/replays 303     404    404    404     404    404      303       303
GET  /support/operations/deliveries                303     404    404    404     404    200      200       200
GET  /support/operations/deliveries/<delivery_id>  303     404    404    404     404    200      200       200
POST /support/operations/deliveries/<delivery_id>/replays 303 404 404    404     404    404      303       303
GET  /support/operations/jobs                      303     404    404    404     404    200      200       200
POST /support/operations/jobs/<job_id>/attempts    303     404    404    404     404    404      303       303
POST /support/operations/jobs/kinds/<kind>/attempts 303   404    404    404     404    404      303       303
GET  /support/operations/review                    303     404    404    404     404    200      200       200
GET  /support/operations/settings                  303     404    404    404     404    404      404       200
GET  /support/operations/audit                     303     404    404    404     404    404      404       200
GET  /support/operations/audit.csv                 303     404    404    404     404    404      404       200
GET  /support/books                                303     404    404    404     404    404      200       200
GET  /support/books/accounts                       303     404    404    404     404    404      200       200
GET  /support/books/documents.csv                  303     404    404    404     404    404      200       200
GET  /support/books/datev.csv                      303     404    404    404     404    404      422       422
GET  /support/books/accounts.csv                   303     404    404    404     404    404      200       200
GET  /support/books/payouts                        303     404    404    404     404    404      200       200
GET  /support/books/postings                       303     404    404    404     404    404      200       200
GET  /support/books/postings.csv                   303     404    404    404     404    404      200       200
GET  /support/books/transactions                   303     404    404    404     404    404      200       200
GET  /support/books/transactions.csv               303     404    404    404     404    404      200       200
GET  /support/books/reconciliations                303     404    404    404     404    404      200       200
POST /support/books/reconciliations                303     404    404    404     404    404      303       303
GET  /support/books/discrepancies/<discrepancy_id> 303     404    404    404     404    404      200       200
POST /support/books/discrepancies/<discrepancy_id>/resolution 303  404    404    404     404    404      422       422
GET  /support/books/packs                          303     404    404    404     404    404      200       200
POST /support/books/packs                          303     404    404    404     404    404      422       422
GET  /support/books/packs/<pack_id>                303     404    404    404     404    404      200       200
GET  /support/books/packs/<pack_id>/file           303     404    404    404     404    404      200       200
GET  /.well-known/books-signing-key.pem            200     200    200    200     200    200      200       200
GET  /api/docs                                     200     200    200    200     200    200      200       200
POST /api/webhooks/stripe                          400     400    400    400     400    400      400       400
POST /account/webhooks/<endpoint_id>/removal       303     303    403    403     404    403      403       403
POST /sign-out                                     303     303    303    303     303    303      303       303
"""


CARD = "method_of_the_customer"


def read(table: str) -> dict[tuple[str, str], tuple[int, ...]]:
    """(method, route) → the status for each of EVERYONE, who stand in the table's head."""
    rows = [line.split() for line in table.strip().splitlines()[1:]]
    assert all(len(row) == 2 + len(EVERYONE) for row in rows), "a route needs a status for each"
    return {(method, route): tuple(map(int, statuses)) for method, route, *statuses in rows}


EVERYONE = TABLE.strip().splitlines()[0].split()
EXPECTED = read(TABLE)


@dataclass
class House:
    """A customer with one of everything, another customer, and staff: each of EVERYONE has a browser."""

    app: Flask
    ids: dict[str, str]
    browsers: dict[str, FlaskClient]

    @property
    def nobody(self) -> FlaskClient:
        return self.browsers["nobody"]

    @property
    def owner(self) -> FlaskClient:
        return self.browsers["owner"]

    @property
    def other(self) -> FlaskClient:
        return self.browsers["other"]

    def address(self, rule: Rule | str, **ids: str) -> str:
        return re.sub(r"<(?:path:)?(\w+)>", lambda found: (self.ids | ids)[found[1]], str(rule))


@pytest.fixture
def house(app: Flask) -> House:
    with db.transaction() as session:
        customer, stranger = factories.customer(session), factories.customer(session, name="Elbe Boats AG")
        paid = factories.invoice(session, customer, status="paid", paid_at=clock.now())
        payment = factories.payment(session, customer, paid)
        card = PaymentMethod(
            id=CARD, customer_id=customer.id, stripe_payment_method_id="pm_1", brand="visa", last4="4242",
            exp_month=12, exp_year=2099, created_at=clock.now(),
        )  # fmt: skip
        now = clock.now()
        setup = PaymentMethodSetup(
            id=new_id("set"), customer_id=customer.id, client_key="a-page-of-ada", created_at=now, updated_at=now
        )
        event = factories.stripe_event(session)
        delivery = factories.delivery(session, customer)
        job = factories.failed_job(session)
        session.add_all([card, setup])
        ids = {
            "invoice_id": (invoice_id := factories.invoice(session, customer).id),
            "selection": invoice_id,
            "payment_id": payment.id,
            "payment_method_id": card.id,
            "setup_id": setup.id,
            "customer_id": customer.id,
            "refund_id": factories.refund(session, payment, status="requested", amount_minor=5_00).id,
            "dispute_id": factories.evidence(session, factories.dispute(session, payment)).dispute_id,
            "name": "payments",
            "kind": job.name,
            "noun": "customers",
            "file_id": "fil_1",
            "preview_id": "ipv_1",
            "event_id": event.id,
            "job_id": job.id,
            "delivery_id": delivery.id,
            "endpoint_id": delivery.endpoint_id,
            "recipient_id": factories.recipient(session, customer, confirmed_at=None).id,
            "link_id": "plk_1",
            "token": "x" * 43,
            "view_id": "view_1",
            "user_id": factories.user(session, customer, "viewer", password=None).id,
            "session_id": "0" * 16,
            "staff_id": factories.staff(session, name="Uwe Former").id,
            "code": "en",
            "syntax": "cii",
        }
        people = {role: factories.user(session, customer, role) for role in ("owner", "payer", "viewer")}
        people["other"] = factories.user(session, stranger)
        people |= {role: factories.staff(session, role) for role in ("support", "approver", "admin")}
        pack = Pack(
            id=new_id("pck"), month=date(2026, 1, 1), status="ready", requested_by=people["admin"].id, requested_at=now,
            made_at=now, size=3, attempt=1,
        )  # fmt: skip
        ids["pack_id"] = pack.id
        discrepancy = Discrepancy(
            id=new_id("fnd"), code="charged_twice", subject=payment.id, fingerprint="", payment_id=payment.id, found_at=now,
            seen_at=now, facts={"payment": payment.id, "first": "pay_1", "amount_minor": 119_00, "currency": "eur"},
        )  # fmt: skip
        archive = DocumentArchive(
            id=new_id("zip"), customer_id=customer.id, status="ready", requested_by=people["owner"].id, requested_at=now,
            made_at=now, size=3, attempt=1, wanted={},
        )  # fmt: skip
        ids["archive_id"] = archive.id
        data_file = PersonalDataFile(
            id=new_id("pdf"), customer_id=customer.id, status="ready", requested_by=people["owner"].id, requested_at=now,
            made_at=now, size=3, attempt=1,
        )  # fmt: skip
        ids["data_file_id"] = data_file.id
        statement = StatementFile(
            id=new_id("stm"), customer_id=customer.id, status="ready", requested_by=people["owner"].id, requested_at=now,
            made_at=now, size=3, attempt=1, currency="eur", since=date(2026, 1, 1), until=date(2026, 1, 31),
        )  # fmt: skip
        ids["statement_id"] = statement.id
        confirmation = BalanceConfirmation(
            id=new_id("bcf"), customer_id=customer.id, requested_by=people["admin"].id, day=date(2026, 1, 31), made_at=now,
            language="en", company="Nordlicht", customer_name=customer.name, balances={"eur": 119_00}, code="0" * 20, pdf=b"PDF",
            pdf_sha256="0" * 64,
        )  # fmt: skip
        ids["confirmation_id"] = confirmation.id
        ids["discrepancy_id"] = discrepancy.id
        session.add(discrepancy)
        session.add_all([pack, archive, data_file, statement, confirmation])
        session.flush()
        session.add(StatementFilePart(file_id=statement.id, attempt=1, number=0, content=b"PDF"))
        session.add(PersonalDataFilePart(file_id=data_file.id, attempt=1, number=0, content=b"ZIP"))
        session.add(DocumentArchivePart(archive_id=archive.id, attempt=1, number=0, content=b"ZIP"))
        session.add(PackPart(pack_id=pack.id, attempt=1, number=0, content=b"ZIP"))
        session.add(
            Passkey(
                id="key_of_the_owner", user_id=people["owner"].id, name="Phone", public_key=b"", sign_count=0, is_synced=True,
                created_at=now,
            )
        )  # fmt: skip
        ids["passkey_id"] = "key_of_the_owner"
        record = OutsidePayment(
            id="out_1", invoice_id=paid.id, status="reversed", amount_minor=1_00, currency="eur", how="cash",
            paid_on=now.date(), reference="", recorded_by=None, recorded_at=now,
        )  # fmt: skip
        session.add(record)
        ids["record_id"] = record.id
        credit = InvoiceCredit(
            id="icr_1", invoice_id=paid.id, status="rejected", amount_minor=1_00, currency="eur", lines=[], reason="No",
            proposed_by=None, proposed_at=now,
        )  # fmt: skip
        session.add(credit)
        ids["credit_id"] = credit.id
        given_up = WriteOff(
            id="wof_1", invoice_id=paid.id, status="rejected", amount_minor=1_00, currency="eur", reason="No",
            proposed_by=None, proposed_at=now,
        )  # fmt: skip
        session.add(given_up)
        ids["write_off_id"] = given_up.id
    for person in people.values():
        second_factor.begin(person.id)
    ids["document_id"] = receipts.issue(ids["payment_id"])
    ids["item_id"] = price_list.create(ItemDraft("Advice", "", "HUR", 95_00, "eur", 1900, "services")).id
    ids["admin_id"] = people["admin"].id
    ids["client_id"] = api_clients.create("Books", ["invoices:read"], people["admin"].id)[0].id
    ids["block_id"] = answer_blocks.create(
        people["admin"].id, "rejection", "Too late", {"en": "Sorry, {customer}."}, client_key=new_id("key")
    )
    ids["grant_id"] = app_grants.sign_in(
        people["owner"].email, factories.PASSWORD, code=None, wanted=None, ip="", user_agent=""
    ).id
    with db.transaction() as session:
        another_browser = sessions.start(session, session.get_one(User, people["owner"].id), ip="", user_agent="")
        ids["session_id"] = sha256(another_browser.encode()).hexdigest()[:16]
        receipt = session.get_one(PaymentDocument, ids["document_id"])
        ids["document_code"] = receipt.code_text
        receipt.pdf, receipt.pdf_sha256 = b"%PDF-1.7", sha256(b"%PDF-1.7").hexdigest()
    browsers = {who: FlaskClient(app, app.response_class) for who in EVERYONE}
    for who, person in people.items():
        factories.sign_in(browsers[who], person)
    return House(app, ids, browsers)


def routes(app: Flask) -> Iterator[tuple[str, str]]:
    """All but the API's operations, which ask for a token: their table is in tests/api/test_access.py."""
    for rule in app.url_map.iter_rules():
        if hasattr(app.view_functions[rule.endpoint], "operation"):
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, rule.rule


def ask(browser: FlaskClient, method: str, address: str, data: dict[str, str] | None = None) -> TestResponse:
    if method == "GET":
        return browser.get(address)
    form = {"client_key": new_id("click"), "payment_method_id": CARD, **(data or {})}
    return browser.open(address, method=method, data=form, headers={"X-CSRFToken": factories.csrf_token(browser)})


def everything(*, without: frozenset[str] = frozenset()) -> dict[str, list[Any]]:
    """All rows of all tables, without these columns."""
    with db.reading() as session:
        return {
            table.name: [
                tuple(row)
                for row in session.execute(
                    select(*[column for column in table.columns if column.name not in without]).order_by(
                        *table.primary_key
                    )
                )
            ]
            for table in Base.metadata.sorted_tables
        }


def test_every_route_is_in_the_table_and_the_table_names_no_other(app: Flask) -> None:
    assert set(routes(app)) == set(EXPECTED)


def test_everyone_gets_what_the_table_says_and_nothing_else(house: House) -> None:
    found: dict[tuple[str, str], tuple[int, ...]] = {}
    for method, rule in EXPECTED:
        answers = [ask(browser, method, house.address(rule)) for browser in house.browsers.values()]
        found[method, rule] = tuple(answer.status_code for answer in answers)
        if answers[0].status_code == 303 and answers[1].status_code != 303:
            assert answers[0].location.startswith("/sign-in"), rule
    assert {route: found[route] for route in EXPECTED if found[route] != EXPECTED[route]} == {}


def test_each_page_of_the_desk_is_open_to_the_roles_that_have_its_permission(app: Flask) -> None:
    """The columns of staff say the same as the table of permissions; no page of the desk is without one."""
    roles = [role for role in STAFF_ROLES if role in EVERYONE]
    for rule in app.url_map.iter_rules():
        permission = guards.permission_of(app.view_functions[rule.endpoint])
        assert (permission is not None) == rule.rule.startswith("/support"), rule.rule
        if permission is None:
            continue
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            statuses = EXPECTED[method, rule.rule]
            if statuses[EVERYONE.index("admin")] != 404:
                opened = {role for role in roles if statuses[EVERYONE.index(role)] != 404}
                assert opened == {role for role in roles if may(role, permission)}, (method, rule.rule)


def test_finance_sees_what_others_see_and_changes_nothing(house: House, app: Flask) -> None:
    """What its permissions open answers as for an admin; to nothing else of the desk is there a way."""
    with db.transaction() as session:
        bookkeeper = factories.staff(session, "finance")
    second_factor.begin(bookkeeper.id)
    browser = FlaskClient(app, app.response_class)
    factories.sign_in(browser, bookkeeper)
    changing = set()
    for rule in app.url_map.iter_rules():
        permission = guards.permission_of(app.view_functions[rule.endpoint])
        if permission is None:
            continue
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            expected = EXPECTED[method, rule.rule][EVERYONE.index("admin")] if may("finance", permission) else 404
            assert ask(browser, method, house.address(rule)).status_code == expected, (method, rule.rule)
            if method != "GET" and expected != 404:
                changing.add(rule.rule)
    views = {"/support/lists/<name>/views", "/support/lists/<name>/views/<view_id>/removal"}
    files = {
        "/support/books/packs",
        "/support/customers/<customer_id>/statement/files",
        "/support/customers/<customer_id>/balance-confirmations",
    }
    assert changing == files | {"/support/mails"} | views, (
        "files of their own, the mails that they get themselves, and their saved views"
    )


def test_a_token_of_the_api_opens_no_page(house: House) -> None:
    """An API client, or an app that someone has signed in with, is nobody here."""
    client, secret = api_clients.create("Books", policy.API_CLIENT_SCOPES, house.ids["admin_id"])
    for claimed in (tokens.sign(client.id, policy.API_CLIENT_SCOPES), secret):
        bearer = FlaskClient(house.app, house.app.response_class)
        bearer.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {claimed}"
        for method, rule in EXPECTED:
            assert ask(bearer, method, house.address(rule)).status_code == EXPECTED[method, rule][0], (method, rule)


def test_nobody_is_offered_what_they_are_refused(house: House, app: Flask) -> None:
    """Every link, form and htmx request of every page that a role may open leads on for that role, whatever a payment's state."""
    with db.transaction() as session:
        invoice = session.get_one(Invoice, house.ids["invoice_id"])
        customer = session.get_one(Customer, invoice.customer_id)
        states = ("created", "requires_payment_method", "requires_action", "processing", "canceled", "succeeded")
        more = [
            factories.payment(session, customer, status=status, stripe_intent_id=None, failure_code="card_declined").id
            for status in states
        ]
        more.append(factories.payment(session, customer, invoice, status="requires_action", stripe_intent_id=None).id)
        session.get_one(PaymentMethodSetup, house.ids["setup_id"]).status = SetupStatus.REQUIRES_PAYMENT_METHOD
    where = app.url_map.bind("")
    offered, beyond = 0, set()
    with db.transaction() as session:
        bookkeeper = factories.staff(session, "finance")
    second_factor.begin(bookkeeper.id)
    house.browsers["finance"] = FlaskClient(app, app.response_class)
    factories.sign_in(house.browsers["finance"], bookkeeper)
    for who in ("owner", "payer", "viewer", *STAFF_ROLES):
        column = EVERYONE.index(who if who in EVERYONE else "support")
        pages = {
            house.address(rule) for (method, rule), codes in EXPECTED.items() if (method, codes[column]) == ("GET", 200)
        }
        if who in STAFF_ROLES:
            pages |= {f"/support/payments/{one}" for one in more}
        else:
            pages |= {f"/payments/{one}{part}" for one in more for part in ("", "/outcome")}
        for address in sorted(pages):
            page = house.browsers[who].get(address)
            if who == "finance" and page.status_code == 404:
                continue
            assert page.status_code == 200, (who, address)
            for method, target in ways_on(page):
                rule, _ids = where.match(urlsplit(target).path, method=method, return_rule=True)
                permission = guards.permission_of(app.view_functions[rule.endpoint])
                if EXPECTED[method, str(rule)][column] == 403 or (permission and not may(who, permission)):
                    beyond.add((str(who), address, target))
                offered += 1
    assert beyond == set()
    assert offered > 500


def ways_on(page: TestResponse) -> Iterator[tuple[str, str]]:
    """(method, address) of what a page of ours leads to."""
    document = html5lib.parse(page.get_data(as_text=True), namespaceHTMLElements=False)
    for element in document.iter():
        for name, method in (("href", "GET"), ("hx-get", "GET"), ("action", element.get("method", "get").upper())):
            target = element.get(name, "")
            if target.startswith("/") and not target.startswith("/static/"):
                yield method, target


def normal(answer: TestResponse, *ids: str) -> str:
    """A page without what differs on every request: the request's id, the form's token, and what was asked for."""
    html = re.sub(r'(X-CSRFToken": |name="csrf_token" value=)"[^"]+"', "", answer.get_data(as_text=True))
    for one in (answer.headers["X-Request-Id"], *ids):
        html = html.replace(one, "…")
    return html


def test_what_is_someone_elses_looks_like_what_does_not_exist(house: House) -> None:
    looked_at = 0
    for method, rule in EXPECTED:
        arguments = [name for name in re.findall(r"<(\w+)>", rule) if name.endswith("_id")]
        if not arguments:
            continue
        for argument in arguments:
            foreign = house.ids[argument]
            missing = foreign[:-8] + "00000000"
            answers = [ask(house.other, method, house.address(rule, **{argument: one})) for one in (foreign, missing)]
            assert [answer.status_code for answer in answers] == [404, 404], rule
            assert normal(answers[0], foreign, missing) == normal(answers[1], foreign, missing), rule
            assert foreign not in normal(answers[0], foreign)
        looked_at += 1
    assert looked_at >= 12


# A condition that holds rows against their owner, as PostgreSQL is sent it.
OF_OWNER = re.compile(r"(?<![\w.])(?:\w+\.)?(?:customer_id|user_id) = %\(\w+\)s(?:::VARCHAR)?")


def seen_of_another(house: House) -> set[str]:
    """What a person of another customer is shown of this one where no question says any more whose rows it wants."""
    event.listen(db.engine(), "before_cursor_execute", without_owners, retval=True)
    names = {
        value
        for name, value in house.ids.items()
        if len(value) > 20 and name not in {"token", "admin_id", "document_code"}
    }
    pages = (house.other.get(house.address(rule)) for method, rule in EXPECTED if method == "GET")
    shown = [answer.get_data(as_text=True).replace(answer.request.path, "") for answer in pages]
    return {name for html in shown for name in names if name in html}


def without_owners(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
) -> tuple[str, Any]:
    return OF_OWNER.sub("TRUE", statement), parameters


@pytest.mark.database("postgresql")
def test_where_no_question_names_its_owner_the_database_still_keeps_customers_apart(house: House) -> None:
    assert seen_of_another(house) == set()


@pytest.mark.owner
@pytest.mark.database("postgresql")
def test_without_the_wall_all_of_it_would_be_seen(house: House) -> None:
    assert len(seen_of_another(house)) > 5


GARBAGE = ("0", "%00", "%27%20OR%201=1--", "pay_" + "z" * 300, "%F0%9F%9A%B2", "%2e%2e", "..%5c..", "<script>")


def test_ids_that_nobody_gave_out_are_not_found(house: House) -> None:
    for rule in {rule for method, rule in EXPECTED if method == "GET" and re.search(r"<\w+_id>", rule)}:
        for garbage in GARBAGE:
            answer = house.owner.get(re.sub(r"<\w+>", garbage, rule))
            assert answer.status_code == 404, (rule, garbage)
            assert "<script>" not in answer.get_data(as_text=True)


# Dates, numbers and texts that no page sends: beyond what a calendar, a column or UTF-8 can hold.
ABSURD = (
    "0001-01-01",
    "9999-12-31",
    "9999-12",
    "-1",
    "9" * 5_000,
    "1e999999999",
    "NaN",
    "\0",
    b"\xed\xa0\x80",
    "٣" * 20,
)
# What views read by themselves, besides the fields of forms.
READ_BY_VIEWS = {
    "after", "agree", "agreed", "amount", "as_it_is", "before", "checking", "client_key", "failed", "finish", "for", "key",
    "method", "next", "note", "now", "open", "outcome", "page", "paid_on", "payment_method_id", "poll", "polls", "rejection",
    "save_card", "show", "theme",
}  # fmt: skip


def names_of_fields() -> list[str]:
    """The names of all that can be typed into forms and addresses."""
    fields = {
        name for form in kinds(PortalForm) for name, field in vars(form).items() if isinstance(field, UnboundField)
    }
    return sorted(fields | READ_BY_VIEWS)


def kinds(kind: type) -> Iterator[type]:
    children: list[type] = kind.__subclasses__()
    for child in children:
        yield child
        yield from kinds(child)


def is_refused_to_some(statuses: tuple[int, ...], column: int) -> bool:
    """Whether these are refused what others are not."""
    refusals = {403, 404}
    return statuses[column] in refusals and not refusals.issuperset(statuses)


@pytest.mark.database("postgresql")  # which is the stricter one
@pytest.mark.parametrize("who", ["owner", "admin"])
def test_absurd_dates_numbers_and_texts_are_no_mistake_of_ours(house: House, who: str) -> None:
    names, browser = names_of_fields(), house.browsers[who]
    assert {"paid_on", "password", "month"} <= set(names)
    prefixes = ("", "profile-", "new-", f"{house.ids['user_id']}-", f"{house.ids['staff_id']}-")
    column = EVERYONE.index(who)
    for turn in range(len(ABSURD)):
        # Each name has each of them in one turn, so that no address holds five thousand digits for each name.
        values = [(name, ABSURD[(turn + place) % len(ABSURD)]) for place, name in enumerate(names)]
        asked = "&".join(f"{name}={quote_plus(value)}" for name, value in values)
        typed = "&".join(f"{prefix}{name}={quote_plus(value[:400])}" for prefix in prefixes for name, value in values)
        token = {"X-CSRFToken": factories.csrf_token(browser)}
        for method, rule in EXPECTED:
            if turn and is_refused_to_some(EXPECTED[method, rule], column):
                continue  # who may not is refused before anything is read
            if method == "GET":
                answer = browser.get(house.address(rule), query_string=asked)
            elif rule.startswith(("/sign-out", "/account/sessions", "/password")):
                continue
            else:
                form: dict[str, Any] = {"data": typed, "content_type": "application/x-www-form-urlencoded"}
                answer = browser.open(house.address(rule), method=method, headers=token, **form)
            # Stripe is not there.
            assert answer.status_code < 500 or answer.status_code == 503, (method, rule, turn)
        assert browser.post("/account/profile", headers=token).status_code == 422, "what was sent had the right token"


# What a program presses for whoever reads a mail: it has no form, but a link that is signed.
# Stripe's webhook has a signature; what browsers report of pages changes nothing.
WITHOUT_FORM = {"/api/webhooks/stripe": 400, "/csp-reports": 204}
OPENED_BY_LINK = ("/mails/unsubscribe/<token>",)


def test_a_form_without_its_token_is_refused_and_changes_nothing(house: House) -> None:
    before = everything()
    for method, rule in EXPECTED:
        if method == "GET":
            continue
        for browser in (house.nobody, house.owner):
            answer = browser.open(house.address(rule), method=method, data={"email": "ada@spree-bikes.test"})
            assert answer.status_code == (WITHOUT_FORM | dict.fromkeys(OPENED_BY_LINK, 404)).get(rule, 400), rule
    assert everything() == before


def test_what_another_site_sends_is_refused_everywhere_and_changes_nothing(house: House) -> None:
    """With the right token and cookie: what the browser says of where it comes from is enough."""
    before = everything()
    for method, rule in EXPECTED:
        if method == "GET":
            continue
        for headers in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}):
            token = {"X-CSRFToken": factories.csrf_token(house.owner)}
            answer = house.owner.open(house.address(rule), method=method, headers=headers | token)
            # Stripe's webhook has a signature, and takes no cookie.
            assert answer.status_code == 400, (method, rule)
    assert everything() == before


def test_a_token_of_another_browser_is_worth_nothing(house: House) -> None:
    token = factories.csrf_token(house.other)
    before = everything()
    for method, rule in EXPECTED:
        if method == "POST":
            answer = house.owner.post(house.address(rule), headers={"X-CSRFToken": token})
            # Led back to a form that is drawn anew.
            others = WITHOUT_FORM | dict.fromkeys(OPENED_BY_LINK, 404)
            assert answer.status_code == others.get(rule, 303), rule
    assert everything() == before


def test_looking_changes_nothing(house: House) -> None:
    assert left_by_looking(house, house.nobody) == set()
    # When its customer has taken a document home is kept for staff.
    assert left_by_looking(house, house.owner, but="document_downloads") == {
        "document_archive.downloaded", "statement.downloaded", "personal_data.downloaded",
    }  # fmt: skip


def test_staff_who_look_leave_nothing_but_that_they_have_looked(house: House) -> None:
    # What they have opened last is kept for themselves.
    assert left_by_looking(house, house.browsers["admin"], but="recent_subjects") == {
        "staff.viewed", "audit.exported", "books.exported", "refunds.exported", "list.exported", "pack.downloaded",
        "access.refused", "statement.downloaded", "balance.confirmation_downloaded", "personal_data.downloaded",
    }  # fmt: skip


def left_by_looking(house: House, browser: FlaskClient, but: str = "") -> set[str]:
    """What is in the audit trail after this browser has asked for everything; no other row has changed, `but` those of this table."""
    unimportant = frozenset({"last_seen_at"})
    before = everything(without=unimportant)
    look_everywhere(browser, house)
    after = everything(without=unimportant)
    trail = after.pop("audit_events")[len(before.pop("audit_events")) :]
    for table in {"audit_head", but} - {""}:
        del before[table], after[table]
    assert after == before
    action = list(Base.metadata.tables["audit_events"].columns.keys()).index("action")
    return {event[action] for event in trail}


def look_everywhere(browser: FlaskClient, house: House) -> None:
    for method, rule in EXPECTED:
        if method == "GET":
            browser.get(house.address(rule))
            browser.head(house.address(rule))


def test_extra_fields_change_nothing_that_is_not_in_the_form(house: House) -> None:
    smuggled = {
        "id": "usr_1", "customer_id": house.ids["invoice_id"], "role": "admin", "is_staff": "1", "active": "0",
        "amount": "1", "amount_minor": "1", "total_minor": "1", "currency": "jpy", "status": "succeeded",
        "stripe_customer_id": "cus_1", "password_hash": "x",
    }  # fmt: skip
    before = everything(without=frozenset({"last_seen_at"}))
    for method, rule in EXPECTED:
        if method == "POST" and not rule.startswith(
            (
                "/sign-out",
                "/account/sessions",
                "/account/notifications",
                "/account/shortcuts",
                "/account/people/",
                "/payment-methods/",
            )
        ):
            ask(house.owner, method, house.address(rule), data=smuggled)
    after = everything(without=frozenset({"last_seen_at"}))
    for table in ("users", "customers", "invoices", "documents", "payment_methods", "postings"):
        assert after[table] == before[table], table
    with db.reading() as session:  # the open invoice is being paid, in full
        (started,) = session.execute(select(Payment).where(payments.is_of_invoice(house.ids["invoice_id"]))).scalars()
    assert (started.amount, started.status) == (Money(119_00, "eur"), "created")
    assert len(after["payments"]) == len(before["payments"]) + 1
