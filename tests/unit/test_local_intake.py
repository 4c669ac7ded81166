"""A content that comes in bit by bit: whole at its path or nowhere, and in nobody's way."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from docferry.errors import BlockedPathError, StaleError, UnreachableError
from docferry.storage.atomic import Renames
from docferry.storage.local import LocalStorage
from unit.folder import ARCHIVE, FILE_SYSTEMS, NEW, OLD, THEIRS, VERSION, staged, token


@pytest.fixture(params=FILE_SYSTEMS)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> LocalStorage:
    found = LocalStorage(tmp_path, needs_marker=True, renames=FILE_SYSTEMS[request.param]())
    found.write_marker(b"{}")
    return found


def test_it_appears_whole_under_its_name(storage: LocalStorage) -> None:
    with storage.intake() as intake:
        intake.write(NEW[:3])
        intake.write(NEW[3:])
        seen = (storage.root / "a/b/c").exists()
        written = intake.put("a/b/c", expect=None, archive=None)

    assert not seen
    assert (storage.root / "a/b/c").read_bytes() == NEW
    assert written.sha256 == hashlib.sha256(NEW).hexdigest()
    assert (written.token, written.size) == (token(storage, "a/b/c"), len(NEW))
    assert staged(storage.root) == []


def test_what_is_not_put_is_removed(storage: LocalStorage) -> None:
    with storage.intake() as intake:
        intake.write(NEW)
    with suppress(KeyboardInterrupt), storage.intake() as intake:
        intake.write(NEW)
        raise KeyboardInterrupt

    assert staged(storage.root) == []


def test_what_is_there_stays(storage: LocalStorage) -> None:
    (storage.root / "a").write_bytes(THEIRS)

    with storage.intake() as intake:
        intake.write(NEW)
        with pytest.raises(StaleError):
            intake.put("a", expect=None, archive=None)

    assert (storage.root / "a").read_bytes() == THEIRS
    assert staged(storage.root) == []


def test_what_it_displaces_is_archived(storage: LocalStorage) -> None:
    (storage.root / "a").write_bytes(OLD)
    (storage.root / "a").chmod(0o640)

    with storage.intake() as intake:
        intake.write(NEW)
        intake.put("a", expect=token(storage, "a"), archive=ARCHIVE)

    assert (storage.root / "a").read_bytes() == NEW
    assert (storage.root / "a").stat().st_mode & 0o777 == 0o640
    assert (storage.root / ".docferry/versions" / VERSION).read_bytes() == OLD
    assert staged(storage.root) == []


@pytest.mark.parametrize("now", [THEIRS, None])
def test_what_has_changed_meanwhile_is_not_displaced(
    storage: LocalStorage, now: bytes | None
) -> None:
    path = storage.root / "a"
    path.write_bytes(OLD)
    before = token(storage, "a")

    with storage.intake() as intake:
        intake.write(NEW)
        path.unlink()
        if now is not None:
            path.write_bytes(now)
        with pytest.raises(StaleError):
            intake.put("a", expect=before, archive=ARCHIVE)

    assert (path.read_bytes() if path.exists() else None) == now
    assert staged(storage.root) == []


def test_what_was_put_in_vain_is_put_again(storage: LocalStorage) -> None:
    (storage.root / "a").write_bytes(THEIRS)

    with storage.intake() as intake:
        intake.write(NEW)
        with pytest.raises(StaleError):
            intake.put("a", expect=None, archive=None)
        (storage.root / "a").unlink()
        written = intake.put("a", expect=None, archive=None)

    assert (storage.root / "a").read_bytes() == NEW
    assert written.token == token(storage, "a")


@pytest.mark.parametrize("renames", FILE_SYSTEMS.values(), ids=FILE_SYSTEMS)
def test_what_was_to_displace_what_went_at_that_moment_is_put_again(
    tmp_path: Path, renames: Callable[[], Renames]
) -> None:
    def step(name: str) -> None:
        if name == "named":
            (tmp_path / "a").unlink()

    storage = LocalStorage(tmp_path, needs_marker=True, renames=renames(), step=step)
    storage.write_marker(b"{}")
    (tmp_path / "a").write_bytes(OLD)

    with storage.intake() as intake:
        intake.write(NEW)
        with pytest.raises(StaleError):
            intake.put("a", expect=token(storage, "a"), archive=ARCHIVE)
        intake.put("a", expect=None, archive=None)

    assert (tmp_path / "a").read_bytes() == NEW
    assert staged(tmp_path) == []


def test_a_file_in_the_way_is_told(storage: LocalStorage) -> None:
    (storage.root / "a").write_bytes(THEIRS)

    with storage.intake() as intake, pytest.raises(BlockedPathError):
        intake.put("a/b", expect=None, archive=None)


def test_a_folder_that_was_never_marked_takes_nothing(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path, needs_marker=True)
    with pytest.raises(UnreachableError), storage.intake():
        pass

    (tmp_path / ".docferry").mkdir()
    with pytest.raises(UnreachableError), storage.intake():
        pass


def test_what_was_taken_away_meanwhile_is_not_put(storage: LocalStorage) -> None:
    with storage.intake() as intake:
        intake.write(NEW)
        [coming] = (storage.root / ".docferry" / "staging").iterdir()
        coming.unlink()
        with pytest.raises(StaleError):
            intake.put("a", expect=None, archive=None)

    assert not (storage.root / "a").exists()


def test_a_mirror_that_begins_anew_leaves_what_is_on_its_way_in(storage: LocalStorage) -> None:
    with storage.intake() as intake:
        intake.write(NEW)
        LocalStorage(storage.root).sweep_staging()
        intake.put("a", expect=None, archive=None)

    assert (storage.root / "a").read_bytes() == NEW
    assert staged(storage.root) == []


def test_a_mirror_that_begins_anew_removes_what_a_killed_process_left(
    storage: LocalStorage,
) -> None:
    killed = "import os, pathlib, sys; from docferry.storage.local import LocalStorage\n" + (
        "with LocalStorage(pathlib.Path(sys.argv[1])).intake() as intake:\n"
        "    intake.write(b'new')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", killed, str(storage.root)]
    subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path)}, check=False)
    left = staged(storage.root)

    storage.sweep_staging()

    assert len(left) == 1
    assert staged(storage.root) == []
