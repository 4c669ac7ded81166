"""What was asked for, in the ledger: once, taken back, and why it waits."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from docferry.ledger import Ledger
from docferry.ledger.requests import TOO_LATE, Failure, NewRequest, RequestRow
from docferry.model import HoldState, RequestKind, RequestState
from ledger_rows import MINUTE, NOW, fresh_ledger

RESTORE = NewRequest("docs", "a", RequestKind.RESTORE, "V1")


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def row_of(ledger: Ledger, request: int) -> RequestRow:
    row = ledger.requests.get(request)
    assert row is not None
    return row


def test_what_is_open_already_is_not_asked_for_again(ledger: Ledger) -> None:
    [(first, is_new)] = ledger.requests.add_once([RESTORE], NOW)

    again = ledger.requests.add_once([RESTORE, RESTORE], NOW + MINUTE)

    assert is_new
    assert again == [(first, False)] * 2
    assert len(ledger.requests.open("docs", 10)) == 1


@pytest.mark.parametrize(
    "other",
    [
        NewRequest("docs", "b", RequestKind.RESTORE, "V1"),
        NewRequest("docs", "a", RequestKind.RESTORE, "V2"),
        NewRequest("docs", "a", RequestKind.RESTORE, "V1", expect=""),
        NewRequest("docs", "a", RequestKind.REMOVE, "V1"),
        NewRequest("notes", "a", RequestKind.RESTORE, "V1"),
    ],
)
def test_what_differs_in_anything_is_another_request(ledger: Ledger, other: NewRequest) -> None:
    [(first, _)] = ledger.requests.add_once([RESTORE], NOW)

    [(second, is_new)] = ledger.requests.add_once([other], NOW)

    assert is_new
    assert second != first


def test_what_is_asked_of_anything_is_not_answered_by_what_expects_something(
    ledger: Ledger,
) -> None:
    [(first, _)] = ledger.requests.add_once([replace(RESTORE, expect="V2")], NOW)

    [(second, is_new)] = ledger.requests.add_once([RESTORE], NOW)

    assert is_new
    assert second != first


@pytest.mark.parametrize("state", [RequestState.DONE, RequestState.FAILED])
def test_what_was_answered_can_be_asked_for_anew(ledger: Ledger, state: RequestState) -> None:
    [(first, _)] = ledger.requests.add_once([RESTORE], NOW)
    ledger.requests.finish(first, state, NOW)

    [(second, is_new)] = ledger.requests.add_once([RESTORE], NOW)

    assert is_new
    assert second != first


def test_what_something_else_was_asked_after_is_asked_for_anew(ledger: Ledger) -> None:
    [(first, _)] = ledger.requests.add_once([RESTORE], NOW)
    ledger.requests.add_once([NewRequest("docs", "a", RequestKind.RESTORE, "V2")], NOW)

    [(second, is_new)] = ledger.requests.add_once([RESTORE], NOW)

    assert is_new
    assert second != first


def test_what_waits_in_a_hold_answers_nobody_else(ledger: Ledger) -> None:
    ledger.holds.hold_rewind("docs", "rewind", [RESTORE], NOW)

    [(_, is_new)] = ledger.requests.add_once([RESTORE], NOW)

    assert is_new


def test_an_open_request_can_be_taken_back_and_is_not_carried_out(ledger: Ledger) -> None:
    [request] = ledger.requests.add([RESTORE], NOW)
    ledger.requests.note_failures([Failure(request, "no answer", NOW + MINUTE)])

    rows, cancelled = ledger.requests.cancel([request, request], NOW + MINUTE)

    assert cancelled == {request}
    assert [(row.state, row.finished_at) for row in rows] == [
        (RequestState.CANCELLED, NOW + MINUTE)
    ]
    assert (rows[0].note, rows[0].retry_at) == (None, None)
    assert ledger.requests.open("docs", 10) == []
    assert ledger.requests.count_open("docs") == ({}, None)


def test_what_was_answered_is_not_taken_back(ledger: Ledger) -> None:
    [request] = ledger.requests.add([RESTORE], NOW)
    ledger.requests.finish(request, RequestState.DONE, NOW, "it is version V2")

    rows, cancelled = ledger.requests.cancel([request], NOW + MINUTE)

    assert cancelled == set()
    assert [(row.state, row.note) for row in rows] == [(RequestState.DONE, "it is version V2")]


def test_what_a_person_has_not_approved_is_not_taken_back_one_by_one(ledger: Ledger) -> None:
    hold = ledger.holds.hold_rewind("docs", "rewind", [RESTORE], NOW)
    [row] = ledger.requests.in_hold(hold.id, 10)

    _, cancelled = ledger.requests.cancel([row.id], NOW)
    ledger.holds.decide(hold.id, HoldState.APPROVED, NOW)
    _, later = ledger.requests.cancel([row.id], NOW)

    assert cancelled == set()
    assert later == {row.id}


def test_an_erasure_that_has_begun_is_not_taken_back(ledger: Ledger) -> None:
    [request] = ledger.requests.add([NewRequest("docs", "a", RequestKind.ERASE)], NOW)
    is_begun = ledger.erasures.begin(request, NOW)

    rows, cancelled = ledger.requests.cancel([request], NOW)

    assert is_begun
    assert cancelled == set()
    assert [row.state for row in rows] == [RequestState.OPEN]


def test_a_cancelled_erasure_does_not_begin(ledger: Ledger) -> None:
    [request] = ledger.requests.add([NewRequest("docs", "a", RequestKind.ERASE)], NOW)
    ledger.requests.cancel([request], NOW)

    is_begun = ledger.erasures.begin(request, NOW)

    assert not is_begun


@pytest.mark.parametrize("state", [RequestState.DONE, RequestState.CONFLICT])
def test_what_was_carried_out_although_it_was_cancelled_says_so(
    ledger: Ledger, state: RequestState
) -> None:
    [request] = ledger.requests.add([RESTORE], NOW)
    ledger.requests.cancel([request], NOW)

    ledger.requests.finish(request, state, NOW, "it is version V2")

    row = row_of(ledger, request)
    assert row.state is RequestState.CANCELLED
    assert row.note == f"{TOO_LATE}: it is version V2"


def test_what_failed_after_it_was_cancelled_was_not_carried_out(ledger: Ledger) -> None:
    [request] = ledger.requests.add([RESTORE], NOW)
    ledger.requests.cancel([request], NOW)

    ledger.requests.finish(request, RequestState.FAILED, NOW, "its bytes are nowhere")

    assert row_of(ledger, request).note is None


def test_why_one_waits_is_written_down_until_it_is_answered(ledger: Ledger) -> None:
    waiting, ended = ledger.requests.add([RESTORE, RESTORE], NOW)
    ledger.requests.finish(ended, RequestState.DONE, NOW)

    ledger.requests.note_failures(
        [Failure(one, "no answer", NOW + MINUTE) for one in (waiting, ended)]
    )

    assert (row_of(ledger, waiting).note, row_of(ledger, waiting).retry_at) == (
        "no answer",
        NOW + MINUTE,
    )
    assert (row_of(ledger, ended).note, row_of(ledger, ended).retry_at) == (None, None)
    ledger.requests.finish(waiting, RequestState.DONE, NOW)
    assert (row_of(ledger, waiting).note, row_of(ledger, waiting).retry_at) == (None, None)


def test_the_report_of_an_erasure_stays_whatever_fails_afterwards(ledger: Ledger) -> None:
    [request] = ledger.requests.add([NewRequest("docs", "a", RequestKind.ERASE)], NOW)
    ledger.erasures.note(request, '{"left": []}', is_erased=True)

    ledger.requests.note_failures([Failure(request, "somebody reads", NOW)])

    assert row_of(ledger, request).note == '{"left": []}'


def test_open_requests_are_counted_by_their_kinds(ledger: Ledger) -> None:
    heal = NewRequest("docs", "b", RequestKind.HEAL_LOCAL)
    ledger.requests.add([RESTORE, heal], NOW)
    ledger.requests.add([RESTORE], NOW + MINUTE)

    counts, oldest = ledger.requests.count_open("docs")

    assert counts == {RequestKind.RESTORE: 2, RequestKind.HEAL_LOCAL: 1}
    assert oldest == NOW
