"""What a store, or whoever stands in for it, may answer."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docferry.core.guards import marker_id
from docferry.core.ulids import first_of, is_credible, time_of
from docferry.errors import DocferryError, PermanentError, TemporaryError, UserError
from docferry.ledger.snapshots import unpack
from docferry.storage.listing import DIGEST, LISTED, lift_objects, list_objects
from docferry.storage.s3_client import _http_date_ns
from docferry.storage.s3_metadata import ObjectHead, headers_of
from docferry.storage.version_listing import list_versions

#: What every database that docferry keeps its ledger in takes for a whole number.
MOST_WHOLE = 2**63 - 1
_PAGES = 4
_NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def listing(data: bytes) -> None:
    """A page of a listing: what is believed of it is in the prefix, in order, and has a size."""
    prefix, body = "", data
    if data[:1] == b"d":
        prefix, body = "docs/", data[1:]
    lifted: dict[str, Any] = {}
    answer: dict[str, Any] = {"status_code": 200, "body": body}
    lift_objects(answer, lifted)
    assert len(answer["body"]) <= 8 * len(body) + 1024
    asked: list[str | None] = []

    def fetch(after: str | None) -> dict[str, Any]:
        asked.append(after)
        assert len(asked) <= _PAGES, "it goes round in a circle"
        told = {"Name": "b", "IsTruncated": len(body) % 2 == 0, "NextContinuationToken": "next"}
        return {**told, LISTED: lifted.get(LISTED, ()), DIGEST: lifted.get(DIGEST, b"")}

    last = ""
    try:
        for batch in list_objects(fetch, prefix, is_in_order=True):
            for key, token, size in batch:
                assert key.startswith(prefix)
                assert last < key
                assert token
                assert 0 <= size <= MOST_WHOLE
                key.encode()
                last = key
    except TemporaryError:
        pass


def versions(data: bytes) -> None:
    """A page of a listing of versions, of whatever types."""
    page = _as_boto3_gives_it(_json(data))
    asked: list[object] = []

    def fetch(prefix: str, after: object, *, folders: bool) -> dict[str, Any]:
        asked.append(after)
        assert len(asked) <= _PAGES, "it goes round in a circle"
        return {"Name": "b", "IsTruncated": False} | page

    try:
        for batch in list_versions(fetch, "", is_in_order=True):
            for each in batch:
                assert 0 <= each.size <= MOST_WHOLE
                assert each.modified_at.tzinfo is not None
    except (TemporaryError, PermanentError):
        pass


def metadata(data: bytes) -> None:
    """What an object says of itself: claims that can be written down, and sent again."""
    told = _json(data)
    if not isinstance(told, dict):
        return
    # As they come by HTTP: each character is a byte.
    texts = {str(name): value for name, value in told.items() if isinstance(value, str)}
    headers = {
        name: value.encode(errors="replace").decode("latin-1") for name, value in texts.items()
    }
    claims = ObjectHead("etag", 0, headers, _http_date_ns(str(told.get("at")))).attributes
    for number in (claims.mtime_ns, claims.size):
        assert number is None or -MOST_WHOLE <= number <= MOST_WHOLE
    converter = claims.made_from.converter if claims.made_from is not None else ""
    for text in (claims.path or "", converter):
        assert "\0" not in text
        text.encode()
    sent = headers_of(claims)
    again = ObjectHead("etag", 0, sent, None).attributes
    assert (again.version, again.sha256, again.path) == (claims.version, claims.sha256, claims.path)
    assert all(value.isascii() for name, value in sent.items() if name != "Content-Type")


def markers(data: bytes) -> None:
    """A marker of whoever: an id that can be shown, and kept."""
    found = marker_id(data)
    assert found is not None
    assert len(found) <= len(data) + 64


def ulids(data: bytes) -> None:
    """Whatever is said to be a ULID: its time can be written, and goes back to the same begin."""
    text = data.decode(errors="replace")
    at = time_of(text)
    assert isinstance(is_credible(text, _NOW), bool)
    if at is not None:
        assert first_of(at)[:10] == text[:10]


def snapshots(data: bytes) -> None:
    """What is said to be a snapshot: refused, or a ledger."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        packed, plain = Path(name, "packed"), Path(name, "plain")
        packed.write_bytes(data)
        try:
            unpack(packed, plain, sha256=None)
        except (PermanentError, UserError):
            pass
        except DocferryError as error:
            raise AssertionError from error


def _as_boto3_gives_it(told: object) -> dict[str, Any]:
    """Leave of a page what its model allows: lists of tables of words, a size and a few flags."""
    page: dict[str, Any] = {}
    for name, value in told.items() if isinstance(told, dict) else ():
        if name in ("Versions", "DeleteMarkers", "CommonPrefixes"):
            entries = (
                [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
            )
            page[name] = [
                {
                    key: one if key in ("Size", "IsLatest") else str(one)
                    for key, one in entry.items()
                }
                for entry in entries
                if isinstance(entry.get("Size", 0), int)
            ]
        else:
            page[name] = bool(value) if name == "IsTruncated" else str(value)
    return page


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
