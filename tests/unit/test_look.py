"""Looking at paths: what a mark stands for, and how many looks a store bears at a time."""

from __future__ import annotations

import pathlib
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from docferry.core.merge import Difference
from docferry.engine.gate import Gate
from docferry.engine.identity import Places
from docferry.engine.look import Expanded, Looks, expand, look_at
from docferry.ledger import Ledger
from docferry.model import FileState, Path, Unknown
from docferry.storage.local import LocalStorage
from docferry.storage.memory import MemoryStorage
from ledger_rows import NOW, fresh_ledger, uploaded
from unit.folder import without_privileges


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


@pytest.mark.parametrize(
    ("mark", "shown", "is_below"),
    [
        ("na\udcefve", "na\\xefve", False),
        ("caf\udce9/", "caf\\xe9", True),
        ("caf\udce9/file", "caf\\xe9", True),
    ],
)
def test_a_name_that_is_not_utf8_is_told_of_and_no_longer_once_it_is_gone(
    ledger: Ledger, tmp_path: pathlib.Path, mark: str, shown: str, *, is_below: bool
) -> None:
    root = tmp_path / "mirror"
    (root / "caf\udce9").mkdir(parents=True)
    (root / "caf\udce9" / "file").touch()
    (root / "na\udcefve").touch()
    places = Places(LocalStorage(root), MemoryStorage(), str(root), "s3://b")

    before = expand([mark], "docs", places, ledger, most=10)
    shutil.rmtree(root)
    root.mkdir()
    after = expand([mark], "docs", places, ledger, most=10)

    assert before is not None
    assert before.paths == []
    [unknown] = before.unseen
    assert (unknown.path, unknown.below) == (shown, is_below)
    assert "not valid UTF-8" in unknown.reason
    assert after == Expanded([shown], [])


def test_a_folder_that_cannot_be_read_hides_what_is_below_it(ledger: Ledger) -> None:
    """What was agreed on there is unknown: it is no reason to delete, nor to stop the mirror."""
    agreed_on = ("open/a.txt", "open/closed/b.txt", "open/closed/c.txt")
    ledger.record("docs", [uploaded(path) for path in agreed_on], [], at=NOW)
    with without_privileges() as root:
        (root / "open" / "closed").mkdir(parents=True)
        (root / "open" / "a.txt").touch()
        (root / "open" / "closed").chmod(0)
        places = Places(LocalStorage(root), MemoryStorage(), str(root), "s3://b")

        below = expand(["open/"], "docs", places, ledger, most=10)
        itself = expand(["open/closed/"], "docs", places, ledger, most=10)

    reason = "the folder cannot be read: Permission denied"
    closed = Unknown("open/closed", reason, below=True)
    assert below == Expanded(["open/a.txt"], [closed])
    assert itself == Expanded([], [closed])


class Crowded(MemoryStorage):
    """A store that notes how many look at it at a time; *crowd* of them meet, where they may."""

    def __init__(self, crowd: int) -> None:
        super().__init__()
        self.most = 0
        self._looking = 0
        self._crowd = crowd
        self._changed = threading.Condition()

    def stat(self, path: Path) -> FileState | None:
        with self._changed:
            self._looking += 1
            self.most = max(self.most, self._looking)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most >= self._crowd, timeout=5)
            self._looking -= 1
        return super().stat(path)


@pytest.mark.parametrize("bears", [1, 3])
def test_no_more_looks_go_out_at_a_time_than_the_store_bears(
    tmp_path: pathlib.Path, ledger: Ledger, bears: int
) -> None:
    remote = Crowded(crowd=bears)
    root = tmp_path / "docs"
    root.mkdir()
    places = Places(LocalStorage(root), remote, str(root), "s3://b")
    paths = [str(number) for number in range(20)]

    with ThreadPoolExecutor(8) as pool:
        seen = list(look_at(paths, "docs", places, ledger, Looks(pool, Gate(bears))))

    assert seen == [Difference(path, None, None, None) for path in paths]
    assert remote.most == bears
