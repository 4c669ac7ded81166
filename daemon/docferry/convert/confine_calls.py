"""The calls to the kernel that confine a process; standard library only, nothing decided here."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 2, 4
_CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
_SECCOMP_MODE_FILTER = 2

# linux/landlock.h: what a rule can allow, and since which ABI.
FS_EXECUTE, FS_WRITE_FILE, FS_READ_FILE, FS_READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
FS_REMOVE_FILE, FS_MAKE_SOCK = 1 << 5, 1 << 9
_FS_REFER, FS_TRUNCATE, FS_IOCTL = 1 << 13, 1 << 14, 1 << 15
#: What can be allowed of a single file; the kernel refuses the others for it.
FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL
_NET_BIND_AND_CONNECT = 0b11
_SCOPE_SOCKETS_AND_SIGNALS = 0b11

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # on every architecture


class _Machine(NamedTuple):
    """The numbers of one kind of machine."""

    arch: int  #: for the kernel, linux/audit.h
    socket: int
    socketpair: int
    clone: int
    prlimit: int
    fcntl: int
    signals: tuple[int, ...]  #: kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo
    turns: tuple[int, ...]  #: sched_setscheduler, _setparam, _setattr, _setaffinity
    shares: tuple[tuple[int, int], ...]  #: setpriority, ioprio_set; "all of a user" to each
    refused: tuple[int, ...]


# socket() and socketpair() are for streams of AF_UNIX alone: over a datagram socket anybody
# can be written to, and none needs connect(). io_uring opens sockets behind the filter's
# back. What the IPC calls make is in no limit, and outlives who made it; and of what others
# have made the numbers are few to try. inotify tells the
# names of files that may not be read (Landlock does not ask), and its instances are few for
# a user. Handles open files past their folders. The others because no converter needs them
# and most holes in kernels were found behind them.
_MACHINES = {
    "x86_64": _Machine(
        *(0xC000003E, 41, 53, 56, 302, 72),
        (62, 200, 234, 129, 297),
        (144, 142, 314, 203),
        ((141, 2), (251, 3)),
        # connect, ptrace, mount, umount2, swapon, kexec_load, init_module, unshare,
        # perf_event_open, process_vm_readv, _writev, finit_module, setns, bpf, userfaultfd,
        # add_key, request_key, keyctl, pivot_root,
        # shmget, _at, _ctl, semget, _op, _ctl, _timedop, msgget, _snd, _rcv, _ctl, mq_open,
        # _unlink, inotify_init, _add_watch, _init1, fanotify_init,
        # name_to_handle_at, open_by_handle_at, quotactl, modify_ldt
        (
            *(42, 101, 165, 166, 167, 246, 175, 272, 298, 310, 311, 313, 308, 321, 323),
            *(248, 249, 250, 155),
            *(29, 30, 31, 64, 65, 66, 220, 68, 69, 70, 71, 240, 241),
            *(253, 254, 294, 300, 303, 304, 179, 154),
        ),
    ),
    "aarch64": _Machine(
        *(0xC00000B7, 198, 199, 220, 261, 25),
        (129, 130, 131, 138, 240),
        (119, 118, 274, 122),
        ((140, 2), (30, 3)),
        (
            *(203, 117, 40, 39, 224, 104, 105, 97, 241, 270, 271, 273, 268, 280, 282),
            *(217, 218, 219, 41),
            *(194, 196, 195, 190, 193, 191, 192, 186, 189, 188, 187, 180, 181),
            *(27, 26, 262, 264, 265, 60),
        ),
    ),
}
# On every architecture: pidfd_send_signal, io_uring_setup, _enter, _register, open_tree,
# move_mount, fsopen, fsconfig, fsmount, fspick, pidfd_getfd, process_madvise, mount_setattr,
# memfd_secret.
_REFUSED_EVERYWHERE = (424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 440, 442, 447)
_CLONE3 = 435  # what it is asked for is in memory, where no filter looks: libc asks clone() then
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEW…: in one of its own anybody is root
_EVERYBODY = -1  # to kill()
_MOST_THREADS = 200  # each takes 15 of the 4,096 lines that a filter may have
_SETS_OWN = (8, 15)  # F_SETOWN, F_SETOWN_EX: whom the kernel sends a signal, of any number
_AF_UNIX, _SOCK_DGRAM, _SOCK_KINDS = 1, 2, 0xF

_libc = ctypes.CDLL(None, use_errno=True)
# Without its types a 64-bit argument would be cut to 32 bits.
_libc.syscall.restype = ctypes.c_long
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]


def prctl(what: int, value: int) -> None:
    """Raises: OSError."""
    _checked(_libc.prctl(what, value, 0, 0, 0), "prctl")


def unshare(flags: int) -> None:
    """Raises: OSError."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Raises: OSError."""
    encoded = (os.fsencode(source), os.fsencode(target), kind.encode() or None)
    _checked(_libc.mount(*encoded, flags, options.encode() or None), f"mount {target}")


def drop_capabilities() -> None:
    """Have the next program start without a capability, even if it runs as root."""
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails where there is none left


def clear_ambient() -> None:
    """Hand on no capability that the service was given, such as CAP_LEASE."""
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)


def keep_only(capability: int) -> None:
    """
    Keep one capability through the change of user that is to come. Raises: OSError.

    `raise_kept` follows that change.
    """
    prctl(_PR_SET_KEEPCAPS, 1)
    if not int(_status("CapPrm"), 16) >> capability & 1:
        raise OSError(errno.EPERM, f"capability {capability} is not ours to keep")


def raise_kept(capability: int) -> None:
    """Use it, and hand it on to the next program. Raises: OSError."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    mask = 1 << capability
    _checked(_libc.capset(header, struct.pack("=IIIIII", mask, mask, mask, 0, 0, 0)), "capset")
    _checked(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0), "ambient")


def _status(name: str) -> str:
    with open("/proc/self/status") as file:  # noqa: PTH123
        return next(line.split()[1] for line in file if line.startswith(name + ":"))


def landlock_abi() -> int:
    """Give the version of Landlock that the kernel has; 0: none, or it is switched off."""
    found = int(_libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))
    return max(found, 0)


class Landlock:
    """A rule set: what is not allowed is refused, to this process and all that it starts."""

    def __init__(self) -> None:
        """Raises: OSError: There is no Landlock."""
        abi = landlock_abi()
        handled = (1 << 13) - 1
        for bit, since in ((_FS_REFER, 2), (FS_TRUNCATE, 3), (FS_IOCTL, 5)):
            handled |= bit if abi >= since else 0
        self.everything = handled
        attributes = struct.pack(
            "=QQQ",
            handled,
            _NET_BIND_AND_CONNECT if abi >= 4 else 0,
            _SCOPE_SOCKETS_AND_SIGNALS if abi >= 6 else 0,
        )
        size = 24 if abi >= 6 else 16 if abi >= 4 else 8
        self._fd = _checked(
            _libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0)),
            "landlock",
        )

    def allow(self, fd: int, access: int, *, is_folder: bool) -> None:
        """Allow *access* to what *fd* is, and to all below it. Raises: OSError."""
        allowed = access & self.everything & (-1 if is_folder else FS_OF_FILES)
        rule = struct.pack("=Qi", allowed, fd)
        call = (_LANDLOCK_ADD, ctypes.c_int(self._fd), ctypes.c_int(1), rule, ctypes.c_uint32(0))
        _checked(_libc.syscall(*call), "landlock")

    def enforce(self) -> None:
        """For good, from here on. PR_SET_NO_NEW_PRIVS comes first. Raises: OSError."""
        call = (_LANDLOCK_RESTRICT, ctypes.c_int(self._fd), ctypes.c_uint32(0))
        _checked(_libc.syscall(*call), "landlock")
        os.close(self._fd)


def refuse_calls(guarded: Iterable[int] = (), threads: Iterable[int] = ()) -> None:
    """
    Refuse sockets of the network and the calls that no converter needs, for good.

    PR_SET_NO_NEW_PRIVS comes first.

    Args:
        guarded: Processes that get no signals, and whose priority stays; nor does everybody.
        threads: Of them: kill() takes their numbers, too, and ends the process.

    Raises:
        OSError: The kernel has no seccomp, or the machine is of a kind not known here.
    """
    machine = _MACHINES.get(os.uname().machine)
    if machine is None:
        raise OSError(f"no seccomp filter for {os.uname().machine}")
    program = _filter(machine, [*guarded], [*threads][:_MOST_THREADS])
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions, padding, their address
    address = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    fprog = ctypes.create_string_buffer(address, len(address))
    _checked(
        _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(fprog), 0, 0),
        "seccomp",
    )


_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _ANSWER = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_Line: TypeAlias = tuple[int, int, int, int]  #: code, lines to skip if true, if false, value


def _filter(machine: _Machine, guarded: Sequence[int], threads: Sequence[int]) -> bytes:
    """
    Assemble the filter in classic BPF; see linux/seccomp.h for what it is given.

    It is a row of blocks, each of which refuses one thing or goes on behind its end.
    """
    unreachable = (_EVERYBODY, *(sign * pid for pid in guarded for sign in (1, -1)))
    blocks: list[list[_Line]] = [
        # Programs of another architecture have other numbers; so have those of x32.
        [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, machine.arch), _refuse()],
        [(_LOAD, 0, 0, 0), (_AT_LEAST, 0, 1, 0x40000000), _refuse()],
        *([(_EQUAL, 0, 1, call), _refuse()] for call in (*machine.refused, *_REFUSED_EVERYWHERE)),
        [(_EQUAL, 0, 1, _CLONE3), _refuse(errno.ENOSYS)],
        _where(machine.clone, _argument(0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES)),
        _where(machine.prlimit, _argument(0), (_EQUAL, 1, 0, 0)),  # of another process
        _where(machine.socket, _argument(0), (_EQUAL, 1, 0, _AF_UNIX)),
        *(
            _where(call, _argument(1), (_AND, 0, 0, _SOCK_KINDS), (_EQUAL, 0, 1, _SOCK_DGRAM))
            for call in (machine.socket, machine.socketpair)
        ),
        *(
            _where(call, _argument(0), (_EQUAL, 0, 1, pid & 0xFFFFFFFF))
            for call in machine.signals
            for pid in unreachable
        ),
        *(
            _where(call, _argument(0), (_EQUAL, 0, 1, thread))
            for call in machine.signals[:2] + machine.signals[3:4]
            for thread in threads
        ),
        *(_own_turns(machine) if guarded else ()),
        *(_where(machine.fcntl, _argument(1), (_EQUAL, 0, 1, how)) for how in _SETS_OWN),
        [(_ANSWER, 0, 0, _ALLOW)],
    ]
    return b"".join(struct.pack("=HBBI", *line) for block in blocks for line in block)


def _own_turns(machine: _Machine) -> list[list[_Line]]:
    """Have it say when and where it runs itself (0), and nobody else."""
    return [
        *(_where(call, _argument(0), (_EQUAL, 1, 0, 0)) for call in machine.turns),
        *(_where(call, _argument(1), (_EQUAL, 1, 0, 0)) for call, _ in machine.shares),
        *(_where(call, _argument(0), (_EQUAL, 0, 1, user)) for call, user in machine.shares),
    ]


def _where(call: int, *test: _Line) -> list[_Line]:
    """Refuse *call* where *test*, which ends with a jump over one line, says so."""
    number = (_LOAD, 0, 0, 0)
    return [number, (_EQUAL, 0, len(test) + 1, call), *test, _refuse()]


def _argument(index: int) -> _Line:
    return (_LOAD, 0, 0, 16 + 8 * index)  # its lower half, where all that is asked for is


def _refuse(number: int = errno.EPERM) -> _Line:
    return (_ANSWER, 0, 0, _REFUSE | number)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return int(result)
