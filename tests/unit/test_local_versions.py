"""What a folder's archive does with its files: brought in whole, kept once, removed for good."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from docferry.errors import PermanentError, StaleError, UnreachableError
from docferry.model import Attributes
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent
from unit.folder import FILE_SYSTEMS, NEW, OLD, VERSION, archived, staged

OTHER = "01JD0000000000000000000002"
ABOUT = Attributes(sha256=hashlib.sha256(OLD).hexdigest(), size=len(OLD), mtime_ns=7)


class CrashError(BaseException):
    """The process ends here."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".docferry").mkdir()
    return tmp_path


@pytest.fixture
def versions(root: Path) -> Path:
    return root / ".docferry" / "versions"


def crashing_at(step: str) -> Callable[[str], None]:
    def crash(name: str) -> None:
        if name == step:
            raise CrashError

    return crash


@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
def test_a_version_is_put_on_any_file_system(root: Path, file_system: str) -> None:
    archive = LocalStorage(root, renames=FILE_SYSTEMS[file_system]()).archive

    archive.put(VERSION, BytesContent(OLD), ABOUT)
    archive.put(OTHER, BytesContent(OLD), ABOUT)
    archive.refer(VERSION, OTHER, ABOUT)

    assert [found.version for found in archive.scan()] == [OTHER]
    assert staged(root) == []


@pytest.mark.parametrize(("step", "is_there"), [("staged", False), ("archived", True)])
def test_after_a_crash_a_version_is_there_whole_or_not_at_all(
    root: Path, step: str, *, is_there: bool
) -> None:
    with pytest.raises(CrashError):
        LocalStorage(root, step=crashing_at(step)).archive.put(VERSION, BytesContent(OLD), ABOUT)
    storage = LocalStorage(root)

    assert archived(root) == (OLD if is_there else None)
    assert storage.sweep_staging() == []
    storage.archive.put(VERSION, BytesContent(OLD), ABOUT)

    assert archived(root) == OLD
    assert staged(root) == []


def test_a_crash_while_bytes_are_given_away_loses_none(root: Path) -> None:
    storage = LocalStorage(root, step=crashing_at("referred"))
    for version in (VERSION, OTHER):
        storage.archive.put(version, BytesContent(OLD), ABOUT)

    with pytest.raises(CrashError):
        storage.archive.refer(VERSION, OTHER, ABOUT)
    LocalStorage(root).archive.refer(VERSION, OTHER, ABOUT)

    with LocalStorage(root).archive.read(OTHER) as content:
        assert content.sha256() == ABOUT.sha256


def test_a_damaged_version_gets_no_other_name(root: Path, versions: Path) -> None:
    archive = LocalStorage(root).archive
    archive.put(VERSION, BytesContent(OLD), ABOUT)
    (versions / VERSION).write_bytes(bytes(len(OLD)))

    with pytest.raises(StaleError):
        archive.refer(VERSION, OTHER, ABOUT)

    assert not (versions / OTHER).exists()


def test_bytes_are_not_given_away_for_damaged_ones(root: Path, versions: Path) -> None:
    archive = LocalStorage(root).archive
    for version in (VERSION, OTHER):
        archive.put(version, BytesContent(OLD), ABOUT)
    (versions / OTHER).write_bytes(bytes(len(OLD)))

    with pytest.raises(StaleError):
        archive.refer(VERSION, OTHER, ABOUT)

    assert archived(root) == OLD


def test_what_is_no_version_is_not_listed(root: Path, versions: Path) -> None:
    archive = LocalStorage(root).archive
    archive.put(OTHER, BytesContent(OLD), ABOUT)
    (versions / f"{VERSION}.0a1b2c3d").write_bytes(NEW)
    (versions / VERSION.lower()).write_bytes(NEW)
    (versions / VERSION).mkdir()
    (versions / VERSION.replace("1", "3")).symlink_to(versions / OTHER)

    assert [found.version for found in archive.scan()] == [OTHER]
    assert archive.describe(VERSION) is None


def test_the_damaged_doubles_of_a_version_go_with_it(root: Path, versions: Path) -> None:
    archive = LocalStorage(root).archive
    archive.put(VERSION, BytesContent(OLD), ABOUT)
    archive.put(OTHER, BytesContent(OLD), ABOUT)
    for name in (f"{VERSION}.0a1b2c3d", f"{VERSION}.ffffffff", f"{OTHER}.0a1b2c3d"):
        (versions / name).write_bytes(NEW)

    archive.remove(VERSION)

    assert {path.name for path in versions.iterdir()} == {OTHER, f"{OTHER}.0a1b2c3d"}


def test_a_version_tells_its_age_and_size(root: Path) -> None:
    archive = LocalStorage(root).archive
    archive.put(VERSION, BytesContent(OLD), ABOUT)

    [found] = archive.scan()

    assert (found.size, found.modified_ns) == (len(OLD), 7)
    assert archive.describe(VERSION) == Attributes(size=len(OLD), mtime_ns=7)


def test_an_archive_behind_a_symbolic_link_is_none_of_ours(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / VERSION).write_bytes(OLD)
    (root / ".docferry" / "versions").symlink_to(elsewhere)
    archive = LocalStorage(root).archive

    with pytest.raises(PermanentError):
        list(archive.scan())
    with pytest.raises(PermanentError):
        archive.remove(VERSION)

    assert (elsewhere / VERSION).read_bytes() == OLD


def test_the_archive_of_a_folder_that_is_not_mounted_is_not_empty(tmp_path: Path) -> None:
    archive = LocalStorage(tmp_path, needs_marker=True).archive

    with pytest.raises(UnreachableError):
        list(archive.scan())
    with pytest.raises(UnreachableError):
        archive.describe(VERSION)
    with pytest.raises(UnreachableError):
        archive.read(VERSION)
    with pytest.raises(UnreachableError):
        archive.remove(VERSION)
    with pytest.raises(UnreachableError):
        archive.put(VERSION, BytesContent(OLD), ABOUT)

    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_is_replaced_while_it_is_listed_is_unknown(
    root: Path, versions: Path
) -> None:
    archive = LocalStorage(root).archive
    archive.put(VERSION, BytesContent(OLD), ABOUT)
    listing = archive.scan()
    next(listing)

    versions.rename(root / ".docferry" / "before")

    with pytest.raises(UnreachableError):
        list(listing)
