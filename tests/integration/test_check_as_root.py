"""`docferry check` by root, for a service that runs as somebody else."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Iterator

import pytest

from docferry.app.check import check_all
from docferry.config import Config, DropConfig

pytestmark = pytest.mark.root

_NOBODY = 65534


@pytest.fixture
def place() -> Iterator[pathlib.Path]:
    """A folder that others can come to."""
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        place.chmod(0o755)
        yield place


@pytest.mark.parametrize(("owner", "level"), [(0, "error"), (_NOBODY, "ok")])
def test_root_is_told_what_the_services_user_may_do(
    place: pathlib.Path, owner: int, level: str
) -> None:
    state, drop = place / "state", place / "drop"
    for folder, its_owner in ((state, _NOBODY), (drop, owner)):
        folder.mkdir(mode=0o755)
        os.chown(folder, its_owner, its_owner)
    drops = {"in": DropConfig("in", drop, "docs", "")}
    config = Config(state_dir=state, drops=drops, metrics_port=0)

    found = {finding.subject: finding for finding in check_all(config)}

    assert "as the user nobody" in found["service"].what
    assert found["state_dir"].level == "ok"
    assert found["drop in"].level == level
    assert (os.geteuid(), os.getegid()) == (0, 0)
