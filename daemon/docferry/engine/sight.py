"""
See what a content really is: read it, hash it, tell rot from a store in trouble.

A token says that nobody changed a content. Whether its bytes are still what was written
only reading them tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from docferry.core.verify import ABSENT, Held, Moving, Sight, Unreadable
from docferry.errors import (
    PermanentError,
    StaleError,
    TemporaryError,
    ThrottledError,
    UnreachableError,
)
from docferry.model import FileState, Path, Sha256, Token, Ulid, Unknown
from docferry.storage.base import Content, Storage

#: Is handed each part that was read: counts it, and may keep the reader waiting.
Take: TypeAlias = Callable[[bytes], object]


def nothing(part: bytes) -> None:
    """Take a part and do nothing with it."""


def see(
    storage: Storage, path: Path, token: Token, sha256: Sha256, take: Take = nothing
) -> Held | Moving | Unreadable:
    """
    Read what is at *path*; where it is not *sha256* read it again, for the line may err.

    Raises:
        UnreachableError, ThrottledError: The side does not answer, or bears no more.
    """
    seen = _read(lambda: storage.read(path, token), token, take)
    if isinstance(seen, Held) and seen.sha256 != sha256:
        seen = _read(lambda: storage.read(path, token), token, take)
    is_sound = isinstance(seen, Held) and seen.sha256 == sha256
    return seen if is_sound or _is_still(storage, path, token) else _moved(path)


def see_archived(storage: Storage, version: Ulid, sha256: Sha256, take: Take = nothing) -> Sight:
    """
    Read an archived version, as `see` reads a current one.

    Raises:
        UnreachableError, ThrottledError: The side does not answer, or bears no more.
    """
    seen = _read(lambda: storage.archive.read(version), "", take)
    if isinstance(seen, Held) and seen.sha256 != sha256:
        seen = _read(lambda: storage.archive.read(version), "", take)
    # What a reference points to may be gone, too: it is not there either way.
    return ABSENT if isinstance(seen, Moving) else seen


def _read(
    open_content: Callable[[], Content], token: Token, take: Take
) -> Held | Moving | Unreadable:
    try:
        with open_content() as content:
            return Held(token, content.size, content.read_into(take))
    except StaleError as error:
        return Moving(str(error))
    except (UnreachableError, ThrottledError):
        raise
    except TemporaryError as error:
        # The side has been asked more than once by now: that is how an S3 client works.
        return Unreadable(str(error), is_rot=True)
    except PermanentError as error:
        return Unreadable(str(error))


def _is_still(storage: Storage, path: Path, token: Token) -> bool:
    state = storage.stat(path)
    return isinstance(state, FileState) and state.token == token


def _moved(path: Path) -> Moving:
    return Moving(f"{path} changed while it was read")


def sight_of(state: FileState | Unknown | None) -> Sight:
    """Give what a look without reading tells."""
    if state is None:
        return ABSENT
    if isinstance(state, Unknown):
        return Unreadable(state.reason)
    return Held(state.token, state.size, None)
