"""What is left of a document below a prefix: objects, and what the bucket keeps of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from docferry.storage.listing import Listed
from docferry.storage.probe import StoreProfile
from docferry.storage.s3_client import S3Client
from docferry.storage.s3_versions import versions_of_key


def traces(
    client: S3Client,
    profile: StoreProfile,
    keys: Iterable[str],
    listing: Callable[[], Iterator[list[Listed]]],
) -> Iterator[str]:
    """Name every object that has one of *keys*, and every version of one, delete markers too."""
    sought = {*keys}
    for batch in listing():
        for key, _, _ in batch:
            if key in sought:
                yield key
    if not profile.versioning:
        return
    for key in sorted(sought):
        for kept in versions_of_key(client, key, profile):
            what = "delete marker" if kept.is_delete_marker else "version"
            yield f"{what} {kept.version_id} of {key}"
