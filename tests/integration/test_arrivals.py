"""A crash while a document gets its name: the audit tells of it once, and only what is so."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from sqlite3 import connect

import pytest

from docferry.app.arrivals import by_mirror, settle_arrivals
from docferry.app.faces import Beat
from docferry.app.upload import UploadWanted, receiving
from docferry.config import Config
from docferry.core.audit import Action
from docferry.errors import ConflictError, PermanentError
from docferry.ledger import Ledger
from docferry.ledger.arrivals import Arrival
from docferry.model import Mode
from docferry.storage.local import LocalStorage
from docferry.web.desk import Desk
from docferry.web.serve import look_after
from file_faces import config_of
from ledger_rows import NOW
from looped_mirror import Mirror
from processes import wait_for

#: Hands a document over, and is killed at the step that is named.
CRASHING = """
import os, pathlib, signal, sys
from docferry.app.upload import UploadWanted, receiving
from docferry.ledger import Ledger
from file_faces import config_of
from ledger_rows import NOW

state, root, ledger, replaces, at = sys.argv[1:]

def step(name):
    if name == at:
        os.kill(os.getpid(), signal.SIGKILL)

config = config_of(pathlib.Path(state), pathlib.Path(root))
with Ledger.open(pathlib.Path(ledger)).acting_as("key scanner") as opened:
    wanted = UploadWanted("docs", "a", replaces=replaces or None)
    with receiving(config, opened, wanted, look=lambda folder: None, step=step) as document:
        document.write(b"new")
        document.finish(NOW)
"""


@pytest.fixture
def mirror(tmp_path: pathlib.Path) -> Iterator[Mirror]:
    made = Mirror(tmp_path, 100, Mode.TWO_WAY)
    made.start()
    yield made
    made.close()


@pytest.fixture
def config(tmp_path: pathlib.Path, mirror: Mirror) -> Config:
    return config_of(tmp_path, mirror.root)


def crash(config: Config, mirror: Mirror, at: str, replaces: str = "") -> int:
    arguments = [config.state_dir, mirror.root, mirror.ledger.path, replaces, at]
    return subprocess.run(
        [sys.executable, "-c", CRASHING, *map(str, arguments)],
        env={"PYTHONPATH": ":".join(sys.path)},
        check=False,
    ).returncode


def told(ledger: Ledger) -> list[tuple[str, str]]:
    """Give who did what with documents, but for the loop."""
    actions = (Action.FILE_RECEIVED, Action.FILE_UNCONFIRMED)
    return [(row.actor, row.action) for row in ledger.audit.rows() if row.action in actions]


def content(mirror: Mirror) -> bytes:
    return mirror.files.get("a", b"")


@pytest.mark.parametrize("at", ["intended", "placed", "noted"])
def test_a_new_document_is_in_the_audit_once_if_it_is_there(
    config: Config, mirror: Mirror, at: str
) -> None:
    assert crash(config, mirror, at) == -signal.SIGKILL

    for _ in range(2):
        settle_arrivals(config, mirror.ledger, mirror.ledger.arrivals.begun())

    is_there = content(mirror) == b"new"
    assert is_there == (at != "intended")
    action = Action.FILE_RECEIVED if is_there else Action.FILE_UNCONFIRMED
    assert told(mirror.ledger) == [("key scanner", action)]


@pytest.mark.parametrize("at", ["intended", "named", "exchanged", "archived", "placed", "noted"])
def test_one_that_replaces_another_is_in_the_audit_once_if_it_is_there(
    config: Config, mirror: Mirror, at: str
) -> None:
    (mirror.root / "a").write_bytes(b"old")
    mirror.run()
    version = mirror.ledger.synced.get("docs", ["a"])["a"].version
    mirror.stop()
    assert crash(config, mirror, at, version) == -signal.SIGKILL

    settle_arrivals(config, mirror.ledger, mirror.ledger.arrivals.begun())

    is_there = content(mirror) == b"new"
    assert is_there == (at not in ("intended", "named"))
    action = Action.FILE_RECEIVED if is_there else Action.FILE_UNCONFIRMED
    assert told(mirror.ledger) == [("key scanner", action)]


def test_a_document_that_went_up_before_anybody_looked_is_known_for_received(
    config: Config, mirror: Mirror
) -> None:
    assert crash(config, mirror, "placed") == -signal.SIGKILL
    mirror.run()
    (mirror.root / "a").unlink()

    settle_arrivals(config, mirror.ledger, mirror.ledger.arrivals.begun())

    assert told(mirror.ledger) == [("key scanner", Action.FILE_RECEIVED)]


def test_who_finishes_after_somebody_has_looked_writes_no_second_row(
    config: Config, mirror: Mirror
) -> None:
    def step(name: str) -> None:
        if name == "placed":
            settle_arrivals(config, mirror.ledger, mirror.ledger.arrivals.begun())

    with receiving(config, mirror.ledger, UploadWanted("docs", "a"), step=step) as document:
        document.write(b"new")
        document.finish(NOW)

    assert told(mirror.ledger) == [("daemon", Action.FILE_RECEIVED)]


def test_a_document_whose_first_try_fails_after_it_has_its_name_is_in_the_audit(
    config: Config, mirror: Mirror
) -> None:
    (mirror.root / "a").write_bytes(b"old")
    mirror.run()
    version = mirror.ledger.synced.get("docs", ["a"])["a"].version
    mirror.stop()

    def step(name: str) -> None:
        if name == "exchanged":  # the mirror begins anew, and archives what was displaced
            LocalStorage(mirror.root).sweep_staging()

    wanted = UploadWanted("docs", "a", replaces=version)
    with receiving(config, mirror.ledger, wanted, step=step) as document:
        document.write(b"new")
        done = document.finish(NOW)

    assert (done.is_new, done.replaced) == (True, version)
    assert content(mirror) == b"new"
    assert told(mirror.ledger) == [("daemon", Action.FILE_RECEIVED)]
    assert mirror.ledger.arrivals.begun() == []


def test_what_is_refused_leaves_neither_a_row_nor_an_arrival(
    config: Config, mirror: Mirror
) -> None:
    def step(name: str) -> None:
        if name == "intended":  # somebody is faster
            (mirror.root / "a").write_bytes(b"theirs")

    with receiving(config, mirror.ledger, UploadWanted("docs", "a"), step=step) as document:
        document.write(b"new")
        with pytest.raises(ConflictError):
            document.finish(NOW)

    assert mirror.ledger.arrivals.begun() == []
    assert told(mirror.ledger) == []


def test_a_row_that_the_ledger_did_not_take_comes_with_the_next_look(
    config: Config, mirror: Mirror
) -> None:
    with closing(connect(mirror.ledger.path)) as raw:
        raw.execute("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")
        with receiving(config, mirror.ledger, UploadWanted("docs", "a")) as document:
            document.write(b"new")
            assert document.finish(NOW).is_new
        raw.execute("DROP TRIGGER no")

    settle_arrivals(config, mirror.ledger, mirror.ledger.arrivals.begun())

    [row] = [one for one in mirror.ledger.audit.rows() if one.action == Action.FILE_RECEIVED]
    assert json.loads(row.facts)["size"] == 3
    assert mirror.ledger.arrivals.begun() == []


def test_a_row_that_the_ledger_did_not_take_comes_in_the_same_process_as_received(
    config: Config, mirror: Mirror
) -> None:
    desk = Desk(config, mirror.ledger, Beat(is_alive=True, mirrors={}))
    look_after(desk, [], every_s=0.01)
    with closing(connect(mirror.ledger.path)) as raw:
        raw.execute("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")
        wanted = UploadWanted("docs", "a")
        with receiving(config, mirror.ledger, wanted, owed=desk.owed) as document:
            document.write(b"new")
            document.finish(NOW)
        (mirror.root / "a").unlink()  # nobody who looks now can tell that it came
        raw.execute("DROP TRIGGER no")

    wait_for(lambda: told(mirror.ledger) == [("daemon", Action.FILE_RECEIVED)])
    desk.end()
    desk.feed.join()
    assert mirror.ledger.arrivals.begun() == []


def test_a_folder_that_is_away_keeps_no_other_row_back_and_is_no_fault_of_the_ledger(
    config: Config, mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    arrivals = mirror.ledger.arrivals
    away = Arrival("1", "other", "a", "0" * 64, 3, "3-1-1", None, NOW)
    gone = Arrival("2", "docs", "a", "0" * 64, 3, "3-1-1", None, NOW)
    begun = [arrivals.intend(one) for one in (away, gone)]

    settle_arrivals(config, mirror.ledger, begun)

    assert told(mirror.ledger) == [("daemon", Action.FILE_UNCONFIRMED)]
    assert [one.mirror for one in arrivals.begun()] == ["other"]
    said = capsys.readouterr().err
    assert '"event":"path.unseen"' in said.replace(" ", "")
    assert "ledger.failed" not in said


def test_what_a_process_left_is_looked_at_for_each_mirror_by_itself(
    config: Config, mirror: Mirror
) -> None:
    arrivals = mirror.ledger.arrivals
    silent = Arrival("1", "other", "a", "0" * 64, 3, "3-1-1", None, NOW)
    gone = Arrival("2", "docs", "a", "0" * 64, 3, "3-1-1", None, NOW)
    again = Arrival("3", "other", "b", "0" * 64, 3, "3-1-1", None, NOW)

    found = by_mirror([arrivals.intend(one) for one in (silent, gone, again)])

    assert [[one.id for one in of_mirror] for of_mirror in found] == [["1", "3"], ["2"]]


def test_what_a_drawing_left_that_was_cut_off_goes_when_the_process_starts(
    config: Config, mirror: Mirror
) -> None:
    left = config.state_dir / "drawings" / "tmpleft" / "document.pdf"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"%PDF")
    desk = Desk(config, mirror.ledger, Beat(is_alive=True, mirrors={}))

    look_after(desk, [])

    wait_for(lambda: not left.parents[1].exists())
    desk.end()
    desk.feed.join()


def test_what_cannot_be_noted_before_does_not_come(config: Config, mirror: Mirror) -> None:
    with closing(connect(mirror.ledger.path)) as raw:
        raw.execute(
            "CREATE TRIGGER no BEFORE INSERT ON arrival BEGIN SELECT RAISE(ABORT, 'no'); END"
        )

    with receiving(config, mirror.ledger, UploadWanted("docs", "a")) as document:
        document.write(b"new")
        with pytest.raises(PermanentError):
            document.finish(NOW)

    assert mirror.files == {}
