"""What SIGKILL in the middle of a large file leaves behind, and that the next start ends it."""

from __future__ import annotations

from pathlib import Path

import servers
from system.daemon import Mirror, Site

LARGE_BYTES = 400 * 1024 * 1024


def write_large(file: Path) -> None:
    """Make a large file that takes no room."""
    with file.open("wb") as large:
        large.truncate(LARGE_BYTES)


def uploads(docs: Mirror) -> list[str]:
    """Give the keys of the uploads that are begun below the prefix."""
    page = docs.client.list_multipart_uploads(Bucket=servers.BUCKET, Prefix=docs.prefix)
    return [upload["Key"].removeprefix(docs.prefix) for upload in page.get("Uploads", ())]


def noted_uploads(site: Site) -> int:
    with site.ledger() as ledger:
        [[count]] = ledger.execute("SELECT count(*) FROM upload")
    return int(count)


def staged(docs: Mirror, names: str = "*") -> list[Path]:
    """Give what is on its way in, or was when docferry was killed."""
    return list((docs.folder / ".docferry/staging").glob(names))


def test_parts_of_a_killed_upload_are_gone_after_the_next_start_and_a_strangers_are_not(
    site: Site,
) -> None:
    docs = site.docs
    assert site.work_off()
    strange = docs.client.create_multipart_upload(
        Bucket=servers.BUCKET, Key=f"{docs.prefix}theirs.bin"
    )
    write_large(docs.folder / "large.bin")
    daemon = site.start()
    # Until it is noted it has no parts either.
    daemon.wait_for(lambda: "large.bin" in uploads(docs) and noted_uploads(site) == 1)
    daemon.kill()
    assert sorted(uploads(docs)) == ["large.bin", "theirs.bin"]
    assert docs.all_keys() == [".docferry/mirror.json"]

    site.run("run", "--once")

    assert uploads(docs) == ["theirs.bin"]
    assert docs.head("large.bin")["ContentLength"] == LARGE_BYTES
    docs.client.abort_multipart_upload(
        Bucket=servers.BUCKET, Key=f"{docs.prefix}theirs.bin", UploadId=strange["UploadId"]
    )


def test_what_a_killed_download_left_goes_once_nobody_wants_it_any_more(site: Site) -> None:
    docs = site.docs
    assert site.work_off()
    large = site.folder / "large"
    write_large(large)
    docs.client.upload_file(str(large), servers.BUCKET, f"{docs.prefix}large.bin")
    daemon = site.start()
    daemon.wait_for(lambda: any(file.stat().st_size for file in staged(docs, "*.pieces")))
    daemon.kill()
    assert sorted(file.suffix for file in staged(docs)) == [".begun", ".pieces"]
    assert not (docs.folder / "large.bin").exists()
    docs.remove("large.bin")

    site.run("run", "--once")

    assert staged(docs) == []
    assert docs.files() == {}
