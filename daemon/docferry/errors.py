"""
All errors docferry raises on purpose.

DocferryError
├── UserError               the configuration or a request is wrong; shown without a traceback
│   ├── TakenError          somebody else has what is needed (port, folder): it may come free
│   ├── NotFoundError       what the request names is not there
│   └── ConflictError       it is there, and as it is now the request makes no sense
├── TemporaryError          the same call may succeed later (5xx, lock, damaged body); retried
│   ├── FullError           a disk is full: wait for room, not for the file
│   ├── UnreachableError    the whole side does not answer: wait for the side, not for the file
│   │   └── RefusedKeysError    it answers, and takes none of our keys: a person renews them
│   └── ThrottledError      the store asks for less (SlowDown, 503): fewer at a time, then again
├── PermanentError          the same call will fail again; a row that a person sees
│   ├── ReadOnlyError       a file system takes no writes: a person mounts it otherwise
│   └── BlockedPathError    a file stands where a folder is needed, or the other way round
│       └── NameTakenError  the object that a file would be has another local name
├── HeldError               a guard keeps it from travelling until a person decides
└── StaleError              the world moved since the plan was made; plan again, never retry as is
"""


class DocferryError(Exception):
    """
    Base of every error docferry raises on purpose.

    The message says what failed, on what, and what to do about it.
    """

    has_lines = False  #: whether it says that in several lines; else a line break is a name's


class UserError(DocferryError):
    """The configuration or a request is wrong. Shown without a traceback; exit code 2."""


class TakenError(UserError):
    """
    Somebody else has what is needed: a port, a state directory, a folder.

    It may come free by itself: `docferry run` ends with a code of its own, for another start.
    """


class NotFoundError(UserError):
    """There is nothing of the name, or the id, that was given."""


class ConflictError(UserError):
    """What is asked for does not fit what is there now: it is decided already, or exists."""


class TemporaryError(DocferryError):
    """The same call may succeed later: 5xx, lock, damaged body. Retried with backoff."""


class FullError(TemporaryError):
    """A disk, or somebody's part of it, is full. Wait for room; other files fail too."""


class UnreachableError(TemporaryError):
    """The whole side does not answer (refused, timed out, unmounted). Wait for the side."""


class RefusedKeysError(UnreachableError):
    """The whole side takes none of our keys. It is no file's fault: wait until they are renewed."""


class ThrottledError(TemporaryError):
    """The store asks for less (SlowDown, 503). Do fewer at a time, then try again."""


class PermanentError(DocferryError):
    """The same call will fail again until a person acts. Shown in `docferry status`."""


class ReadOnlyError(PermanentError):
    """A file system is mounted read-only: no file of it can be written, whichever it is."""


class BlockedPathError(PermanentError):
    """
    A file stands where a folder is needed, or a folder where a file is.

    An object store can hold both `a` and `a/b`; a folder cannot. The engine answers
    by giving the newcomer another local name (`core.paths.alias_for`).
    """

    def __init__(self, message: str, *, blocked_by: str = "") -> None:
        super().__init__(message)
        self.blocked_by = blocked_by  #: path of what stands in the way


class NameTakenError(BlockedPathError):
    """
    The object with this path's key goes by another local name: `blocked_by`.

    The engine answers by ending that alias, or by moving the file (`engine.aliased`).
    """


class HeldError(DocferryError):
    """A guard keeps this change from travelling: it waits in a hold. Nothing is to be retried."""


class StaleError(DocferryError):
    """The world moved since the plan was made. Plan again; never repeat as is."""

    took_s = 0.0  #: how long it had been worked on until then
