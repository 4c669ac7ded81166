"""Other people and their tools, in the same bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from docferry.model import Attributes, Entry, Path, Written
from docferry.storage.memory import BytesContent
from docferry.storage.s3 import S3Storage
from servers import BUCKET, S3Server

CONTENT = b"a document"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Stranger:
    """Somebody with another tool, below the prefix of *storage*."""

    def __init__(self, server: S3Server, storage: S3Storage) -> None:
        self._client = server.client()
        self._prefix = storage.prefix

    def put(self, key: str, content: bytes = CONTENT, **arguments: Any) -> str:
        full_key = self._prefix + key
        answer = self._client.put_object(Bucket=BUCKET, Key=full_key, Body=content, **arguments)
        return answer["ETag"].strip('"')

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=BUCKET, Key=self._prefix + key)

    def get(self, key: str) -> Any:
        return self._client.get_object(Bucket=BUCKET, Key=self._prefix + key)

    def listed(self) -> list[str]:
        page = self._client.list_objects_v2(Bucket=BUCKET, Prefix=self._prefix)
        return [found["Key"].removeprefix(self._prefix) for found in page.get("Contents", [])]


def put(storage: S3Storage, path: Path, content: bytes = CONTENT) -> Written:
    return storage.write(path, BytesContent(content), Attributes(), expect=None)


def paths(entries: list[Entry] | Iterator[Entry]) -> list[Path]:
    return [entry[0] for entry in entries if isinstance(entry, tuple)]
