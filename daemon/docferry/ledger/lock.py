"""
One docferry to a state directory, and one to a mirror's folder.

The lock is the kernel's (flock): it ends with the process, however that ends. The pid
in the file is only there to be shown. The folder of the file is locked as well: a file that
somebody deletes is made anew by the next who comes, and locks nobody out.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from docferry.errors import DocferryError, PermanentError, TakenError, UserError
from docferry.folders import make_folder
from docferry.model import RESERVED

_NAME = "lock"
# `is_held` takes the lock for an instant to see whether it is free. A daemon that
# starts at that instant must not take it for another daemon.
_TRIES = 10
_PAUSE_S = 0.02
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class _FileLock:
    """
    A lock on *file*, which is created where missing. Use it as a context manager.

    Raises:
        TakenError: On entering: another process holds it.
        UserError: On entering: it cannot be made.
    """

    _cannot_be_made: type[DocferryError] = UserError
    _remedy = "; check that the folder exists and that docferry may write there"
    _folder_flags = 0

    def __init__(self, file: Path, place: str) -> None:
        self._file = file
        self._place = place  #: what is locked, as a person would say it
        self._fd: int | None = None
        self._folder_fd: int | None = None

    def acquire(self) -> None:
        if self._fd is not None:
            return
        self._folder_fd = self._claimed_folder()
        try:
            try:
                self._fd = self._claimed(os.O_RDONLY)
            except OSError:  # NFS locks only what is open for writing
                self._fd = self._claimed(os.O_RDWR)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        # The file stays: whoever removed it could remove another process's lock.
        for fd in (self._folder_fd, self._fd):
            if fd is not None:
                os.close(fd)
        self._folder_fd = self._fd = None

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def _claimed(self, flags: int) -> int:
        # A file that is open for writing keeps its file system from being remounted read-only.
        with self._in_folder() as folder_fd:
            fd = self._open(folder_fd, flags | os.O_CREAT)
            try:
                self._claim(fd, folder_fd)
            except BaseException:
                os.close(fd)
                raise
        return fd

    @contextmanager
    def _in_folder(self) -> Iterator[int]:
        try:
            self._make_folder()
            fd = os.open(self._file.parent, _FOLDER | self._folder_flags)
        except OSError as error:
            raise self._refusal(error) from error
        try:
            yield fd
        finally:
            os.close(fd)

    def _make_folder(self) -> None:
        make_folder(self._file.parent, 0o750)

    def _claimed_folder(self) -> int | None:
        """Lock the folder. None: it is not there, or no folder can be locked, as on NFS."""
        try:
            self._make_folder()
            fd = os.open(self._file.parent, _FOLDER | self._folder_flags)
        except OSError:
            return None
        try:
            if _take(fd):
                return fd
            raise self._taken_by(_pid_in(self._file))
        except TakenError:
            os.close(fd)
            raise
        except (OSError, UserError):
            os.close(fd)
            return None

    def _taken_by(self, pid: int) -> TakenError:
        return TakenError(f"docferry already runs on this {self._place} (pid {pid or 'unknown'})")

    def _open(self, folder_fd: int, flags: int) -> int:
        try:
            return _open_itself(self._file.name, folder_fd, flags)
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> DocferryError:
        return self._cannot_be_made(f"cannot lock {self._file}: {error.strerror}{self._remedy}")

    def _claim(self, fd: int, folder_fd: int) -> None:
        if not _take(fd):
            raise self._taken_by(_read_pid(fd))
        with suppress(OSError):  # read-only: whoever is refused sees an older pid
            _note_pid(self._file.name, folder_fd, fd)


class StateLock(_FileLock):
    """The right to be the one daemon on a state directory."""

    _remedy = "; make that folder and let docferry write to it, or choose another `state_dir`"

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir / _NAME, "state directory")
        self._state_dir = state_dir

    def acquire(self) -> None:
        _refuse_root_for_others(self._state_dir)
        super().acquire()


class MirrorLock(_FileLock):
    """
    The right to be the one daemon that mirrors a folder.

    It lies in the folder's `.docferry` and does not make that: a mount point whose file
    system is missing takes no harm, and a folder that has vanished is not made anew.

    Raises:
        TakenError: On entering: another process holds it.
        PermanentError: On entering: it cannot be made.
    """

    _cannot_be_made = PermanentError
    #: Others may write to a mirror's folder: a link of theirs is not to lead elsewhere.
    _folder_flags = os.O_NOFOLLOW

    def __init__(self, local: Path) -> None:
        super().__init__(local / RESERVED / _NAME, f"folder, {local}")
        self._folder = local / RESERVED

    @property
    def has_place(self) -> bool:
        """Whether the folder is one that docferry has worked in."""
        try:
            return stat.S_ISDIR(self._folder.lstat().st_mode)
        except OSError:  # it does not answer, or not to us
            return False

    def _make_folder(self) -> None:
        pass


def is_held(state_dir: Path) -> int | None:
    """
    Tell which process holds the state directory. None: nobody.

    0 is a process that has not written its pid yet, or whose file was deleted: compare with None.
    """
    try:
        fd = os.open(state_dir / _NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0 if _is_folder_held(state_dir) else None
    except OSError as error:
        raise UserError(
            f"cannot tell whether docferry runs on {state_dir}: {error.strerror}. Ask as root, "
            "or as the user that docferry runs as"
        ) from error
    try:
        if not _try_lock(fd, fcntl.LOCK_SH):
            return _read_pid(fd)
    finally:
        os.close(fd)
    return 0 if _is_folder_held(state_dir) else None


def _is_folder_held(folder: Path) -> bool:
    try:
        fd = os.open(folder, _FOLDER)
    except OSError:
        return False
    try:
        return not _try_lock(fd, fcntl.LOCK_SH)
    except (OSError, UserError):
        return False
    finally:
        os.close(fd)


def _refuse_root_for_others(state_dir: Path) -> None:
    """What root left there the service's user could not open again, at its next start."""
    try:
        owner = state_dir.stat().st_uid
    except OSError:  # it is not there, or the lock says what is wrong
        return
    if os.geteuid() == 0 and owner != 0:
        name = _name_of(owner)
        raise UserError(
            f"{state_dir} belongs to the user {name}, and root would leave files there that {name} "
            "cannot open: systemctl start docferry, or as that user: systemd-run --pty --wait "
            f"--uid={name} -p LoadCredential=docferry:/etc/docferry/credentials docferry COMMAND"
        )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _open_itself(name: str, folder_fd: int, flags: int) -> int:
    """Open a file itself, never what a symbolic link points to, nor wait for a pipe's end."""
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.open(name, flags, 0o640, dir_fd=folder_fd)


def _note_pid(name: str, folder_fd: int, locked_fd: int) -> None:
    fd = _open_itself(name, folder_fd, os.O_WRONLY)
    try:
        found = os.fstat(fd)
        # Under a second name it could be any file of the machine that somebody has linked here.
        if found.st_nlink == 1 and os.path.samestat(found, os.fstat(locked_fd)):
            os.ftruncate(fd, 0)
            os.write(fd, b"%d\n" % os.getpid())
    finally:
        os.close(fd)


def _take(fd: int) -> bool:
    for _ in range(_TRIES):
        if _try_lock(fd, fcntl.LOCK_EX):
            return True
        time.sleep(_PAUSE_S)
    return False


def _try_lock(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno == errno.EBADF:
            raise
        raise UserError(
            f"cannot lock: {error.strerror}; docferry needs a file system with locks (flock)"
        ) from error
    return True


def _pid_in(file: Path) -> int:
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return _read_pid(fd)
    finally:
        os.close(fd)


def _read_pid(fd: int) -> int:
    text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
    return int(text) if text.isdigit() else 0
