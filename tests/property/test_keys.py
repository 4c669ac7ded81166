"""Promises of API keys: any text is read or refused, and only the very key is accepted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api_keys import kept, rotated
from docferry.core.keys import Accepted, KeyText, judged, made_id, made_key, parsed
from ledger_rows import MINUTE, NOW

KEYS = st.builds(
    lambda key_id, secret: made_key(made_id(key_id), secret),
    st.binary(min_size=5, max_size=5),
    st.binary(min_size=20, max_size=20),
)
PEPPERS = st.none() | st.text("0123456789abcdef", min_size=16, max_size=32)
CHANGES = st.tuples(st.integers(0, 44), st.characters())


@given(st.text() | st.from_regex(r"dfk_[0-9a-z]{7,9}_[0-9a-z]{31,33}\s?", fullmatch=True))
def test_any_text_is_a_key_or_none_and_a_key_is_that_very_text(text: str) -> None:
    found = parsed(text)

    assert found is None or found.text == text


@given(KEYS, PEPPERS)
def test_a_key_is_read_as_it_was_made_and_accepted(key: KeyText, pepper: str | None) -> None:
    assert parsed(key.text) == key
    assert isinstance(judged(key, kept(key, pepper=pepper), pepper, NOW), Accepted)


@given(KEYS, PEPPERS, CHANGES)
def test_a_key_of_which_a_character_was_changed_is_never_accepted(
    key: KeyText, pepper: str | None, change: tuple[int, str]
) -> None:
    at, char = change
    text = key.text[:at] + char + key.text[at + 1 :]
    if text == key.text:
        return

    # As if the row were found, also where the id is another one.
    verdict = judged(parsed(text), kept(key, pepper=pepper), pepper, NOW)

    assert not isinstance(verdict, Accepted)


@given(KEYS, KEYS, KEYS)
def test_after_a_rotation_two_secrets_count_at_the_most(
    old: KeyText, new: KeyText, other: KeyText
) -> None:
    new, other = KeyText(old.id, new.secret), KeyText(old.id, other.secret)
    key = rotated(kept(old), new, NOW + MINUTE)

    accepted = [isinstance(judged(one, key, None, NOW), Accepted) for one in (old, new, other)]

    assert accepted == [True, True, other in (old, new)]
