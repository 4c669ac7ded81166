"""Verify mirrors beside a daemon, or without one: `docferry verify`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from docferry.app.mirrors import mirror_named
from docferry.app.onlooker import Onlooker, store_of
from docferry.app.sides import Sides, UlidSource, open_sides
from docferry.app.wake import wake
from docferry.config import Config
from docferry.core.filters import Filter
from docferry.core.guards import Proven, Refused, marker_id, prove
from docferry.core.paths import is_reserved
from docferry.core.verify import Finding, Kind
from docferry.engine.identity import moves
from docferry.engine.verify import Verifier
from docferry.errors import DocferryError
from docferry.ledger import Ledger
from docferry.model import Path, Side, Ulid
from docferry.storage.probe import StoreProfile

#: So many findings are kept, with their words; of all of them the numbers are.
MOST_FINDINGS = 10_000
_READERS = 8


@dataclass(slots=True)
class Report:
    """What a verification of one mirror came to."""

    mirror: str
    sides: tuple[Side, ...]  #: that were looked at
    refused: str | None = None  #: why it was not looked at, or not to the end
    files: int = 0  #: paths that were looked at
    versions: int = 0  #: displaced versions that were
    read_bytes: int = 0
    counts: Counter[Kind] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)  #: the first `MOST_FINDINGS`
    has_trouble: bool = False  #: damage, or something not carried over yet

    @property
    def is_well(self) -> bool:
        """Whether everything was looked at, and is as the ledger says."""
        return self.refused is None and not self.has_trouble

    @property
    def unlisted(self) -> int:
        """Findings that are counted only."""
        return self.counts.total() - len(self.findings)

    def add(self, finding: Finding) -> None:
        self.counts[finding.kind] += 1
        self.has_trouble = self.has_trouble or finding.is_trouble
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)


def verify(
    config: Config,
    ledger: Ledger,
    mirrors: Sequence[str],
    *,
    side: Side | None = None,
    reads_all: bool = False,
    onlooker: Onlooker | None = None,
) -> list[Report]:
    """
    Compare ledger, folder and bucket of each mirror.

    Args:
        side: The only one to look at; None: both.
        reads_all: Read what the bucket's checksums speak for, too.
        onlooker: Told how far it is, and for whom it waits.

    Raises:
        UserError: There is no such mirror.
    """
    for name in mirrors:
        mirror_named(config, name)
    asked = tuple(Side) if side is None else (side,)
    readers = min(config.transfers, _READERS)
    with ThreadPoolExecutor(readers, thread_name_prefix="verify") as pool:
        onlooker = onlooker or Onlooker()
        return [
            _verify(config, ledger, name, asked, pool, onlooker, reads_all=reads_all)
            for name in mirrors
        ]


def tell_found(
    config: Config, ledger: Ledger, reports: Sequence[Report], at: datetime, run: Ulid | None = None
) -> None:
    """
    Have webhooks told what was found: one event for each mirror with findings.

    Args:
        run: By which it can be asked for, if it can.

    Raises:
        DocferryError: The ledger could not be told.
    """
    are_told = [
        ledger.webhook_events.note_verified(
            report.mirror,
            at,
            {
                "run": run,
                "is_well": report.is_well,
                "is_whole": report.refused is None,
                "counts": {kind.value: count for kind, count in sorted(report.counts.items())},
            },
        )
        for report in reports
        if report.counts
    ]
    if any(are_told):
        wake(config.state_dir)


def _verify(
    config: Config,
    ledger: Ledger,
    name: str,
    asked: tuple[Side, ...],
    pool: Pool,
    onlooker: Onlooker,
    *,
    reads_all: bool,
) -> Report:
    report = Report(name, asked)
    sides = open_sides(config, name, ledger, UlidSource(), connections=config.transfers)
    filter_ = Filter(sides.options.include, sides.options.exclude)

    def takes(path: Path) -> bool:
        return not is_reserved(path) and filter_.takes(path)

    verifier = Verifier(
        name,
        sides.local,
        sides.remote,
        ledger,
        takes,
        pool,
        asked=frozenset(asked),
        reads_all=reads_all,
    )
    try:
        store = store_of(config, name)
        with onlooker.waiting(store if Side.REMOTE in asked else str(sides.options.local)):
            report.refused = _refusal(sides, ledger, asked)
        if report.refused is None:
            whom = f"{store}, or for a large file to be read"
            with onlooker.waiting(whom) as heard:
                _go_through(verifier, report, heard, onlooker)
    except DocferryError as error:
        # A side that does not answer keeps its own mirror from being verified, and no other.
        report.refused = str(error)
    report.read_bytes = verifier.read_bytes
    return report


def _go_through(
    verifier: Verifier, report: Report, heard: Callable[[], None], onlooker: Onlooker
) -> None:
    for checked in verifier.run():
        heard()
        if checked.is_version:
            report.versions += 1
        else:
            report.files += 1
        for finding in checked.findings:
            report.add(finding)
        onlooker.count(report.mirror, report.files + report.versions)


def _refusal(sides: Sides, ledger: Ledger, asked: tuple[Side, ...]) -> str | None:
    """
    Say why nothing can be told: a side is not itself. None: it can.

    In an empty mount point, or in another bucket, everything would seem to be missing.
    """
    row = ledger.mirrors.get(sides.options.name)
    if row is None or row.marker_id is None:
        return "it has never run: nothing is agreed on yet"
    sides.remote.profile = StoreProfile.from_dict(dict(row.profile))
    known = row.marker_id
    found = dict.fromkeys(Side, known) | {
        side: marker_id(sides.places.side(side).read_marker()) for side in asked
    }
    where = (sides.places.local_name, sides.places.remote_name)
    moved = moves(row, sides.options)
    proof = prove(found[Side.LOCAL], found[Side.REMOTE], known, where=where, moved=moved)
    match proof:
        case Proven():
            return None
        case Refused(reason):
            return reason
        case _:
            return "a side is new: let docferry run first"
