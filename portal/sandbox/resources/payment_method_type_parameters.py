"""The parameters that each type of payment method beside the card has of its own: its details, and its options in an intent."""

from __future__ import annotations

from collections.abc import Mapping

from portal.sandbox.params import Choice, Hash, Integer, ListOf, Reader, Text, Url, unsupported

IDEAL_BANKS: Mapping[str, str] = {
    "abn_amro": "ABNANL2A",
    "adyen": "ADYBNL2A",
    "asn_bank": "ASNBNL21",
    "bunq": "BUNQNL2A",
    "buut": "BUUTNL2A",
    "finom": "FNOMNL22",
    "handelsbanken": "HANDNL2A",
    "ing": "INGBNL2A",
    "knab": "KNABNL2H",
    "mollie": "MLLENL2A",
    "moneyou": "MOYONL21",
    "n26": "NTSBDEB1",
    "nn": "NNBANL2G",
    "rabobank": "RABONL2U",
    "regiobank": "RBRBNL21",
    "revolut": "REVOLT21",
    "sns_bank": "SNSBNL2A",
    "triodos_bank": "TRIONL2U",
    "van_lanschot": "FVLBNL22",
    "yoursafe": "BITSNL2A",
}
"""The banks of iDEAL and their BICs."""
_EPS_BANKS = (
    "arzte_und_apotheker_bank austrian_anadi_bank_ag bank_austria bankhaus_carl_spangler bankhaus_schelhammer_und_schattera_ag "
    "bawag_psk_ag bks_bank_ag brull_kallmus_bank_ag btv_vier_lander_bank capital_bank_grawe_gruppe_ag deutsche_bank_ag dolomitenbank "
    "easybank_ag erste_bank_und_sparkassen hypo_alpeadriabank_international_ag hypo_bank_burgenland_aktiengesellschaft "
    "hypo_noe_lb_fur_niederosterreich_u_wien hypo_oberosterreich_salzburg_steiermark hypo_tirol_bank_ag hypo_vorarlberg_bank_ag "
    "marchfelder_bank oberbank_ag raiffeisen_bankengruppe_osterreich schoellerbank_ag sparda_bank_wien volksbank_gruppe "
    "volkskreditbank_ag vr_bank_braunau"
).split()
_P24_BANKS = (
    "alior_bank bank_millennium bank_nowy_bfg_sa bank_pekao_sa banki_spbdzielcze blik bnp_paribas boz citi_handlowy credit_agricole "
    "envelobank etransfer_pocztowy24 getin_bank ideabank ing inteligo mbank_mtransfer nest_przelew noble_pay pbac_z_ipko plus_bank "
    "santander_przelew24 tmobile_usbugi_bankowe toyota_bank velobank volkswagen_bank"
).split()
_KLARNA_LOCALES = (
    "cs-CZ da-DK de-AT de-CH de-DE el-GR en-AT en-AU en-BE en-CA en-CH en-CZ en-DE en-DK en-ES en-FI en-FR en-GB en-GR en-IE en-IT "
    "en-NL en-NO en-NZ en-PL en-PT en-RO en-SE en-US es-ES es-US fi-FI fr-BE fr-CA fr-CH fr-FR it-CH it-IT nb-NO nl-BE nl-NL pl-PL "
    "pt-PT ro-RO sv-FI sv-SE"
).split()
_PAYPAL_LOCALES = (
    "cs-CZ da-DK de-AT de-DE de-LU el-GR en-GB en-US es-ES fi-FI fr-BE fr-FR fr-LU hu-HU it-IT nl-BE nl-NL pl-PL pt-PT sk-SK sv-SE"
).split()
_HOLDER_TYPES = Choice(("company", "individual"))
_ACCOUNT_TYPES = Choice(("checking", "savings"))
_NUMBER = Text(34, clearable=False)

DETAILS: Mapping[str, Hash] = {
    "link": Hash({}),
    "sepa_debit": Hash({"iban": Text(64, clearable=False)}, required=("iban",)),
    "us_bank_account": Hash(
        {
            "account_holder_type": _HOLDER_TYPES,
            "account_number": _NUMBER,
            "account_type": _ACCOUNT_TYPES,
            "financial_connections_account": Text(),
            "routing_number": _NUMBER,
        }
    ),
    "bacs_debit": Hash({"account_number": _NUMBER, "sort_code": _NUMBER}),
    "ideal": Hash({"bank": Choice(tuple(IDEAL_BANKS), clearable=True)}),
    "bancontact": Hash({}),
    "eps": Hash({"bank": Choice(tuple(_EPS_BANKS))}),
    "p24": Hash({"bank": Choice(tuple(_P24_BANKS))}),
    "twint": Hash({}),
    "klarna": Hash(
        {"dob": Hash({part: Integer() for part in ("day", "month", "year")}, required=("day", "month", "year"))}
    ),
    "paypal": Hash({}),
}
"""What makes a payment method of each type: `sepa_debit[iban]` and the like."""

CHANGEABLE_DETAILS: Mapping[str, Hash] = {
    "us_bank_account": Hash({"account_holder_type": _HOLDER_TYPES, "account_type": _ACCOUNT_TYPES})
}
"""Of them, what may be changed later."""

_ANY_USE = Choice(("none", "off_session", "on_session"), clearable=True)
_OFF_SESSION = Choice(("none", "off_session"), clearable=True)
_NOT_SAVED = Choice(("none",))
_HOLD = Choice(("manual",), clearable=True)
_PREFIX = Hash({"reference_prefix": Text(12)})
_VERIFICATION = Choice(("automatic", "instant", "microdeposits"))
_CONNECTIONS = Hash(
    {
        "filters": Hash({"account_subcategories": ListOf(_ACCOUNT_TYPES)}),
        "permissions": ListOf(Choice(("balances", "ownership", "payment_method", "transactions"))),
        "prefetch": ListOf(Choice(("balances", "ownership", "transactions"))),
        "return_url": Url(),
    }
)
_PAPER = Hash({"collection_method": Choice(("paper",), clearable=True)})
_LOCALE_OF_KLARNA = Choice(tuple(_KLARNA_LOCALES))

PAYMENT_OPTIONS: Mapping[str, Reader] = {
    "link": Hash({"capture_method": _HOLD, "persistent_token": Text(), "setup_future_usage": _OFF_SESSION}),
    "sepa_debit": Hash(
        {"mandate_options": _PREFIX, "setup_future_usage": _ANY_USE}, unsupported=unsupported("target_date")
    ),
    "us_bank_account": Hash(
        {
            "financial_connections": _CONNECTIONS,
            "mandate_options": _PAPER,
            "networks": Hash({"requested": ListOf(Choice(("ach", "us_domestic_wire")))}),
            "setup_future_usage": _ANY_USE,
            "verification_method": _VERIFICATION,
        },
        unsupported=unsupported("target_date transaction_purpose"),
    ),
    "bacs_debit": Hash(
        {"mandate_options": _PREFIX, "setup_future_usage": _ANY_USE}, unsupported=unsupported("target_date")
    ),
    "ideal": Hash({"setup_future_usage": _OFF_SESSION}),
    "bancontact": Hash({"preferred_language": Choice(("de", "en", "fr", "nl")), "setup_future_usage": _OFF_SESSION}),
    "eps": Hash({"setup_future_usage": _NOT_SAVED}),
    "p24": Hash({"setup_future_usage": _NOT_SAVED}, unsupported=unsupported("tos_shown_and_accepted")),
    "twint": Hash({"setup_future_usage": _OFF_SESSION}),
    "klarna": Hash(
        {"capture_method": _HOLD, "preferred_locale": _LOCALE_OF_KLARNA, "setup_future_usage": _ANY_USE},
        unsupported=unsupported("on_demand subscriptions"),
    ),
    "paypal": Hash(
        {
            "capture_method": _HOLD,
            "preferred_locale": Choice(tuple(_PAYPAL_LOCALES), clearable=True),
            "reference": Text(127),
            "setup_future_usage": _OFF_SESSION,
        },
        unsupported=unsupported("risk_correlation_id"),
    ),
}
SETUP_OPTIONS: Mapping[str, Reader] = {
    "link": Hash({"persistent_token": Text()}),
    "sepa_debit": Hash({"mandate_options": _PREFIX}),
    "us_bank_account": Hash(
        {
            "financial_connections": _CONNECTIONS,
            "mandate_options": _PAPER,
            "networks": Hash({"requested": ListOf(Choice(("ach", "us_domestic_wire")))}),
            "verification_method": _VERIFICATION,
        }
    ),
    "bacs_debit": Hash({"mandate_options": _PREFIX}),
    "klarna": Hash(
        {"currency": Text(3), "preferred_locale": _LOCALE_OF_KLARNA},
        unsupported=unsupported("on_demand subscriptions"),
    ),
    "paypal": Hash({"billing_agreement_id": Text()}),
}
