"""
Small bodies through obstore, the Rust client: 10,000 puts cost it 2.5 s of CPU, boto3 16.

Wherever it fails but for a precondition, the answer here is None, for boto3 to try
again: that one takes any key and any header, and its errors have the store's code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from docferry.model import Token
from docferry.storage.base import PART_BYTES
from docferry.storage.s3_connect import Connections
from docferry.storage.s3_errors import translate
from docferry.storage.s3_metadata import ABSENT, Fetched, ObjectHead, clean, token_of
from docferry.storage.s3_meter import Ask, MirrorMeter

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, PutMode

#: obstore's time limit is for the whole of an upload, boto3's for each step. Over a thin
#: line a large body takes long and is no fault: it goes through boto3.
_PUT_BYTES = 256 * 1024
#: Keys that obstore refuses or rewrites, or that stores do (SeaweedFS: "\\" into "/").
_AWKWARD = re.compile(r"[\x00-\x1f\x7f\\]|(?<![^/])\.{0,2}(?![^/])")
#: What obstore raises; ValueError and OSError instead of classes of its own at times.
_FAILED = (BaseError, ValueError, OSError)
_SAYS_404 = "status code: 404"
_STATUS = re.compile(r"status code: (\d{3})")


def is_plain(key: str) -> bool:
    """Say whether every client and store takes *key* as it is."""
    return _AWKWARD.search(key) is None


def get(connections: Connections, key: str, expect: Token | None) -> Fetched | None:
    """
    Raises:
        StaleError: The object is not *expect*.
    """
    if not is_plain(key):
        return None
    store = connections.lean
    options: GetOptions = {} if expect is None else {"if_match": f'"{expect}"'}
    try:
        with _told(connections.meter, Ask.GET):
            result = obstore.get(store, key, options=options)
        head = _head_of(result)
        if head is None:
            return None
        body = _body_of(result, connections.meter) if head.size <= PART_BYTES else None
    except PreconditionError as error:
        raise translate(error, f"read {key}", connections.endpoint_url) from error
    except _FAILED:
        return None
    return Fetched(head, body) if body is None or len(body) == head.size else None


def head(connections: Connections, key: str) -> ObjectHead | Literal["absent"] | None:
    """Look at an object. The store's word for "there is none" is "absent", not None."""
    if not is_plain(key):
        return None
    store = connections.lean
    try:
        with _told(connections.meter, Ask.HEAD):
            result = obstore.get(store, key, options={"head": True})
        return _head_of(result)
    except FileNotFoundError as error:
        return "absent" if _SAYS_404 in str(error) else None  # else some file on this machine
    except _FAILED:
        return None


def put(
    connections: Connections,
    key: str,
    body: bytes,
    headers: dict[str, str],
    condition: Token | None,
) -> Token | None:
    """
    Raises:
        StaleError: *condition* does not hold.
    """
    if len(body) > _PUT_BYTES or not is_plain(key):
        return None
    store = connections.lean
    mode: PutMode = "overwrite"
    if condition is not None:
        mode = "create" if condition == ABSENT else {"e_tag": f'"{condition}"'}
    connections.meter.store.up.take(len(body))
    try:
        with _told(connections.meter, Ask.PUT, len(body)):
            result = obstore.put(
                store, key, body, attributes=headers, mode=mode, use_multipart=False
            )
    except (AlreadyExistsError, PreconditionError) as error:
        raise translate(error, f"write {key}", connections.endpoint_url) from error
    except _FAILED:
        return None
    etag = result["e_tag"]
    return token_of(etag) if etag else None


@contextmanager
def _told(meter: MirrorMeter, ask: Ask, size: int = 0) -> Iterator[None]:
    """Count the one request that is sent meanwhile, and tell how it went."""
    began_s = meter.begin(ask)
    try:
        yield
    except _FAILED as error:
        said = _STATUS.search(str(error))
        meter.end(ask, began_s, status=int(said[1]) if said else None, size=size)
        raise
    meter.end(ask, began_s, status=200, size=size)


def _body_of(result: GetResult, meter: MirrorMeter) -> bytes:
    down = meter.store.down
    if down.rate is None:
        return bytes(result.bytes())
    pieces = []
    for piece in result.stream(min_chunk_size=down.piece_bytes()):
        down.take(len(piece))
        pieces.append(bytes(piece))
    return b"".join(pieces)


def _head_of(result: GetResult) -> ObjectHead | None:
    meta = result.meta
    etag = meta["e_tag"]
    if not etag:
        return None
    modified_ns = int(meta["last_modified"].timestamp()) * 10**9
    headers = result.attributes
    if "Content-Encoding" in headers:
        headers = clean(headers)
    return ObjectHead(token_of(etag), meta["size"], headers, modified_ns)
