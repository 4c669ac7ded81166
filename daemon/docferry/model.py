"""
The nouns of docferry: what a tree holds, what a plan asks for, what came of it.

Values only. Nothing here reads a file, a socket, a clock or the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

Path: TypeAlias = str  # relative to the mirror, "/"-separated, valid UTF-8, never empty
Key: TypeAlias = str  # an object's key below the mirror's prefix
Sha256: TypeAlias = str  # 64 lower-case hex digits
Token: TypeAlias = str  # opaque; differs whenever the content may differ
Ulid: TypeAlias = str  # 26 characters, Crockford base 32

#: The first segment that belongs to docferry itself on both sides. Nothing below it is mirrored.
RESERVED = ".docferry"
MARKER_PATH = ".docferry/mirror.json"  # proves that a side is itself
ARCHIVE_PREFIX = ".docferry/versions/"  # + ULID: where displaced versions live

# In the place of a token, which always has digits in it:
NEVER_SEEN: Token = ""  # nobody has seen this content on the local side
TOKEN_LOST: Token = "?"  # a side had it, but the note of its token was lost; or has another by now


class Side(StrEnum):
    LOCAL = "local"
    REMOTE = "remote"


class Mode(StrEnum):
    """Which way changes travel. A filter on operations, not another planner."""

    TWO_WAY = "two-way"
    PUSH = "push"  # local to remote only
    PULL = "pull"  # remote to local only


class Origin(StrEnum):
    """Where a version first came to rest."""

    LOCAL = "local"
    STORE = "store"
    DROP = "drop"
    CONVERSION = "conversion"
    RESTORE = "restore"  # an older version, had back
    API = "api"
    EVIDENCE = "evidence"  # rotten bytes that took the place of a sound content


# What a side holds.


@dataclass(frozen=True, slots=True)
class FileState:
    """What one side holds at one path, as last observed."""

    token: Token  #: remote: the ETag without quotes; local: "<size>-<mtime_ns>-<inode>"
    sha256: Sha256 | None  #: None: the content has not been read yet
    size: int  #: bytes
    changed_ns: int = 0  #: local: max(mtime, ctime) in ns since the epoch; remote: 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """
    Nothing is known at *path*: unreadable, a symlink, a socket, a name that is not UTF-8.

    With *below*, nothing is known about anything under it either. Nothing may be
    decided about such paths; *reason* is shown to a person.
    """

    path: Path
    reason: str
    below: bool = False


@dataclass(frozen=True, slots=True)
class SyncedState:
    """The last content both sides agreed on, and the token each side had for it: the merge base."""

    sha256: Sha256
    local_token: Token  #: or NEVER_SEEN or TOKEN_LOST
    remote_token: Token  #: or TOKEN_LOST
    version: Ulid
    size: int  #: bytes

    @property
    def is_to_look_at(self) -> bool:
        """Whether a side is still to be looked at."""
        return TOKEN_LOST in (self.local_token, self.remote_token)


#: What a walk or a listing yields, in the order of the paths' UTF-8 bytes.
Entry: TypeAlias = tuple[Path, FileState] | Unknown


@dataclass(frozen=True, slots=True)
class Provenance:
    """Of which document a conversion made a content, and how."""

    source: Ulid  #: the version that was converted
    source_sha256: Sha256
    rule: str
    converter: str  #: the program and its version, "xberg 1.3.9"; of a chain, all of them


@dataclass(frozen=True, slots=True)
class Attributes:
    """
    What travels with a content: user metadata on objects, mtime on files.

    Read from the store these are claims of whoever wrote the object; what was
    computed from the bytes always wins over them.
    """

    version: Ulid | None = None
    sha256: Sha256 | None = None
    mtime_ns: int | None = None  #: ns since the epoch
    parent: Ulid | None = None  #: the version this one replaced
    writer: str | None = None  #: id of the docferry instance that wrote it
    path: Path | None = None  #: only on archived versions
    content_type: str | None = None
    bytes_of: Ulid | None = None  #: archived: under which version the bytes are; None: its own
    size: int | None = None  #: bytes, of an archived content; elsewhere the object's own counts
    made_from: Provenance | None = None  #: of what a conversion made


@dataclass(frozen=True, slots=True)
class Written:
    """What a side holds after a write."""

    token: Token
    sha256: Sha256
    size: int  #: bytes
    had_bytes: int = 0  #: of these, what an earlier try that was cut off had sent


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What an upload in parts is of. Only one of the very same plan is gone on with."""

    headers: Mapping[str, str]  #: of the object to be: with its version and its SHA-256
    size: int  #: bytes
    part_bytes: int


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part that the store has taken."""

    number: int  #: from 1
    etag: Token
    sha256_so_far: Sha256  #: of the content up to this part's end


@dataclass(frozen=True, slots=True)
class BegunUpload:
    """An upload in parts that was begun and has not ended."""

    key: str  #: the whole key
    id: str  #: the store's own
    begun_at: datetime  #: or gone on with, the last time
    plan: UploadPlan | None  #: None: nobody ever goes on with it


class Way(StrEnum):
    """Where a content travels to."""

    UP = "up"  # into the bucket
    DOWN = "down"  # into the folder


@dataclass(frozen=True, slots=True)
class Transfer:
    """A large content on its way."""

    path: Path
    way: Way
    done: int  #: bytes that have arrived, or had before it was cut off
    size: int  #: bytes
    since: datetime  #: when this try began


# Operations. Each names what must still be true when it runs (expect_*); an
# executor that finds otherwise raises StaleError and changes nothing.


@dataclass(frozen=True, slots=True)
class Upload:
    """Make the remote hold what the local side holds."""

    path: Path
    source: FileState
    expect_remote: Token | None  #: None: the key must not exist


@dataclass(frozen=True, slots=True)
class Download:
    """Make the local side hold what the remote holds."""

    path: Path
    source: FileState
    expect_local: Token | None  #: None: the file must not exist


@dataclass(frozen=True, slots=True)
class DeleteLocal:
    path: Path
    expect_local: Token


@dataclass(frozen=True, slots=True)
class DeleteRemote:
    path: Path
    expect_remote: Token


@dataclass(frozen=True, slots=True)
class KeepBoth:
    """Both sides changed: give the local content a second name, then download over the path."""

    path: Path
    copy_path: Path
    local: FileState
    remote: FileState


@dataclass(frozen=True, slots=True)
class ReadLocal:
    """Read the local content to learn its SHA-256; the next plan decides."""

    path: Path
    expect_local: Token


@dataclass(frozen=True, slots=True)
class ReadRemote:
    """Fetch the remote content to learn its SHA-256; the next plan decides."""

    path: Path
    expect_remote: Token


@dataclass(frozen=True, slots=True)
class MarkSynced:
    """
    Both sides already agree: only write down that they do.

    *is_new_content*: the agreement is on a content the ledger has no version of here.
    """

    path: Path
    sha256: Sha256
    size: int
    local_token: Token
    remote_token: Token
    is_new_content: bool


@dataclass(frozen=True, slots=True)
class Forget:
    """
    Both sides no longer have it: drop the synced entry.

    *stays*: one side has it, and it comes back from there: its version has not left.
    """

    path: Path
    stays: bool = False


# What is asked for by a row of the ledger (*request*), and not by a difference.


@dataclass(frozen=True, slots=True)
class Restore:
    """
    Put an older content to *path* on the local side; from there it goes up like any other.

    What somebody has edited there meanwhile stays, and the content comes beside it. Where it
    was *refused*, by that token, it goes to the archive as *displaces* instead; what that has
    become since stays, and nothing comes.
    """

    path: Path
    request: int
    version: VersionRow
    expect_local: Token | None  #: None: nothing may be there
    displaces: Ulid | None = None
    refused: Token | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """Take away what is at *path* on both sides; it stays in the archive."""

    path: Path
    request: int
    expect_local: Token | None  #: None: it is gone there already
    expect_remote: Token | None


@dataclass(frozen=True, slots=True)
class PutBack:
    """
    Archive what *side* alone holds, as the version *displaces*; what both sides agreed on
    takes its place, if they did.
    """

    path: Path
    request: int
    side: Side
    expect: Token | None  #: None: it is gone, by an earlier try perhaps
    displaces: Ulid
    refused: Token | None  #: of what was refused; else *expect* may be what was agreed on
    #: With which nothing is left to do but to note what an earlier try may have archived.
    ends: Answer | None = None


@dataclass(frozen=True, slots=True)
class Heal:
    """Replace rotten bytes on *side* by the sound ones that both sides agreed on."""

    path: Path
    request: int
    side: Side
    expect: Token


@dataclass(frozen=True, slots=True)
class Erase:
    """Leave nothing of *path* anywhere, no version and no trace but the SHA-256."""

    path: Path
    request: int


Read: TypeAlias = ReadLocal | ReadRemote
Deletion: TypeAlias = DeleteLocal | DeleteRemote
Asked: TypeAlias = Restore | Remove | PutBack | Heal | Erase
Operation: TypeAlias = (
    Upload | Download | DeleteLocal | DeleteRemote | KeepBoth | Read | MarkSynced | Forget | Asked
)


# What came of it. The loop turns outcomes into ledger rows, many in one transaction.


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A content that came to rest at a path. Append-only."""

    id: Ulid
    mirror: str
    path: Path
    sha256: Sha256
    size: int  #: bytes
    mtime_ns: int | None
    origin: Origin
    parent: Ulid | None
    etag: Token | None
    created_at: datetime  #: aware, UTC
    left_at: datetime | None = None  #: when its path ceased to hold it; None: it still does
    archived_local: bool = False  #: the folder's archive has it, as far as is known
    archived_remote: bool = False  #: the bucket's archive has it, as far as is known
    bytes_of: Ulid | None = None  #: the version under which its archived bytes are; None: its own
    store_version: str | None = None  #: what the bucket's own versioning calls it
    held: bool = False  #: no retention takes it
    agreed: bool = True  #: both sides held it; False: one alone did, for a while
    gone_at: datetime | None = None  #: when retention let its bytes go

    @property
    def is_current(self) -> bool:
        """Whether its path holds it."""
        return self.left_at is None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    request: int
    state: RequestState
    note: str | None = None  #: for a person


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What one operation changed, ready to be written down.

    synced: the new agreement; None: there is none any more (deleted, forgotten).
    version: the content that is new to the ledger; None: it was known.
    archived: the displaced version and the side whose archive now holds it.
    displaced: the displaced content, where it is one that the ledger has no version of.
    conflict_copy: the second name that KeepBoth gave to the local content; where Restore put
        a content beside one that was edited.
    answers: the request that is over with it.
    placed: by Restore: the token of the local file that holds the content now.
    claimed: what the object says of the content, and of no other, that it was made of.
    """

    operation: Operation
    synced: SyncedState | None
    version: VersionRow | None = None
    archived: tuple[Ulid, Side] | None = None
    displaced: VersionRow | None = None
    conflict_copy: Path | None = None
    answers: Answer | None = None
    placed: Token | None = None
    claimed: Provenance | None = None
    moved_bytes: int = 0
    took_s: float = 0.0


class HoldState(StrEnum):
    OPEN = "open"  # waits for a person
    APPROVED = "approved"  # will be carried out by the daemon
    DISCARDED = "discarded"  # the deletions were refused: the files come back
    DONE = "done"


class RequestKind(StrEnum):
    """What the daemon is asked to do with a path."""

    RESTORE = "restore"  # put a version there
    REMOVE = "remove"  # take away what is there, on both sides: it goes to the archive
    HEAL_LOCAL = "heal-local"  # replace rotten bytes by the sound ones of the other side
    HEAL_REMOTE = "heal-remote"
    ERASE = "erase"  # leave nothing of it anywhere
    RETENTION = "retention"  # of the whole mirror, now


class RequestState(StrEnum):
    HELD = "held"  # until a person approves the hold it is in
    OPEN = "open"
    DONE = "done"
    CONFLICT = "conflict"  # done beside the path: somebody had edited what is there
    SKIPPED = "skipped"  # what it was about is not so any more
    FAILED = "failed"
    CANCELLED = "cancelled"  # a person took it back while it was open


#: What is still to be carried out, or may be.
UNFINISHED = (RequestState.HELD, RequestState.OPEN)


class MirrorHealth(StrEnum):
    """One word for a mirror, for status, metrics and readiness."""

    STARTING = "starting"
    IN_STEP = "in-step"
    WORKING = "working"
    WAITING = "waiting"  # backoff, settling, or a problem with single files
    BLOCKED = "blocked"  # a guard refuses: a side is not itself, or a hold is open
    UNREACHABLE = "unreachable"
    PAUSED = "paused"  # a person has told it to rest: nothing travels


class OrderedRun(StrEnum):
    """What a person can order a mirror to do now."""

    POLL = "poll"  # list the bucket
    RESCAN = "rescan"  # walk the folder
    FULL = "full"  # both, against the ledger


@dataclass(frozen=True, slots=True)
class Pause:
    """A mirror that a person has told to rest."""

    mirror: str
    since: datetime
    actor: str  #: who
    reason: str | None = None  #: for a person
