"""What people and programs get to read."""

from __future__ import annotations

import json
import pathlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from docferry.cli.output import ago, emit_json, emit_table, line, safe, size
from docferry.model import DeleteRemote, HoldState


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    at: datetime
    where: pathlib.Path


@dataclass(frozen=True)
class Outer:
    name: str
    inner: tuple[Inner, ...]
    by_state: dict[Colour, int]
    nothing: None = None


def printed_json(value: object, capsys: pytest.CaptureFixture[str]) -> object:
    emit_json(value)
    return json.loads(capsys.readouterr().out)


def test_json_spells_out_values_times_and_states(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    value = Outer("é", (Inner(at, pathlib.Path("/srv")),), {Colour.RED: 2})

    assert printed_json(value, capsys) == {
        "name": "é",
        "inner": [{"at": "2026-11-23T12:00:00+00:00", "where": "/srv"}],
        "by_state": {"red": 2},
        "nothing": None,
    }


def test_json_takes_lists_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed_json([DeleteRemote("p", "etag"), HoldState.OPEN], capsys) == [
        {"path": "p", "expect_remote": "etag"},
        "open",
    ]


def test_json_keeps_every_character_of_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    name = 'a\x1b[31m "b"\n\\é\U0001f4c4'

    assert printed_json({"path": name}, capsys) == {"path": name}


def test_json_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"path": "a\x9b2J\u202egpj\udc80\U000e0041é"})

    said = capsys.readouterr().out
    assert '"a\\u009b2J\\u202egpj\\udc80\\udb40\\udc41é"' in said
    assert all(char.isprintable() or char == "\n" for char in said)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é \U0001f4c4.pdf", "plain é \U0001f4c4.pdf"),
        ("a\x1b[2J", r"a\x1b[2J"),
        ("a\rb\tc", r"a\rb\tc"),
        ("a\x7f\x9b", r"a\x7f\x9b"),
        ("a\u202egpj.exe", r"a\u202egpj.exe"),
        ("two\nlines", "two\nlines"),
        ("it's", "it's"),
    ],
)
def test_a_name_cannot_speak_to_the_terminal(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_a_line_is_made_safe(capsys: pytest.CaptureFixture[str]) -> None:
    line("x\x1b[2J", colour="red")

    assert capsys.readouterr().out == "x\\x1b[2J\n"


def test_a_table_has_its_columns_and_shows_names_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    at = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    emit_table(
        "2 files",
        ("path", "size", "when"),
        [("[bold]a[/bold]\x1b.pdf", 3, None), (HoldState.OPEN, "1 B", at)],
    )

    title, columns, *rows = capsys.readouterr().out.splitlines()
    assert title.strip() == "2 files"
    assert columns.split() == ["path", "size", "when"]
    assert rows[0].split() == [r"[bold]a[/bold]\x1b.pdf", "3", "-"]
    assert rows[1].split()[:3] == ["open", "1", "B"]
    assert at.astimezone().strftime("%Y-%m-%d %H:%M:%S") in rows[1]


@pytest.mark.parametrize("name", ["[/x].txt", "[bold]x", "a\nb: all is well", "\x1b[2J"])
def test_a_name_stays_a_name_in_titles_rows_and_lines(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    shown = safe(name).replace("\n", "\\n")

    emit_table(name, ("path",), [(name,)])
    line(f"\n{name}")

    told = [row.rstrip() for row in capsys.readouterr().out.splitlines()]
    assert told == [shown, "path", shown, "", shown]


def test_a_title_is_not_folded_to_the_width_of_a_narrow_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emit_table("docs: 1 operation", ("what",), [("upload",)])

    assert capsys.readouterr().out.splitlines()[0] == "docs: 1 operation"


def test_a_version_stays_whole_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ulid = "01KXXXXXXXXXXXXXXXXXXXXXXX"

    emit_table("files", ("path", "version", "what"), [("x" * 90, ulid, "y" * 90)])

    assert ulid in capsys.readouterr().out


def test_a_name_too_long_for_the_terminal_is_folded_not_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    emit_table("files", ("path", "size"), [("x" * 100, 1)])

    assert capsys.readouterr().out.count("x") == 100


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7199, "120 min ago"),
        (7200, "2 h ago"),
        (172_799, "48 h ago"),
        (172_800, "2 d ago"),
        (-3600, "0 s ago"),  # written by a clock ahead of ours
    ],
)
def test_how_long_ago_is_said_the_way_one_says_it(seconds: float, said: str) -> None:
    assert ago(datetime.now(UTC) - timedelta(seconds=seconds, microseconds=1000)) == said


def test_what_never_was_is_said_so() -> None:
    assert ago(None) == "never"


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2, "1.0 MiB"),
        (1024**3 - 1, "1024.0 MiB"),
        (1024**3, "1.0 GiB"),
        (5 * 1024**4, "5.0 TiB"),
        (2048 * 1024**4, "2048.0 TiB"),
    ],
)
def test_a_size_has_a_unit_people_know(size_bytes: int, said: str) -> None:
    assert size(size_bytes) == said
