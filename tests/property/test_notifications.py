"""Whatever somebody sends: no exception, and only hints that may be followed."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from docferry.core.hinted import (
    MARKS_AT_ONCE,
    MARKS_PER_S,
    MOST_BYTES,
    Budget,
    Told,
    datagrams,
    led,
    poll_in_s,
    spend,
    told_in,
)
from docferry.core.notifications import Hint, Nothing, hints_in
from docferry.core.paths import is_plain

NAMES = (
    st.sampled_from(["Records", "eventName", "s3", "bucket", "object", "name", "key"])
    | st.sampled_from(["EventName", "Key", "detail-type", "detail", "Type", "TopicArn", "Message"])
    | st.sampled_from(["event_type", "message", "old_entry", "new_entry", "new_parent_path"])
)
WORDS = (
    st.text(max_size=8)
    | st.sampled_from(["ObjectCreated:Put", "s3:ObjectRemoved:Delete", "Notification", "%ff"])
    | st.sampled_from(["documents", "docs%2Fa+b", "/buckets/documents/docs/a", "s3:TestEvent"])
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=30,
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_exception(body: bytes) -> None:
    assert isinstance(hints_in(body), tuple | Nothing)


@given(JSON)
def test_any_json_gives_only_hints_that_are_sound(event: object) -> None:
    found = hints_in(json.dumps(event).encode())

    for hint in () if isinstance(found, Nothing) else found:
        assert 0 < len(hint.key.encode()) <= 1024
        assert 0 < len(hint.bucket.encode()) <= 255


@given(st.binary(max_size=200) | JSON.map(lambda event: json.dumps(event).encode()))
def test_any_datagram_is_read_without_an_exception(datagram: bytes) -> None:
    assert isinstance(told_in(datagram), Told | None)


@given(st.lists(st.builds(Hint, KEYS, KEYS), max_size=50))
def test_what_is_handed_over_arrives(hints: list[Hint]) -> None:
    sent = list(datagrams("main", tuple(hints)))

    told = [told_in(each) for each in sent]

    assert all(len(each) <= MOST_BYTES for each in sent)
    assert [hint for each in told if each is not None for hint in each.found] == hints  # type: ignore[union-attr]


@given(KEYS, st.sampled_from(["", "docs/"]))
def test_no_key_leads_out_of_a_mirror_or_to_what_is_docferrys_own(key: str, prefix: str) -> None:
    leads = led([Hint("b", prefix + key)], "b", prefix, {})

    assert len(leads.paths) + leads.odd <= 1
    for path in leads.paths:
        assert path == key
        assert is_plain(path)


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 10), st.integers(-10, 3000)), max_size=20)
)
def test_however_many_hints_come_the_looks_are_limited_and_none_is_forgotten(
    floods: list[tuple[int, float, int]],
) -> None:
    budget, now_s, looks, are_all_followed = Budget(), 0.0, 0, True
    for wanted, pause_s, room in floods:
        now_s += pause_s
        budget, granted = spend(budget, wanted, room, now_s)
        looks += granted
        are_all_followed = are_all_followed and granted == wanted

    assert looks <= MARKS_AT_ONCE + now_s * MARKS_PER_S + 1
    assert (poll_in_s(budget, now_s) is None) == are_all_followed
