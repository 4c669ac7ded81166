"""A backup of a daemon at work, and life after it has come back."""

from __future__ import annotations

from system.daemon import Site

FILES = 40


def test_a_backup_that_is_taken_at_work_comes_back_and_nothing_is_lost(site: Site) -> None:
    docs, file = site.docs, site.state.parent / "put-away"
    with site.running() as daemon:
        docs.write("edited.txt", b"before")
        docs.write("deleted.txt", b"to be deleted")
        site.settle(daemon)
        for number in range(FILES):
            docs.write(f"many/{number}.txt", b"%d" % number)
        site.run("backup", str(file))  # while they go up
        site.settle(daemon)
        docs.write("edited.txt", b"since")
        (docs.folder / "deleted.txt").unlink()
        docs.put("came.txt", b"came since")
        site.settle(daemon)
        site.run("restore-state", str(file), "--yes", code=2)  # it runs
    (docs.folder / "came.txt").unlink()  # while nobody looks
    before = docs.objects()

    site.run("restore-state", str(file), "--yes")
    site.run_once()

    assert docs.objects() == docs.files() == before
    assert before["edited.txt"] == b"since"
    assert "deleted.txt" not in before
    assert b"before" in [*docs.archived_files(), *docs.archived_objects()]
