"""A worker's bench: a real ledger, a real target folder, converters that do as they are told."""

from __future__ import annotations

import hashlib
import pathlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from docferry.convert.base import (
    ConversionStoppedError,
    Converted,
    Converter,
    Document,
    Limits,
    recipe_of,
)
from docferry.core.filters import Filter
from docferry.core.rules import Rule, jobs_for, recipe_for
from docferry.engine.contents import LostError
from docferry.engine.put_result import Target
from docferry.engine.worker import Worker
from docferry.engine.worker_chain import Conversion
from docferry.errors import DocferryError, PermanentError
from docferry.job import JobRow, JobState
from docferry.ledger import Ledger
from docferry.model import (
    Attributes,
    FileState,
    Forget,
    Origin,
    Outcome,
    Path,
    SyncedState,
    Ulid,
    Upload,
    VersionRow,
)
from docferry.storage.base import Content
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent

LIMITS = Limits(timeout_s=60)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def ulid(number: int) -> Ulid:
    return f"01KAT{number:021}"


class Time:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Louder:
    """
    A converter in this process: it writes the document in capitals.

    fails: Asked before each conversion; what it gives is raised.
    """

    name: str = "louder"
    produces: str = ".md"
    slots: int = 2
    mark: str = ""  #: put before each result
    revision: int = 1
    fails: Callable[[Document, int], Exception | None] = lambda document, call: None
    meanwhile: Callable[[Document], None] = lambda document: None
    given: list[bytes] = field(default_factory=list)  #: the documents, in their order
    stopped: threading.Event = field(default_factory=threading.Event)

    def recipe(self) -> str:
        return recipe_of({"converter": self.name, "revision": self.revision})

    def release(self) -> str:
        return f"{self.name} {self.revision}"

    def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
        if self.stopped.is_set():
            raise ConversionStoppedError("the daemon stops")
        content = document.path.read_bytes()
        self.given.append(content)
        failure = self.fails(document, len(self.given))
        if failure is not None:
            raise failure
        self.meanwhile(document)
        result = folder / f"result{self.produces}"
        result.write_bytes(self.mark.encode() + content.upper())
        return Converted(result)

    def stop(self) -> None:
        self.stopped.set()


@dataclass
class Bench:
    """A ledger, a target folder, and the contents of versions, as the app wires them."""

    folder: pathlib.Path
    ledger: Ledger
    target: LocalStorage
    time: Time = field(default_factory=Time)
    contents: dict[Ulid, bytes] = field(default_factory=dict)
    faults: list[Exception] = field(default_factory=list)  #: of opening contents, the last first
    conversions: dict[str, Conversion] = field(default_factory=dict)
    marks: list[tuple[Path, Origin | None]] = field(default_factory=list)
    trouble: str | None = None  #: why the target takes nothing
    on_their_way: set[Path] = field(default_factory=set)  #: of the target: its loop is busy
    marks_fail_after: int | None = None  #: the process is ended by a further one

    # What the worker is given.

    def open(self, version: VersionRow) -> Content:
        if version.mirror == "processed":
            return self.target.read_archived(version.id)
        if self.faults:
            raise self.faults.pop()
        if version.id not in self.contents:
            raise LostError(f"the bytes of version {version.id} are on neither side")
        return BytesContent(self.contents[version.id])

    def open_sound(self, version: VersionRow) -> Content:
        content = self.open(version)
        if content.sha256() != version.sha256:
            raise PermanentError(f"the bytes of version {version.id} are damaged")
        return content

    def worker(self, *, is_simulated: bool = False, **others: Target) -> Worker:
        """Make a worker for "processed", and for *others* that results go to."""
        target = Target(
            self.target, self.mark, lambda: self.trouble, lambda path: path in self.on_their_way
        )
        return Worker(
            self.ledger,
            self.conversions,
            targets={"processed": target, **others},
            contents_of=lambda mirror: self,
            folder=self.folder / "work",
            idle_s=0.05,
            now=self.time if is_simulated else lambda: datetime.now(UTC),
            jitter=(lambda: 0.5) if is_simulated else random.random,
        )

    def other_target(self, name: str) -> Target:
        """Make one more mirror's folder."""
        (self.folder / name).mkdir()
        folder = LocalStorage(self.folder / name, needs_marker=True)
        folder.write_marker(b"{}")
        return Target(folder, lambda path, origin: None)

    def mark(self, path: Path, origin: Origin | None = None) -> None:
        if self.marks_fail_after is not None and len(self.marks) >= self.marks_fail_after:
            raise KeyboardInterrupt
        self.marks.append((path, origin))

    @contextmanager
    def working(self) -> Iterator[Worker]:
        worker = self.worker()
        worker.start()
        try:
            yield worker
        finally:
            worker.stop(20)

    # What people do.

    def rule(
        self,
        *chain: Converter,
        name: str = "text",
        template: str = "{ulid}.{ext}",
        attempts: int = 2,
        **more: object,
    ) -> Rule:
        """Add a rule, or change it."""
        rule = Rule(
            name=name,
            from_mirror="inbox",
            patterns=Filter(("*",), ()),
            to_mirror="processed",
            converter="+".join(one.name for one in chain),
            extension=chain[-1].produces,
            recipe=recipe_for([one.recipe() for one in chain]),
            template=template,
        )
        rule = replace(rule, **more)  # type: ignore[arg-type]
        self.conversions[name] = Conversion(rule, chain, LIMITS, attempts)
        return rule

    def add(self, number: int, path: str, content: bytes, *, mirror: str = "inbox") -> VersionRow:
        """Record a version of *content*, and the jobs that it calls for."""
        version = ulid(number)
        self.contents[version] = content
        return self._record(mirror, path, version, content, Origin.LOCAL, "t")

    def add_all(self, files: dict[str, bytes]) -> None:
        """Record a version of each file at once, and the jobs that they call for."""
        outcomes, rows = [], []
        for number, (path, content) in enumerate(files.items()):
            self.contents[ulid(number)] = content
            outcome, row = self._outcome("inbox", path, ulid(number), content, Origin.LOCAL, "t")
            outcomes.append(outcome)
            rows.append(row)
        self.write_down("inbox", outcomes, rows)

    def carry_up(self, path: str, number: int) -> None:
        """Have both sides of the target mirror agree on the file at *path*, as its loop does."""
        found = self.target.stat(path)
        assert isinstance(found, FileState)
        content = (self.target.root / path).read_bytes()
        told = [origin for marked, origin in self.marks if marked == path and origin]
        origin = told[-1] if told else Origin.LOCAL
        self._record("processed", path, ulid(number), content, origin, found.token)

    def forget(self, path: str) -> None:
        """Have both sides agree that the document at *path* is gone."""
        self.write_down("inbox", [Outcome(Forget(path), synced=None)], [])

    def archive(self, path: str, number: int) -> None:
        """Delete the file at *path* of the target mirror, as its loop does."""
        found = self.target.stat(path)
        assert isinstance(found, FileState)
        self.target.delete(path, expect=found.token, archive=Attributes(version=ulid(number)))

    def ask(self, rule: Rule, path: str) -> None:
        """Have *path* converted once more, on purpose."""
        agreed = self.ledger.synced.get("inbox", [path])[path]
        version = self.ledger.versions.get(agreed.version)
        assert version is not None
        [new] = jobs_for(version, [rule])
        self.ledger.jobs.ask(new, self.time.now)

    def _record(
        self, mirror: str, path: str, version: Ulid, content: bytes, origin: Origin, token: str
    ) -> VersionRow:
        outcome, row = self._outcome(mirror, path, version, content, origin, token)
        self.write_down(mirror, [outcome], [row])
        return row

    def _outcome(
        self, mirror: str, path: str, version: Ulid, content: bytes, origin: Origin, token: str
    ) -> tuple[Outcome, VersionRow]:
        digest = sha256(content)
        state = FileState(token, digest, len(content))
        row = VersionRow(
            id=version,
            mirror=mirror,
            path=path,
            sha256=digest,
            size=len(content),
            mtime_ns=None,
            origin=origin,
            parent=None,
            etag="e",
            created_at=self.time.now,
        )
        synced = SyncedState(digest, token, "e", version, len(content))
        return Outcome(Upload(path, state, None), synced, version=row), row

    def write_down(self, mirror: str, outcomes: list[Outcome], rows: list[VersionRow]) -> None:
        rules = [conversion.rule for conversion in self.conversions.values()]
        jobs = [job for row in rows for job in jobs_for(row, rules)]
        self.ledger.record(mirror, outcomes, jobs, at=self.time.now)

    # What comes of it.

    def work_off(self, worker: Worker, *, for_s: float = 0.0, step_s: float = 5.0) -> None:
        """Let *worker* do what is due while time passes."""
        worker.work_off()
        end = self.time.now + timedelta(seconds=for_s)
        while self.time.now < end:
            self.time.pass_(step_s)
            worker.work_off()

    def job(self) -> JobRow:
        (job,) = self.ledger.jobs.all()
        return job

    def jobs(self) -> dict[tuple[str, str], JobRow]:
        """Give all jobs by rule and path."""
        return {(job.rule, job.path): job for job in self.ledger.jobs.all(limit=10_000)}

    def count(self, state: JobState) -> int:
        return self.ledger.jobs.counts()[state]

    def files(self) -> dict[str, str]:
        """Give what is in the target folder, but for docferry's own."""
        root = self.target.root
        found = (path for path in root.rglob("*") if path.is_file())
        names = {str(path.relative_to(root)): path for path in found}
        return {name: path.read_text() for name, path in names.items() if name[:9] != ".docferry"}


@contextmanager
def bench_in(folder: pathlib.Path) -> Iterator[Bench]:
    (folder / "processed").mkdir()
    target = LocalStorage(folder / "processed", needs_marker=True)
    target.write_marker(b"{}")
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        yield Bench(folder, ledger, target)


def raises(*errors: DocferryError | None) -> Callable[[Document, int], Exception | None]:
    """Fail with these, one call after the other; then no more."""
    return lambda document, call: errors[call - 1] if call <= len(errors) else None


def contents(numbers: Sequence[int]) -> list[bytes]:
    return [f"words {number}".encode() for number in numbers]
