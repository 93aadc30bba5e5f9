"""The blocks that staff answer with, as admins write them: which there are, a new one, changing, retiring."""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import config, db
from portal.core.errors import Conflict, Invalid
from portal.core.permissions import Permission
from portal.identity import queries as users
from portal.refunds import answer_blocks, block_forms
from portal.refunds.block_forms import AnswerBlockForm
from portal.web import lists
from portal.web.guards import staff_only
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("support_answer_blocks", __name__, url_prefix="/support/answer-blocks")


@bp.get("")
@staff_only(Permission.WRITE_ANSWER_BLOCKS)
def index() -> Response:
    with db.reading() as session:
        found = answer_blocks.newest(session, request.args.get("page"))
        names = users.names(session, (block.changed_by for block in found.rows))
    return page(
        "support/answer_blocks/index.html",
        partial="support/answer_blocks/_list.html",
        found=found,
        names=names,
        decisions=block_forms.DECISIONS,
        language_names=_language_names(),
        **lists.pager_links("support_answer_blocks.index", found),
    )


@bp.route("/new", methods=["GET", "POST"])
@limiter.limit("30/minute", methods=["POST"])
@staff_only(Permission.WRITE_ANSWER_BLOCKS)
def new() -> Response | AnyResponse:
    form = block_forms.form()
    if form.validate_on_submit():
        try:
            answer_blocks.create(
                current_user.id, form.decision.data, form.title.data or "", form.texts, client_key=form.key.data or ""
            )
        except Invalid as error:
            form.tell(error)
        else:
            flash(gettext("Saved. Colleagues can choose it from now on."), "success")
            return see_other("support_answer_blocks.index")
    if not form.key.data:
        form.key.data = secrets.token_urlsafe(24)
    return page(
        "support/answer_blocks/edit.html",
        status=422 if form.errors else 200,
        form=form,
        block=None,
        placeholders=answer_blocks.PLACEHOLDERS,
    )


@bp.get("/<block_id>")
@staff_only(Permission.WRITE_ANSWER_BLOCKS)
def show(block_id: str) -> Response:
    return _page(block_id)


@bp.post("/<block_id>")
@limiter.limit("30/minute")
@staff_only(Permission.WRITE_ANSWER_BLOCKS)
def change(block_id: str) -> Response | AnyResponse:
    form = block_forms.form()
    if not form.validate_on_submit():
        return _page(block_id, form)
    try:
        answer_blocks.change(
            block_id, current_user.id, form.shown_version, form.decision.data, form.title.data or "", form.texts
        )
    except (Invalid, Conflict) as error:
        form.tell(error)
        return _page(block_id, form, status=409 if isinstance(error, Conflict) else 422)
    flash(gettext("Saved."), "success")
    return see_other("support_answer_blocks.show", block_id=block_id)


@bp.post("/<block_id>/retirement")
@limiter.limit("30/minute")
@staff_only(Permission.WRITE_ANSWER_BLOCKS)
def retire(block_id: str) -> AnyResponse:
    answer_blocks.retire(block_id)
    flash(gettext("Retired. It is offered to nobody any more."), "success")
    return see_other("support_answer_blocks.index")


@bp.post("/<block_id>/return")
@limiter.limit("30/minute")
@staff_only(Permission.WRITE_ANSWER_BLOCKS)
def bring_back(block_id: str) -> AnyResponse:
    try:
        answer_blocks.bring_back(block_id)
    except Invalid as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(gettext("In use again."), "success")
    return see_other("support_answer_blocks.show", block_id=block_id)


def _page(block_id: str, form: AnswerBlockForm | None = None, status: int = 422) -> Response:
    """With what was typed where it was refused, and how each kept text reads."""
    with db.reading() as session:
        block = answer_blocks.by_id(session, block_id)
        names = users.names(session, [block.changed_by])
    is_refused = form is not None
    if form is None:
        form = block_forms.form()
        form.fill(block)
    elif status == 409:  # saving again writes over what the other one has stored
        form.version.data = str(block.version)
    previews = [
        (code, name, answer_blocks.fill(block.texts[code], answer_blocks.examples(code)))
        for code, name in _language_names().items()
        if code in block.texts
    ]
    return page(
        "support/answer_blocks/edit.html",
        status=status if is_refused else 200,
        form=form,
        block=block,
        names=names,
        previews=previews,
        placeholders=answer_blocks.PLACEHOLDERS,
    )


def _language_names() -> dict[str, str]:
    """By code, in the reader's language."""
    return {code: language.name_of(code, reader_language()) for code in config.current().languages}
