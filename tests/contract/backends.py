"""
The storages that must keep the contract. Add an entry, and the whole suite runs over it.

`make` gives a storage that holds nothing; it may ask for fixtures, for example
`request.getfixturevalue("seaweedfs")` for a server started once a session
(tests/contract/conftest.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ulid import ULID

import servers
from docferry.storage.base import Storage
from docferry.storage.local import LocalStorage
from docferry.storage.memory import MemoryStorage
from docferry.storage.probe import StoreProfile
from docferry.storage.s3 import S3Options, S3Storage


@dataclass(frozen=True, slots=True)
class Backend:
    """One storage, and what of the contract it cannot keep for reasons of its own."""

    name: str
    make: Callable[[pytest.FixtureRequest], Storage]
    keeps_attributes: bool = True  #: False: only the mtime comes back
    keeps_references: bool = True  #: False: an archive of bytes alone, as a folder has
    is_atomic: bool = True  #: False: ignores preconditions, so that the last of many wins


def _memory(request: pytest.FixtureRequest) -> Storage:
    return MemoryStorage()


def _memory_folder(request: pytest.FixtureRequest) -> Storage:
    return MemoryStorage(keeps_references=False)


def _local(request: pytest.FixtureRequest) -> Storage:
    root: Path = request.getfixturevalue("tmp_path") / "mirror"
    (root / ".docferry").mkdir(parents=True)  # as if it had been marked once
    return LocalStorage(root)


def s3_storage(
    server: servers.S3Server, prefix: str | None = None, aliases: dict[str, str] | None = None
) -> S3Storage:
    """Give a storage below a prefix of its own, which knows what *server* keeps to."""
    prefix = f"{ULID()}/" if prefix is None else prefix
    profile = _profile_of(server)
    options = s3_options(server)
    return S3Storage(options, servers.BUCKET, prefix, profile=profile, aliases=aliases)


def s3_options(server: servers.S3Server) -> S3Options:
    return S3Options(
        endpoint_url=server.endpoint_url,
        access_key_id=servers.ACCESS_KEY_ID,
        secret_access_key=servers.SECRET_ACCESS_KEY,
    )


@functools.cache
def _profile_of(server: servers.S3Server) -> StoreProfile:
    return S3Storage(s3_options(server), servers.BUCKET).probe()


def _s3(name: str) -> Callable[[pytest.FixtureRequest], Storage]:
    return lambda request: s3_storage(request.getfixturevalue(name))


def _cautious(request: pytest.FixtureRequest) -> Storage:
    """SeaweedFS, but nobody has looked yet what it keeps to."""
    server = request.getfixturevalue("seaweedfs")
    return S3Storage(s3_options(server), servers.BUCKET, f"{ULID()}/")


BACKENDS = [
    Backend("memory", _memory),
    Backend("folder in memory", _memory_folder, keeps_references=False),
    Backend("local", _local, keeps_attributes=False, keeps_references=False),
    Backend("seaweedfs", _s3("seaweedfs")),
    Backend("cautious", _cautious, is_atomic=False),
    Backend("rclone", _s3("rclone"), is_atomic=False),
    Backend("moto", _s3("moto")),
]
