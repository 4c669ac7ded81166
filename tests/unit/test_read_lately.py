"""What was read is believed for a while, as long as it is the same object."""

from __future__ import annotations

from docferry.storage.read_lately import FOR_S, ReadLately


def test_an_object_that_was_read_is_known_by_its_etag_for_a_while() -> None:
    now = [100.0]
    lately = ReadLately(lambda: now[0])
    lately.add(("key", "etag", "sha256"))

    is_known = ("key", "etag", "sha256") in lately
    is_another_known = ("key", "other", "sha256") in lately
    now[0] += FOR_S
    is_known_later = ("key", "etag", "sha256") in lately

    assert (is_known, is_another_known, is_known_later) == (True, False, False)


def test_only_so_many_are_remembered_and_the_last_ones() -> None:
    lately = ReadLately()

    for number in range(5000):
        lately.add(("key", f"{number}", "sha256"))

    assert ("key", "4999", "sha256") in lately
    assert ("key", "0", "sha256") not in lately
