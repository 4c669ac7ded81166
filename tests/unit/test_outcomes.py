"""The operating manual's table of faults says what tests show, and no test shows what it lacks."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from system.outcomes import Outcome

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "daemon" / "OPERATING.md"
SECTION = "\n## When something fails\n"
COLUMNS = ["fault", "what docferry does", "what you see", "what you do"]


@dataclass(frozen=True, slots=True)
class Row:
    """A fault, as the manual tells of it."""

    fault: str
    does: str
    sees: str
    do: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A fault, as a test's mark tells of it."""

    test: str  #: module and line
    fault: str
    becomes: Outcome
    sees: str


def tables() -> Iterator[list[list[str]]]:
    """Give the section's tables, each as its rows, the head first."""
    _, _, after = MANUAL.read_text().partition(SECTION)
    section = re.split(r"^## ", after, flags=re.MULTILINE)[0]
    for table in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        yield [[cell.strip() for cell in line] for line in lines]


def rows() -> list[Row]:
    return [Row(*line) for _, _, *lines in tables() for line in lines]


def marks() -> list[Shown]:
    """Read every `outcome(…)` out of the tests' text: to import them all takes long."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    texts = ((file, file.read_text()) for file in files)
    found = (
        _shown(node, file.name)
        for file, text in texts
        if "from system.outcomes import" in text
        for node in ast.walk(ast.parse(text))
    )
    return [each for each in found if each is not None]


def _shown(node: ast.AST, file: str) -> Shown | None:
    if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "outcome"):
        return None
    fault, becomes = node.args
    assert isinstance(fault, ast.Constant)
    assert isinstance(becomes, ast.Name)
    sees = next((word.value for word in node.keywords if word.arg == "sees"), ast.Constant(""))
    assert isinstance(sees, ast.Constant)
    where = f"{file}:{node.lineno}"
    return Shown(where, str(fault.value), Outcome[becomes.id], str(sees.value))


def test_every_table_of_faults_has_the_same_columns() -> None:
    heads = [head for head, *_ in tables()]

    assert heads
    assert all(head == COLUMNS for head in heads)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.fault)
def test_a_row_names_one_outcome_and_leaves_no_question_open(row: Row) -> None:
    named = [each for each in Outcome if row.does.startswith(each)]

    assert len(named) == 1
    assert all((row.fault, row.sees, row.do))


def test_no_fault_stands_in_the_manual_twice() -> None:
    twice = [fault for fault, count in Counter(row.fault for row in rows()).items() if count > 1]

    assert twice == []


def test_each_fault_of_the_manual_has_a_test_and_each_such_test_its_row() -> None:
    assert {row.fault for row in rows()} == {shown.fault for shown in marks()}


@pytest.mark.parametrize("shown", marks(), ids=lambda shown: f"{shown.fault}-{shown.test}")
def test_the_manual_says_of_a_fault_what_its_test_shows(shown: Shown) -> None:
    row = next(row for row in rows() if row.fault == shown.fault)

    assert row.does.startswith(shown.becomes)
    assert shown.sees in row.sees
