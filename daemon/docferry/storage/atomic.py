"""
The system calls with which a file changes place and nothing is lost: renames that look first.

Everything works on names in open directories (the *at() calls), so that nobody can
swap a symbolic link in between a look and a leap. Errors are plain OSErrors here;
`storage.local_folder` turns them into docferry's.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
from contextlib import suppress
from dataclasses import dataclass

_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2

#: What a kernel or a file system answers that does not know a flag or a call.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Place:
    """A name in an open directory. There may be anything there, or nothing."""

    dir_fd: int
    name: str

    def look(self) -> os.stat_result | None:
        """Say what is there, without following a symbolic link. None: nothing."""
        try:
            return os.stat(self.name, dir_fd=self.dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open(self, flags: int, mode: int = 0o600) -> int:
        """
        Open what is there itself, never what a symbolic link points to.

        O_NONBLOCK: opening a FIFO must not wait for its other end.
        """
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(self.name, flags, mode, dir_fd=self.dir_fd)

    def rename_over(self, target: Place) -> None:
        """Give it the name *target*; what had that name is gone unless it has another."""
        os.rename(self.name, target.name, src_dir_fd=self.dir_fd, dst_dir_fd=target.dir_fd)

    def unlink(self) -> None:
        os.unlink(self.name, dir_fd=self.dir_fd)


class Renames:
    """
    Renames that never put anything in the place of something else.

    Some file systems lack what these need (NFS both flags, exFAT hard links too). What
    a call finds missing is made up for as well as it can be, as said at each. The
    arguments let tests do without.
    """

    def __init__(self, *, with_flags: bool = True, with_links: bool = True) -> None:
        self._with_flags = with_flags
        self._with_links = with_links

    def to_free_name(self, source: Place, target: Place) -> None:
        """
        Rename *source* to *target*, which must not exist.

        On a file system without RENAME_NOREPLACE: link, then unlink; without hard
        links too (and for folders there): look, then rename, and what comes to
        *target* between the two is lost.

        Raises:
            FileExistsError: There is something at *target*; nothing changed.
        """
        if self._with_flags and _renameat2(source, target, _RENAME_NOREPLACE):
            return
        if self.link(source, target):
            source.unlink()
            return
        if target.look() is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target.name)
        source.rename_over(target)

    def exchange(self, one: Place, other: Place) -> bool:
        """Let two names swap what they name, in one step. False: it cannot be done here."""
        return self._with_flags and _renameat2(one, other, _RENAME_EXCHANGE)

    def link(self, source: Place, target: Place) -> bool:
        """
        Give *source* the second name *target*. False: it cannot be done here.

        Raises:
            FileExistsError: There is something at *target*; nothing changed.
        """
        if not self._with_links:
            return False
        try:
            os.link(
                source.name,
                target.name,
                src_dir_fd=source.dir_fd,
                dst_dir_fd=target.dir_fd,
                follow_symlinks=False,
            )
        except OSError as error:
            if error.errno in _UNSUPPORTED or error.errno == errno.EMLINK:
                return False
            raise
        return True


def open_folder(name: str, *, dir_fd: int | None = None) -> int:
    """
    Open a directory, but not through a symbolic link in its last segment.

    Raises:
        NotADirectoryError: Something else is there, a symbolic link for example.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, dir_fd=dir_fd)


def fsync_folder(dir_fd: int) -> None:
    """Make the names in a directory last through a power cut."""
    fsync(dir_fd)


def fsync(fd: int) -> None:
    """Make the content of an open file, or the names in a directory, last through a power cut."""
    try:
        os.fsync(fd)
    except OSError as error:
        # Network and FUSE file systems that cannot: their server looks after it.
        if error.errno not in _UNSUPPORTED:
            raise


def has_writer(fd: int) -> bool | None:
    """
    Say whether anybody has the file behind a read-only *fd* open for writing. None: unknown.

    A read lease is granted only while nobody has (fcntl(2), "Leases"). It needs a local
    file system, and the file to be ours or CAP_LEASE. Whoever opens the file for
    writing in the microseconds that we hold the lease waits for its end, and we are
    sent a signal: by default SIGIO, which kills; SIGURG is ignored.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def hold(place: Place) -> int:
    """
    Open a file for as long as it is being made, so that `is_held` says so, in other processes too.

    The caller closes it. Read-only, for to have it open is no writing (`has_writer`), and so with
    a shared lock: NFS refuses an exclusive one that way. Where there are no locks, nothing is held.
    """
    fd = place.open(os.O_RDONLY)
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def is_held(place: Place) -> bool:
    """Say whether somebody is known to hold the file. Only for one of our own."""
    try:
        fd = place.open(os.O_RDWR)  # NFS gives an exclusive lock to nobody else
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno == errno.EWOULDBLOCK
    finally:
        os.close(fd)
    return False


def _renameat2(source: Place, target: Place, flag: int) -> bool:
    """Call renameat2(2). False: the kernel, the C library or the file system cannot do it."""
    try:
        call = _libc.renameat2
    except AttributeError:  # a C library without it
        return False
    names = os.fsencode(source.name), os.fsencode(target.name)
    if call(source.dir_fd, names[0], target.dir_fd, names[1], flag) == 0:
        return True
    number = ctypes.get_errno()
    # EPERM is an answer here: an immutable or append-only file.
    if number in _UNSUPPORTED and number != errno.EPERM:
        return False
    raise OSError(number, os.strerror(number), source.name, None, target.name)
