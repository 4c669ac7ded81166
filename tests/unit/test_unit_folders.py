"""The drop-in names the folders that the unit does not open, as systemd reads names."""

from __future__ import annotations

from pathlib import Path

import pytest

from docferry.app.unit_folders import drop_in, is_said, write
from docferry.config import Config, DropConfig, MirrorConfig
from docferry.errors import UserError


def config(*folders: str, drop: str = "/srv/docferry/in") -> Config:
    return Config(
        mirrors={
            str(number): MirrorConfig(str(number), "main", "documents", Path(folder))
            for number, folder in enumerate(folders)
        },
        drops={"in": DropConfig("in", folder=Path(drop), into="0", subfolder="")},
    )


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("/srv/documents", 'ReadWritePaths="-/srv/documents"'),
        ("/srv/docferry-2", 'ReadWritePaths="-/srv/docferry-2"'),
        ("/srv/a b/100%", 'ReadWritePaths="-/srv/a b/100%%"'),
        ('/srv/"a\\b', 'ReadWritePaths="-/srv/\\"a\\\\b"'),
        ("/tmp/a", 'BindPaths="-/tmp/a"'),
        ("/home/anna/docs", 'BindPaths="-/home/anna/docs"'),
    ],
)
def test_a_folder_elsewhere_has_a_line(folder: str, line: str) -> None:
    text = drop_in(config(folder))

    assert [each for each in text.splitlines() if "Paths=" in each] == [line]
    assert ("ProtectHome=tmpfs" in text) == folder.startswith("/home")


def test_drop_folders_count_too_and_each_folder_once() -> None:
    text = drop_in(config("/srv/a", "/srv/b", drop="/srv/c"))

    assert [each[-2] for each in text.splitlines() if "Paths=" in each] == ["a", "b", "c"]


def test_where_the_unit_may_write_none_is_needed() -> None:
    assert drop_in(config("/srv/docferry/docs", "/var/lib/docferry/docs")) == ""


def test_a_name_that_no_unit_can_have_is_refused() -> None:
    with pytest.raises(UserError, match="cannot name"):
        drop_in(config("/srv/a\nExecStart=/bin/sh"))


def test_writing_it_again_changes_nothing_and_none_takes_it_away(tmp_path: Path) -> None:
    file = tmp_path / "docferry.service.d" / "folders.conf"

    assert [write(text, file) for text in ("a\n", "a\n", "b\n")] == [True, False, True]
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("b\n", 0o644)
    assert [write("", file) for _ in range(2)] == [True, False]
    assert list(file.parent.iterdir()) == []


def test_a_drop_in_that_lacks_a_folder_is_known_and_one_with_more_will_do(tmp_path: Path) -> None:
    file = tmp_path / "folders.conf"
    one, both = drop_in(config("/srv/a")), drop_in(config("/srv/a", "/srv/b"))

    before = [is_said(text, file) for text in ("", one)]
    write(both, file)
    with_more = is_said(one, file)
    write(one, file)

    assert before == [True, False]
    assert with_more
    assert not is_said(both, file)
