"""The plan of a mirror whose folder is a real one: what waits, what is read, what is touched."""

from __future__ import annotations

import os
import pathlib
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from docferry.config import MirrorConfig
from docferry.engine.dry_run import DryRun, Step
from docferry.errors import PermanentError
from docferry.ledger.scratch import Scratch
from docferry.model import Mode, Path, Token
from docferry.storage.base import Content
from docferry.storage.local import LocalStorage
from ledger_rows import fresh_ledger
from processes import wait_for
from whole_mirror import Bucket, WholeMirror

LONG_S = 1000.0


class CountingBucket(Bucket):
    """Remembers what was read."""

    def __init__(self) -> None:
        super().__init__({})
        self.was_read: list[Path] = []

    def read(self, path: Path, expect: Token) -> Content:
        self.was_read.append(path)
        return super().read(path, expect)

    def seen_with(self, aliases: dict[str, Path]) -> Bucket:
        self._aliases = aliases
        return self


class Site:
    """A mirror in a real folder, with a plan at hand."""

    def __init__(self, mirror: WholeMirror, root: pathlib.Path, scratch: Scratch) -> None:
        self.mirror = mirror
        self.root = root
        self.bucket = CountingBucket()
        mirror.local, mirror.remote = LocalStorage(root), self.bucket  # type: ignore[assignment]
        mirror.mark("the mirror")
        self._scratch = scratch

    def plan(self) -> DryRun:
        return self.mirror.plan(self._scratch)


@pytest.fixture
def new_site(tmp_path: pathlib.Path) -> Iterator[Callable[..., Site]]:
    with ExitStack() as stack:
        root, path = tmp_path / "docs", tmp_path / "ledger.sqlite3"
        root.mkdir()
        ledger = stack.enter_context(fresh_ledger(path))
        rows = stack.enter_context(closing(sqlite3.connect(path, check_same_thread=False)))
        scratch = stack.enter_context(Scratch.open(tmp_path / "scratch.sqlite3"))
        pool = stack.enter_context(ThreadPoolExecutor(4))

        def make(*, settle_s: float = 0.0, mode: Mode = Mode.TWO_WAY) -> Site:
            options = MirrorConfig(
                name="docs", store="s", bucket="b", local=root, settle_s=settle_s, mode=mode
            )
            return Site(WholeMirror(options, ledger, rows, pool), root, scratch)

        yield make


def test_a_file_that_is_not_at_rest_waits(new_site: Callable[..., Site]) -> None:
    site = new_site(settle_s=LONG_S)
    (site.root / "new").write_bytes(b"half of it")

    plan = site.plan()

    assert plan.operations == ()
    assert plan.waiting == (("new", "not yet at rest"),)


def test_a_file_that_somebody_writes_waits(new_site: Callable[..., Site]) -> None:
    site = new_site()
    with (site.root / "new").open("wb") as file:
        file.write(b"half of it")
        file.flush()
        os.utime(site.root / "new", ns=(1, 1))

        plan = site.plan()

    assert plan.operations == ()
    assert plan.waiting == (("new", "not yet at rest"),)


def test_the_copy_of_a_conflict_is_in_the_plan_though_a_run_lets_it_settle_first(
    new_site: Callable[..., Site],
) -> None:
    site = new_site(settle_s=0.3)
    (site.root / "a.txt").write_bytes(b"mine")
    site.bucket.user_write("a.txt", b"theirs")
    site.mirror.run()  # by its end it is at rest
    (site.root / "a.txt").write_bytes(b"mine again")
    site.bucket.user_write("a.txt", b"theirs again")
    wait_for(lambda: not site.plan().waiting)

    kinds = [step.kind for step in site.plan().operations]

    assert sorted(kinds) == ["keep_both", "upload"]


def test_of_what_is_new_nothing_is_read(new_site: Callable[..., Site]) -> None:
    site = new_site()
    for number in range(20):
        site.bucket.user_write(f"there/{number}", b"content")

    plan = site.plan()

    assert len(plan.operations) == 20
    assert site.bucket.was_read == []
    assert [path.name for path in site.root.iterdir()] == [".docferry"]


def test_an_empty_folder_in_the_way_of_an_object_is_seen(new_site: Callable[..., Site]) -> None:
    site = new_site()
    (site.root / "a").mkdir()
    site.bucket.user_write("a", b"an object")

    plan = site.plan()

    assert plan.operations == (Step("download", "%_~/a"),)


def test_what_the_mode_leaves_alone_is_told_and_not_called_in_step(
    new_site: Callable[..., Site],
) -> None:
    site = new_site(mode=Mode.PUSH)
    site.bucket.user_write("theirs", b"theirs")

    plan = site.plan()

    assert plan.operations == ()
    assert [path for path, _ in plan.left_alone] == ["theirs"]


class LockedFolder(LocalStorage):
    """Lets nobody read."""

    def read(self, path: Path, expect: Token) -> Content:
        raise PermanentError(f"{path}: give docferry's user the rights to read it")


def test_a_file_that_docferry_may_not_read_waits_with_its_reason(
    new_site: Callable[..., Site],
) -> None:
    site = new_site()
    (site.root / "secret").write_bytes(b"x")
    os.utime(site.root / "secret", ns=(1, 1))
    site.mirror.local = LockedFolder(site.root)  # type: ignore[assignment]
    wait_for(lambda: site.plan().waiting != (("secret", "not yet at rest"),))

    [(path, why)] = site.plan().waiting

    assert path == "secret"
    assert "rights" in why
