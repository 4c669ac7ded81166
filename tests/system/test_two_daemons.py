"""Several daemons, or several mirrors, where only one should be; and where each may be."""

from __future__ import annotations

from system.conftest import NewSite
from system.daemon import Site
from system.outcomes import HEALS, REFUSES, outcome

FOR_A_PERSON, TAKEN = 2, 75


@outcome("a second daemon is started with the same state directory", REFUSES)
def test_a_second_daemon_with_the_same_state_is_refused(site: Site) -> None:
    with site.running() as daemon:
        second = site.ended("run", "--once")

        assert second.returncode == TAKEN
        said = "docferry already runs on this state directory"
        assert f"{said} (pid {daemon.process.pid})" in second.stderr


@outcome("two mirrors have the same prefix, or one below the other", REFUSES)
def test_the_same_prefix_twice_is_refused(new_site: NewSite) -> None:
    site = new_site(names=("docs", "other"))
    site.mirrors["other"].prefix = site.docs.prefix
    site.configure()

    refused = site.ended("run", "--once")

    assert refused.returncode == FOR_A_PERSON
    assert "a prefix that is not below the other, nor above it" in refused.stderr
    assert site.docs.all_keys() == []


@outcome("two machines have a mirror of the same prefix", HEALS)
def test_two_machines_with_one_prefix_and_a_folder_each_hold_the_same(new_site: NewSite) -> None:
    one, other = new_site(), new_site()
    other.docs.prefix = one.docs.prefix
    other.configure()
    one.docs.write("one.txt", b"one")
    other.docs.write("other.txt", b"other")
    other.docs.write("both.txt", b"of the other")
    one.docs.write("both.txt", b"of the one")
    with one.running() as first, other.running() as second:
        first.wait_for(lambda: one.docs.files() == other.docs.files() == one.docs.objects())
        assert {b"one", b"other", b"of the one", b"of the other"} <= {*one.docs.files().values()}
        for number in range(10):
            one.docs.write(f"{number}.txt", b"one %d" % number)
            other.docs.write(f"{number}.txt", b"other %d" % number)
        (one.docs.folder / "one.txt").unlink()

        def is_so() -> bool:
            found = one.docs.files()
            return "one.txt" not in found and found == other.docs.files() == one.docs.objects()

        first.wait_for(is_so, 60.0)
        first.wait_until("in-step")
        second.wait_until("in-step")

    had = [*one.docs.files().values(), *one.docs.archived_objects()]
    had += [*one.docs.archived_files(), *other.docs.archived_files()]
    written = {b"%s %d" % (who, number) for who in (b"one", b"other") for number in range(10)}
    assert written <= set(had)
