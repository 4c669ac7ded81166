"""Uploads in parts that were begun: what to take away in the store if nobody finishes them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select

from docferry.ledger.database import Database
from docferry.ledger.schema import upload


class Uploads:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begun(self, mirror: str, bucket: str, key: str, upload_id: str) -> None:
        """Note, before the first part is sent, which id the store has given to an upload."""
        row = {
            "mirror": mirror,
            "bucket": bucket,
            "key": key,
            "upload_id": upload_id,
            "begun_at": datetime.now(UTC),
        }
        with self._database.writing() as tx:
            tx.insert_missing(upload, [row])

    def ended(self, mirror: str, bucket: str, key: str, upload_id: str) -> None:
        """Forget an upload that became an object, or whose parts are gone."""
        with self._database.writing() as tx:
            tx.delete(
                upload,
                upload.c.mirror == mirror,
                upload.c.bucket == bucket,
                upload.c.key == key,
                upload.c.upload_id == upload_id,
            )

    def unfinished(self, mirror: str, bucket: str) -> list[tuple[str, str]]:
        """Give the whole keys and ids of the uploads that have not ended, by key."""
        query = select(upload.c.key, upload.c.upload_id).where(
            upload.c.mirror == mirror, upload.c.bucket == bucket
        )
        with self._database.reading() as tx:
            return [*tx.tuples(query.order_by(upload.c.key, upload.c.upload_id))]
