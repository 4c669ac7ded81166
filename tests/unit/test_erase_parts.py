"""An upload in parts of a document that is erased is taken away, however lately it was begun."""

from __future__ import annotations

import pathlib

from ledger_rows import NOW, fresh_ledger, ulid_of
from unit.erasing import PATH, Mirror, with_a_past


def test_parts_of_it_go_and_those_of_others_stay(tmp_path: pathlib.Path) -> None:
    archived = f".docferry/versions/{ulid_of('of any document')}"
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        mirror = Mirror(ledger, tmp_path)
        with_a_past(mirror)
        mirror.remote.cut_off = [(path, 1, NOW) for path in (PATH, "other", archived)]

        mirror.erase()

    assert mirror.remote.cut_off == [("other", 1, NOW)]
