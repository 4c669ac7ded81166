"""
The storages that must keep the contract. Add an entry, and the whole suite runs over it.

`make` gives a storage that holds nothing; it may ask for fixtures, for example
`request.getfixturevalue("seaweedfs")` for a server started once a session
(tests/contract/conftest.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from docferry.storage.base import Storage
from docferry.storage.local import LocalStorage
from docferry.storage.memory import MemoryStorage


@dataclass(frozen=True, slots=True)
class Backend:
    """One storage, and what of the contract it cannot keep for reasons of its own."""

    name: str
    make: Callable[[pytest.FixtureRequest], Storage]
    keeps_attributes: bool = True  #: False: only the mtime comes back
    is_atomic: bool = True  #: False: ignores preconditions, so that the last of many wins


def _memory(request: pytest.FixtureRequest) -> Storage:
    return MemoryStorage()


def _local(request: pytest.FixtureRequest) -> Storage:
    root: Path = request.getfixturevalue("tmp_path") / "mirror"
    (root / ".docferry").mkdir(parents=True)  # as if it had been marked once
    return LocalStorage(root)


BACKENDS = [
    Backend("memory", _memory),
    Backend("local", _local, keeps_attributes=False),
]
