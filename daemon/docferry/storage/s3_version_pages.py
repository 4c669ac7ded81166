"""Fetch what a bucket lists of its own versions, and remove for good all below a prefix."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from docferry.errors import StaleError
from docferry.storage.s3_client import S3Client
from docferry.storage.version_listing import Marker, VersionPage, list_versions

PAGE_KEYS = 1000  #: S3 lists no more at once


@dataclass(frozen=True, slots=True)
class VersionPages:
    """Fetches pages for `storage.version_listing`."""

    client: S3Client
    page_keys: int = PAGE_KEYS

    def __call__(self, prefix: str, after: Marker | None, *, folders: bool) -> VersionPage:
        key, version_id = after or ("", "")
        following = {"KeyMarker": key} if key else {}
        following |= {"VersionIdMarker": version_id} if version_id else {}
        following |= {"Delimiter": "/"} if folders else {}
        return self.client.call(
            f"list the versions of {self.client.bucket}/{prefix}",
            self.client.connections.boto.list_object_versions,
            Prefix=prefix,
            MaxKeys=self.page_keys,
            **following,
        )


def remove_versions_below(
    client: S3Client, folder: str, may_go: Callable[[str], bool] = lambda key: True
) -> None:
    """
    Remove, for good, every version and delete marker of the keys in *folder* that *may_go*.

    Asks so that it goes by no promise of the store's: for a few keys of our own.
    """
    for batch in [*list_versions(VersionPages(client), folder, is_in_order=False)]:
        for listed in reversed(batch):  # the oldest first: what is left shows that there is more
            if may_go(listed.key):
                with suppress(StaleError):  # somebody else was faster
                    client.delete(listed.key, version_id=listed.version_id)
