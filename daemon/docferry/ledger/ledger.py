"""The ledger as the rest of docferry sees it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Self

from sqlalchemy import select

from docferry.errors import UserError
from docferry.job import NewJob
from docferry.ledger import upgrade
from docferry.ledger.aliases import Aliases
from docferry.ledger.answers import Answers
from docferry.ledger.arrivals import Arrivals
from docferry.ledger.audit import Audit
from docferry.ledger.canaries import Canaries
from docferry.ledger.changes import Changes
from docferry.ledger.conflicts import Conflicts
from docferry.ledger.converters import Converters
from docferry.ledger.damage import is_there, refuse_set_aside
from docferry.ledger.database import Database
from docferry.ledger.erasures import Erasures
from docferry.ledger.events import Events
from docferry.ledger.files import Files
from docferry.ledger.history import History
from docferry.ledger.holds import Holds
from docferry.ledger.intents import Intents
from docferry.ledger.job_backlog import JobBacklog
from docferry.ledger.job_pages import JobPages
from docferry.ledger.job_shares import JobShares
from docferry.ledger.jobs import Jobs
from docferry.ledger.keys import Keys
from docferry.ledger.mirror_figures import FiguresOfMirrors
from docferry.ledger.mirrors import Mirrors
from docferry.ledger.orders import Orders
from docferry.ledger.patrols import Patrols
from docferry.ledger.problems import Problems
from docferry.ledger.pruning import Pruning
from docferry.ledger.pulse import Pulse
from docferry.ledger.record import record
from docferry.ledger.refusals import Refusals
from docferry.ledger.requests import RequestLog
from docferry.ledger.results import Results
from docferry.ledger.schema import setting
from docferry.ledger.sessions import Sessions
from docferry.ledger.sharing import Sharing
from docferry.ledger.snapshot_log import SnapshotLog
from docferry.ledger.synced import Synced
from docferry.ledger.taken_away import OpenFile, put_back
from docferry.ledger.traffic import Traffic
from docferry.ledger.transfers import Transfers
from docferry.ledger.unagreed import Unagreed
from docferry.ledger.uploads import Uploads
from docferry.ledger.versions import Versions
from docferry.ledger.waits import RetentionWaits
from docferry.ledger.webhook_deliveries import WebhookDeliveries
from docferry.ledger.webhook_events import WebhookEvents
from docferry.model import Outcome, Ulid

DAEMON = "daemon"  #: in the audit: who acts where no person does


class Ledger:
    """
    Every method opens and closes its own short transaction, and may be called from any thread.

    Every method may raise TemporaryError (locked by another process for long, disk full)
    and PermanentError (damaged file, no permission).
    """

    def __init__(self, database: Database, *, instance: str | None = None) -> None:
        """Use `Ledger.open`."""
        self._database = database
        self._file = OpenFile.of(database.path)
        #: random, made once with the ledger
        self.instance = _read_instance(database) if instance is None else instance
        self.synced = Synced(database)
        self.versions = Versions(database)
        self.files = Files(database)
        self.sharing = Sharing(database)
        self.history = History(database)
        self.intents = Intents(database)
        self.uploads = Uploads(database)
        self.transfers = Transfers(database)
        self.aliases = Aliases(database)
        self.problems = Problems(database)
        self.holds = Holds(database)
        self.changes = Changes(database)
        self.conflicts = Conflicts(database)
        self.mirrors = Mirrors(database)
        self.orders = Orders(database)
        self.figures = FiguresOfMirrors(database)
        self.jobs = Jobs(database)
        self.job_pages = JobPages(database)
        self.results = Results(database)
        self.backlog = JobBacklog(database)
        self.converters = Converters(database)
        self.job_shares = JobShares(database)
        self.webhook_events = WebhookEvents(database)
        self.deliveries = WebhookDeliveries(database)
        self.requests = RequestLog(database)
        self.patrols = Patrols(database)
        self.snapshots = SnapshotLog(database)
        self.erasures = Erasures(database)
        self.events = Events(database)
        self.waits = RetentionWaits(database)
        self.canaries = Canaries(database)
        self.unagreed = Unagreed(database)
        self.refusals = Refusals(database)
        self.traffic = Traffic(database)
        self.audit = Audit(database)
        self.arrivals = Arrivals(database)
        self.answers = Answers(database)
        self.keys = Keys(database)
        self.sessions = Sessions(database)
        self.pruning = Pruning(database)
        self.pulse = Pulse(database)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        read_only: bool = False,
        creates: bool = True,
        actor: str = DAEMON,
    ) -> Self:
        """
        Open the ledger at *path*.

        Args:
            actor: Who writes, for the audit.
            creates: Create or migrate it where needed, unless *read_only*. An empty one in
                the place of one that was lost would pass for it.

        Raises:
            UserError: The schema is newer than this docferry; where nothing is created also:
                it is older, or there is no ledger. Or a damaged one was set aside.
        """
        refuse_set_aside(path)
        is_as_it_is = read_only or not creates
        if is_as_it_is and not is_there(path):
            raise UserError(
                f"there is no ledger {path}: before the first `docferry run` there is none, and "
                "one that was lost comes back by `docferry rebuild`"
            )
        with ExitStack() as on_failure:
            database = Database(path, read_only=read_only, actor=actor)
            on_failure.callback(database.close)
            if is_as_it_is:
                upgrade.check(database)
            else:
                upgrade.upgrade(database)
            ledger = cls(database)
            on_failure.pop_all()
        return ledger

    def acting_as(self, actor: str) -> Self:
        """
        Give this same ledger for somebody else who writes, for the audit: one process acts for
        many, each request for one.

        It opens nothing, and ends with this one: do not close it.
        """
        other = type(self)(self._database.acting_as(actor), instance=self.instance)
        other.unagreed = self.unagreed  # it remembers; what drops agreements tells this one
        return other

    def close(self) -> None:
        self._database.close()

    @property
    def path(self) -> Path:
        return self._database.path

    @property
    def is_in_place(self) -> bool:
        """Whether what is written down is written to the file of that name."""
        return self._file.is_in_place

    def put_back(self) -> str:
        """Where somebody has taken its file away, write it anew; say what became of it."""
        return put_back(self._database, self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def record(
        self, mirror: str, outcomes: Sequence[Outcome], jobs: Sequence[NewJob] = (), *, at: datetime
    ) -> None:
        """Write down what operations changed, and the jobs that follow: all of it or nothing."""
        record(self._database, mirror, outcomes, jobs, at=at)

    def knows_version(self, version: Ulid) -> bool:
        return self.versions.knows(version)


def _read_instance(database: Database) -> str:
    with database.reading() as tx:
        return str(tx.value(select(setting.c.value).where(setting.c.key == "instance")))
