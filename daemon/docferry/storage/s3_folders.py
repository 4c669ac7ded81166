"""
Folders that a store makes of keys, and keeps when the last object in them is deleted.

SeaweedFS does. Where it keeps `name/`, it refuses a new object `name` under If-None-Match
(412, every time), and a HEAD says 404: without the condition it would take it, but then
also in the place of what a stranger has put there meanwhile.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from docferry.storage.listing import LISTED
from docferry.storage.s3_client import S3Client
from docferry.storage.s3_errors import no_answer

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef


class Folder(Enum):
    """What became of the folder that has an object's name."""

    NONE = "none"  # there is no such folder
    REMOVED = "removed"  # nothing was in it
    FULL = "full"  # something is in it, or a person made it: not ours to remove


def is_folder(key: str, size: int) -> bool:
    """Say whether an object is what consoles show as a folder: it is no document."""
    return size == 0 and key.endswith("/")


def clear_emptied(client: S3Client, key: str) -> Folder:
    """
    Remove the folder that has the name of *key*, and nothing in it.

    Should something come into it meanwhile, it stays: the store removes no full folder.
    """
    folder = f"{key}/"
    if client.head(folder) is None:
        return Folder.NONE
    page = _list(client, folder, MaxKeys=1)
    if page.get(LISTED) or page["IsTruncated"]:
        return Folder.FULL
    _remove(client, folder)
    return Folder.REMOVED


def _remove(client: S3Client, folder: str) -> None:
    for below in _list(client, folder, Delimiter="/").get("CommonPrefixes", ()):
        _remove(client, below["Prefix"])
    client.delete(folder)


def _list(client: S3Client, folder: str, **how: object) -> ListObjectsV2OutputTypeDef:
    doing, boto = f"list {folder}", client.connections.boto
    page = client.call(doing, boto.list_objects_v2, Prefix=folder, **how)
    if not page.get("Name") or "IsTruncated" not in page:
        raise no_answer(doing, client.connections.endpoint_url)
    return page
