"""`docferry check` about links to what the linker may not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from docferry.app.check_links import check_links


@pytest.mark.parametrize(("said", "levels"), [("0\n", ["warning"]), ("1\n", []), (None, [])])
def test_it_is_told_where_the_kernel_lets_anybody_link_anything(
    said: str | None, levels: list[str], tmp_path: Path
) -> None:
    switch = tmp_path / "protected_hardlinks"
    if said is not None:
        switch.write_text(said)

    found = [*check_links(switch)]

    assert [each.level for each in found] == levels
    assert all("fs.protected_hardlinks=1" in each.remedy for each in found)
