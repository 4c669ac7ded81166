"""What every side says is left of a document."""

from __future__ import annotations

import pytest

from contract.backends import Backend
from contract.test_archive import new_version, put
from contract.test_storage import write
from docferry.engine.erase import Searchable
from docferry.model import Attributes
from docferry.storage.base import Storage


@pytest.fixture
def side(storage: Storage, backend: Backend) -> Searchable:
    assert hasattr(storage, "traces")
    return storage  # type: ignore[return-value]


def test_a_file_and_its_archived_versions_are_traces_and_nothing_else(side: Searchable) -> None:
    version, other = put(side), put(side)
    write(side, "a/b", b"1")
    write(side, "a/b.txt", b"2")

    found = [*side.traces("a/b", [version])]

    assert len(found) == 2
    assert any(one.endswith("a/b") for one in found)
    assert any(one.endswith(version) for one in found)
    assert not any(other in one for one in found)


def test_of_what_was_deleted_the_archive_has_a_trace(side: Searchable) -> None:
    version = new_version()
    written = write(side, "a", b"1")
    side.delete("a", expect=written.token, archive=Attributes(version=version, path="a"))

    before = [*side.traces("a", [version])]
    side.archive.remove(version)

    assert len(before) == 1
    assert [*side.traces("a", [version])] == []
