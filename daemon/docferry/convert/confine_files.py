"""Which files a confined process sees: mounts that hide the others, Landlock that refuses them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence

from docferry.convert import confine_calls as calls

_READ = calls.FS_READ_FILE | calls.FS_READ_DIR
_RUN = _READ | calls.FS_EXECUTE
_WRITE_FILE = calls.FS_READ_FILE | calls.FS_WRITE_FILE | calls.FS_TRUNCATE
_EVERYTHING = -1

# Hidden where mounts can be made: folders that anyone may write into, or that hold other
# people's things. What is granted below them is put back in.
_HIDDEN = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/root", "/home")
#: Of those, the ones in which programs expect to write: theirs alone, gone with them.
_SCRATCH = ("/tmp", "/var/tmp", "/dev/shm")
_SCRATCH_OPTIONS = "mode=1777,size=64m,nr_inodes=4096"

#: statvfs(3) and mount(2) name these alike: nosuid, nodev, noexec, noatime, nodiratime.
_INHERITED_FLAGS = 2 | 4 | 8 | 1024 | 2048

_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
# /etc as a whole would be too much: it holds docferry's own configuration, and other secrets.
_SETTINGS_OF_PROGRAMS = """
    ImageMagick-6 ImageMagick-7 alternatives default/locale fonts ghostscript group host.conf
    java java-11-openjdk java-17-openjdk java-21-openjdk ld.so.cache ld.so.conf ld.so.conf.d
    libpaper.d libreoffice locale.alias localtime magic magic.mime mime.types nsswitch.conf
    os-release papersize paperspecs passwd ssl/openssl.cnf texmf timezone xdg
"""
_SETTINGS = tuple(f"/etc/{name}" for name in _SETTINGS_OF_PROGRAMS.split())
_CACHES = (
    *("/var/cache/fontconfig", "/var/lib/texmf", "/var/lib/ghostscript"),
    *("/var/lib/libreoffice", "/var/spool/libreoffice"),
)
# Of all processes: nothing that tells of one of them.
_PROC = (
    *("/proc/cpuinfo", "/proc/filesystems", "/proc/meminfo", "/proc/self", "/proc/stat"),
    *("/proc/sys/kernel", "/proc/sys/vm", "/proc/uptime", "/proc/version"),
)
_CPUS = "/sys/devices/system/cpu"
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def hide(readable: Sequence[str], writable: Sequence[str]) -> None:
    """
    Cover what is nobody's business with empty folders, but for what is granted.

    In a mount namespace of its own. Covered are also the folders on the way to what is
    granted that other users may not pass: so the paths hold for them, and their other
    contents are out of sight.

    Raises:
        OSError: Mounts cannot be made here. Some may have been.
    """
    granted = dict.fromkeys(readable, False) | dict.fromkeys(writable, True)
    covers = _covers(list(granted))
    kept = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in granted}
    calls.mount("", "/", "", calls.MS_REC | calls.MS_PRIVATE)
    for cover in covers:
        flags = calls.MS_NOSUID | calls.MS_NODEV
        options = _SCRATCH_OPTIONS if cover in _SCRATCH else "mode=755,size=64k,nr_inodes=256"
        calls.mount("tmpfs", cover, "tmpfs", flags, options)
    for path, fd in sorted(kept.items()):
        _put_back(path, fd, is_writable=granted[path])
        os.close(fd)


def is_of_the_system(path: str) -> bool:
    return any(path == folder or _is_below(path, folder) for folder in _PROGRAMS)


def mount_own_proc() -> bool:
    """Show this process, the first of its namespace, only the processes that are in there."""
    try:
        calls.mount("proc", "/proc", "proc", calls.MS_NOSUID | calls.MS_NODEV | calls.MS_NOEXEC)
    except OSError:  # a container that hides some of it lets nobody see more
        return False
    return True


def grant(
    readable: Iterable[str],
    writable: Iterable[str],
    listed: Iterable[str],
    *,
    has_own_proc: bool,
    has_own_scratch: bool,
    has_own_user: bool,
) -> None:
    """
    Refuse this process all files but those of the system's programs and those named.

    Raises:
        OSError: The kernel has no Landlock.
    """
    rules = calls.Landlock()
    for path in (*_PROGRAMS, *readable):
        _allow(rules, path, _RUN)
    for path in (*_SETTINGS, *_CACHES, _CPUS, *(("/proc",) if has_own_proc else _PROC)):
        _allow(rules, path, _READ)
    for path in listed:
        _allow(rules, path, calls.FS_READ_DIR)
    for path in _DEVICES:
        _allow(rules, path, _WRITE_FILE)
    for path in (*writable, *(_SCRATCH if has_own_scratch else ())):
        _allow(rules, path, _EVERYTHING)
    if not has_own_scratch:
        # LibreOffice listens there, whatever TMPDIR says, and does not start without. Only a
        # user who can remove nothing but its own (the folder is sticky) may tidy up.
        tidy = calls.FS_REMOVE_FILE if has_own_user else 0
        _allow(rules, _SCRATCH[0], calls.FS_MAKE_SOCK | tidy)
    rules.enforce()


def _covers(granted: Sequence[str]) -> list[str]:
    """The topmost ones only: mounting one would hide one below it again."""
    found = {path for path in _HIDDEN if os.path.isdir(path) and not os.path.islink(path)}  # noqa: PTH112, PTH114
    found |= {closed for path in granted if (closed := closed_above(path))}
    found -= set(granted)
    return sorted(
        path for path in found if not any(_is_below(path, other) for other in found - {path})
    )


def closed_above(path: str) -> str | None:
    """Find the first folder above *path* that a stranger may not pass."""
    names = path.split("/")[1:-1]
    for count in range(1, len(names) + 1):
        folder = "/" + "/".join(names[:count])
        if not os.stat(folder).st_mode & stat.S_IXOTH:  # noqa: PTH116
            return folder
    return None


def _put_back(path: str, fd: int, *, is_writable: bool) -> None:
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.makedirs(path, 0o755, exist_ok=True)  # noqa: PTH103
    else:
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)  # noqa: PTH103, PTH120
        if not os.path.lexists(path):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    calls.mount(f"/proc/self/fd/{fd}", path, "", calls.MS_BIND | calls.MS_REC)
    if not is_writable:
        # What the mount beneath forbids must be forbidden again, or nothing can be.
        more = os.statvfs(path).f_flag & _INHERITED_FLAGS
        calls.mount("", path, "", calls.MS_BIND | calls.MS_REMOUNT | calls.MS_RDONLY | more)


def _allow(rules: calls.Landlock, path: str, access: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not here: nothing to allow
        return
    rules.allow(fd, access, is_folder=stat.S_ISDIR(os.fstat(fd).st_mode))
    os.close(fd)


def _is_below(path: str, folder: str) -> bool:
    return path != folder and path.startswith(folder.rstrip("/") + "/")
