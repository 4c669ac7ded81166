"""What strangers call their objects: whatever it is, it stays in the folder and is not lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import servers
from docferry.core.paths import path_of
from system.daemon import Site
from system.trouble import HEALS_WITHIN_S, site_on

ODD_KEYS = (
    "a",
    "a/b",
    "a//b",
    "../x",
    "./y",
    "u/../../v",
    "/absolute",
    "..",
    "with body/",
    "back\\slash",
    "%_2E%_2E/x",
    "..%2Fx",
    "x" * 300,
    "d/" + "y" * 255 + "/z",
    "ü" * 200,
    "e\u0301",
    "\u00e9",
    "CON",
    "trailing.",
    " ",
)


@pytest.fixture
def moto_site(tmp_path: Path) -> Iterator[Site]:
    """Give a site on moto, which bears keys that SeaweedFS rewrites or refuses."""
    folder = tmp_path / "moto"
    folder.mkdir()
    with servers.moto(folder) as started, site_on(started, tmp_path / "site") as site:
        yield site


def test_no_key_escapes_collides_or_is_left_out(moto_site: Site) -> None:
    docs = moto_site.docs
    contents = {key: f"the body of {key}".encode() for key in ODD_KEYS}
    for key, content in contents.items():
        docs.put(key, content)
    docs.put("an empty folder/", b"")
    before = everything_outside(moto_site)

    with moto_site.running() as daemon:
        daemon.wait_for(lambda: docs.files() == contents, HEALS_WITHIN_S)
        daemon.wait_until("in-step")
        assert everything_outside(moto_site) == before
        assert docs.objects() == {**contents, "an empty folder/": b""}

        # "../x" may be kept under another name: the object ".." is a file where it has a folder.
        (docs.folder / path_of("./y")).write_bytes(b"edited in the folder")

        daemon.wait_for(lambda: docs.get("./y") == b"edited in the folder")
    assert everything_outside(moto_site) == before


def everything_outside(site: Site) -> list[Path]:
    """List what is around the folder, but for docferry's state and log."""
    own = (site.docs.folder, site.state)
    return sorted(
        path
        for path in site.folder.parent.rglob("*")
        if not any(path.is_relative_to(each) for each in own) and path.suffix != ".log"
    )


def test_what_strangers_put_below_docferrys_own_prefix_is_not_mirrored(site: Site) -> None:
    site.docs.write("a.txt", b"a")
    assert site.work_off()
    site.docs.put(".docferry/versions/planted", b"planted")
    site.docs.put(".docferry/lock", b"planted")

    site.run_once()

    assert site.docs.files() == {"a.txt": b"a"}
    assert (site.docs.folder / ".docferry/lock").read_bytes() != b"planted"
