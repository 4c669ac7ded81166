"""Run each test of the contract over every storage."""

from __future__ import annotations

import pytest

from contract.backends import BACKENDS, Backend
from docferry.storage.base import Storage


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    found = request.param
    assert isinstance(found, Backend)
    return found


@pytest.fixture
def storage(request: pytest.FixtureRequest, backend: Backend) -> Storage:
    """A storage that holds nothing yet."""
    return backend.make(request)
