"""Whether a result may go where its rule says, and what becomes of what is there already."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from docferry.core.paths import SEGMENT_BYTES, is_alias, is_plain, key_of
from docferry.core.places import result_path
from docferry.model import Attributes, Origin, Path, Provenance, Sha256

#: What S3 takes as a key, in bytes. A mirror's prefix is part of it, so less may be had.
KEY_BYTES = 1024


class Way(StrEnum):
    """What is done with a result, given what is at its path."""

    WRITE = "write"  # nothing is there
    LEAVE = "leave"  # it is there already
    REPLACE = "replace"  # a conversion has put there what is there
    REFUSE = "refuse"  # a person has


def way_for(found: Sha256 | None, wanted: Sha256, ours: Collection[Sha256]) -> Way:
    """
    Decide what is done with the result *wanted*.

    Args:
        found: What is at its path; None: nothing.
        ours: All that conversions have ever put there, or were about to.
    """
    if found is None:
        return Way.WRITE
    if found == wanted:
        return Way.LEAVE
    return Way.REPLACE if found in ours else Way.REFUSE


def claim_of(says: Attributes, sha256: Sha256) -> Provenance | None:
    """
    Give what an object says that its content, *sha256*, was made of.

    Who edits an object may leave its metadata as it was: they are about another content then.
    """
    return says.made_from if says.sha256 == sha256 else None


def origin_of(told: Origin, *, is_result: bool, is_claimed: bool = False) -> Origin:
    """
    Say where a content comes from that has come to rest at a path.

    Args:
        told: By whoever saw it come: that is forgotten in a crash, and a person may have
            saved something else there meanwhile.
        is_result: A conversion has put this content there, or was about to.
        is_claimed: Its object says so, and is believed.
    """
    if is_claimed and told is Origin.STORE:
        return Origin.CONVERSION
    if told not in (Origin.LOCAL, Origin.CONVERSION):
        return told
    return Origin.CONVERSION if is_result else Origin.LOCAL


def why_unusable(path: Path) -> str | None:
    """Say why no result can be put to *path*; None: one can."""
    if not path or not is_plain(path) or is_alias(path) or "\0" in path:
        return "that name cannot be used in a mirror"
    try:
        segments = [len(segment.encode()) for segment in path.split("/")]
        key_bytes = len(key_of(path).encode())
    except UnicodeEncodeError:
        return "that name is not UTF-8"
    if max(segments) > SEGMENT_BYTES:
        return f"a part of that name is longer than {SEGMENT_BYTES} bytes"
    if key_bytes > KEY_BYTES:
        return f"that name is longer than {KEY_BYTES} bytes"
    return None


def is_by_path(place: str) -> bool:
    """
    Say whether the document's path alone decides *place*: each version's result replaces the last.

    Otherwise every version has a result of its own, named by its ULID or its hash.
    """
    return result_path(place, "0", "0") == result_path(place, "1", "1")


def is_of_types(media_type: str, types: Collection[str]) -> bool:
    """
    Say whether a document of *media_type* is one that a rule takes.

    Args:
        types: Of them any one; "image/*" is all of a kind. None of them: any document.
    """
    kind = media_type.partition("/")[0]
    return not types or media_type in types or f"{kind}/*" in types
