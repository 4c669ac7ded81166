"""
Decide how a request is answered: by an operation, by a word, or not yet.

A request names a path and what should become of it. Whoever asked saw the path as it was
then; what people have done there since is never undone without being kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from docferry.core.merge import Difference
from docferry.model import (
    Answer,
    Erase,
    FileState,
    Heal,
    PutBack,
    Remove,
    RequestKind,
    RequestState,
    Restore,
    Side,
    SyncedState,
    Token,
    Ulid,
    VersionRow,
)

#: As what is expected at a path: nothing.
NOTHING: Ulid = ""

CHANGED_SINCE = "what is there has changed since: it was left as it is"


@dataclass(frozen=True, slots=True)
class Request:
    """
    What is asked.

    wanted: the version to be restored; None: there is no such version, or none is needed.
    expect: the version that the path held when it was asked; NOTHING: none; None: any will do.
    placed: the token of the local file by which it was carried out already.
    barred: why what is done at the path would not travel; "": it does.
    displaces: as which version that is archived which one side alone holds; then *expect* is
        its token.
    is_told: whether the ledger tells of that version.
    agreed: with *displaces*: the version that the path held when it was asked; NOTHING: none.
    """

    id: int
    kind: RequestKind
    wanted: VersionRow | None = None
    expect: Ulid | Token | None = None
    placed: Token | None = None
    barred: str = ""
    displaces: Ulid | None = None
    is_told: bool = False
    agreed: Ulid = NOTHING


#: None: the path is on its way to where it was asked to be.
Decision: TypeAlias = Restore | Remove | PutBack | Heal | Erase | Answer | None


def answer(request: Request, seen: Difference) -> Decision:
    """
    Give the next step of *request*, from what the three trees hold at its path.

    Of a restore the remote side is not asked: what it holds is the loop's business, before
    and after. Unless something is displaced: it may be there.
    """
    found = _answer(request, seen)
    displaces = None if request.is_told else request.displaces
    if displaces is None or not isinstance(found, Answer):
        return found
    # A crash may have lost the note: then the archive alone knows what was displaced.
    return PutBack(seen.path, request.id, Side.LOCAL, None, displaces, None, ends=found)


def _answer(request: Request, seen: Difference) -> Decision:
    if request.barred and request.kind in (RequestKind.RESTORE, RequestKind.REMOVE):
        return Answer(request.id, RequestState.FAILED, request.barred)
    if request.displaces is not None and _is_expected(request, seen.synced):
        put_back = _put_back(request, request.displaces, seen)
        if put_back is not None:
            return put_back
    match request.kind:
        case RequestKind.RESTORE:
            return _restore(request, seen)
        case RequestKind.REMOVE:
            return _remove(request, seen)
        case RequestKind.HEAL_LOCAL:
            return _heal(request, seen, Side.LOCAL, seen.local)
        case RequestKind.HEAL_REMOTE:
            return _heal(request, seen, Side.REMOTE, seen.remote)
        case RequestKind.ERASE:
            return Erase(seen.path, request.id)
        case RequestKind.RETENTION:
            return Answer(request.id, RequestState.DONE)
        case _:
            assert_never(request.kind)


def _restore(request: Request, seen: Difference) -> Decision:
    wanted = request.wanted
    if wanted is None:
        return Answer(request.id, RequestState.FAILED, "there is no such version")
    if wanted.gone_at is not None:
        why = f"the bytes of version {wanted.id} were let go {wanted.gone_at:%Y-%m-%d %H:%M} UTC"
        return Answer(request.id, RequestState.FAILED, why)
    base = seen.synced
    local = None if seen.local is None else seen.local.token
    is_as_wanted = base is not None and base.sha256 == wanted.sha256 and base.local_token == local
    if is_as_wanted:
        return Answer(request.id, RequestState.DONE, "it held that content already")
    if request.placed is not None:
        if local == request.placed:
            return None  # it goes up like any other file
        return Answer(request.id, RequestState.DONE, "it was changed again right after")
    if not _is_expected(request, base):
        return left_as_it_is(request.id)
    refused = request.expect if request.displaces is not None else None
    return Restore(seen.path, request.id, wanted, local, request.displaces, refused)


def _put_back(request: Request, displaces: Ulid, seen: Difference) -> PutBack | None:
    """
    Say what is to be archived of what was refused; None: it is to be restored over it, or is done.

    A refused newcomer goes, on whichever side it is; and what such a one was overwritten with.
    """
    state = _refused(request, seen)
    if state is None:
        return None
    side = Side.REMOTE if state is seen.remote else Side.LOCAL
    return PutBack(seen.path, request.id, side, state.token, displaces, request.expect)


def _refused(request: Request, seen: Difference) -> FileState | None:
    """Give what may be that which was refused, unless something is restored over it."""
    base, local, remote = seen.synced, seen.local, seen.remote
    if base is not None and remote is not None and remote.token != base.remote_token:
        return remote
    if request.kind is not RequestKind.REMOVE:
        return None
    if base is None and local is not None and remote is not None:  # one of them, at the most
        return next((one for one in (local, remote) if one.token == request.expect), None)
    if base is None:
        return local or remote
    is_refused = local is not None and local.token == request.expect != base.local_token
    return local if is_refused else None


def _remove(request: Request, seen: Difference) -> Decision:
    base = seen.synced
    if base is None:
        if seen.local is None and seen.remote is None:
            return Answer(request.id, RequestState.DONE)
        return left_as_it_is(request.id)
    is_untouched = _is_gone_or(seen.local, base.local_token) and _is_gone_or(
        seen.remote, base.remote_token
    )
    if not is_untouched or not _is_expected(request, base):
        return left_as_it_is(request.id)
    return Remove(
        seen.path,
        request.id,
        expect_local=None if seen.local is None else seen.local.token,
        expect_remote=None if seen.remote is None else seen.remote.token,
    )


def _heal(request: Request, seen: Difference, side: Side, state: FileState | None) -> Decision:
    """Leave to who reads it what is of another token: healed before a crash, it has one, too."""
    base = seen.synced
    is_same = base is not None and _is_expected(request, base)
    agreed = None if base is None else base.local_token
    if base is not None and side is Side.REMOTE:
        agreed = base.remote_token
    if base is None or state is None or not is_same:
        return left_as_it_is(request.id)
    is_edited = state.size != base.size or state.sha256 not in (None, base.sha256)
    if state.token != agreed and is_edited:
        return left_as_it_is(request.id)
    return Heal(seen.path, request.id, side, expect=state.token)


def left_as_it_is(request: int) -> Answer:
    """Answer *request* where somebody has been since it was asked."""
    return Answer(request, RequestState.SKIPPED, CHANGED_SINCE)


def _is_expected(request: Request, base: SyncedState | None) -> bool:
    """
    Say whether both sides have agreed on nothing else since it was asked.

    What they agree on may be what was refused itself: it was on its way then. That both have
    nothing by now does not say who wanted that: it may have been a part of what was refused,
    and not been seen yet. So what was there comes back all the same.
    """
    if request.displaces is not None:
        return (
            base is None
            or base.version in (request.agreed, request.displaces)
            or request.expect in (base.local_token, base.remote_token)
        )
    if request.expect is None:
        return True
    return request.expect == (NOTHING if base is None else base.version)


def _is_gone_or(state: FileState | None, token: Token) -> bool:
    return state is None or state.token == token
