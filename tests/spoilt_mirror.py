"""A looped mirror with nine documents, what spoils them, and what a person then decides."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime

from docferry.engine.runs import Run
from docferry.ledger import HoldRow
from docferry.model import HoldState, RequestState, Side
from looped_mirror import Mirror
from processes import wait_for

LIMIT = 3
EDIT = b"What somebody made of it since.\n"
FILES = {
    f"folder/{number}.txt": b"The minutes of meeting %d.\n" % number * 9 for number in range(9)
}


def with_documents(new_mirror: Callable[..., Mirror]) -> Mirror:
    """Give a mirror that is in step, with nine documents."""
    mirror = new_mirror()
    mirror.suspicious_limit = LIMIT
    mirror.restart()
    for path, content in FILES.items():
        write(mirror, path, content)
    mirror.start()
    return mirror


def write(mirror: Mirror, path: str, content: bytes) -> None:
    target = mirror.root / path
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content)


def encrypt(mirror: Mirror, side: Side, paths: list[str] | None = None) -> set[str]:
    """Overwrite documents with noise, on one side; give the hashes of that."""
    found = set()
    for path in paths or FILES:
        content = os.urandom(300)
        found.add(sha256(content))
        if side is Side.LOCAL:
            write(mirror, path, content)
        else:
            mirror.remote.user_write(path, content)
    return found


def edit(mirror: Mirror, side: Side, path: str) -> None:
    """Let somebody edit a document on one side."""
    if side is Side.LOCAL:
        write(mirror, path, EDIT)
    else:
        mirror.remote.user_write(path, EDIT)


def skipped(mirror: Mirror) -> list[str]:
    states = (RequestState.SKIPPED,)
    rows = mirror.ledger.requests.some(["docs"], 99, states=states, newest_first=False)
    return [row.path for row in rows]


def objects(mirror: Mirror) -> dict[str, bytes]:
    return {path: held.content for path, held in dict(mirror.remote.files).items()}


def archived(mirror: Mirror) -> set[str]:
    """Give the hashes of what either archive holds."""
    local = (mirror.root / ".docferry" / "versions").rglob("*")
    found = {sha256(path.read_bytes()) for path in local if path.is_file()}
    return found | {sha256(one.content) for one in dict(mirror.remote.archive).values()}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def open_holds(mirror: Mirror) -> list[HoldRow]:
    return mirror.ledger.holds.all("docs", (HoldState.OPEN,))


def held(mirror: Mirror, count: int) -> HoldRow:
    """Wait until so many are held."""
    wait_for(lambda: [one.count for one in open_holds(mirror)] == [count])
    [hold] = open_holds(mirror)
    return hold


def decide(mirror: Mirror, state: HoldState) -> None:
    [hold] = open_holds(mirror)
    mirror.ledger.holds.decide(hold.id, state, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)
    mirror.loop.request(Run.ASKED)
