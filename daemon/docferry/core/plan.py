"""
Decide what to do about one path. The heart of docferry: a pure three-way comparison.

    decide(path, local, remote, synced) -> Operation | None

Three states go in: what the local side holds, what the remote holds, and what
both held when they last agreed. Comparing each side with the last agreement
tells *who* changed a file; comparing the two sides alone could not tell "added
here" from "deleted there".

             remote same   remote edited   remote deleted
local same   -             Download        DeleteLocal
local edited Upload        KeepBoth        Upload
local gone   DeleteRemote  Download        Forget

An edit always beats a deletion. In a conflict the remote keeps the name; the
local content gets a second name of its own first and travels as a new file.
A content that must be known and is not yet is read first (ReadLocal, ReadRemote).

Where the local side was never seen with what was agreed on (a ledger rebuilt from the
bucket), its silence is no deletion and its content no edit: what is absent is
downloaded, what differs is a conflict.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from docferry.core.paths import conflict_copy_path
from docferry.model import (
    NEVER_SEEN,
    DeleteLocal,
    DeleteRemote,
    Download,
    FileState,
    Forget,
    KeepBoth,
    MarkSynced,
    Mode,
    Operation,
    Path,
    ReadLocal,
    ReadRemote,
    SyncedState,
    Token,
    Upload,
)


def decide(
    path: Path,
    local: FileState | None,
    remote: FileState | None,
    synced: SyncedState | None,
) -> Operation | None:
    """Return the one next step for *path*, or None when there is nothing to do."""
    if local is None:
        return _decide_without_local(path, remote, synced)
    if synced is None and remote is None:
        return Upload(path, local, expect_remote=None)
    if local.sha256 is None and (synced is None or local.token != synced.local_token):
        return ReadLocal(path, expect_local=local.token)
    if remote is None:
        return _decide_without_remote(path, local, synced)
    return _decide_both_there(path, local, remote, synced)


def allows(mode: Mode, operation: Operation) -> bool:
    """Say whether *mode* lets *operation* happen. What it does not let stays as it is."""
    match mode:
        case Mode.TWO_WAY:
            return True
        case Mode.PUSH:
            return not isinstance(operation, Download | DeleteLocal | KeepBoth)
        case Mode.PULL:
            return not isinstance(operation, Upload | DeleteRemote)
        case _:
            assert_never(mode)


def _decide_without_local(
    path: Path, remote: FileState | None, synced: SyncedState | None
) -> Operation | None:
    if remote is None:
        return None if synced is None else Forget(path)
    if synced is None or _is_edited(remote, synced.remote_token, synced):
        return Download(path, remote, expect_local=None)
    if synced.local_token == NEVER_SEEN:
        return Download(path, remote, expect_local=None)
    return DeleteRemote(path, expect_remote=remote.token)


def _decide_without_remote(path: Path, local: FileState, synced: SyncedState | None) -> Operation:
    if synced is None or _is_edited(local, synced.local_token, synced):
        return Upload(path, local, expect_remote=None)
    return DeleteLocal(path, expect_local=local.token)


def _decide_both_there(
    path: Path, local: FileState, remote: FileState, synced: SyncedState | None
) -> Operation | None:
    local_edited = synced is None or _is_edited(local, synced.local_token, synced)
    remote_edited = synced is None or _is_edited(remote, synced.remote_token, synced)
    if local_edited and remote_edited:
        return _decide_both_edited(path, local, remote)
    if local_edited and synced is not None and synced.local_token == NEVER_SEEN:
        return _decide_both_edited(path, local, replace(remote, sha256=synced.sha256))
    if local_edited:
        return Upload(path, local, expect_remote=remote.token)
    if remote_edited:
        return Download(path, remote, expect_local=local.token)
    assert synced is not None
    if (local.token, remote.token) == (synced.local_token, synced.remote_token):
        return None
    return _mark(path, synced.sha256, local, remote, is_new_content=False)


def _decide_both_edited(path: Path, local: FileState, remote: FileState) -> Operation:
    assert local.sha256 is not None  # decide() asked for it before
    if remote.sha256 is None:
        # Even where the sizes differ: it may be our own upload whose answer was lost,
        # and only a look at it tells whose it is.
        return ReadRemote(path, expect_remote=remote.token)
    if local.sha256 == remote.sha256:
        return _mark(path, local.sha256, local, remote, is_new_content=True)
    return KeepBoth(path, conflict_copy_path(path, local.sha256), local, remote)


def _mark(
    path: Path, sha256: str, local: FileState, remote: FileState, *, is_new_content: bool
) -> MarkSynced:
    return MarkSynced(path, sha256, local.size, local.token, remote.token, is_new_content)


def _is_edited(state: FileState, agreed_token: Token, synced: SyncedState) -> bool:
    # A new token with the old content is a touch, a copy or a re-upload: not an edit.
    return state.token != agreed_token and state.sha256 != synced.sha256
