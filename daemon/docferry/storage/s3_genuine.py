"""
Tell a store's answer about an object from what stands in for one: a log-in page, another backend.

A page has a status of 200, a size and often an ETag of its own (Express, Apache and CDNs send
one). Taken for an object it would be a document's new content, and taken for the answer to a
PUT it would be an upload that never came to be, whose absence is a deletion later.
"""

from __future__ import annotations

import hashlib
import re

from docferry.model import Token
from docferry.storage.listing import LISTED, Page
from docferry.storage.s3_metadata import Headers, ObjectHead, token_of

#: What stores make ETags of; also where the content is encrypted and it is no MD5.
_IS_USUAL = re.compile(r"[0-9a-f]{32}(-[0-9]{1,5})?")
_IS_PAGE = re.compile(r"\s*(text/html|application/xhtml\+xml)\b", re.IGNORECASE)
_OURS = "docferry-"


def is_doubtful(head: ObjectHead) -> bool:
    """Say whether nothing in an answer tells that a store has sent it. Then it is looked up."""
    if any(name.lower().startswith(_OURS) for name in head.headers):
        return False
    is_page = _IS_PAGE.match(head.headers.get("Content-Type", "")) is not None
    return is_page or _IS_USUAL.fullmatch(head.token) is None


def is_listed(page: Page, key: str, token: Token) -> bool:
    """Say whether a listing, which no page passes for, has that object."""
    return any(name == key and token_of(etag) == token for name, etag, _ in page[LISTED])


def is_marked_as(headers: Headers, found: ObjectHead) -> bool:
    """Say whether an object carries all that *headers* say of it in docferry's own words."""
    ours = {name: value for name, value in headers.items() if name.startswith(_OURS)}
    return bool(ours) and ours.items() <= found.headers.items()


class PutAnswers:
    """
    Judges the ETags that a store answers PUTs with. Thread-safe.

    Most are the MD5 of what was put, and prove that it came. Where a store has been seen to make
    them otherwise, only an unusual one is doubted: each doubt costs a request.
    """

    def __init__(self) -> None:
        self._are_md5 = True

    def is_doubtful(self, token: Token, body: bytes) -> bool:
        if self._are_md5:
            return token != hashlib.md5(body, usedforsecurity=False).hexdigest()
        return _IS_USUAL.fullmatch(token) is None

    def proved_right(self) -> None:
        """Note that a doubtful one was the store's after all."""
        self._are_md5 = False
