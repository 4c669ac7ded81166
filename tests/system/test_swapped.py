"""A daemon at work in a folder that somebody swaps for a link to another, as fast as can be."""

from __future__ import annotations

from pathlib import Path

from swapping import always_swapping, everything_about, exchange
from system.daemon import Site
from system.outcomes import HEALS, outcome
from system.trouble import heals

SECRET = b"a secret of others"
ROUNDS = 12


@outcome("somebody swaps folders for links to elsewhere", HEALS)
def test_nothing_leaves_or_comes_to_what_a_swapped_link_leads_to(
    site: Site, tmp_path: Path
) -> None:
    docs, elsewhere, link = site.docs, tmp_path / "elsewhere", tmp_path / "link"
    elsewhere.mkdir()
    for name in ("a.txt", "b.txt", "only-elsewhere.txt"):
        (elsewhere / name).write_bytes(SECRET)
    docs.write("d/a.txt", b"a")
    docs.write("d/b.txt", b"b")
    link.symlink_to(elsewhere)
    before = everything_about(elsewhere)

    with site.running() as daemon:
        heals(daemon, site)
        with always_swapping(docs.folder / "d", link):
            for number in range(ROUNDS):
                docs.put("d/a.txt", b"a%d" % number)
                docs.put(f"d/new-{number}.txt", b"new")
                docs.write(f"beside-{number}.txt", b"beside")
                if number == ROUNDS // 2:
                    docs.remove("d/b.txt")
            # What is beside the folder travels meanwhile: docferry has looked at all of it.
            daemon.wait_for(lambda: docs.get(f"beside-{ROUNDS - 1}.txt") == b"beside", 60)
        if (docs.folder / "d").is_symlink():
            exchange(docs.folder / "d", link)

        heals(daemon, site)

        assert docs.is_equal()
        assert docs.files()["d/a.txt"] == b"a%d" % (ROUNDS - 1)
        assert "d/b.txt" not in docs.files()
        assert SECRET not in docs.objects().values()
        assert not any("only-elsewhere" in key for key in docs.all_keys())
    assert everything_about(elsewhere) == before
