"""How much of its stage a running job has done is told while it lasts, and not longer."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from conversion_bench import Bench, Louder, bench_in, ulid
from docferry.app.follow import look
from docferry.core.following import told_share
from docferry.engine.worker import Worker
from docferry.job import JobStage, Share
from docferry.model import VersionRow
from docferry.storage.base import Content
from docferry.storage.memory import BytesContent


class InTwo(BytesContent):
    """Bytes that come in two parts, with something between them."""

    def __init__(self, content: bytes, between: Callable[[], None]) -> None:
        super().__init__(content)
        self._between = between

    def parts(self, part_bytes: int = 4) -> Iterator[bytes]:
        yield self.part(0, 4)
        self._between()
        yield self.part(4, self.size - 4)


@dataclass
class Looked(Bench):
    """A bench at which somebody looks, five seconds after a stage began."""

    seen: list[Share | None] = field(default_factory=list)
    staff: list[Worker] = field(default_factory=list)

    def open(self, version: VersionRow) -> Content:
        return InTwo(self.contents[version.id], self.look)

    def look(self) -> None:
        self.time.pass_(5)
        self.staff[0].renew()
        self.seen.append(look(self.ledger, self.job()).share)

    def work(self) -> None:
        self.staff.append(self.worker(is_simulated=True))
        self.staff[0].work_off()


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Looked]:
    with bench_in(tmp_path) as made:
        yield Looked(made.folder, made.ledger, made.target)


def test_a_document_that_comes_slowly_tells_how_many_bytes_have_come(bench: Looked) -> None:
    bench.rule(Louder())
    bench.add(1, "a.txt", b"nine byte")

    bench.work()

    assert bench.seen == [Share(JobStage.DOWNLOADING, 4, 9)]


def test_a_chain_tells_how_many_converters_are_done(bench: Looked) -> None:
    bench.rule(
        Louder("first", ".html", mark="<", meanwhile=lambda _: bench.look()),
        Louder("second", meanwhile=lambda _: bench.look()),
    )
    bench.add(1, "a.txt", b"words")

    bench.work()

    assert bench.seen[1:] == [Share(JobStage.CONVERTING, 0, 2), Share(JobStage.CONVERTING, 1, 2)]


def test_one_converter_alone_counts_nothing(bench: Looked) -> None:
    bench.rule(Louder(meanwhile=lambda _: bench.look()))
    bench.add(1, "a.txt", b"words")

    bench.work()

    assert bench.seen[1:] == [None]


def test_of_a_job_that_is_over_no_share_is_told_or_kept(bench: Looked) -> None:
    bench.rule(Louder())
    bench.add(1, "a.txt", b"words")
    bench.work()
    job = bench.job()
    assert bench.ledger.job_shares.of(job.id) is not None

    bench.staff[0].renew()

    assert look(bench.ledger, job).share is None
    assert bench.ledger.job_shares.of(job.id) is None


def test_what_an_earlier_daemon_left_is_forgotten(bench: Looked) -> None:
    bench.ledger.job_shares.put({ulid(9): Share(JobStage.DOWNLOADING, 1, 2)})
    bench.rule(Louder())

    bench.worker(is_simulated=True).prepare()

    assert bench.ledger.job_shares.of(ulid(9)) is None


def test_a_share_is_said_in_words() -> None:
    assert told_share(Share(JobStage.DOWNLOADING, 4, 9)) == "44 % of 9 bytes"
    assert told_share(Share(JobStage.CONVERTING, 1, 2)) == "by converter 2 of 2"
    assert told_share(Share(JobStage.CONVERTING, 2, 2)) == "by converter 2 of 2"
