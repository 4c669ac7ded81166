"""How far a store's clock is ahead: every listing tells it."""

from __future__ import annotations

import pytest
from ulid import ULID

from contract.backends import s3_options
from docferry.storage.s3 import S3Storage
from servers import BUCKET, S3Server


@pytest.mark.parametrize("name", ["seaweedfs", "rclone", "moto"])
def test_a_listing_tells_how_far_the_stores_clock_is_ahead(
    name: str, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(name)
    assert isinstance(server, S3Server)
    storage = S3Storage(s3_options(server), BUCKET, f"{ULID()}/")
    before = storage.skew_s

    found = list(storage.scan())

    assert (before, found) == (None, [])
    assert storage.skew_s is not None
    assert abs(storage.skew_s) < 60
