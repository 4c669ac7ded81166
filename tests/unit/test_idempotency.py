"""Calls that come again are carried out once, and answered the same."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from docferry.app.idempotency import (
    BUSY_FOR,
    Begun,
    Busy,
    Fresh,
    Mismatch,
    Replay,
    begin,
    fingerprint_of,
    finish,
    give_up,
)
from docferry.core.housekeeping import ANSWERS_KEPT_FOR
from docferry.engine.housekeeping import LedgerCare
from docferry.errors import UserError
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest
from docferry.model import RequestKind
from ledger_rows import MINUTE, NOW, fresh_ledger, uploaded, version

ROUTE = "POST /files"


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def called(
    ledger: Ledger,
    at: datetime = NOW,
    *,
    actor: str = "anna",
    key: str = "k1",
    route: str = ROUTE,
    body: str = "body",
) -> Begun:
    return begin(ledger, actor, key, route, fingerprint_of(body.encode()), at)


def fresh(begun: Begun) -> Fresh:
    assert isinstance(begun, Fresh)
    return begun


def test_the_answer_of_the_first_call_is_given_to_the_next(ledger: Ledger) -> None:
    finish(ledger, fresh(called(ledger)), 202, '{"jobs": []}')

    assert called(ledger, NOW + MINUTE) == Replay(202, '{"jobs": []}')


def test_a_refusal_is_an_answer_too(ledger: Ledger) -> None:
    finish(ledger, fresh(called(ledger)), 404, "{}")

    assert called(ledger) == Replay(404, "{}")


@pytest.mark.parametrize("how", ["failed", "given up"])
def test_what_failed_for_a_reason_of_ours_is_carried_out_again(ledger: Ledger, how: str) -> None:
    first = fresh(called(ledger))
    if how == "failed":
        finish(ledger, first, 503, "{}")
    else:
        give_up(ledger, first)

    assert called(ledger, NOW + MINUTE) == Fresh(first.id, NOW + MINUTE)


def test_a_second_call_while_the_first_is_under_way_is_told_so(ledger: Ledger) -> None:
    called(ledger)

    assert called(ledger, NOW + MINUTE) == Busy(NOW)


def test_another_body_under_the_same_key_is_a_mistake(ledger: Ledger) -> None:
    first = fresh(called(ledger))
    under_way = called(ledger, body="other")
    finish(ledger, first, 200, "{}")

    assert [under_way, called(ledger, body="other")] == [Mismatch(), Mismatch()]


def test_keys_are_of_one_caller_and_one_route(ledger: Ledger) -> None:
    finish(ledger, fresh(called(ledger)), 200, "secret")

    others = [
        called(ledger, actor="ben"),
        called(ledger, route="POST /jobs/replay"),
        called(ledger, key="k2"),
        called(ledger, actor="annak", key="1"),
    ]

    assert all(isinstance(one, Fresh) for one in others)


def test_whoever_died_over_a_call_blocks_it_for_some_minutes_only(ledger: Ledger) -> None:
    dead = fresh(called(ledger))
    late = NOW + BUSY_FOR

    again = fresh(called(ledger, late))
    finish(ledger, dead, 200, "too late")

    assert called(ledger, late + MINUTE) == Busy(late)
    finish(ledger, again, 202, "in time")
    assert called(ledger, late + MINUTE) == Replay(202, "in time")


def test_an_answer_is_kept_for_a_day(ledger: Ledger) -> None:
    finish(ledger, fresh(called(ledger)), 200, "{}")
    end = NOW + ANSWERS_KEPT_FOR

    assert isinstance(called(ledger, end - timedelta(seconds=1)), Replay)
    assert isinstance(called(ledger, end), Fresh)


def test_housekeeping_lets_old_answers_go(ledger: Ledger) -> None:
    finish(ledger, fresh(called(ledger)), 200, "{}")
    late = NOW + ANSWERS_KEPT_FOR
    finish(ledger, fresh(called(ledger, late, key="young")), 200, "{}")

    LedgerCare(ledger.pruning, lambda: (), lambda: late + MINUTE).go_on(10.0)

    assert not ledger.answers.finish(fresh(called(ledger, late)).id, NOW, 200, "")
    assert called(ledger, late, key="young") == Replay(200, "{}")
    assert ledger.pruning.answers(late + 2 * MINUTE, limit=10) == 2


def test_an_erasure_takes_answers_with_it_for_they_may_name_the_document(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("secret.docx")], at=NOW)
    finish(ledger, fresh(called(ledger)), 200, '{"path": "secret.docx"}')
    called(ledger, key="under way")
    erased = version("secret.docx")
    [request] = ledger.requests.add(
        [NewRequest("docs", "secret.docx", RequestKind.ERASE, erased.id)], NOW
    )

    ledger.erasures.forget(
        "docs", "secret.docx", {erased.id: erased.sha256}, NOW, request_id=request, is_all=True
    )

    assert isinstance(called(ledger), Fresh)
    assert called(ledger, key="under way") == Busy(NOW)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "a\x00"])
def test_what_is_no_key_is_refused(ledger: Ledger, key: str) -> None:
    with pytest.raises(UserError, match="1 to 255 printable characters"):
        called(ledger, key=key)
