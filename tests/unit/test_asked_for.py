"""Requests on their way: what is written down about a content that was had back."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from docferry.core.merge import Difference
from docferry.engine.asked import AskedFor, Hands
from docferry.engine.task import Task
from docferry.errors import PermanentError, TemporaryError
from docferry.ledger import Ledger
from docferry.ledger.requests import TOO_LATE, NewRequest
from docferry.model import (
    Answer,
    Asked,
    HoldState,
    Origin,
    Outcome,
    Path,
    RequestKind,
    RequestState,
    Restore,
)
from events import logged
from ledger_rows import NOW, fresh_ledger, ulid_of, uploaded
from processes import wait_for


class Bench:
    """Requests for one mirror whose paths hold nothing, and what was set on its way."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.poked: list[RequestKind] = []
        self.carried: list[Asked] = []
        self.busy: set[Path] = set()
        self.asked = AskedFor("docs", ledger, lambda: NOW, self.poked.append)

    def ask(self, path: Path, content: str) -> int:
        """Ask for a version of *path* that left it."""
        outcome = uploaded(path, content)
        assert outcome.version is not None
        self.ledger.versions.add([replace(outcome.version, left_at=NOW)])
        wanted = NewRequest("docs", path, RequestKind.RESTORE, outcome.version.id)
        [request] = self.ledger.requests.add([wanted], NOW)
        return request

    def begin(self) -> list[Asked]:
        """Look at what is open; give what was set on its way."""
        before = len(self.carried)
        self.asked.begin(
            Hands(
                lambda paths: (Difference(path, None, None, None) for path in paths),
                lambda paths: (Difference(path, None, None, None) for path in paths),
                self.busy.__contains__,
                lambda seen, operation: self.carried.append(operation),
            )
        )
        return self.carried[before:]

    def place(self, operation: Asked) -> None:
        assert isinstance(operation, Restore)
        outcome = Outcome(operation, synced=None, placed="l1")
        assert self.asked.recorded(outcome) == operation.path

    def state(self, request: int) -> RequestState:
        row = self.ledger.requests.get(request)
        assert row is not None
        return row.state


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield Bench(ledger)


def noted(bench: Bench, path: Path, content: str, origin: Origin = Origin.RESTORE) -> Outcome:
    """Give as it is written down that a content went up from where one was had back."""
    outcome = uploaded(path, content)
    assert outcome.version is not None
    outcome = replace(outcome, version=replace(outcome.version, origin=origin))
    task = Task(outcome.operation, Difference(path, None, None, None), "V")
    [found] = bench.asked.noted([(task, outcome)])
    return found


def test_what_goes_up_as_it_was_had_back_answers_the_request(bench: Bench) -> None:
    request = bench.ask("a", "old")
    bench.place(*bench.begin())

    outcome = noted(bench, "a", "old")

    assert outcome.answers is not None
    assert (outcome.answers.request, outcome.answers.state) == (request, RequestState.DONE)
    assert outcome.version is not None
    assert outcome.version.origin is Origin.RESTORE


def test_what_somebody_made_of_it_before_it_went_up_is_their_own(bench: Bench) -> None:
    bench.ask("a", "old")
    bench.place(*bench.begin())

    outcome = noted(bench, "a", "edited")

    assert outcome.answers is None
    assert outcome.version is not None
    assert outcome.version.origin is Origin.LOCAL


def test_what_was_put_back_before_a_crash_answers_the_request_whoever_lets_it_go_up(
    bench: Bench,
) -> None:
    request = bench.ask("a", "old")
    bench.asked = AskedFor("docs", bench.ledger, lambda: NOW, bench.poked.append)

    outcome = noted(bench, "a", "old", Origin.LOCAL)

    assert outcome.answers is not None
    assert (outcome.answers.request, outcome.answers.state) == (request, RequestState.DONE)
    assert outcome.version is not None
    assert outcome.version.origin is Origin.RESTORE


@pytest.mark.parametrize("is_passing", [True, False])
def test_the_log_says_of_what_was_asked_which_document_it_is_about(
    bench: Bench, *, is_passing: bool
) -> None:
    request = bench.ask("a", "old")
    [operation] = bench.begin()
    error = TemporaryError("not now") if is_passing else PermanentError("never")

    with logged() as events:
        bench.asked.failed(operation, error)

    [event] = events
    assert event["event"] == ("asked.failed" if is_passing else "asked.answered")
    assert (event["request"], event["kind"], event["path"]) == (request, "restore", "a")


@pytest.mark.parametrize("is_displacing", [True, False])
def test_a_path_that_has_waited_for_its_refusal_is_looked_at_again_when_that_is_over(
    bench: Bench, *, is_displacing: bool
) -> None:
    displaces = ulid_of("refused") if is_displacing else None
    wanted = NewRequest("docs", "a", RequestKind.REMOVE, None, "token", displaces)
    bench.ledger.requests.add([wanted], NOW)
    freed: list[Path] = []
    bench.asked.freed = freed.append
    for operation in bench.begin():
        answers = Answer(operation.request, RequestState.SKIPPED)
        bench.asked.recorded(Outcome(operation, synced=None, answers=answers))

    assert freed == (["a"] if is_displacing else [])


@pytest.mark.parametrize("is_passing", [True, False])
def test_of_an_erasure_the_log_never_names_the_path(bench: Bench, *, is_passing: bool) -> None:
    bench.ledger.requests.add([NewRequest("docs", "people/jane", RequestKind.ERASE)], NOW)
    [operation] = bench.begin()
    error = _failure("people/jane", is_passing=is_passing)

    with logged() as events:
        bench.asked.failed(operation, error)

    [event] = events
    assert event["kind"] == "erase"
    assert "people/jane" not in repr(event)


def test_what_a_person_approved_is_told_of_once_when_it_is_begun(bench: Bench) -> None:
    wanted = [NewRequest("docs", path, RequestKind.REMOVE) for path in ("a", "b")]
    hold = bench.ledger.holds.hold_rewind("docs", "rewind", wanted, NOW)
    assert hold is not None
    bench.ledger.holds.decide(hold.id, HoldState.APPROVED, NOW)

    with logged() as events:
        bench.begin()
        bench.begin()

    told = [event for event in events if event["event"] == "hold.approved"]
    answered = [event for event in events if event["event"] == "asked.answered"]
    assert [event["hold"] for event in told] == [hold.id]
    assert {event["hold"] for event in answered} == {hold.id}


def test_of_several_requests_for_a_path_the_oldest_goes_first(bench: Bench) -> None:
    first = bench.ask("a", "one")
    bench.ask("a", "two")

    begun = bench.begin()
    again = bench.begin()

    assert [operation.request for operation in begun] == [first]
    assert again == []


def test_a_path_with_an_operation_under_way_waits(bench: Bench) -> None:
    bench.ask("a", "one")
    bench.busy.add("a")
    while_busy = bench.begin()
    bench.busy.clear()

    assert while_busy == []
    assert len(bench.begin()) == 1


def test_a_path_with_an_operation_under_way_is_looked_at_again_though_nobody_asks(
    bench: Bench,
) -> None:
    bench.ask("a", "one")
    bench.busy.add("a")

    bench.begin()

    assert not bench.asked.is_due
    wait_for(lambda: bench.asked.is_due)


def test_a_failure_that_may_pass_is_tried_again_and_one_that_will_not_is_the_answer(
    bench: Bench,
) -> None:
    passing, lasting = bench.ask("a", "one"), bench.ask("b", "two")
    operations = {operation.request: operation for operation in bench.begin()}

    bench.asked.failed(operations[passing], TemporaryError("a proxy hiccups"))
    bench.asked.failed(operations[lasting], PermanentError("its bytes are nowhere"))

    assert bench.state(passing) is RequestState.OPEN
    assert bench.state(lasting) is RequestState.FAILED
    assert bench.asked.is_any


def test_a_round_of_retention_is_passed_on_at_once(bench: Bench) -> None:
    [request] = bench.ledger.requests.add([NewRequest("docs", "", RequestKind.RETENTION)], NOW)

    bench.begin()

    assert bench.poked == [RequestKind.RETENTION]
    assert bench.state(request) is RequestState.DONE
    assert not bench.asked.is_any


def _failure(path: Path, *, is_passing: bool) -> TemporaryError | PermanentError:
    kind = TemporaryError if is_passing else PermanentError
    return kind(f"cannot remove {path}: permission denied")


def test_why_a_request_waits_is_written_down_with_the_time_of_the_next_try(bench: Bench) -> None:
    request = bench.ask("a", "old")
    [operation] = bench.begin()
    bench.asked.failed(operation, TemporaryError("a proxy hiccups"))

    bench.begin()

    row = bench.ledger.requests.get(request)
    assert row is not None
    assert row.note == "a proxy hiccups"
    assert row.retry_at is not None
    assert row.retry_at > NOW


def test_what_was_cancelled_is_not_tried_again(bench: Bench) -> None:
    request = bench.ask("a", "old")
    [operation] = bench.begin()
    bench.asked.failed(operation, TemporaryError("a proxy hiccups"))
    bench.ledger.requests.cancel([request], NOW)

    bench.asked.failed(operation, TemporaryError("and again"))
    begun = bench.begin()

    assert begun == []
    assert not bench.asked.is_any
    assert not bench.asked.is_due


def test_what_somebody_puts_where_a_cancelled_restore_was_to_be_is_their_own(bench: Bench) -> None:
    request = bench.ask("a", "old")
    [operation] = bench.begin()
    bench.asked.failed(operation, TemporaryError("a proxy hiccups"))
    bench.ledger.requests.cancel([request], NOW)
    bench.begin()

    outcome = noted(bench, "a", "old", Origin.LOCAL)

    assert outcome.answers is None
    assert outcome.version is not None
    assert outcome.version.origin is Origin.LOCAL


def test_what_was_in_its_place_when_it_was_cancelled_goes_up_as_what_it_is(bench: Bench) -> None:
    request = bench.ask("a", "old")
    bench.place(*bench.begin())
    bench.ledger.requests.cancel([request], NOW)
    bench.begin()

    outcome = noted(bench, "a", "old")

    assert outcome.version is not None
    assert outcome.version.origin is Origin.RESTORE
    assert outcome.answers is not None
    bench.ledger.requests.finish(request, outcome.answers.state, NOW, outcome.answers.note)
    row = bench.ledger.requests.get(request)
    assert row is not None
    assert (row.state, row.note) == (
        RequestState.CANCELLED,
        f"{TOO_LATE}: {outcome.answers.note}",
    )


def test_after_an_edit_a_cancelled_restore_answers_for_nothing(bench: Bench) -> None:
    request = bench.ask("a", "old")
    bench.place(*bench.begin())
    bench.ledger.requests.cancel([request], NOW)
    bench.begin()

    noted(bench, "a", "edited", Origin.LOCAL)
    outcome = noted(bench, "a", "old", Origin.LOCAL)

    assert outcome.answers is None
    assert outcome.version is not None
    assert outcome.version.origin is Origin.LOCAL


def test_a_hold_ends_when_the_rest_of_what_it_asked_for_is_cancelled(bench: Bench) -> None:
    wanted = [NewRequest("docs", path, RequestKind.ERASE) for path in ("a", "b")]
    hold = bench.ledger.holds.hold_rewind("docs", "rewind", wanted, NOW)
    bench.ledger.holds.decide(hold.id, HoldState.APPROVED, NOW)
    bench.begin()
    before = bench.ledger.holds.get(hold.id).state
    rows = bench.ledger.requests.in_hold(hold.id, 10)
    bench.ledger.requests.cancel([row.id for row in rows], NOW)

    bench.begin()

    assert before is HoldState.APPROVED
    assert bench.ledger.holds.get(hold.id).state is HoldState.DONE
