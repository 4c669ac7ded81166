"""The menu beside every page, with what waits for a person."""

from __future__ import annotations

from dataclasses import dataclass

from docferry.core.keys import Role
from docferry.web.asker import Asker


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the menu; *count* things wait there for a person."""

    name: str
    path: str
    count: int = 0

    def is_here(self, path: str) -> bool:
        """Say whether the page at *path* belongs to it."""
        if self.path == "/":
            return path == "/"
        return path == self.path or path.startswith(f"{self.path}/")


@dataclass(frozen=True, slots=True)
class Menu:
    entries: tuple[Entry, ...]

    @property
    def waiting(self) -> int:
        return sum(one.count for one in self.entries)


def menu_of(asker: Asker) -> Menu:
    """Give the menu for who asks: what they may not look at is not in it."""
    figures = asker.ledger.figures.all()
    mine = [figures[name] for name in asker.mirrors if name in figures]
    entries = [
        Entry("Overview", "/"),
        Entry("Files", "/files"),
        Entry("Holds", "/holds", sum(one.holds for one in mine)),
        Entry("Conflicts", "/conflicts", sum(one.conflicts for one in mine)),
        Entry("Dead letters", "/letters", _letters(asker)),
        Entry("Jobs", "/jobs"),
        Entry("Mirrors", "/mirrors"),
    ]
    if not _is_limited(asker):
        dead = sum(one.dead for one in asker.ledger.deliveries.figures().values())
        entries.append(Entry("Webhooks", "/webhooks", dead))
    if asker.caller.role.may(Role.ADMIN):
        entries.append(Entry("API keys", "/keys"))
        if not _is_limited(asker):
            entries.append(Entry("Audit", "/audit"))
    return Menu((*entries, Entry("API", "/docs")))


def _letters(asker: Asker) -> int:
    if _is_limited(asker):  # the counts are of all mirrors
        return sum(asker.sees(one.mirror) for one in asker.ledger.jobs.letters())
    return sum(asker.ledger.jobs.count_letters().values())


def _is_limited(asker: Asker) -> bool:
    return asker.caller.mirrors is not None
