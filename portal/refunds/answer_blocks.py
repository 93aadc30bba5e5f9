"""Blocks that staff answer a refund request with: those of the portal, and those that admins write.

A block is chosen on the page of the decision, where it fills the field in the customer's language; what is sent is what stands there then.
Those of admins have a text for one language or more, with placeholders, and are retired rather than deleted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal.content import language
from portal.core import audit, clock, config, db, idempotency, keyset, texts
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.core.money import Money
from portal.identity import queries as users
from portal.refunds.models import AnswerBlock, Decision, Refund

LONGEST_TITLE: Final = 80
# Shorter than what may be sent (asking.LONGEST_TEXT), so that there is room for what is filled in.
LONGEST_TEXT: Final = 1_500
# Of each decision, in use: all of them stand in one list to choose from.
MOST_IN_USE: Final = 50

TOO_MANY: Final = N_("There are %(most)s blocks for this decision already. Retire one first.")
CHANGED: Final = N_(
    "Somebody else has changed this block meanwhile, so yours was not saved. What you typed is still here."
)
NO_TEXT: Final = N_("Please write the text in at least one language.")
UNKNOWN_PLACEHOLDER: Final = N_("There is no placeholder {%(name)s}.")
LOOSE_BRACE: Final = N_("A brace stands alone. Braces enclose placeholders, such as {amount}.")

# What is filled in, by the word that stands in braces in a text, in every language.
PLACEHOLDERS: Final[dict[str, str]] = {
    "customer": N_("the customer’s name"),
    "amount": N_("the amount of the refund"),
    "payment": N_("what was paid for"),
    "paid_on": N_("the day of the payment"),
    "company": N_("our company’s name"),
}
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")

# The portal's own, by decision: what they are called at the desk, and what the customer reads.
_REJECTIONS: Final = (
    (
        N_("Delivered as agreed"),
        N_("By our records this was delivered as agreed. If something is missing, please tell us what and since when."),
    ),
    (
        N_("Asked for too late"),
        N_("The time in which this payment could be refunded is over, so we cannot refund it."),
    ),
    (
        N_("Already refunded"),
        N_("This amount was refunded already. Banks take up to ten business days to show it on your account."),
    ),
    (
        N_("Used already"),
        N_("What you paid for was used already, so we cannot refund the payment."),
    ),
)
_QUESTIONS: Final = (
    (
        N_("What is missing"),
        N_("What exactly did you not receive, and when did you expect it?"),
    ),
    (
        N_("What is wrong"),
        N_("What is not as agreed? A short description helps us to decide quickly."),
    ),
    (
        N_("Which payment was twice"),
        N_("Which other payment was for the same thing? Please give its date or its number."),
    ),
)
BUILT_IN: Final = {Decision.REJECTION: _REJECTIONS, Decision.QUESTION: _QUESTIONS}


@dataclass(frozen=True, slots=True)
class Block:
    """To choose from: `title` is for staff, `text` is filled in and in the `language` that it has, which `falls_back` where it is not the
    customer's."""

    title: str
    text: str
    language: str
    falls_back: bool = False


def offered(session: Session, decision: Decision, refund: Refund, locale: str) -> list[Block]:
    """All blocks in use for this decision about this refund, whose customer and payment are loaded: the portal's own, named in the language
    of staff, and then those of admins by their titles."""
    theirs = language.supported(refund.customer.language)
    built_in = [
        Block(language.translate(title, locale), language.translate(text, theirs), theirs)
        for title, text in BUILT_IN[decision]
    ]
    own = session.scalars(_in_use(decision).limit(MOST_IN_USE))
    return [*built_in, *(_filled(block, refund, theirs) for block in own)]


def _in_use(decision: Decision) -> Select[AnswerBlock]:
    query = select(AnswerBlock).where(AnswerBlock.decision == decision, AnswerBlock.retired_at.is_(None))
    return query.order_by(AnswerBlock.title, AnswerBlock.id)


def _filled(block: AnswerBlock, refund: Refund, theirs: str) -> Block:
    known = [one for one in (theirs, *config.current().languages, *sorted(block.texts)) if one in block.texts]
    code = known[0]
    payment = refund.payment
    facts = {
        "customer": refund.customer.name,
        "amount": language.money_text(refund.amount, code),
        "payment": payment.description,
        "paid_on": language.date_text(payment.succeeded_at or payment.created_at, code),
        "company": config.current().company.name,
    }
    return Block(block.title, fill(block.texts[code], facts), code, falls_back=code != theirs)


def fill(text: str, facts: Mapping[str, str]) -> str:
    """The text with what its placeholders stand for. What is filled in is not looked through again."""
    return _PLACEHOLDER.sub(lambda found: facts.get(found[1], found[0]), text)


def examples(code: str) -> dict[str, str]:
    """What a preview is filled with, in this language."""
    return {
        "customer": language.translate(N_("Example Ltd"), code),
        "amount": language.money_text(Money(48_00, "eur"), code),
        "payment": language.translate(N_("Energy monitoring, November"), code),
        "paid_on": language.date_text(clock.now(), code),
        "company": config.current().company.name,
    }


# Written by admins


def newest(session: Session, cursor: str | None) -> keyset.Page[AnswerBlock]:
    """All of them, the newest first, retired ones too. Raises NotFound for a cursor that nobody gave out."""
    return keyset.page(session, select(AnswerBlock), AnswerBlock.created_at, AnswerBlock.id, cursor)


def by_id(session: Session, block_id: str) -> AnswerBlock:
    """Raises NotFound."""
    block = session.get(AnswerBlock, block_id)
    if block is None:
        raise NotFound
    return block


def create(by: str, decision: str, title: str, written: Mapping[str, str], *, client_key: str) -> str:
    """A block of an admin's; its id. `written` is by language, empty where there is none. The same key again makes nothing.

    Raises Invalid, naming the field ("title", "decision", "text_de").
    """
    idempotency.check_client_key(client_key)
    block_id = f"blk_{hashlib.sha256(f'{by} {client_key}'.encode()).hexdigest()[:26]}"
    with db.transaction() as session:
        users.user(session, by, lock=True)  # where a form that is sent twice at once waits for itself
        if session.get(AnswerBlock, block_id) is not None:
            return block_id
        block = AnswerBlock(id=block_id, created_at=clock.now(), created_by=by, changed_at=clock.now(), changed_by=by)
        block.decision, block.title, block.texts = _checked(decision, title, written)
        _leave_room(session, block.decision)
        session.add(block)
        session.flush()
        facts = {"title": block.title, "decision": str(block.decision), "languages": sorted(block.texts)}
        audit.record(session, "answer_block.created", block_id, facts)
    return block_id


def change(block_id: str, by: str, version: int, decision: str, title: str, written: Mapping[str, str]) -> None:
    """Keep what an admin has changed; nothing changes when nothing differs. `version` is that which was shown.

    Raises NotFound, Conflict when somebody was quicker, and Invalid as `create` does.
    """
    with db.transaction() as session:
        block = _locked(session, block_id)
        before = (block.decision, block.title, block.texts)
        after = _checked(decision, title, written)
        if after == before:
            return
        if block.version != version:
            raise Conflict(CHANGED)
        if block.retired_at is None and block.decision != after[0]:
            _leave_room(session, after[0])
        block.decision, block.title, block.texts = after
        block.version += 1
        block.changed_at, block.changed_by = clock.now(), by
        facts: dict[str, object] = {"title": after[1], "version": block.version}
        facts |= {"renamed": [before[1], after[1]]} if before[1] != after[1] else {}
        facts |= {"decision": [str(before[0]), str(after[0])]} if before[0] != after[0] else {}
        other = sorted(code for code in {*before[2], *after[2]} if before[2].get(code) != after[2].get(code))
        facts |= {"languages": other} if other else {}
        audit.record(session, "answer_block.changed", block_id, facts)


def retire(block_id: str) -> None:
    """It is offered no more; what was sent with it stays. A second call changes nothing. Raises NotFound."""
    with db.transaction() as session:
        block = _locked(session, block_id)
        if block.retired_at is None:
            block.retired_at = clock.now()
            audit.record(session, "answer_block.retired", block_id, {"title": block.title})


def bring_back(block_id: str) -> None:
    """A retired one is offered again; a second call changes nothing. Raises NotFound, and Invalid where there are MOST_IN_USE already."""
    with db.transaction() as session:
        block = _locked(session, block_id)
        if block.retired_at is not None:
            _leave_room(session, block.decision)
            block.retired_at = None
            audit.record(session, "answer_block.brought_back", block_id, {"title": block.title})


def _locked(session: Session, block_id: str) -> AnswerBlock:
    block = session.get(AnswerBlock, block_id, with_for_update=True)
    if block is None:
        raise NotFound
    return block


def _leave_room(session: Session, decision: Decision) -> None:
    in_use = _in_use(decision).with_only_columns(AnswerBlock.id).order_by(None).limit(MOST_IN_USE).subquery()
    if (session.scalar(select(func.count()).select_from(in_use)) or 0) >= MOST_IN_USE:
        raise Invalid(TOO_MANY, field="decision", most=MOST_IN_USE)


def _checked(decision: str, title: str, written: Mapping[str, str]) -> tuple[Decision, str, dict[str, str]]:
    """What is kept. Raises Invalid."""
    if decision not in set(Decision):
        raise Invalid(N_("Please choose what the block is for."), field="decision")
    title = texts.one_line(title, field="title", longest=LONGEST_TITLE, required=True)
    kept = {}
    for code in config.current().languages:
        text = texts.several_lines(written.get(code, ""), field=f"text_{code}", longest=LONGEST_TEXT)
        if text:
            _check_placeholders(text, field=f"text_{code}")
            kept[code] = text
    if not kept:
        raise Invalid(NO_TEXT, field=f"text_{config.current().languages[0]}")
    return Decision(decision), title, kept


def _check_placeholders(text: str, *, field: str) -> None:
    for found in _PLACEHOLDER.finditer(text):
        if found[1] not in PLACEHOLDERS:
            raise Invalid(UNKNOWN_PLACEHOLDER, field=field, name=found[1])
    rest = _PLACEHOLDER.sub("", text)
    if "{" in rest or "}" in rest:
        raise Invalid(LOOSE_BRACE, field=field)
