"""A ledger that no daemon has open, asked by somebody who may read it and write nothing there."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from docferry.ledger import Ledger
from ledger_rows import NOW, fresh_ledger

pytestmark = [pytest.mark.root, pytest.mark.tools("setpriv")]

#: Tells the problems of a mirror whenever it is asked, as somebody who is bound by the modes.
_LOOK = """\
import pathlib, sys
from docferry.errors import DocferryError
from docferry.ledger import Ledger
try:
    with Ledger.open(pathlib.Path(sys.argv[1]), read_only=True) as ledger:
        for line in sys.stdin:
            print([row.path for row in ledger.problems.all("docs")], flush=True)
except DocferryError as error:
    print(type(error).__name__, error, flush=True)
"""
#: Notes one more, and is killed before that comes into the file itself.
_NOTE_AND_DIE = """\
import os, pathlib, signal, sys
from datetime import UTC, datetime
from docferry.ledger import Ledger
ledger = Ledger.open(pathlib.Path(sys.argv[1]))
ledger.problems.put("docs", "b", kind="x", message="", at=datetime.now(UTC), retry_at=None)
os.kill(os.getpid(), signal.SIGKILL)
"""


class Reader:
    """Somebody who has opened the ledger, and can be asked more than once."""

    def __init__(self, path: pathlib.Path) -> None:
        bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        self.process = subprocess.Popen(
            [*bound, sys.executable, "-c", _LOOK, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def asks(self) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "state"
    folder.mkdir()
    path = folder / "ledger.sqlite3"
    with fresh_ledger(path) as ledger:
        note(ledger, "a")
    protect(path)
    return path


@pytest.fixture
def reader(path: pathlib.Path) -> Iterator[Reader]:
    reader = Reader(path)
    yield reader
    reader.process.communicate(timeout=30)


def test_after_a_clean_end_it_is_read_as_it_is(reader: Reader, path: pathlib.Path) -> None:
    said = reader.asks()

    assert said == "['a']"
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_what_a_killed_daemon_wrote_last_is_read_too(path: pathlib.Path) -> None:
    killed = subprocess.run([sys.executable, "-c", _NOTE_AND_DIE, path], check=False)
    protect(path)
    reader = Reader(path)

    said = reader.asks()

    reader.process.communicate(timeout=30)
    assert killed.returncode == -signal.SIGKILL
    assert path.with_name(f"{path.name}-wal").stat().st_size > 0
    assert said == "['a', 'b']"


def test_while_a_daemon_runs_its_latest_is_read(path: pathlib.Path) -> None:
    with Ledger.open(path) as ledger:
        note(ledger, "b")
        protect(path)
        reader = Reader(path)
        first = reader.asks()
        note(ledger, "c")
        second = reader.asks()
        reader.process.communicate(timeout=30)

    assert (first, second) == ("['a', 'b']", "['a', 'b', 'c']")


@pytest.mark.parametrize("is_over", [False, True])
def test_what_somebody_has_begun_to_change_meanwhile_is_not_told_as_it_was(
    reader: Reader, path: pathlib.Path, *, is_over: bool
) -> None:
    assert reader.asks() == "['a']"

    ledger = Ledger.open(path)
    note(ledger, "b")
    if is_over:
        ledger.close()
    said = reader.asks()
    ledger.close()

    assert said.startswith("TemporaryError")
    assert "was opened for writing while it was read; ask again" in said


def test_changes_that_only_a_writer_can_bring_into_it_are_not_left_out(
    path: pathlib.Path,
) -> None:
    subprocess.run([sys.executable, "-c", _NOTE_AND_DIE, path], check=False)
    path.with_name(f"{path.name}-shm").unlink()  # as a power cut may leave it
    protect(path)
    reader = Reader(path)

    said = reader.asks()

    reader.process.communicate(timeout=30)
    assert said.startswith("PermanentError")
    assert "cannot be opened for this" in said


def note(ledger: Ledger, name: str) -> None:
    ledger.problems.put("docs", name, kind="x", message="", at=NOW, retry_at=None)


def protect(path: pathlib.Path) -> None:
    """Let nobody write there who is bound by modes."""
    for file in path.parent.iterdir():
        file.chmod(0o440)
    path.parent.chmod(0o550)
