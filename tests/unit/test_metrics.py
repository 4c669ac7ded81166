"""Metrics: names and labels as documented, ages told at the moment of the scrape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from docferry import metrics
from docferry.core.figures import MachineFigures, MirrorFigures
from docferry.errors import TemporaryError
from docferry.job import BreakerState, Failure, JobFigures, JobState, QueueFigures
from docferry.metrics import REGISTRY, LiveFigures
from docferry.model import MirrorHealth, RequestKind

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@contextmanager
def published(figures: LiveFigures) -> Iterator[None]:
    metrics.publish(figures)
    try:
        yield
    finally:
        metrics.withdraw(figures)


def live(mirrors: Mapping[str, MirrorFigures], jobs: JobFigures | None = None) -> LiveFigures:
    return LiveFigures(lambda: mirrors, lambda: jobs or JobFigures(), lambda: NOW)


def sample(metric: str, /, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"docferry_{metric}", labels)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("operations", {"mirror", "kind", "result"}),
        ("operation_bytes", {"mirror", "direction"}),
        ("operation_seconds", {"kind"}),
        ("errors", {"mirror", "kind"}),
        ("loop_failures", {"mirror"}),
        ("drop_to_bucket_seconds", {"mirror"}),
        ("change_to_disk_seconds", {"mirror"}),
        ("store_preconditions", {"mirror", "feature"}),
        ("jobs_ended", {"rule", "converter", "result", "failure"}),
        ("job_seconds", {"converter"}),
        ("job_wait_seconds", {"converter"}),
        ("converter_calls", {"converter", "outcome"}),
    ],
)
def test_what_is_counted_has_these_labels(name: str, labels: set[str]) -> None:
    everything = (
        metrics.OPERATIONS,
        metrics.OPERATION_BYTES,
        metrics.OPERATION_SECONDS,
        metrics.ERRORS,
        metrics.LOOP_FAILURES,
        metrics.DROP_TO_BUCKET_SECONDS,
        metrics.CHANGE_TO_DISK_SECONDS,
        metrics.STORE_PRECONDITIONS,
        metrics.JOBS_ENDED,
        metrics.JOB_SECONDS,
        metrics.JOB_WAIT_SECONDS,
        metrics.CONVERTER_CALLS,
    )

    found = {
        family.name: set(metric._labelnames)
        for metric in everything
        for family in metric.describe()
    }

    assert found[f"docferry_{name}"] == labels


def test_every_name_has_docferrys_prefix_or_is_about_the_process() -> None:
    with published(live({"inbox": MirrorFigures()})):
        names = [family.name for family in REGISTRY.collect()]

    assert [name for name in names if not name.startswith(("docferry_", "process_"))] == []
    assert len(names) == len(set(names))


def test_the_age_of_the_oldest_change_grows_between_scrapes_without_anybodys_help() -> None:
    clock = [NOW]
    mirrors = {"inbox": MirrorFigures(oldest_unsynced_at=NOW - timedelta(seconds=5))}
    figures = LiveFigures(lambda: mirrors, JobFigures, lambda: clock[0])

    with published(figures):
        first = sample("oldest_unsynced_change_seconds", mirror="inbox")
        clock[0] += timedelta(seconds=30)
        second = sample("oldest_unsynced_change_seconds", mirror="inbox")

    assert (first, second) == (5.0, 35.0)


def test_nothing_waiting_is_0_seconds_old_and_a_poll_that_never_was_is_at_0() -> None:
    with published(live({"inbox": MirrorFigures()})):
        waiting = sample("oldest_unsynced_change_seconds", mirror="inbox")
        poll = sample("last_poll_timestamp_seconds", mirror="inbox")

    assert (waiting, poll) == (0.0, 0.0)


def test_the_figures_of_each_mirror_are_told() -> None:
    figures = MirrorFigures(
        dirty_paths=1,
        last_scan_at=NOW,
        holds=2,
        held_deletions=300,
        held_changes=301,
        conflicts=4,
        problems=5,
        versions=6,
        version_bytes=60,
        synced_files=7,
        synced_bytes=70,
    )
    names = [
        "dirty_paths",
        "last_scan_timestamp_seconds",
        "holds",
        "held_deletions",
        "held_changes",
        "conflicts",
        "problems",
        "versions",
        "version_bytes",
        "synced_files",
        "synced_bytes",
    ]

    with published(live({"a": figures, "b": MirrorFigures()})):
        told = {name: sample(name, mirror="a") for name in names}
        other = sample("dirty_paths", mirror="b")

    assert list(told.values()) == [1, NOW.timestamp(), 2, 300, 301, 4, 5, 6, 60, 7, 70]
    assert other == 0


def test_open_requests_are_told_for_every_kind_with_the_age_of_the_oldest() -> None:
    asked_at = NOW - timedelta(minutes=2)
    figures = MirrorFigures(requests={RequestKind.ERASE: 3}, oldest_request_at=asked_at)

    with published(live({"docs": figures, "idle": MirrorFigures()})):
        told = {
            kind.value: sample("requests_open", mirror="docs", kind=kind.value)
            for kind in RequestKind
        }
        ages = [sample("requests_oldest_age_seconds", mirror=name) for name in ("docs", "idle")]

    assert told == {kind.value: 0.0 for kind in RequestKind} | {"erase": 3.0}
    assert ages == [120.0, 0.0]


@pytest.mark.parametrize("health", MirrorHealth)
def test_exactly_one_word_of_a_mirrors_health_is_1(health: MirrorHealth) -> None:
    with published(live({"inbox": MirrorFigures(health=health)})):
        words = {
            word: sample("mirror_health", mirror="inbox", health=word.value)
            for word in MirrorHealth
        }
        is_healthy = sample("mirror_healthy", mirror="inbox")

    assert words == {word: float(word is health) for word in MirrorHealth}
    assert is_healthy == (health not in (MirrorHealth.BLOCKED, MirrorHealth.UNREACHABLE))


def test_jobs_are_told_for_every_state() -> None:
    with published(live({}, JobFigures(states={JobState.DEAD: 3}))):
        told = {state: sample("jobs", state=state.value) for state in JobState}

    assert told == dict.fromkeys(JobState, 0.0) | {JobState.DEAD: 3.0}


def test_what_waits_for_a_converter_is_told_with_the_age_of_the_oldest() -> None:
    queues = (
        QueueFigures("office+markdown", queued=4, running=2, oldest_at=NOW - timedelta(hours=1)),
        QueueFigures("pdf"),
    )
    names = ("jobs_queued", "jobs_running", "jobs_oldest_age_seconds")

    with published(live({}, JobFigures(queues=queues))):
        busy = [sample(name, converter="office+markdown") for name in names]
        idle = [sample(name, converter="pdf") for name in names]

    assert busy == [4.0, 2.0, 3600.0]
    assert idle == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("state", BreakerState)
def test_exactly_one_word_of_a_breaker_is_1(state: BreakerState) -> None:
    with published(live({}, JobFigures(breakers={"office": state}))):
        words = {
            word: sample("converter_breaker", converter="office", state=word.value)
            for word in BreakerState
        }

    assert words == {word: float(word is state) for word in BreakerState}


def test_dead_letters_are_told_by_rule_and_by_why_they_failed() -> None:
    dead = {("text", Failure.TIMEOUT): 2, ("text", Failure.REFUSED): 1}

    with published(live({}, JobFigures(dead=dead))):
        told = [
            sample("dead_letters", rule="text", failure=failure)
            for failure in ("timeout", "refused", "crashed")
        ]

    assert told == [2.0, 1.0, None]


def test_a_ledger_that_cannot_be_asked_leaves_the_rest_of_the_scrape_alone() -> None:
    def locked() -> Mapping[str, MirrorFigures]:
        raise TemporaryError("the ledger is locked")

    with published(LiveFigures(locked, JobFigures)):
        failures = sample("scrape_failures_total") or 0.0
        gone = sample("dirty_paths", mirror="inbox")
        later = sample("scrape_failures_total") or 0.0

    assert gone is None
    assert later > failures


def test_counters_have_no_second_series_for_their_birth() -> None:
    metrics.OPERATIONS.labels("inbox", "upload", "done").inc()

    assert sample("operations_created", mirror="inbox", kind="upload", result="done") is None


def test_what_is_known_of_the_machine_and_the_stores_is_told() -> None:
    machine = MachineFigures(
        rooms={("mirror", "docs"): (5, 10)},
        ledger_bytes=7,
        inotify_watches=3,
        inotify_watch_limit=100,
        degraded_watches=1,
        poll_s={"docs": 30.0},
        patrol_s={"docs": 0.0},
        skews_s={"main": -2.5},
        certificates={("store", "main"): NOW},
        credentials={"main": NOW},
    )

    with published(LiveFigures(dict, JobFigures, machine=lambda: machine)):
        told = [
            sample("filesystem_avail_bytes", of="mirror", name="docs"),
            sample("filesystem_size_bytes", of="mirror", name="docs"),
            sample("ledger_bytes"),
            sample("inotify_watches"),
            sample("inotify_watch_limit"),
            sample("degraded_watches"),
            sample("poll_interval_seconds", mirror="docs"),
            sample("patrol_interval_seconds", mirror="docs"),
            sample("store_clock_skew_seconds", store="main"),
            sample("certificate_expiry_timestamp_seconds", of="store", name="main"),
            sample("credentials_expiry_timestamp_seconds", store="main"),
        ]

    assert told == [5, 10, 7, 3, 100, 1, 30, 0, -2.5, NOW.timestamp(), NOW.timestamp()]


def test_the_machine_is_told_of_also_when_the_ledger_cannot_be_asked() -> None:
    def locked() -> Mapping[str, MirrorFigures]:
        raise TemporaryError("the ledger is locked")

    machine = MachineFigures(ledger_bytes=7)
    with published(LiveFigures(locked, JobFigures, machine=lambda: machine)):
        assert sample("ledger_bytes") == 7
