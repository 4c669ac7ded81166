"""A daemon on patrol: what has rotted on either side is found in one cycle, healed, and kept."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from system.conftest import NewSite
from system.daemon import Site

FILES, ROTTEN = 120, 20


def rot(content: bytes) -> bytes:
    """Flip some bits, in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x55]) + content[middle + 1 :]


def rot_file(file: Path) -> None:
    """Flip bits in place, with size and mtime as they were: nobody edited it."""
    before = file.stat()
    content = rot(file.read_bytes())
    with file.open("r+b") as opened:
        opened.write(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def rot_object(site: Site, key: str) -> None:
    """
    Let the bucket give other bytes under the ETag that was agreed on.

    A store that still answers cannot be brought to that from outside: so other bytes are
    put there, and the ledger is told that theirs is the ETag.
    """
    content = site.docs.get(key)
    assert content is not None
    etag = site.docs.put(key, rot(content)).strip('"')
    with closing(sqlite3.connect(site.state / "ledger.sqlite3")) as ledger, ledger:
        ledger.execute("update synced set remote_token = ? where path = ?", [etag, key])


def figure(page: str, name: str) -> float:
    found = re.search(rf"^{name}{{[^}}]*}} (\S+)$", page, re.MULTILINE)
    assert found is not None, page
    return float(found[1])


def test_all_that_has_rotted_is_found_in_one_cycle_and_healed(new_site: NewSite) -> None:
    site = new_site(options='patrol = "2s"')
    docs = site.docs
    contents = {f"{n % 7}/{n}.txt": b"content of the file %d" % n for n in range(FILES)}
    for path, content in contents.items():
        docs.write(path, content)
    assert site.work_off()
    paths = sorted(contents)
    for path in paths[:ROTTEN]:
        rot_file(docs.folder / path)
    for path in paths[-ROTTEN:]:
        rot_object(site, path)

    with site.running() as daemon:
        daemon.wait_for(lambda: docs.files() == docs.objects() == contents, 120)
        daemon.wait_for(
            lambda: figure(daemon.fetch("/metrics"), "docferry_patrol_coverage_ratio") == 1.0
        )
        found = daemon.events("rot.found")
        healed = daemon.events("rot.healed")

    assert len({(event["path"], event["side"]) for event in found}) == 2 * ROTTEN
    assert len({(event["path"], event["side"]) for event in healed}) == 2 * ROTTEN
    with site.ledger() as ledger:
        query = "select path from version where origin = 'evidence' and mirror = 'docs'"
        evidence = sorted(path for (path,) in ledger.execute(query))
    assert evidence == sorted([*paths[:ROTTEN], *paths[-ROTTEN:]])
    [bad] = [
        row for row in site.json("versions", paths[0])["versions"] if row["origin"] == "evidence"
    ]
    assert site.run("cat", bad["id"]).encode() == rot(contents[paths[0]])
    site.run("verify", "--read")
