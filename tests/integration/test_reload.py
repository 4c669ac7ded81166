"""What a loop does when its store has new keys, and what conversions do while a mirror changes."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from conversion_rows import running
from docferry.app.conversion import Sources
from docferry.app.running import Running
from docferry.convert.kinds import tell_kind
from docferry.engine.runs import Run
from docferry.engine.stage import Stage
from docferry.errors import PermanentError, RefusedKeysError, TemporaryError
from docferry.model import MirrorHealth, Mode, VersionRow
from docferry.storage.base import Content
from ledger_rows import fresh_ledger, version
from looped_mirror import Mirror
from processes import wait_for


@pytest.fixture
def mirror(tmp_path: pathlib.Path) -> Iterator[Mirror]:
    mirror = Mirror(tmp_path, 100, Mode.TWO_WAY)
    mirror.start()
    yield mirror
    mirror.close()


class Refusing:
    """What a store says while it does not take our keys."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def __call__(self, step: str) -> None:
        if self.error is not None:
            raise self.error


def test_a_mirror_whose_keys_are_refused_is_blocked_and_no_file_fails(mirror: Mirror) -> None:
    mirror.remote.step = Refusing(RefusedKeysError("it does not know the key"))

    (mirror.root / "a").write_bytes(b"a")
    mirror.loop.mark("a")

    wait_for(lambda: mirror.health is MirrorHealth.BLOCKED)
    assert mirror.ledger.problems.all("docs") == []


def test_a_mirror_goes_on_with_new_keys(mirror: Mirror) -> None:
    refusing = Refusing(RefusedKeysError("it does not know the key"))
    mirror.remote.step = refusing
    (mirror.root / "a").write_bytes(b"a")
    mirror.loop.mark("a")
    wait_for(lambda: mirror.health is MirrorHealth.BLOCKED)
    refusing.error = None
    mirror.loop.request(Run.KEYS)

    wait_for(lambda: mirror.remote.contents == {"a": b"a"})


def test_a_path_that_was_refused_is_tried_at_once_with_new_keys(mirror: Mirror) -> None:
    refusing = Refusing(PermanentError("refused: it may be a policy"))
    mirror.remote.step = refusing
    (mirror.root / "a").write_bytes(b"a")
    mirror.loop.mark("a")
    wait_for(lambda: len(mirror.ledger.problems.all("docs")) == 1)
    wait_for(mirror.loop.is_quiet)

    refusing.error = None
    mirror.loop.request(Run.KEYS)

    wait_for(lambda: mirror.remote.contents == {"a": b"a"}, 10)
    wait_for(lambda: mirror.ledger.problems.all("docs") == [])


class Unreadable:
    """Contents that a store does not give out."""

    def open(self, version: VersionRow) -> Content:
        raise PermanentError("the credentials do not allow it")

    open_sound = open


def test_a_document_that_may_not_be_read_is_not_gone(tmp_path: pathlib.Path) -> None:
    stage = Stage(lambda mirror: Unreadable(), tell_kind)
    with fresh_ledger(tmp_path / "ledger") as ledger:
        job = running(ledger, "a.txt")
        row = ledger.versions.get(job.version) or version("a.txt")

        with pytest.raises(PermanentError, match="do not allow"):
            stage.fetch(job, row, tmp_path / "folder")


def test_documents_of_a_mirror_that_begins_anew_are_not_gone() -> None:
    sources = Sources({"docs"}, Running(), lambda size: nullcontext())

    with pytest.raises(TemporaryError, match="started anew"):
        sources.contents_of("docs")


def test_documents_of_a_mirror_that_no_rule_has_are_gone() -> None:
    sources = Sources({"docs"}, Running(), lambda size: nullcontext())

    with pytest.raises(KeyError):
        sources.contents_of("other")
