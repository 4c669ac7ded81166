"""One docferry to a state directory, one to a mirror's folder."""

from __future__ import annotations

import fcntl
import os
import pathlib
import subprocess
import sys

import pytest

from docferry.errors import PermanentError, TakenError, UserError
from docferry.ledger.lock import MirrorLock, StateLock, is_held


@pytest.mark.parametrize("kind", [StateLock, MirrorLock])
def test_a_second_daemon_is_refused_and_told_of_the_first(
    tmp_path: pathlib.Path, kind: type[StateLock] | type[MirrorLock]
) -> None:
    (tmp_path / ".docferry").mkdir()
    lock = kind(tmp_path)
    with lock, pytest.raises(UserError, match=rf"already runs on this .*pid {os.getpid()}\)"):
        kind(tmp_path).acquire()

    with kind(tmp_path):  # free again
        pass


@pytest.mark.parametrize("kind", [StateLock, MirrorLock])
def test_whoever_deletes_the_file_lets_nobody_in(
    tmp_path: pathlib.Path, kind: type[StateLock] | type[MirrorLock]
) -> None:
    (tmp_path / ".docferry").mkdir()
    with kind(tmp_path):
        for lock in tmp_path.rglob("lock"):
            lock.unlink()

        with pytest.raises(UserError, match=r"already runs on this .*pid unknown"):
            kind(tmp_path).acquire()
        if kind is StateLock:
            (tmp_path / "lock").touch()  # as one does that was refused, or an older docferry
            assert is_held(tmp_path) == 0

    assert is_held(tmp_path) is None


def test_the_state_is_held_as_long_as_the_lock(tmp_path: pathlib.Path) -> None:
    lock = StateLock(tmp_path / "state")
    before = is_held(tmp_path / "state")

    lock.acquire()
    during = is_held(tmp_path / "state")
    lock.release()

    assert (before, during, is_held(tmp_path / "state")) == (None, os.getpid(), None)


def test_the_lock_of_a_process_ends_with_it(tmp_path: pathlib.Path) -> None:
    script = (
        "import os, pathlib, signal, sys\n"
        "from docferry.ledger.lock import StateLock\n"
        "StateLock(pathlib.Path(sys.argv[1])).acquire()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)

    assert (tmp_path / "lock").read_text().strip().isdigit()
    assert is_held(tmp_path) is None
    with StateLock(tmp_path):
        assert is_held(tmp_path) == os.getpid()


def test_the_lock_of_a_mirror_lies_in_what_is_not_mirrored(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".docferry").mkdir()
    with MirrorLock(tmp_path):
        assert (tmp_path / ".docferry" / "lock").read_text() == f"{os.getpid()}\n"


def test_a_folder_that_cannot_have_a_lock_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UserError, match=r"cannot lock .*/file/lock"):
        StateLock(tmp_path / "file").acquire()


def test_a_place_that_is_not_the_mirrors_folder_gets_no_lock_and_takes_no_harm(
    tmp_path: pathlib.Path,
) -> None:
    mount_point, vanished = tmp_path / "mount point", tmp_path / "vanished"
    mount_point.mkdir()

    for folder in (mount_point, vanished):
        lock = MirrorLock(folder)
        assert not lock.has_place
        with pytest.raises(PermanentError, match=r"cannot lock .*/\.docferry/lock"):
            lock.acquire()

    assert list(mount_point.iterdir()) == []
    assert not vanished.exists()


def test_a_lock_keeps_no_file_system_from_being_remounted_read_only(tmp_path: pathlib.Path) -> None:
    """The kernel refuses that while a file is open for writing."""
    file = tmp_path / ".docferry" / "lock"
    file.parent.mkdir()
    with MirrorLock(tmp_path):
        fds = pathlib.Path("/proc/self/fd").iterdir()
        [flags] = [fcntl.fcntl(int(fd.name), fcntl.F_GETFL) for fd in fds if is_at(fd, file)]

    assert flags & os.O_ACCMODE == os.O_RDONLY


def is_at(fd: pathlib.Path, file: pathlib.Path) -> bool:
    return fd.exists() and fd.samefile(file)


@pytest.mark.parametrize("is_folder_linked", [True, False])
def test_a_lock_is_never_written_through_a_link_that_somebody_has_put_there(
    tmp_path: pathlib.Path,
    is_folder_linked: bool,  # noqa: FBT001
) -> None:
    folder, elsewhere = tmp_path / "docs", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "lock").write_text("another program's")
    if is_folder_linked:
        (folder / ".docferry").symlink_to(elsewhere)
    else:
        (folder / ".docferry").mkdir()
        (folder / ".docferry/lock").symlink_to(elsewhere / "lock")

    with pytest.raises(PermanentError, match=r"cannot lock .*/\.docferry/lock"):
        MirrorLock(folder).acquire()

    assert (elsewhere / "lock").read_text() == "another program's"


def test_a_lock_that_is_another_file_too_is_taken_and_not_written_to(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / ".docferry").mkdir()
    (tmp_path / "elsewhere").write_text("another program's")
    os.link(tmp_path / "elsewhere", tmp_path / ".docferry/lock")

    with MirrorLock(tmp_path), pytest.raises(TakenError):
        MirrorLock(tmp_path).acquire()

    assert (tmp_path / "elsewhere").read_text() == "another program's"


def test_a_pipe_in_the_place_of_a_lock_makes_nobody_wait(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".docferry").mkdir()
    os.mkfifo(tmp_path / ".docferry/lock")

    with MirrorLock(tmp_path):
        pass
