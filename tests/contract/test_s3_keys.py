"""Keys that no plain file can have, and stores that change them."""

from __future__ import annotations

import pytest
from ulid import ULID

from contract.backends import s3_storage
from contract.strangers import Stranger, paths, put
from docferry.core.paths import key_of, path_of
from docferry.errors import NameTakenError, PermanentError, StaleError
from docferry.model import Attributes, Path
from docferry.storage.memory import BytesContent
from servers import S3Server

ODD_KEYS = ["a//b", "/a", "a/./b", "a/../b", "..", "a\tb", "a/", "50%_off", "a\\b", "x%_41"]


def test_odd_keys_have_local_names_and_keep_their_objects(moto: S3Server) -> None:
    storage = s3_storage(moto)
    stranger = Stranger(moto, storage)
    tokens = {key: stranger.put(key, key.encode()) for key in ODD_KEYS}

    assert paths(storage.scan()) == []
    odd = {entry[0]: entry[1] for entry in storage.scan_odd() if isinstance(entry, tuple)}

    assert list(odd) == sorted(odd)
    assert {key_of(path): state.token for path, state in odd.items()} == tokens
    for path, state in odd.items():
        assert storage.stat(path) == state
        with storage.read(path, state.token) as content:
            assert b"".join(content.parts()) == key_of(path).encode()


def test_an_odd_key_is_written_where_the_store_can_hold_it(moto: S3Server) -> None:
    storage = s3_storage(moto)

    first = put(storage, "a/%_/b")
    archive = Attributes(version=str(ULID()))
    second = storage.write(
        "a/%_/b", BytesContent(b"2"), Attributes(), expect=first.token, archive=archive
    )
    assert "a//b" in Stranger(moto, storage).listed()
    storage.delete("a/%_/b", expect=second.token, archive=Attributes(version=str(ULID())))

    assert [key for key in Stranger(moto, storage).listed() if "versions" not in key] == []


@pytest.mark.parametrize("path", ["a/%_/b", "a/%_2E%_2E/b", "a/%_", "a%_5Cb"])
def test_an_odd_key_that_the_store_would_change_is_refused(seaweedfs: S3Server, path: Path) -> None:
    storage = s3_storage(seaweedfs)
    assert key_of(path) != path

    with pytest.raises(PermanentError):
        put(storage, path)

    assert Stranger(seaweedfs, storage).listed() == []


def test_an_empty_file_is_not_written_as_a_folders_marker(moto: S3Server) -> None:
    with pytest.raises(PermanentError, match="marker"):
        put(s3_storage(moto), "a/%_", b"")


def test_a_name_that_is_too_long_for_the_store_is_refused(seaweedfs: S3Server) -> None:
    with pytest.raises(PermanentError, match="shorten"):
        put(s3_storage(seaweedfs), path_of("x" * 300))


@pytest.mark.parametrize(
    ("path", "name", "aliases"),
    [("a", "%_~/a", {"a": "%_~/a"}), ("%_~/a", "a", {}), ("%_~/a", "%_~~/a", {"a": "%_~~/a"})],
)
def test_an_object_is_what_it_is_called_here_and_nothing_else(
    moto: S3Server, path: Path, name: Path, aliases: dict[str, Path]
) -> None:
    storage = s3_storage(moto)
    content, attributes = BytesContent(b"a"), Attributes()
    token = storage.write("a", content, attributes, expect=None).token
    other = storage.write("b", content, attributes, expect=None).token
    aliased = s3_storage(moto, prefix=storage.prefix, aliases=aliases)

    assert aliased.stat(path) is None
    found = aliased.stat(name)
    assert found is not None
    assert found.token == token
    with pytest.raises(NameTakenError) as taken:
        aliased.write(path, content, attributes, expect=None)
    with pytest.raises(NameTakenError):
        aliased.copy_within("b", other, path, attributes)
    with pytest.raises(StaleError):
        aliased.delete(path, expect=token, archive=Attributes(version=str(ULID())))
    assert taken.value.blocked_by == name
    assert aliased.stat(name) == found
