"""
What can go wrong between docferry and its store, each as a mood of the proxy in between.

Each mood lasts while it is set. What it holds up ends with it: `over` is set then.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

from proxy import Answer, Mood, Request

LOGIN_PAGE = b"<html><head><title>Welcome</title></head><body>Please log in</body></html>"
_RESERVED = "/.docferry/"
_SLICES, _BETWEEN_SLICES_S = 8, 0.1
_CONTENTS = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)


def kind(request: Request) -> str:
    """Say what is asked for: list, head, get, put, copy, delete, or another word of a query."""
    parts = urlsplit(request.path)
    query = parse_qs(parts.query, keep_blank_values=True)
    for word in ("uploads", "uploadId", "delete", "versions", "versioning", "object-lock"):
        if word in query:
            return word
    if "list-type" in query:
        return "list"
    if request.command == "PUT" and "x-amz-copy-source" in request.headers:
        return "copy"
    return {"GET": "get", "HEAD": "head", "PUT": "put", "DELETE": "delete"}.get(
        request.command, "post"
    )


def is_about_a_document(request: Request) -> bool:
    """Say whether it is about an object of people's, and not one of docferry's own."""
    return kind(request) != "list" and _RESERVED not in request.path


#: Kinds that change something.
WRITES = frozenset({"put", "copy", "delete", "uploads", "uploadId", "post"})


@dataclass
class Trouble:
    """One fault, on its way: how often it struck, and whether it is over."""

    struck: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def strike(self) -> None:
        with self._lock:
            self.struck += 1

    def has_struck(self, times: int) -> bool:
        return self.struck >= times


Does: TypeAlias = Callable[[Request, Trouble], bool]


def mood_of(does: Does, trouble: Trouble, kinds: frozenset[str], *, all_keys: bool) -> Mood:
    """
    Make a mood of a fault.

    Args:
        kinds: Of the requests that it strikes; empty: all.
        all_keys: It strikes what is docferry's own, too.
    """

    def mood(request: Request) -> bool:
        is_meant = not kinds or kind(request) in kinds
        if not is_meant or not (all_keys or is_about_a_document(request)):
            return False
        trouble.strike()
        return does(request, trouble)

    return mood


# Refusals.


def refuses(status: int, code: str) -> Does:
    return lambda request, _: request.refuse(status, code)


def says_log_in(request: Request, _: Trouble) -> bool:
    page = {"content-type": "text/html", "etag": '"a-page-of-ours"'}
    return request.give(Answer(200, LOGIN_PAGE, page))


def says_bad_gateway(request: Request, _: Trouble) -> bool:
    return request.give(Answer(502, b"<html><h1>502 Bad Gateway</h1></html>"))


def leads_elsewhere(status: int) -> Does:
    """Lead to a page that says to log in, at the same place."""

    def redirect(request: Request, trouble: Trouble) -> bool:
        if request.path == "/log-in":
            return says_log_in(request, trouble)
        return request.give(Answer(status, b"", {"location": f"{request.proxy.url}/log-in"}))

    return redirect


def fails_after_saying_200(request: Request, _: Trouble) -> bool:
    """As S3 does where a copy takes long: the head is sent before anybody knows."""
    return request.give(Answer(200, b"<Error><Code>InternalError</Code></Error>"))


# Bodies and heads.


def cuts_short(*, is_told: bool) -> Does:
    """Send half of the body. *is_told*: the head says so, and the end looks like one."""

    def cut(request: Request, _: Trouble) -> bool:
        answer = request.ask()
        half = answer.body[: len(answer.body) // 2]
        if is_told:
            headers = answer.headers | {"content-length": str(len(half))}
            return request.give(replace(answer, body=half, headers=headers))
        return request.give(answer, sends=half)

    return cut


def breaks_off_what_comes(request: Request, _: Trouble) -> bool:
    answer = request.ask()
    request.give(answer, sends=answer.body[: len(answer.body) // 2])
    return request.reset()


def breaks_off_what_goes(request: Request, _: Trouble) -> bool:
    """For `Proxy.first`."""
    request.rfile.read(request.size // 2)
    return request.reset()


def flips_a_bit(request: Request, _: Trouble) -> bool:
    def flip(body: bytes) -> bytes:
        middle = len(body) // 2
        return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body

    answer = request.ask()
    return request.give(replace(answer, body=flip(answer.body)))


def says_etag(etag: str | None) -> Does:
    """Give another ETag, or none."""

    def say(request: Request, _: Trouble) -> bool:
        answer = request.ask()
        headers = {name: value for name, value in answer.headers.items() if name != "etag"}
        if etag is not None and answer.status < 300:
            headers["etag"] = f'"{etag}"'
        return request.give(replace(answer, headers=headers))

    return say


def drips(request: Request, trouble: Trouble) -> bool:
    """Send the body slice by slice."""
    answer = request.ask()
    size = max(1, -(-len(answer.body) // _SLICES))
    request.give(answer, sends=b"")
    for start in range(0, len(answer.body), size):
        trouble.over.wait(_BETWEEN_SLICES_S)
        request.wfile.write(answer.body[start : start + size])
    return True


# Listings.


def lists_half(request: Request, _: Trouble) -> bool:
    """Leave out half of what there is, and say that this is all."""
    return request.hand_on(_without(lambda number: number % 2 == 0))


def lists_nothing(request: Request, _: Trouble) -> bool:
    return request.hand_on(_without(lambda _: True))


def _without(is_left_out: Callable[[int], bool]) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        numbers = count()
        kept = _CONTENTS.sub(lambda found: b"" if is_left_out(next(numbers)) else found[0], body)
        return kept.replace(b"<IsTruncated>true", b"<IsTruncated>false")

    return change


class ListsThePast:
    """List what there was when the fault began, as a cache does that nobody clears."""

    def __init__(self) -> None:
        self._kept: dict[str, Answer] = {}

    def __call__(self, request: Request, _: Trouble) -> bool:
        if request.path not in self._kept:
            self._kept[request.path] = request.ask()
        return request.give(self._kept[request.path])


# Silence, and answers that nobody gets, or gets twice.


def says_nothing(request: Request, trouble: Trouble) -> bool:
    trouble.over.wait()
    return request.reset()


def does_it_and_is_silent(request: Request, _: Trouble) -> bool:
    """Carry it out, and let nobody know."""
    request.ask()
    return request.reset()


def asks_twice(request: Request, _: Trouble) -> bool:
    """Hand the request on twice, as a proxy does that took the first for lost."""
    request.ask()
    return request.give(request.ask())


def answers_twice(request: Request, _: Trouble) -> bool:
    """Give the answer twice, on a connection that stays open for the next request."""
    answer = request.ask()
    request.close_connection = False
    request.give(answer)
    return request.give(answer)
