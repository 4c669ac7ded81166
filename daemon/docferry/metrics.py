"""
What Prometheus sees of docferry.

Two kinds. What happens is counted when it happens, on the objects below. What *is*
(ages, health, counts of the ledger) is asked for at the moment of each scrape: a
gauge that somebody forgets to update would go on telling an old truth.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    make_wsgi_app,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from docferry.core.figures import MachineFigures, MirrorFigures
from docferry.errors import DocferryError
from docferry.job import BreakerState, JobFigures, JobState, QueueFigures
from docferry.model import MirrorHealth, RequestKind

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

# A second series for each counter, only to say when the counter was made.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)

#: Seconds: from a file that is seen at once to a morning's backlog.
_WAITS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200)
_WORK = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
#: Queues are longer: a backlog, or a service that was down over a weekend.
_QUEUES = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600, 4 * 3600, 24 * 3600, 72 * 3600)


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(name, meaning, labels, namespace="docferry", registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(name, meaning, labels, namespace="docferry", registry=REGISTRY)


def _histogram(name: str, meaning: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(
        name, meaning, labels, namespace="docferry", registry=REGISTRY, buckets=buckets
    )


OPERATIONS = _counter(
    "operations", "Operations, by how they ended (done, stale, failed).", "mirror", "kind", "result"
)
OPERATION_BYTES = _counter(
    "operation_bytes", "Bytes of content that were moved (up, down).", "mirror", "direction"
)
OPERATION_SECONDS = _histogram(
    "operation_seconds",
    "How long one operation took, from its begin to its end.",
    "kind",
    buckets=_WORK,
)
ERRORS = _counter(
    "errors", "Failed tries, of one path or to reach a side at all, by kind.", "mirror", "kind"
)
LOOP_FAILURES = _counter("loop_failures", "Rounds of the loop that broke off: bugs.", "mirror")
CHORE_FAILURES = _counter(
    "chore_failures", "Rounds of what looks after versions that failed.", "mirror", "chore"
)
DROP_TO_BUCKET_SECONDS = _histogram(
    "drop_to_bucket_seconds",
    "From the moment a file's change was noticed to its object being readable.",
    "mirror",
    buckets=_WAITS,
)
CHANGE_TO_DISK_SECONDS = _histogram(
    "change_to_disk_seconds",
    "From the moment an object's change was noticed to the file being readable.",
    "mirror",
    buckets=_WAITS,
)
JOBS_ENDED = _counter(
    "jobs_ended",
    "Attempts of conversions, by how they ended (done, shared, skipped, failed, dead) and, but for"
    ' "done" and "shared", why.',
    "rule",
    "converter",
    "result",
    "failure",
)
JOB_SECONDS = _histogram(
    "job_seconds",
    "How long a conversion took, from its claim to its result's place.",
    "converter",
    buckets=_WORK,
)
JOB_WAIT_SECONDS = _histogram(
    "job_wait_seconds",
    "How long a document waited for its conversion, from its version to the first claim.",
    "converter",
    buckets=_QUEUES,
)
CONVERTER_CALLS = _counter(
    "converter_calls",
    "Calls of a converter, each with one document (done, failed, outage).",
    "converter",
    "outcome",
)
FACES_RESTARTS = _counter("faces_restarts", "Starts of the API's process after it had failed.")
PATROL_BYTES = _counter("patrol_bytes", "Bytes that patrols have read.", "mirror")
PATROL_FINDINGS = _counter(
    "patrol_findings",
    "What patrols found rotten or lost (content, archive).",
    "mirror",
    "kind",
    "side",
)
ROT_HEALED = _counter(
    "rot_healed", "Rotten contents that sound ones have replaced.", "mirror", "kind", "side"
)
VERSIONS_LET_GO = _counter("versions_let_go", "Displaced versions that retention let go.", "mirror")
LET_GO_BYTES = _counter("let_go_bytes", "Bytes of versions that retention removed.", "mirror")
CANARY_SECONDS = _gauge(
    "canary_duration_seconds",
    "How long the last canary that came through took on each leg of its way (up, down, convert).",
    "mirror",
    "leg",
)
CANARY_BACK = _gauge(
    "canary_last_success_timestamp_seconds", "When the last canary came through.", "mirror"
)
CANARIES_LATE = _gauge("canaries_late", "Canaries in a row that are late.", "mirror")
STORE_PRECONDITIONS = _gauge(
    "store_preconditions",
    "1: the store honours this condition on requests, as probed at the start; 0: it does not.",
    "mirror",
    "feature",
)
LEDGER_SNAPSHOT = _gauge(
    "ledger_snapshot_timestamp_seconds",
    "When the last snapshot of the mirror's part of the ledger was taken.",
    "mirror",
)
DISK_SHORT = _gauge(
    "disk_guard",
    "1: the disk of this folder has no more than its reserve, and nothing is taken in; 0: it has.",
    "of",
    "name",
)
HINTS = _counter(
    "hints",
    "What stores told of their buckets, by what came of it (followed, limited, elsewhere, or why"
    " there was nothing in it).",
    "source",
    "outcome",
)
SCRAPE_FAILURES = _counter("scrape_failures", "Scrapes that could not ask for everything.")


CONFIG_GOOD = _gauge("config_last_reload_successful", "0: a newer configuration is refused.")
CONFIG_AT = _gauge("config_last_reload_success_timestamp_seconds", "When it was read last.")


@cache
def operation_meters(mirror: str, kind: str) -> tuple[Counter, Histogram]:
    """Give what counts and times done operations: found by labels once, not every time."""
    return OPERATIONS.labels(mirror, kind, "done"), OPERATION_SECONDS.labels(kind)


@cache
def release() -> str:
    """Name the docferry that runs."""
    try:
        return version("docferry")
    except PackageNotFoundError:  # run from the source tree
        return "unknown"


_BUILD = Info("build", "What runs.", namespace="docferry", registry=REGISTRY)
_BUILD.info({"version": release(), "python": platform.python_version()})


class LiveFigures(Collector):
    """
    Asks for the figures of all mirrors, of the jobs and of the machine, whenever it is scraped.

    Args:
        mirrors: By mirror's name. Called in a scrape's thread.
        jobs, machine: Likewise.
        now: The clock; for ages.
    """

    def __init__(
        self,
        mirrors: Callable[[], Mapping[str, MirrorFigures]],
        jobs: Callable[[], JobFigures],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        machine: Callable[[], MachineFigures] = MachineFigures,
    ) -> None:
        self._mirrors = mirrors
        self._jobs = jobs
        self._machine = machine
        self._now = now

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name the metrics without asking for them: registering must not need a ledger."""
        now = datetime.now(UTC)
        return [
            *_machine_families(MachineFigures()),
            *_mirror_families({}, now),
            *_job_families(JobFigures(), now),
        ]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from _machine_families(self._machine())
        # What cannot be asked for is left out: no figure is better than an old one.
        try:
            yield from _mirror_families(self._mirrors(), self._now())
            yield from _job_families(self._jobs(), self._now())
        except DocferryError:
            SCRAPE_FAILURES.inc()


def publish(figures: Collector) -> None:
    """Have every scrape ask *figures* too."""
    REGISTRY.register(figures)


def withdraw(figures: Collector) -> None:
    REGISTRY.unregister(figures)


def exposition() -> WSGIApplication:
    """Give the application that answers a scrape, in the format that the scraper prefers."""
    app: WSGIApplication = make_wsgi_app(REGISTRY)
    return app


_GAUGES: tuple[tuple[str, str, Callable[[MirrorFigures, datetime], float]], ...] = (
    ("dirty_paths", "Paths that wait to be looked at.", lambda f, _: f.dirty_paths),
    (
        "oldest_unsynced_change_seconds",
        "Age of the oldest change that the other side lacks, held deletions too; 0: there is none.",
        lambda f, now: _age_s(f.oldest_unsynced_at, now),
    ),
    (
        "oldest_dirty_path_seconds",
        "Age of the oldest path that waits to be looked at or carried over; 0: none does.",
        lambda f, now: _age_s(f.oldest_dirty_at, now),
    ),
    (
        "last_poll_timestamp_seconds",
        "When the last complete listing of the bucket began; 0: there was none yet.",
        lambda f, _: _timestamp(f.last_poll_at),
    ),
    (
        "last_scan_timestamp_seconds",
        "When the last complete walk of the folder began; 0: there was none yet.",
        lambda f, _: _timestamp(f.last_scan_at),
    ),
    ("holds", "Holds that wait for a person.", lambda f, _: f.holds),
    ("held_deletions", "Deletions in those holds.", lambda f, _: f.held_deletions),
    ("held_changes", "Changes in those holds.", lambda f, _: f.held_changes),
    ("conflicts", "Conflicts that nobody has settled.", lambda f, _: f.conflicts),
    ("problems", "Files that cannot be mirrored as they are.", lambda f, _: f.problems),
    (
        "rotten_contents",
        "Contents that are not what they were, and of which no sound copy was found.",
        lambda f, _: f.rotten,
    ),
    ("versions", "Versions on record.", lambda f, _: f.versions),
    ("version_bytes", "Bytes of all versions on record.", lambda f, _: f.version_bytes),
    ("synced_files", "Files both sides agreed on, held ones too.", lambda f, _: f.synced_files),
    ("synced_bytes", "Bytes of those files.", lambda f, _: f.synced_bytes),
    (
        "patrol_coverage_ratio",
        "The part of the present patrol that is done, from 0 to 1.",
        lambda f, _: f.patrol_coverage,
    ),
    (
        "patrol_age_seconds",
        "Since the last whole patrol ended; where there was none, since the first began; 0: none.",
        lambda f, now: _age_s(f.patrolled_at, now),
    ),
    (
        "requests_oldest_age_seconds",
        "Age of the oldest open request: restore, erase, heal ...; 0: there is none.",
        lambda f, now: _age_s(f.oldest_request_at, now),
    ),
    (
        "paused_seconds",
        "For how long a person has let the mirror rest; 0: it is not paused.",
        lambda f, now: _age_s(f.paused_since, now),
    ),
    (
        "mirror_healthy",
        "1: it works, rests, or waits for single files; 0: blocked or unreachable.",
        lambda f, _: f.health not in (MirrorHealth.BLOCKED, MirrorHealth.UNREACHABLE),
    ),
)


_MACHINE: tuple[tuple[str, str, Callable[[MachineFigures], float]], ...] = (
    ("ledger_bytes", "Bytes of the ledger's files.", lambda m: m.ledger_bytes),
    ("inotify_watches", "Directories under inotify watches.", lambda m: m.inotify_watches),
    (
        "inotify_watch_limit",
        "How many of them the kernel grants this user, in all programs together.",
        lambda m: m.inotify_watch_limit,
    ),
    (
        "degraded_watches",
        "Folders that cannot be watched as they should be: polled, or not there.",
        lambda m: m.degraded_watches,
    ),
)
_BY_NAME: tuple[tuple[str, str, str, Callable[[MachineFigures], Mapping[str, float]]], ...] = (
    (
        "poll_interval_seconds",
        "How often the bucket is listed: as configured, or less often to keep to a budget.",
        "mirror",
        lambda m: m.poll_s,
    ),
    (
        "patrol_interval_seconds",
        "In which time everything is to be read once, as configured; 0: never.",
        "mirror",
        lambda m: m.patrol_s,
    ),
    (
        "store_clock_skew_seconds",
        "The store's clock minus this machine's, as its last listing or refusal told.",
        "store",
        lambda m: m.skews_s,
    ),
    (
        "credentials_expiry_timestamp_seconds",
        "When the keys in use end, if they do; they are renewed some minutes before.",
        "store",
        lambda m: {name: at.timestamp() for name, at in m.credentials.items()},
    ),
)


def _machine_families(machine: MachineFigures) -> Iterator[GaugeMetricFamily]:
    for name, meaning, value in _MACHINE:
        yield GaugeMetricFamily(f"docferry_{name}", meaning, value=float(value(machine)))
    for name, meaning, label, values in _BY_NAME:
        family = GaugeMetricFamily(f"docferry_{name}", meaning, labels=[label])
        for key, value_ in values(machine).items():
            family.add_metric([key], value_)
        yield family
    yield from _room_families(machine)
    ends = GaugeMetricFamily(
        "docferry_certificate_expiry_timestamp_seconds",
        "When the certificate ends that a store or a service shows.",
        labels=["of", "name"],
    )
    for (of, name), at in machine.certificates.items():
        ends.add_metric([of, name], at.timestamp())
    yield ends


def _room_families(machine: MachineFigures) -> Iterator[GaugeMetricFamily]:
    of_which = ("filesystem_avail_bytes", "filesystem_size_bytes")
    meanings = ("Bytes that docferry may still write there.", "Bytes of that file system.")
    for index, (name, meaning) in enumerate(zip(of_which, meanings, strict=True)):
        family = GaugeMetricFamily(f"docferry_{name}", meaning, labels=["of", "name"])
        for labels, room in machine.rooms.items():
            family.add_metric(labels, float(room[index]))
        yield family


def _mirror_families(
    mirrors: Mapping[str, MirrorFigures], now: datetime
) -> Iterator[GaugeMetricFamily]:
    for name, meaning, value in _GAUGES:
        family = GaugeMetricFamily(f"docferry_{name}", meaning, labels=["mirror"])
        for mirror, figures in mirrors.items():
            family.add_metric([mirror], float(value(figures, now)))
        yield family
    yield _health_family(mirrors)
    yield _request_family(mirrors)


def _health_family(mirrors: Mapping[str, MirrorFigures]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "docferry_mirror_health", "1 for the word that applies.", labels=["mirror", "health"]
    )
    for mirror, figures in mirrors.items():
        for health in MirrorHealth:
            family.add_metric([mirror, health.value], float(figures.health is health))
    return family


def _request_family(mirrors: Mapping[str, MirrorFigures]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "docferry_requests_open", "Requests to be carried out.", labels=["mirror", "kind"]
    )
    for mirror, figures in mirrors.items():
        for kind in RequestKind:
            family.add_metric([mirror, kind.value], float(figures.requests.get(kind, 0)))
    return family


_QUEUE_GAUGES: tuple[tuple[str, str, Callable[[QueueFigures, datetime], float]], ...] = (
    ("jobs_queued", "Conversions that wait for their turn.", lambda q, _: q.queued),
    ("jobs_running", "Conversions under way.", lambda q, _: q.running),
    (
        "jobs_oldest_age_seconds",
        "Age of the oldest conversion that waits; 0: none does.",
        lambda q, now: _age_s(q.oldest_at, now),
    ),
)


def _job_families(jobs: JobFigures, now: datetime) -> Iterator[GaugeMetricFamily]:
    states = GaugeMetricFamily("docferry_jobs", "Conversions, by state.", labels=["state"])
    for state in JobState:
        states.add_metric([state.value], float(jobs.states.get(state, 0)))
    yield states
    for name, meaning, value in _QUEUE_GAUGES:
        family = GaugeMetricFamily(f"docferry_{name}", meaning, labels=["converter"])
        for queue in jobs.queues:
            family.add_metric([queue.converter], float(value(queue, now)))
        yield family
    yield _breaker_family(jobs.breakers)
    dead = GaugeMetricFamily(
        "docferry_dead_letters", "Conversions given up on.", labels=["rule", "failure"]
    )
    for (rule, failure), count in jobs.dead.items():
        dead.add_metric([rule, failure.value], float(count))
    yield dead


def _breaker_family(breakers: Mapping[str, BreakerState]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "docferry_converter_breaker",
        "1 for the word that applies: a converter whose breaker is open gets no documents.",
        labels=["converter", "state"],
    )
    for converter, state in breakers.items():
        for word in BreakerState:
            family.add_metric([converter, word.value], float(word is state))
    return family


def _age_s(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else max(0.0, (now - at).total_seconds())


def _timestamp(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()
