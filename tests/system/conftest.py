"""One SeaweedFS of a kind for all system tests, and a site of its own for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

import servers
from system.daemon import Site
from system.packages import Packages, build


class NewSite(Protocol):
    def __call__(
        self, *, names: tuple[str, ...] = ("docs",), options: str = "", more: str = ""
    ) -> Site: ...


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3Server]:
    with servers.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as started:
        yield started


@pytest.fixture(scope="session")
def versioned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3Server]:
    """A second one, whose bucket keeps versions."""
    with servers.seaweedfs(tmp_path_factory.mktemp("versioned")) as started:
        started.client().put_bucket_versioning(
            Bucket=servers.BUCKET, VersioningConfiguration={"Status": "Enabled"}
        )
        yield started


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    return build(tmp_path_factory.mktemp("packages"))


@pytest.fixture
def new_site(server: servers.S3Server, tmp_path: Path) -> Iterator[NewSite]:
    """Make sites, each in a folder and below prefixes of its own; ends what they started."""
    made: list[Site] = []

    def make(*, names: tuple[str, ...] = ("docs",), options: str = "", more: str = "") -> Site:
        folder = tmp_path / f"site-{len(made)}"
        folder.mkdir()
        made.append(Site(folder, server, names=names, options=options, more=more))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(new_site: NewSite) -> Site:
    return new_site()
