"""
Uploads in parts that were begun: what to go on with, or to take away in the store if nobody does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Table, select

from docferry.ledger.database import Database, Taken
from docferry.ledger.schema import upload, upload_part
from docferry.model import BegunUpload, SentPart, UploadPlan

_ANEW = Taken(("mirror", "bucket", "key", "upload_id"))
_SENT_AGAIN = Taken((*_ANEW.keys, "number"))
_NO_PLAN = {"headers": None, "size": None, "part_bytes": None}


class Uploads:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begun(
        self, mirror: str, bucket: str, key: str, upload_id: str, plan: UploadPlan | None = None
    ) -> None:
        """
        Note, before a part is sent, which id the store has given to an upload.

        Args:
            plan: What it is of, where it may be gone on with; it counts as begun now.
        """
        row = {
            "mirror": mirror,
            "bucket": bucket,
            "key": key,
            "upload_id": upload_id,
            "begun_at": datetime.now(UTC),
            **(asdict(plan) if plan else _NO_PLAN),
        }
        with self._database.writing() as tx:
            tx.upsert(upload, [row], _ANEW)

    def sent(self, mirror: str, bucket: str, key: str, upload_id: str, part: SentPart) -> None:
        """Note that the store has taken a part."""
        row = {
            "mirror": mirror,
            "bucket": bucket,
            "key": key,
            "upload_id": upload_id,
            **asdict(part),
        }
        with self._database.writing() as tx:
            tx.upsert(upload_part, [row], _SENT_AGAIN)

    def parts(self, mirror: str, bucket: str, key: str, upload_id: str) -> list[SentPart]:
        """Give the parts of an upload that the store has taken, in their order."""
        columns = (upload_part.c.number, upload_part.c.etag, upload_part.c.sha256_so_far)
        query = select(*columns).where(*_of(upload_part, mirror, bucket, key, upload_id))
        with self._database.reading() as tx:
            return tx.all(query.order_by(upload_part.c.number), SentPart)

    def ended(self, mirror: str, bucket: str, key: str, upload_id: str) -> None:
        """Forget an upload that became an object, or whose parts are gone."""
        with self._database.writing() as tx:
            for table in (upload_part, upload):
                tx.delete(table, *_of(table, mirror, bucket, key, upload_id))

    def unfinished(self, mirror: str, bucket: str) -> list[BegunUpload]:
        """Give the uploads that have not ended, by key."""
        query = select(upload).where(upload.c.mirror == mirror, upload.c.bucket == bucket)
        with self._database.reading() as tx:
            return tx.all(query.order_by(upload.c.key, upload.c.upload_id), _begun)


def _of(
    table: Table, mirror: str, bucket: str, key: str, upload_id: str
) -> list[ColumnElement[bool]]:
    return [
        table.c.mirror == mirror,
        table.c.bucket == bucket,
        table.c.key == key,
        table.c.upload_id == upload_id,
    ]


def _begun(
    *,
    key: str,
    upload_id: str,
    begun_at: datetime,
    headers: Mapping[str, str] | None,
    size: int,
    part_bytes: int,
    **_: object,
) -> BegunUpload:
    plan = None if headers is None else UploadPlan(headers, size, part_bytes)
    return BegunUpload(key, upload_id, begun_at, plan)
