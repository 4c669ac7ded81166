"""Dead letters: conversions that were given up on, to be tried again or put aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from docferry.app import bulk
from docferry.app.bulk import Done, Letters
from docferry.app.letters import ANY, letters
from docferry.app.unseen import veiled
from docferry.core.words import counted
from docferry.model import Ulid
from docferry.web.pages.visit import SendingOperator, Viewer, Visitor

router = APIRouter()

_MOST = 200

_Chosen = Annotated[list[Ulid] | None, Form(alias="job")]


@router.get("/letters")
def show_letters(visitor: Viewer) -> Response:
    mine = set(visitor.asker.mirrors)
    found = [one for one in letters(visitor.asker.ledger, ANY) if one.mirror in mine]
    rules = {rule.name for rule in visitor.asker.config.converts}
    return visitor.page(
        "letters.html",
        letters=[veiled(one, visitor.asker.sees) for one in found[:_MOST]],
        hidden=max(0, len(found) - _MOST),
        rules=rules,
    )


@router.post("/letters/replay")
def replay(visitor: SendingOperator, chosen: _Chosen = None) -> RedirectResponse:
    asker = visitor.asker

    def act(meant: Letters, at: datetime) -> Done:
        return bulk.replay(asker.config, asker.ledger, meant, at)

    return _decided(visitor, chosen or [], act, "queued again")


@router.post("/letters/discard")
def discard(
    visitor: SendingOperator,
    chosen: _Chosen = None,
    *,
    is_sure: Annotated[bool, Form(alias="sure")] = False,
) -> Response:
    if chosen and not is_sure:
        return visitor.page("discard_letters.html", chosen=chosen)

    def act(meant: Letters, at: datetime) -> Done:
        return bulk.discard(visitor.asker.ledger, meant, at)

    return _decided(visitor, chosen or [], act, "put aside")


def _decided(
    visitor: Visitor,
    chosen: Sequence[Ulid],
    act: Callable[[Letters, datetime], Done],
    what: str,
) -> RedirectResponse:
    if not chosen:
        return visitor.back("/letters", "Nothing was chosen: tick some letters", is_trouble=True)
    done = act(Letters(visitor.asker.mirrors, chosen), visitor.desk.now())
    visitor.desk.wake_daemon()
    left = [one.why_not for one in done.items if one.why_not is not None]
    count = len(done.items) - len(left)
    text = f"{counted(count, 'letter')} {'was' if count == 1 else 'were'} {what}"
    if left:
        text += f"; {len(left)} stayed: {left[0]}"
    return visitor.back("/letters", text, is_trouble=bool(left))
