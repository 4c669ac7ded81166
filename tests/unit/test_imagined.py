"""A rehearsal looks into the real archive and leaves it as it is."""

from __future__ import annotations

import hashlib

from docferry.engine.imagined import ImaginedSide
from docferry.model import Attributes
from docferry.storage.memory import BytesContent, MemoryStorage

OLD = b"what it was"
FIRST, SECOND, THIRD = (f"01JD000000000000000000000{number}" for number in (1, 2, 3))
ABOUT = Attributes(sha256=hashlib.sha256(OLD).hexdigest(), size=len(OLD))


def test_nothing_that_is_archived_changes_in_a_rehearsal() -> None:
    real = MemoryStorage()
    for version in (FIRST, SECOND):
        real.archive.put(version, BytesContent(OLD), ABOUT)
    before = dict(real.archive)
    archive = ImaginedSide(real).archive

    archive.put(THIRD, BytesContent(OLD), ABOUT)
    archive.refer(FIRST, SECOND, ABOUT)
    archive.remove(SECOND)

    assert real.archive == before
    assert [found.version for found in archive.scan()] == [FIRST, SECOND]
    assert archive.describe(SECOND) == real.archive.describe(SECOND)
    assert archive.read(SECOND).sha256() == ABOUT.sha256
