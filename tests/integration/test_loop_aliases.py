"""Objects kept under a second name, and files that claim the first: nobody is asked to rename."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from docferry.core.paths import conflict_copy_path
from docferry.engine.runs import Run
from docferry.model import MirrorHealth, Path
from docferry.storage.memory import sha256_of
from looped_mirror import Mirror
from processes import wait_for

ALIAS = "%_~/a"


@pytest.fixture
def mirror(new_mirror: Callable[..., Mirror]) -> Mirror:
    """
    Give a mirror with the object `a` kept as `%_~/a`, for a folder `a` is in its way.

    Of each deletion a person would be asked.
    """
    mirror = new_mirror(delete_limit=0)
    mirror.ledger.aliases.add("docs", "a", ALIAS)
    mirror.aliases["a"] = ALIAS
    (mirror.root / "a").mkdir()
    (mirror.root / "a" / "b").write_bytes(b"in the folder")
    mirror.remote.user_write("a", b"the object")
    mirror.start()
    assert mirror.files == {"a/b": b"in the folder", ALIAS: b"the object"}
    return mirror


def empty_the_folder(mirror: Mirror) -> None:
    shutil.rmtree(mirror.root / "a")
    mirror.remote.user_delete("a/b")
    mirror.run(Run.FULL)
    assert mirror.remote.contents["a"] == b"the object"
    assert "a/b" not in mirror.remote.contents


def settle_without_a_person(mirror: Mirror) -> None:
    mirror.run(Run.FULL)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert mirror.ledger.problems.all("docs") == []
    assert set(mirror.ledger.synced.get("docs", [*mirror.files])) == set(mirror.files)
    mirror.run(Run.FULL)
    assert mirror.health is MirrorHealth.IN_STEP


def beside(path: Path, content: bytes) -> Path:
    return conflict_copy_path(path, sha256_of(content))


def test_a_file_with_the_name_of_an_object_that_is_kept_under_another_is_a_conflict(
    mirror: Mirror,
) -> None:
    empty_the_folder(mirror)
    (mirror.root / "a").write_bytes(b"my own")

    settle_without_a_person(mirror)

    assert mirror.files == {"a": b"the object", beside("a", b"my own"): b"my own"}
    assert mirror.remote.contents == mirror.files
    assert mirror.ledger.aliases.all("docs") == {}


def test_who_gives_the_file_its_own_name_back_is_understood(mirror: Mirror) -> None:
    empty_the_folder(mirror)
    (mirror.root / ALIAS).rename(mirror.root / "a")

    settle_without_a_person(mirror)

    assert mirror.files == mirror.remote.contents == {"a": b"the object"}


def test_a_name_is_free_again_once_the_object_that_had_it_is_gone(mirror: Mirror) -> None:
    (mirror.root / "other").write_bytes(b"stays")
    empty_the_folder(mirror)
    mirror.remote.user_delete("a")
    (mirror.root / ALIAS).unlink()
    mirror.run(Run.FULL)
    assert mirror.files == {"other": b"stays"}
    (mirror.root / "a").write_bytes(b"another document")

    settle_without_a_person(mirror)

    assert mirror.files == {"a": b"another document", "other": b"stays"}
    assert mirror.remote.contents == mirror.files


def test_what_was_edited_under_the_second_name_goes_up_before_that_ends(mirror: Mirror) -> None:
    empty_the_folder(mirror)
    (mirror.root / "a").write_bytes(b"my own")
    (mirror.root / ALIAS).write_bytes(b"the object, edited here")

    settle_without_a_person(mirror)

    assert mirror.files == {"a": b"the object, edited here", beside("a", b"my own"): b"my own"}
    assert mirror.remote.contents == mirror.files


def test_an_edit_under_a_name_that_has_ended_goes_to_the_objects_own(mirror: Mirror) -> None:
    mirror.stop()
    shutil.rmtree(mirror.root / "a")
    mirror.remote.user_delete("a/b")
    (mirror.root / ALIAS).write_bytes(b"edited as it ended")
    mirror.ledger.aliases.remove("docs", "a")
    mirror.aliases.clear()
    mirror.restart()

    mirror.start()
    settle_without_a_person(mirror)

    assert b"edited as it ended" in mirror.files.values()
    assert set(mirror.files.values()) <= {b"edited as it ended", b"the object"}
    assert not any(path.startswith("%_~") for path in mirror.files)
    assert mirror.remote.contents == mirror.files


def test_an_edit_under_a_name_that_has_ended_is_kept_beside_a_file_that_has_the_own(
    mirror: Mirror,
) -> None:
    mirror.stop()
    shutil.rmtree(mirror.root / "a")
    mirror.remote.user_delete("a/b")
    (mirror.root / "a").write_bytes(b"the object")
    (mirror.root / ALIAS).write_bytes(b"edited as it ended")
    mirror.ledger.aliases.remove("docs", "a")
    mirror.aliases.clear()
    mirror.restart()

    mirror.start()
    settle_without_a_person(mirror)

    edited = b"edited as it ended"
    assert mirror.files == {"a": b"the object", beside("a", edited): edited}
    assert mirror.remote.contents == mirror.files
    kept = (mirror.root / ".docferry" / "versions").rglob("*")
    assert edited in [path.read_bytes() for path in kept if path.is_file()]
    [conflict] = mirror.ledger.conflicts.all("docs")
    assert (conflict.path, conflict.copy_path) == (ALIAS, beside("a", edited))


def test_a_file_at_a_second_name_that_no_object_has_gets_the_first(mirror: Mirror) -> None:
    (mirror.root / "%_~" / "new").write_bytes(b"put there by a person")

    settle_without_a_person(mirror)

    assert mirror.files["new"] == b"put there by a person"
    assert mirror.remote.contents["new"] == b"put there by a person"
    assert "%_~/new" not in mirror.files


def test_a_file_at_a_second_name_keeps_it_where_the_first_is_in_use(mirror: Mirror) -> None:
    other = "%_~~/a"
    mirror.stop()
    mirror.ledger.aliases.remove("docs", "a")
    mirror.aliases.clear()
    (mirror.root / other).parent.mkdir()
    (mirror.root / ALIAS).rename(mirror.root / other)
    mirror.restart()

    mirror.start()
    settle_without_a_person(mirror)

    assert mirror.ledger.aliases.all("docs") == {"a": other}
    assert mirror.files == {"a/b": b"in the folder", other: b"the object"}
    assert mirror.remote.contents == {"a/b": b"in the folder", "a": b"the object"}


def test_who_deletes_the_object_and_takes_its_name_is_understood(mirror: Mirror) -> None:
    mirror.limit = 100
    mirror.stop()
    mirror.restart()
    mirror.start()
    empty_the_folder(mirror)
    (mirror.root / ALIAS).unlink()
    (mirror.root / "a").write_bytes(b"another document")

    settle_without_a_person(mirror)

    assert mirror.files == mirror.remote.contents == {"a": b"another document"}
