"""The nouns of conversions: what waits, what runs, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from docferry.model import Path, Sha256, Ulid


class JobState(StrEnum):
    QUEUED = "queued"  # waits for run_at
    RUNNING = "running"  # until lease_until
    DONE = "done"
    DEAD = "dead"  # given up on, with its reason: a dead letter
    SKIPPED = "skipped"  # it turned out that nothing is to be done, with the reason
    DISCARDED = "discarded"  # a dead letter put aside: by a person, or as its rule has changed


class JobStage(StrEnum):
    """How far a running job has come."""

    DOWNLOADING = "downloading"  # the document is staged
    CONVERTING = "converting"
    STORING = "storing"  # the result goes into its mirror


@dataclass(frozen=True, slots=True)
class Share:
    """
    How much of its stage a running job has done, where somebody counts.

    done, total: bytes of the document, while it is downloaded; converters of a chain of several,
        while it is converted.
    """

    stage: JobStage
    done: int
    total: int


class Priority(IntEnum):
    """Which jobs go first: the higher."""

    BACKLOG = 0  # what was there before its rule
    ARRIVAL = 1
    ASKED = 2  # by a person or a program, on purpose


class Failure(StrEnum):
    """Why a conversion came to nothing."""

    # the document's own
    REFUSED = "refused"  # damaged, protected, or of a kind that the converter does not take
    EMPTY = "empty"  # nothing came of a document with something in it
    WRONG_TYPE = "wrong-type"  # what came of it is not what the converter promises
    TIMEOUT = "timeout"
    MEMORY = "memory"
    TOO_LARGE = "too-large"  # what it writes
    PROCESSES = "processes"  # it started too many
    CRASHED = "crashed"
    EXPIRED = "expired"  # it waited longer than its rule allows
    # not the document's
    CHANGED = "changed"  # its version is not to be had any more, or not the present one
    OUTAGE = "outage"  # the converter does not answer
    CONFIGURATION = "configuration"  # the converter is not installed, or refuses us
    STORING = "storing"  # the result cannot be put where it belongs
    OTHER = "other"  # the machine's trouble, or a fault of docferry's own


class BreakerState(StrEnum):
    """Whether a converter is given documents."""

    CLOSED = "closed"  # it is
    OPEN = "open"  # it failed again and again: not before retry_at
    HALF_OPEN = "half-open"  # one document tries it out


@dataclass(frozen=True, slots=True)
class ConverterRow:
    """How a converter does, as the ledger holds it for whoever asks."""

    name: str
    state: BreakerState
    reason: str | None  #: what it last failed with
    since: datetime  #: that it is up; or down, through all tries since it first failed
    retry_at: datetime | None  #: when an open one is tried out


@dataclass(frozen=True, slots=True)
class NewJob:
    """One conversion that a rule calls for. Unique by (sha256, recipe, place)."""

    rule: str
    converter: str  #: its name; of a chain, all of them, joined by "+"
    mirror: str
    path: Path
    version: Ulid
    sha256: Sha256
    recipe: str  #: hash of the converters, their versions and their options
    target_mirror: str
    place: str  #: where in the target mirror: the template, filled in as far as paths decide it
    created_at: datetime
    priority: Priority = Priority.ARRIVAL
    expires_at: datetime | None = None  #: until when it may wait for its turn


@dataclass(frozen=True, slots=True)
class JobRow:
    """A conversion as the ledger holds it."""

    id: Ulid
    rule: str
    converter: str
    mirror: str
    path: Path
    version: Ulid
    sha256: Sha256
    recipe: str
    target_mirror: str
    place: str
    created_at: datetime
    priority: Priority
    expires_at: datetime | None
    state: JobState
    stage: JobStage | None  #: of a running job
    attempts: int  #: that count: those that an outage cost do not
    run_at: datetime
    lease_until: datetime | None
    claimed_at: datetime | None  #: for the last time; so are the next two
    converting_at: datetime | None
    storing_at: datetime | None
    finished_at: datetime | None  #: when its last attempt ended, whatever came of it
    failure: Failure | None  #: of the last attempt that failed
    last_error: str | None
    output: str | None  #: the end of what the converter said when it failed
    note: str | None  #: what a person should know about the document or the result
    result_path: Path | None
    result_sha256: Sha256 | None  #: also of what is about to be stored
    release: str | None  #: the programs that made the result, with their versions
    shared_with: Ulid | None  #: the job whose result this one has, without a conversion
    is_forced: bool  #: asked for again, on purpose: no earlier result will do
    doubted_at: datetime | None  #: when a converter last failed with the document in its hands


@dataclass(frozen=True, slots=True)
class Intended:
    """A result that is about to be put to its place."""

    job: JobRow
    path: Path
    sha256: Sha256
    release: str  #: the programs that made it, with their versions


@dataclass(frozen=True, slots=True)
class Finished:
    """A job whose result is in its place."""

    job: Ulid
    at: datetime
    path: Path | None
    sha256: Sha256 | None = None
    note: str | None = None
    release: str | None = None
    shared_with: Ulid | None = None  #: the job whose result it is
    #: When each stage began that was come to; None: as the ledger has noted.
    began: Mapping[JobStage, datetime] | None = None


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """The jobs of one converter, or of one chain of them, right now."""

    converter: str
    queued: int = 0
    running: int = 0
    oldest_at: datetime | None = None  #: of those that are queued; None: none is


@dataclass(frozen=True, slots=True)
class JobFigures:
    """What is true of all conversions right now."""

    states: Mapping[JobState, int] = field(default_factory=dict)
    queues: Sequence[QueueFigures] = ()
    breakers: Mapping[str, BreakerState] = field(default_factory=dict)  #: by converter's name
    #: By the rule, and why the last attempt failed.
    dead: Mapping[tuple[str, Failure], int] = field(default_factory=dict)
