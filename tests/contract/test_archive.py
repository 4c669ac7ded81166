"""What every side promises about its archive, whatever it is made of."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import pytest
from ulid import ULID

from contract.backends import Backend
from contract.test_storage import MTIME_NS, OTHER_SHA256, Moving, Short, write
from docferry.errors import StaleError, TemporaryError
from docferry.model import Attributes, Ulid
from docferry.storage.base import PART_BYTES, Archived, Storage
from docferry.storage.memory import BytesContent

OLD = b"what it was"
HOSTILE = ["", "..", "../mirror.json", "a/b", "01JAAAAAAAAAAAAAAAAAAAAAAA\n", f"{'0' * 26}.0a"]


def new_version() -> Ulid:
    return str(ULID())


def about(content: bytes) -> Attributes:
    return Attributes(
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        mtime_ns=MTIME_NS,
        parent=new_version(),
        path="folder/a",
    )


def put(storage: Storage, content: bytes = OLD) -> Ulid:
    version = new_version()
    storage.archive.put(version, BytesContent(content), about(content))
    return version


def read(storage: Storage, version: Ulid) -> bytes:
    with storage.archive.read(version) as content:
        whole = b"".join(content.parts())
        content.confirm()
    return whole


def held(storage: Storage) -> list[Ulid]:
    return [archived.version for archived in storage.archive.scan()]


# Looking.


def test_nothing_is_archived_where_nothing_was_displaced(storage: Storage) -> None:
    version = new_version()

    assert list(storage.archive.scan()) == []
    assert storage.archive.describe(version) is None
    with pytest.raises(StaleError):
        storage.archive.read(version)


def test_the_archive_lists_what_was_displaced_in_the_order_of_versions(storage: Storage) -> None:
    versions = sorted(new_version() for _ in range(5))
    for version in random.Random(1).sample(versions, len(versions)):
        written = write(storage, "a", version.encode() + b"!")
        storage.delete("a", expect=written.token, archive=Attributes(version=version))

    found = list(storage.archive.scan())

    assert [archived.version for archived in found] == versions
    assert {archived.size for archived in found} == {27}


def test_a_displaced_version_tells_what_it_was(storage: Storage, backend: Backend) -> None:
    attributes = Attributes(version=new_version(), mtime_ns=MTIME_NS, parent=new_version())
    written = storage.write("folder/a", BytesContent(OLD), attributes, expect=None)
    archive = Attributes(version=attributes.version, sha256=written.sha256, path="folder/a")
    assert archive.version is not None

    storage.delete("folder/a", expect=written.token, archive=archive)

    found = storage.archive.describe(archive.version)
    assert found is not None
    assert (found.mtime_ns, found.size) == (MTIME_NS, len(OLD))
    if backend.keeps_attributes:
        assert (found.version, found.path) == (archive.version, "folder/a")
        assert (found.sha256, found.parent) == (written.sha256, attributes.parent)


@pytest.mark.parametrize("version", HOSTILE)
def test_what_is_no_version_names_nothing(storage: Storage, version: str) -> None:
    storage.write_marker(b"{}")
    good = put(storage)

    assert storage.archive.describe(version) is None
    with pytest.raises(StaleError):
        storage.archive.read(version)
    with pytest.raises(ValueError, match="no version"):
        storage.archive.put(version, BytesContent(OLD), about(OLD))
    with pytest.raises(ValueError, match="no version"):
        storage.archive.refer(version, good, about(OLD))
    with pytest.raises(ValueError, match="no version"):
        storage.archive.refer(good, version, about(OLD))
    with pytest.raises(ValueError, match="no version"):
        storage.archive.remove(version)

    assert storage.read_marker() == b"{}"
    assert read(storage, good) == OLD


# Putting.


def test_a_version_that_was_put_is_read_and_described(storage: Storage, backend: Backend) -> None:
    version, attributes = new_version(), about(OLD)

    storage.archive.put(version, BytesContent(OLD), attributes)

    assert read(storage, version) == OLD
    assert storage.read_archived(version).size == len(OLD)
    assert [*map(_without_mtime, storage.archive.scan())] == [(version, len(OLD))]
    found = storage.archive.describe(version)
    assert found is not None
    assert (found.mtime_ns, found.size) == (MTIME_NS, len(OLD))
    if backend.keeps_attributes:
        assert (found.version, found.sha256) == (version, attributes.sha256)
        assert (found.parent, found.path) == (attributes.parent, "folder/a")
    assert list(storage.scan()) == []


def test_an_empty_version_is_a_version(storage: Storage) -> None:
    version = put(storage, b"")

    assert read(storage, version) == b""
    assert held(storage) == [version]


def test_a_large_version_arrives_whole(storage: Storage) -> None:
    whole = random.Random(1).randbytes(PART_BYTES + 3)

    version = put(storage, whole)

    with storage.archive.read(version) as content:
        assert content.size == len(whole)
        assert content.sha256() == hashlib.sha256(whole).hexdigest()
        content.confirm()


def test_to_put_a_version_again_changes_nothing(storage: Storage) -> None:
    version = put(storage)

    storage.archive.put(version, BytesContent(OLD), about(OLD))
    storage.archive.put(version, BytesContent(OLD), Attributes())

    assert read(storage, version) == OLD
    assert held(storage) == [version]


@pytest.mark.parametrize("other", [b"another content", b"ehat it was"])
def test_a_version_never_takes_the_place_of_another_content(storage: Storage, other: bytes) -> None:
    version = put(storage)

    with pytest.raises(StaleError):
        storage.archive.put(version, BytesContent(other), about(other))

    assert read(storage, version) == OLD


@pytest.mark.parametrize("size", [7, PART_BYTES + 1])
def test_a_damaged_content_is_not_archived(storage: Storage, size: int) -> None:
    version = new_version()

    with pytest.raises(TemporaryError):
        storage.archive.put(version, BytesContent(bytes(size)), Attributes(sha256=OTHER_SHA256))

    assert held(storage) == []


@pytest.mark.parametrize(
    ("make", "error"), [(Moving, StaleError), (Short, TemporaryError)], ids=["moving", "short"]
)
def test_half_a_content_is_not_archived(
    storage: Storage, make: Callable[[bytes], BytesContent], error: type[Exception]
) -> None:
    version = new_version()

    with pytest.raises(error):
        storage.archive.put(version, make(OLD), Attributes())

    assert held(storage) == []
    with pytest.raises(StaleError):
        storage.archive.read(version)


# Referring.


def kept_once(storage: Storage) -> tuple[Ulid, Ulid]:
    """Archive a content twice and keep its bytes once, under the second version."""
    first, second = put(storage), put(storage)
    storage.archive.refer(first, second, about(OLD))
    return first, second


def test_equal_bytes_are_kept_once(storage: Storage, backend: Backend) -> None:
    first, second = kept_once(storage)

    found = {archived.version: archived.size for archived in storage.archive.scan()}

    assert read(storage, second) == OLD
    if backend.keeps_references:
        assert found == {first: 0, second: len(OLD)}
        assert read(storage, first) == OLD
    else:
        assert found == {second: len(OLD)}


def test_a_reference_tells_what_its_version_was(storage: Storage, backend: Backend) -> None:
    first, second = put(storage), put(storage)
    attributes = about(OLD)

    storage.archive.refer(first, second, attributes)

    found = storage.archive.describe(first)
    if not backend.keeps_references:
        assert found is None
        return
    assert found is not None
    assert (found.version, found.bytes_of, found.size) == (first, second, len(OLD))
    assert (found.path, found.parent) == ("folder/a", attributes.parent)
    assert (found.sha256, found.mtime_ns) == (attributes.sha256, MTIME_NS)
    with storage.archive.read(first) as content:
        assert content.attributes.version == first
        assert content.attributes.path == "folder/a"


def test_a_version_that_has_no_bytes_yet_can_be_a_reference(
    storage: Storage, backend: Backend
) -> None:
    first, second = new_version(), put(storage)

    storage.archive.refer(first, second, about(OLD))

    assert read(storage, second) == OLD
    assert held(storage) == ([first, second] if backend.keeps_references else [second])


def test_to_refer_again_changes_nothing(storage: Storage) -> None:
    first, second = kept_once(storage)
    before = list(storage.archive.scan())

    storage.archive.refer(first, second, about(OLD))

    assert list(storage.archive.scan()) == before
    assert read(storage, second) == OLD


def test_a_version_gives_its_bytes_away_for_equal_ones_only(storage: Storage) -> None:
    first, second = put(storage), put(storage, b"ehat it was")

    with pytest.raises(StaleError):
        storage.archive.refer(first, second, about(OLD))
    with pytest.raises(StaleError):
        storage.archive.refer(first, second, about(b"ehat it was"))

    assert read(storage, first) == OLD
    assert read(storage, second) == b"ehat it was"


def test_bytes_are_not_given_away_for_none(storage: Storage, backend: Backend) -> None:
    first, second = put(storage), new_version()

    if backend.keeps_references:
        with pytest.raises(StaleError):
            storage.archive.refer(first, second, about(OLD))
        assert read(storage, first) == OLD
    else:
        storage.archive.refer(first, second, about(OLD))
        assert read(storage, second) == OLD


def test_a_version_does_not_refer_to_itself(storage: Storage) -> None:
    version = put(storage)

    with pytest.raises(ValueError, match="itself"):
        storage.archive.refer(version, version, about(OLD))

    assert read(storage, version) == OLD


def test_a_reference_refers_to_bytes_not_to_another_reference(
    storage: Storage, backend: Backend
) -> None:
    first, second = kept_once(storage)
    third = put(storage)

    if backend.keeps_references:
        with pytest.raises(StaleError):
            storage.archive.refer(third, first, about(OLD))

    assert read(storage, third) == OLD
    assert read(storage, second) == OLD


def test_a_reference_whose_bytes_are_gone_is_not_read(storage: Storage) -> None:
    first, second = kept_once(storage)

    storage.archive.remove(second)

    with pytest.raises(StaleError):
        storage.archive.read(first)


def test_a_reference_is_not_read_from_other_bytes(storage: Storage) -> None:
    first, second = kept_once(storage)
    storage.archive.remove(second)
    other = b"ehat it was"
    storage.archive.put(second, BytesContent(other), about(other))

    with pytest.raises(StaleError):
        storage.archive.read(first)


def test_bytes_that_are_gone_can_be_put_again(storage: Storage) -> None:
    first, second = kept_once(storage)
    storage.archive.remove(second)

    storage.archive.put(first, BytesContent(OLD), about(OLD))

    assert read(storage, first) == OLD
    found = storage.archive.describe(first)
    assert found is not None
    assert found.bytes_of is None


def test_to_put_what_can_be_read_by_reference_changes_nothing(
    storage: Storage, backend: Backend
) -> None:
    first, second = kept_once(storage)

    storage.archive.put(first, BytesContent(OLD), about(OLD))

    found = storage.archive.describe(first)
    assert read(storage, first) == OLD
    assert found is not None
    assert (found.bytes_of == second) == backend.keeps_references


# Removing.


def test_a_removed_version_is_gone_and_the_others_stay(storage: Storage) -> None:
    first, second = put(storage), put(storage, b"another")

    storage.archive.remove(first)

    assert held(storage) == [second]
    assert storage.archive.describe(first) is None
    assert read(storage, second) == b"another"


def test_to_remove_what_is_not_there_changes_nothing(storage: Storage) -> None:
    storage.archive.remove(new_version())
    version = put(storage)

    storage.archive.remove(new_version())

    assert held(storage) == [version]


def test_to_remove_a_reference_leaves_the_bytes(storage: Storage) -> None:
    first, second = kept_once(storage)

    storage.archive.remove(first)

    assert held(storage) == [second]
    assert read(storage, second) == OLD


def _without_mtime(archived: Archived) -> tuple[Ulid, int]:
    return archived.version, archived.size
