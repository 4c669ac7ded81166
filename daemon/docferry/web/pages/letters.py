"""Dead letters: conversions that were given up on, to be tried again or put aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query
from starlette.responses import RedirectResponse, Response

from docferry.app import bulk
from docferry.app.bulk import Done, Letters
from docferry.app.job_list import letters_page
from docferry.app.unseen import veiled
from docferry.core.words import counted
from docferry.model import Ulid
from docferry.web.pages.visit import SendingOperator, Viewer, Visitor
from docferry.web.values import MOST_CURSOR

router = APIRouter()

_PAGE = 100

_Chosen = Annotated[list[Ulid] | None, Form(alias="job")]


@router.get("/letters")
def show_letters(
    visitor: Viewer, cursor: Annotated[str | None, Query(max_length=MOST_CURSOR)] = None
) -> Response:
    asker = visitor.asker
    found = letters_page(asker.ledger, asker.caller.mirrors, None, cursor, _PAGE)
    return visitor.page(
        "letters.html",
        letters=[veiled(one, asker.sees) for one in found.jobs],
        following=found.cursor and "/letters?" + urlencode({"cursor": found.cursor}),
        is_first=cursor is None,
        rules={rule.name for rule in asker.config.converts},
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
    done = act(Letters(visitor.asker.caller.mirrors, chosen), visitor.desk.now())
    visitor.desk.wake_daemon()
    left = [one.why_not for one in done.items if one.why_not is not None]
    count = len(done.items) - len(left)
    text = f"{counted(count, 'letter')} {'was' if count == 1 else 'were'} {what}"
    if left:
        text += f"; {len(left)} stayed: {left[0]}"
    return visitor.back("/letters", text, is_trouble=bool(left))
