"""Files that are given to `restore-state` and are no backup: of harm, of chance, of malice."""

from __future__ import annotations

import gzip
import io
import json
import pathlib
import tarfile
import zlib
from collections.abc import Callable

import pytest

from commands import Desk, Said
from ledger_rows import NOW, uploaded

LEDGER = "ledger.sqlite3"
FACTS: dict[str, object] = {
    "format": 1,
    "taken_at": "",
    "docferry": "1",
    "schema": "0008",
    "size": 1000,
    "sha256": "0" * 64,
}


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    desk = Desk(tmp_path, capsys, monkeypatch)
    with desk.ledger() as ledger:
        ledger.record("docs", [uploaded("a")], at=NOW)
    return desk


def refused(desk: Desk, made: bytes) -> Said:
    """Have it restored, and see that nothing has changed."""
    file = desk.folder / "made"
    file.write_bytes(made)
    before = {one: one.read_bytes() for one in desk.state.iterdir()}

    said = desk.asks("restore-state", str(file), "--yes")

    assert said.code == 1
    assert {one: one.read_bytes() for one in desk.state.iterdir() if one.name != "lock"} == before
    return said


def member(name: str, content: bytes = b"") -> bytes:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    return header.tobuf() + content + b"\0" * (-len(content) % tarfile.BLOCKSIZE)


def facts(**others: object) -> bytes:
    return member("backup.json", json.dumps(FACTS | others).encode())


def headers_of_headers(kind: bytes) -> bytes:
    header = tarfile.TarInfo("a name")
    header.type, header.size = kind, 4
    return (header.tobuf(tarfile.GNU_FORMAT) + b"abc\0".ljust(tarfile.BLOCKSIZE, b"\0")) * 3000


def no_file(kind: bytes) -> bytes:
    header = tarfile.TarInfo(LEDGER)
    header.type, header.linkname = kind, "/etc/passwd"
    return facts() + header.tobuf()


def sparse(size: int) -> bytes:
    """Give a member of a few bytes that are *size* when they are unpacked."""
    header = tarfile.TarInfo(LEDGER)
    header.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


STRANGE: dict[str, Callable[[], bytes]] = {
    "facts that are a number": lambda: member("backup.json", b"1"),
    "facts that are a list of lists": lambda: member("backup.json", b"[" * 60_000),
    "a size that is no number": lambda: facts(size=float("nan")) + member(LEDGER, b"x"),
    "names of names": lambda: headers_of_headers(tarfile.GNUTYPE_LONGNAME),
    "attributes of attributes": lambda: headers_of_headers(tarfile.XHDTYPE),
    "a link": lambda: no_file(tarfile.SYMTYPE),
    "a hard link": lambda: no_file(tarfile.LNKTYPE),
    "a pipe": lambda: no_file(tarfile.FIFOTYPE),
    "a device": lambda: no_file(tarfile.CHRTYPE),
    "a folder": lambda: no_file(tarfile.DIRTYPE),
    "a path from the root": lambda: facts() + member(f"/{LEDGER}", b"x"),
    "a path that leads out": lambda: facts() + member(f"../{LEDGER}", b"x"),
    "thousands of members": lambda: facts() + member("another") * 5000,
    "a larger ledger than it says": lambda: facts(size=9) + member(LEDGER, b"x" * 10),
    "a sparse ledger": lambda: facts(size=1 << 20) + sparse(1 << 20),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_is_no_backup_is_refused_and_changes_nothing(desk: Desk, what: str) -> None:
    said = refused(desk, gzip.compress(STRANGE[what](), 1))

    assert "is damaged, or no backup" in said.errors


def test_damage_in_the_middle_of_a_ledger_is_told_of_in_words(desk: Desk) -> None:
    packer = zlib.compressobj(1, wbits=31)
    sound = packer.compress((facts(size=1 << 20) + member(LEDGER, bytes(1 << 20)))[:500_000])
    sound += packer.flush(zlib.Z_FULL_FLUSH)

    said = refused(desk, sound + b"\x07" * 99)

    assert "is damaged" in said.errors


def test_a_ledger_that_does_not_fit_on_the_disk_is_not_unpacked(desk: Desk) -> None:
    said = refused(desk, gzip.compress(facts(size=1 << 60) + member(LEDGER, b"x" * 1000)))

    assert "free" in said.errors


def test_what_describes_a_member_is_not_read_into_memory_however_large_it_is(desk: Desk) -> None:
    made = io.BytesIO()
    header = tarfile.TarInfo("described")
    header.type, header.size = tarfile.XHDTYPE, 8 << 20
    with gzip.open(made, "wb", compresslevel=1) as packed:
        packed.write(header.tobuf(tarfile.GNU_FORMAT))
        packed.write(bytes(header.size))

    said = refused(desk, made.getvalue())

    assert "there is more in it than it says" in said.errors
