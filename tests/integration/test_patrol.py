"""A whole mirror under patrol: what has rotted is found, healed, and kept as evidence."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from docferry.config import MirrorConfig
from docferry.core.patrol import coverage
from docferry.core.verify import Kind
from docferry.engine.contents import Contents
from docferry.engine.heal import Healer
from docferry.engine.identity import Places
from docferry.engine.patrol import Patrol
from docferry.engine.verify import Checked, Verifier
from docferry.ledger.requests import RequestRow
from docferry.model import Heal, Mode, Origin, RequestKind, Side
from docferry.storage.local import LocalStorage
from looped_mirror import Mirror

FILES, ROTTEN = 300, 20


class Site:
    """A mirror in step, and what looks after its bytes."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.ledger = mirror.ledger
        self.local = LocalStorage(mirror.root, needs_marker=True)
        # It reads as fast as it can here: what is bounded is tested by itself.
        options = MirrorConfig("docs", "s", "b", mirror.root, patrol_rate_mib=1024)
        places = Places(self.local, mirror.remote, "the folder", "the bucket")
        contents = Contents("docs", places, self.ledger.versions, self.ledger.synced)
        self.patrol = Patrol(
            options, places, self.ledger, contents, mirror.new_ulid, lambda: datetime.now(UTC)
        )
        self.healer = Healer("docs", self.local, mirror.remote, contents, "this")

    def verified(self) -> list[Checked]:
        with ThreadPoolExecutor(2) as pool:
            verifier = Verifier(
                "docs",
                self.local,
                self.mirror.remote,
                self.ledger,
                lambda path: True,
                pool,
                reads_all=True,
            )
            return list(verifier.run())

    def kinds(self) -> list[tuple[Kind, Side | None, str | None]]:
        findings = [finding for one in self.verified() for finding in one.findings]
        return [(one.kind, one.side, one.path) for one in findings]

    def heal(self, request: RequestRow) -> None:
        """Do as the loop does that is asked to."""
        side = Side.LOCAL if request.kind is RequestKind.HEAL_LOCAL else Side.REMOTE
        synced = self.ledger.synced.get("docs", [request.path])[request.path]
        now = datetime.now(UTC)
        token = synced.local_token if side is Side.LOCAL else synced.remote_token
        operation = Heal(request.path, request.id, side, expect=token)
        outcome = self.healer.heal(operation, synced, self.mirror.new_ulid(), now)
        self.ledger.record("docs", [outcome], at=now)


def rot_file(path: pathlib.Path) -> None:
    """Change bytes in place, with size and mtime as they were: the token stays."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"ROT")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rot_object(mirror: Mirror, path: str) -> None:
    held = mirror.remote.files[path]
    mirror.remote.files[path] = replace(held, content=b"ROT" + held.content[3:])


def test_one_cycle_finds_all_that_has_rotted_and_it_is_healed(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    contents = {f"{n % 7}/{n}.txt": b"content %d" % n for n in range(FILES)}
    for path, content in contents.items():
        (mirror.root / path).parent.mkdir(exist_ok=True)
        (mirror.root / path).write_bytes(content)
    mirror.start()
    mirror.stop()
    site = Site(mirror)
    paths = sorted(contents)
    here, there = paths[:ROTTEN], paths[-ROTTEN:]
    for path in here:
        rot_file(mirror.root / path)
    for path in there:
        rot_object(mirror, path)
    assert len(site.kinds()) == 2 * ROTTEN

    row = site.patrol.run_cycle()

    assert row is not None
    assert (coverage(row.checked, row.total), row.checked, row.found) == (1.0, FILES, 2 * ROTTEN)
    requests = mirror.ledger.requests.open("docs", FILES)
    assert {(one.kind, one.path) for one in requests} == {
        *((RequestKind.HEAL_LOCAL, path) for path in here),
        *((RequestKind.HEAL_REMOTE, path) for path in there),
    }

    for request in requests:
        site.heal(request)

    assert mirror.files == mirror.remote.contents == contents
    assert site.kinds() == []
    displaced = mirror.ledger.versions.displaced("docs")
    evidence = [one for one in displaced if one.origin is Origin.EVIDENCE]
    assert sorted(one.path for one in evidence) == sorted([*here, *there])

    mirror.restart()
    mirror.start()
    assert mirror.files == mirror.remote.contents == contents
    assert mirror.ledger.problems.all("docs") == []


def test_what_the_loop_displaced_is_verified_and_healed_in_both_archives(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(mode=Mode.TWO_WAY)
    (mirror.root / "a").write_bytes(b"first content")
    mirror.start()
    mirror.remote.user_write("a", b"second content")
    mirror.run()
    (mirror.root / "b").write_bytes(b"first content")
    mirror.run()
    mirror.stop()
    site = Site(mirror)
    [row] = mirror.ledger.versions.displaced("docs")
    archived = mirror.root / ".docferry" / "versions" / row.id
    archived.chmod(0o600)
    rot_file(archived)
    assert site.kinds() == [(Kind.ARCHIVE_CONTENT, Side.LOCAL, "a")]

    site.patrol.run_cycle()

    assert archived.read_bytes() == b"first content"
    assert site.kinds() == []
