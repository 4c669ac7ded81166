"""`docferry keys`: made, handed over once, listed without a secret, and taken back."""

from __future__ import annotations

import json
import pathlib
from datetime import UTC, datetime, timedelta

import pytest

from commands import Desk
from docferry.app.authenticate import Authenticator
from docferry.config import SecretStr
from docferry.core.keys import Accepted, parsed


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    desk = Desk(tmp_path, capsys, monkeypatch)
    desk.configure("docs", "others")
    desk.ledger().close()
    return desk


def is_accepted(desk: Desk, text: str, *, after: timedelta = timedelta()) -> bool:
    with desk.ledger() as ledger:
        verdict = Authenticator(ledger, None).authenticate(text, "::1", datetime.now(UTC) + after)
    return isinstance(verdict, Accepted)


def created(desk: Desk, *more: str, name: str = "scanner", role: str = "operator") -> str:
    said = desk.asks("keys", "create", name, "--role", role, *more)
    assert (said.code, said.text.count("\n")) == (0, 1)
    return said.text.strip()


def test_a_new_key_alone_is_on_the_standard_output_and_counts(desk: Desk) -> None:
    said = desk.asks("keys", "create", "scanner", "--role", "viewer")

    key = parsed(said.text.removesuffix("\n"))
    assert key is not None
    assert f"key scanner ({key.id}) counts; it is not shown again" in said.errors
    assert key.secret not in said.errors
    assert is_accepted(desk, key.text)


def test_keys_are_listed_with_all_but_their_secrets(desk: Desk) -> None:
    text = created(desk, "--mirror", "docs", "--mirror", "docs", "--expires", "90d")
    is_accepted(desk, text)

    said = desk.asks("keys", "list")
    listed = desk.asks("keys", "list", "--json")

    [facts] = listed.json
    key = parsed(text)
    assert key is not None
    assert {name: facts[name] for name in ("id", "name", "role", "mirrors", "state")} == {
        "id": key.id,
        "name": "scanner",
        "role": "operator",
        "mirrors": ["docs"],
        "state": "valid",
    }
    until = datetime.fromisoformat(facts["expires_at"])
    assert until - datetime.fromisoformat(facts["created_at"]) == timedelta(days=90)
    for word in ("scanner", key.id, "operator", "docs", "valid, until", "0 s ago"):
        assert word in said.words
    assert not any(key.secret in one for one in (said.text, listed.text))
    assert not any("hash" in name or "stamp" in name for name in facts)


def test_that_there_is_no_key_is_said(desk: Desk) -> None:
    said = desk.asks("keys", "list")

    assert (said.code, said.text) == (0, "there is no key: docferry keys create\n")


def test_a_revoked_key_is_over_and_listed_only_if_that_is_asked(desk: Desk) -> None:
    text = created(desk)

    said = desk.asks("keys", "revoke", "scanner")
    again = desk.asks("keys", "revoke", "scanner")
    short, long = desk.asks("keys", "list"), desk.asks("keys", "list", "--all")

    assert (said.code, "does not count any more" in said.text) == (0, True)
    assert (again.code, "there is no key scanner that counts" in again.errors) == (2, True)
    assert not is_accepted(desk, text)
    assert "there is no key" in short.words
    assert "revoked 0 s ago" in long.words


def test_a_key_is_revoked_by_its_id_too(desk: Desk) -> None:
    key = parsed(created(desk))
    assert key is not None

    said = desk.asks("keys", "revoke", key.id, "--json")

    assert (said.json["name"], said.json["state"]) == ("scanner", "revoked")


def test_a_rotated_key_has_another_secret_and_the_old_one_counts_for_the_overlap(
    desk: Desk,
) -> None:
    old = created(desk)

    said = desk.asks("keys", "rotate", "scanner", "--overlap", "10min")

    new = said.text.strip()
    within, later = timedelta(minutes=9), timedelta(minutes=11)
    assert new != old
    assert "the secret of before counts until" in said.errors
    assert [is_accepted(desk, one, after=within) for one in (old, new)] == [True, True]
    assert [is_accepted(desk, one, after=later) for one in (old, new)] == [False, True]
    assert "the secret of before until" in desk.asks("keys", "list").words


def test_a_stolen_secret_ends_at_once(desk: Desk) -> None:
    old = created(desk)

    said = desk.asks("keys", "rotate", "scanner", "--overlap", "0s", "--json")

    assert said.json["key"]["previous_until"] is None
    assert [is_accepted(desk, one) for one in (old, said.json["text"])] == [False, True]


def test_who_did_what_is_in_the_audit_and_no_secret_is(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "anna")
    texts = [created(desk), desk.asks("keys", "rotate", "scanner").text.strip()]
    desk.asks("keys", "revoke", "scanner")

    rows = desk.asks("audit", "list", "--json").json

    assert [row["action"] for row in rows] == ["key.revoked", "key.rotated", "key.created"]
    assert {row["actor"] for row in rows} == {"anna (sudo as root)"}
    assert not any(text.rpartition("_")[2] in json.dumps(rows) for text in texts)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "a"), "--role"),
        (("create", "a", "--role", "root"), "'root' is not one of"),
        (("create", "A b", "--role", "viewer"), "'A b' is no name for a key"),
        (("create", "scanner", "--role", "viewer"), "there is a key scanner already"),
        (("create", "a", "--role", "viewer", "--mirror", "nope"), "there is no mirror 'nope'"),
        (("create", "a", "--role", "viewer", "--expires", "soon"), "'soon' is no time"),
        (("create", "a", "--role", "viewer", "--expires", "2020-01-01"), "is over already"),
        (("create", "a", "--role", "viewer", "--expires", "9" * 30 + "d"), "is no time"),
        (("create", "a", "--role", "viewer", "--expires", "9999-12-30"), "a hundred years"),
        (("revoke", "nobody"), "there is no key nobody"),
        (("rotate", "scanner", "--overlap", "long"), "'long' is no span of time"),
        (("rotate", "scanner", "--overlap", "99999w"), "the overlap is too long"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(
    desk: Desk, arguments: tuple[str, ...], said: str
) -> None:
    created(desk)
    with desk.ledger() as ledger:
        before = ledger.keys.all()

    found = desk.asks("keys", *arguments)

    assert (found.code, found.text) == (2, "")
    assert said in " ".join(found.errors.split())
    with desk.ledger() as ledger:
        assert ledger.keys.all() == before


def test_after_a_change_of_the_pepper_the_list_says_which_keys_are_unusable(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    created(desk)
    folder = desk.folder / "credentials"
    folder.mkdir()
    (folder / "api.pepper").write_text("0123456789abcdef")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    with desk.ledger() as ledger:
        Authenticator(ledger, SecretStr("0123456789abcdef"))  # as the API does at its start

    unusable = desk.asks("keys", "list").words
    new = desk.asks("keys", "rotate", "scanner")

    assert "made with another api.pepper" in unusable
    assert (new.code, "valid" in desk.asks("keys", "list").words) == (0, True)


def test_before_the_first_run_there_is_nothing_to_keep_a_key_in(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").mkdir()
    desk = Desk(tmp_path / "new", capsys, monkeypatch)

    said = desk.asks("keys", "create", "a", "--role", "viewer")

    assert (said.code, "there is no ledger" in said.errors) == (2, True)
