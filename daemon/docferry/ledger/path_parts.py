"""A part of a path, without case: as a condition of a statement."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import ColumnElement, Text, bindparam, or_

from docferry.errors import UserError

_ASCII = re.compile(r"[ -~]+")


class Form(Enum):
    """How a part of a text is told to the database."""

    LIKE = 1  # knows that a letter has two cases, of ASCII
    GLOB = 2  # knows of no cases: both are written down


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a path, as a pattern."""

    form: Form
    values: Mapping[str, str]


def part_of(text: str) -> Part:
    """Give the pattern for *text*, which is not empty."""
    if text.isascii():
        return Part(Form.LIKE, {"part": _like_of(text)})
    # An Ä is one letter, or an A with dots: programs differ.
    composed, parted = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    plain = max(_ASCII.findall(composed), key=len, default="")
    globs = {"part": _glob_of(composed), "or_part": _glob_of(parted)}
    return Part(Form.GLOB, globs | {"plain": _like_of(plain)})


def has_part(path: ColumnElement[str], form: Form) -> ColumnElement[bool]:
    """Say that *path* has the part that is bound to the statement."""
    part, other = bindparam("part", type_=Text), bindparam("or_part", type_=Text)
    if form is Form.LIKE:
        return path.like(part, escape="\\")
    # Most paths fail at what of it is ASCII, ten times as fast.
    plain = path.like(bindparam("plain", type_=Text), escape="\\")
    return plain & or_(path.op("GLOB")(part), path.op("GLOB")(other))


def _like_of(text: str) -> str:
    if "\0" in text:  # there SQLite would take the pattern to end
        raise UserError("no path has a NUL in it")
    plain = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{plain}%"


def _glob_of(text: str) -> str:
    return f"*{''.join(_any_case(letter) for letter in text)}*"


def _any_case(letter: str) -> str:
    cases = {one for one in (letter, letter.lower(), letter.upper()) if len(one) == 1}
    if len(cases) > 1 or letter in "*?[":
        return f"[{''.join(sorted(cases))}]"
    return letter
