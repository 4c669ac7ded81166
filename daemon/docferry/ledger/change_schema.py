"""The table of changes that a guard has counted or held: see `core.brake`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, Table, Text

from docferry.ledger.schema import METADATA, Instant, Shown, Word
from docferry.model import Side

#: One row a path: that of what came last.
change = Table(
    "change",
    METADATA,
    Column("mirror", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("side", Word(Side)),  # where it was made
    Column("token", Text),  # of what that side held then
    Column("victim", Text),
    Column("version", Text),  # that the victim held before
    Column("displaces", Text),  # under which version its content is archived if it is refused
    Column("why", Shown),
    Column("at", Instant),
    Column("travelled", Boolean),  # before the hold it is in by now
    Column("hold", Integer),
)
