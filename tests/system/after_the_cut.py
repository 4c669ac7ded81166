"""What must be so when docferry has run after a power cut or a kill: told by what was before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from small_s3 import Objects
from system.daemon import RESERVED, Site
from system.disk import Found
from system.recorded_days import INBOX, Lived, Tree, tree_of

_ARCHIVE = f"{RESERVED}/versions/"
_COPY = ".conflict-"
#: What a conversion makes, a copy: of what.
MADE = {"made/folder/b.md": "folder/b.txt"}


@dataclass(frozen=True, slots=True)
class Moment:
    """
    Where the days were cut.

    Args:
        files: What the folder has then, docferry's own files too.
        had: Every content that was at rest before, on either side.
    """

    lived: Lived
    files: Tree
    objects: Objects
    prefix: str
    had: frozenset[bytes]

    def wrongs(self, site: Site) -> list[str]:
        """Say what is wrong on the sides of *site*, on which docferry has run since."""
        files, objects = site.docs.files(), site.docs.objects()
        # What an editor left in the middle of its work is its own, and docferry leaves it out.
        files = {path: content for path, content in files.items() if not path.endswith(".tmp")}
        told = [f"the sides differ at {path}" for path in _unequal(files, objects)]
        for path in sorted(files.keys() | self.lived.before.keys() | MADE.keys()):
            may = self._may_be_made(path, files) if path in MADE else self._may_be(path)
            if (found := files.get(path)) not in may:
                told += [f"{path} holds {_short(found)}, and may hold {[*map(_short, may)]}"]
        kept = {*site.docs.archived_files(), *site.docs.archived_objects()}
        kept |= {*files.values(), *objects.values()}
        kept |= {file.read_bytes() for file in (site.folder / INBOX).rglob("*") if file.is_file()}
        told += [f"lost: {_short(content)}" for content in sorted(self.had - kept)]
        staged = sorted((site.docs.folder / RESERVED / "staging").glob("*"))
        told += [f"left in staging: {file.name}" for file in staged]
        status = site.status()["docs"]
        told += [f"asks a person: {hold}" for hold in status.holds]
        told += [f"a problem: {path}: {why}" for path, why in status.problems.items()]
        return told

    def _may_be_made(self, path: str, files: Tree) -> list[bytes | None]:
        """Give what may be at the path of a result: nothing else than what it is made of."""
        source = MADE[path]
        found = files.get(source)
        if found in (self.lived.before.get(source), self.lived.day.changes_here().get(source)):
            return [found]
        return [found, self.lived.before.get(path)]  # half written: no text, perhaps

    def _may_be(self, path: str) -> list[bytes | None]:
        """Give what may be at *path* in the end; None: nothing."""
        here, there = self.lived.day.changes_here(), self.lived.day.changes_there()
        before = self.lived.before.get(path)
        if before is None and _COPY in path:
            stem = path.partition(_COPY)[0]
            both = [one for one in here.keys() & there.keys() if one.startswith(stem)]
            return [
                None,
                *(content for one in both for content in (here[one], self.files.get(one))),
            ]
        has = tree_of(self.objects, self.prefix).get(path)
        made = [each[path] for each in (here, there) if path in each]
        new = [content for content in made if content is not None]
        if has is not None and has in new and has != before:
            return [*new]  # that it came this far is never undone
        if path in there and there[path] is None and has is None:
            return [*new, None]
        if path in here:
            # What a program left half written is that program's own.
            return [before, *made, self.files.get(path)]
        return [before, *new] if has == before else [has]


def had_before(
    days: Sequence[Lived], lived: Lived, store: Iterable[Objects], prefix: str
) -> frozenset[bytes]:
    """Give what must not be lost: all that was at rest, but for what people destroyed twice."""
    past = days[: days.index(lived) + 1]
    agreed = {content for each in past for content in each.before.values()}
    agreed |= {body for each in store for body in tree_of(each, prefix).values()}
    for each in past:
        both = each.day.changes_here().keys() & each.day.changes_there().keys()
        agreed -= {each.before.get(path) for path in both}
    return frozenset(agreed)


def files_of(found: Mapping[Path, Found | None], folder: Path) -> dict[str, bytes]:
    """Give the documents that a folder has after the cut."""
    return {
        str(path.relative_to(folder)): it.content
        for path, it in found.items()
        if it is not None
        and path.is_relative_to(folder)
        and path.relative_to(folder).parts[0] != RESERVED
    }


def _unequal(files: Tree, objects: Tree) -> list[str]:
    return sorted(k for k in files.keys() | objects.keys() if files.get(k) != objects.get(k))


def _short(content: bytes | None) -> str:
    if content is None:
        return "nothing"
    shown = repr(content[:24]) if len(content) < 60 else hashlib.sha256(content).hexdigest()[:8]
    return f"{shown} ({len(content)})"
