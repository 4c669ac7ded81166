"""What an object says that it was made of, on its way into the ledger."""

from __future__ import annotations

import pytest

from docferry.model import Attributes, Download, MarkSynced, Provenance
from docferry.storage.memory import sha256_of
from unit.memory_mirror import MemoryMirror


@pytest.fixture
def mirror() -> MemoryMirror:
    return MemoryMirror()


@pytest.mark.parametrize("is_here_too", [False, True])
def test_what_an_object_says_that_it_was_made_of_is_told(
    mirror: MemoryMirror, *, is_here_too: bool
) -> None:
    made_from = Provenance("S" * 26, sha256_of(b"source"), "text", "xberg 1.3.9")
    says = Attributes(sha256=sha256_of(b"made"), made_from=made_from)
    mirror.remote.user_write("p.md", b"made", says)
    if is_here_too:
        mirror.local.user_write("p.md", b"made")

    outcome = mirror.do(mirror.task("p.md"))

    assert isinstance(outcome.operation, MarkSynced if is_here_too else Download)
    assert outcome.claimed == made_from


@pytest.mark.parametrize("is_here_too", [False, True])
def test_what_an_object_says_of_another_content_is_not_told(
    mirror: MemoryMirror, *, is_here_too: bool
) -> None:
    """Who edits it may leave its metadata as it was."""
    made_from = Provenance("S" * 26, sha256_of(b"source"), "text", "xberg 1.3.9")
    says = Attributes(sha256=sha256_of(b"made"), made_from=made_from)
    mirror.remote.user_write("p.md", b"edited", says)
    if is_here_too:
        mirror.local.user_write("p.md", b"edited")

    outcome = mirror.do(mirror.task("p.md"))

    assert outcome.version is not None
    assert outcome.claimed is None
