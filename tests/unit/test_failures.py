"""What becomes of a job whose attempt failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from docferry.core.failures import (
    AfterFailure,
    Again,
    Failed,
    GiveUp,
    Skip,
    after_failure,
    lost_too_often,
)
from docferry.job import Failure

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OWN = (Failure.TIMEOUT, Failure.MEMORY, Failure.PROCESSES, Failure.CRASHED)
TWICE = (Failure.REFUSED, Failure.EMPTY, Failure.WRONG_TYPE, Failure.TOO_LARGE)
OTHERS = (Failure.OUTAGE, Failure.CONFIGURATION, Failure.STORING, Failure.OTHER)


def after(failure: Failure | Failed, attempts: int = 1, jitter: float = 0.5) -> AfterFailure:
    failed = failure if isinstance(failure, Failed) else Failed(failure, "why")
    return after_failure(failed, attempts=attempts, max_attempts=4, now=NOW, jitter=jitter)


def wait_s(found: AfterFailure) -> float:
    assert isinstance(found, Again)
    return (found.run_at - NOW).total_seconds()


@pytest.mark.parametrize("failure", OWN)
def test_its_own_failure_costs_the_document_an_attempt_each_time(failure: Failure) -> None:
    assert [wait_s(after(failure, attempts)) for attempts in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert after(failure, 3) == Again(NOW + timedelta(seconds=2), counts=True)
    assert after(failure, 4) == GiveUp(failure, "why")


@pytest.mark.parametrize("failure", TWICE)
def test_what_is_refused_is_tried_twice_for_the_same_answer_comes_again(
    failure: Failure,
) -> None:
    assert after(failure, 1) == Again(NOW + timedelta(seconds=0.5), counts=True)
    assert after(failure, 2) == GiveUp(failure, "why")


def test_a_rule_that_allows_one_attempt_means_one() -> None:
    for failure in (Failure.REFUSED, Failure.TIMEOUT):
        found = after_failure(
            Failed(failure, "why"), attempts=1, max_attempts=1, now=NOW, jitter=0.5
        )
        assert found == GiveUp(failure, "why")


@pytest.mark.parametrize("failure", OTHERS)
def test_trouble_that_is_not_the_documents_never_kills_its_job(failure: Failure) -> None:
    found = after(failure, attempts=99)

    assert isinstance(found, Again)
    assert not found.counts
    assert 1 <= wait_s(found) <= 60


def test_what_is_not_to_be_had_any_more_is_skipped_and_who_waited_too_long_given_up() -> None:
    assert after(Failure.CHANGED, 9) == Skip("why")
    assert after(Failure.EXPIRED) == GiveUp(Failure.EXPIRED, "why")


def test_every_kind_of_failure_is_decided_about() -> None:
    assert {*OWN, *TWICE, *OTHERS, Failure.CHANGED, Failure.EXPIRED} == {*Failure}


@pytest.mark.parametrize("failure", [Failure.OUTAGE, Failure.TIMEOUT, Failure.REFUSED])
@pytest.mark.parametrize(("asked_s", "waited_s"), [(120.0, 120.0), (86400.0, 3600.0)])
def test_a_converter_that_asks_for_time_gets_it_up_to_an_hour(
    failure: Failure, asked_s: float, waited_s: float
) -> None:
    assert wait_s(after(Failed(failure, "why", retry_after_s=asked_s))) == waited_s


def test_asking_for_less_than_is_waited_anyway_changes_nothing() -> None:
    assert wait_s(after(Failed(Failure.TIMEOUT, "why", retry_after_s=0.0), 3)) == 2.0


def test_a_document_that_brings_its_converter_down_each_time_is_given_up() -> None:
    failed = Failed(Failure.OUTAGE, "it hung up", is_in_doubt=True)

    def blamed(attempts: int) -> AfterFailure:
        return after_failure(
            failed, attempts=attempts, max_attempts=2, now=NOW, jitter=0.5, is_blamed=True
        )

    first, last = blamed(1), blamed(2)
    assert isinstance(first, Again)
    assert first.counts
    assert last == GiveUp(
        Failure.CRASHED, "it fails whenever it is given this document: it hung up"
    )


def test_a_document_in_doubt_does_not_try_the_converter_out_for_others() -> None:
    opens_at = NOW + timedelta(minutes=4)

    def run_at(*, is_in_doubt: bool) -> datetime:
        found = after_failure(
            Failed(Failure.OUTAGE, "why", is_in_doubt=is_in_doubt),
            attempts=1,
            max_attempts=4,
            now=NOW,
            jitter=0.0,
            opens_at=opens_at,
        )
        assert isinstance(found, Again)
        return found.run_at

    assert run_at(is_in_doubt=True) > opens_at
    assert run_at(is_in_doubt=False) < opens_at


def test_retries_are_spread() -> None:
    assert len({wait_s(after(Failure.OUTAGE, jitter=n / 10)) for n in range(10)}) == 10


def test_a_document_that_ends_docferry_each_time_is_not_tried_for_ever() -> None:
    assert lost_too_often(4, 4, Failure.OTHER, "the daemon was ended") is None
    assert lost_too_often(5, 4, Failure.OTHER, "the daemon was ended; before: torn") == GiveUp(
        Failure.CRASHED, "it was tried 4 times, at last: the daemon was ended; before: torn"
    )
    assert lost_too_often(5, 4, None, None) == GiveUp(
        Failure.CRASHED, "it was tried 4 times, at last: docferry itself ended"
    )


def test_one_whose_rule_allows_less_than_before_is_given_up_for_what_it_failed_with() -> None:
    assert lost_too_often(3, 2, Failure.TIMEOUT, "it took too long") == GiveUp(
        Failure.TIMEOUT, "it was tried 2 times, at last: it took too long"
    )
