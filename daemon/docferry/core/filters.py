"""Which files a mirror takes: include and exclude patterns in the syntax of gitignore."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from pathspec import GitIgnoreSpec

from docferry.core.paths import is_alias, key_of, path_of
from docferry.errors import UserError
from docferry.model import Path

#: What editors, office programs and downloads leave beside a document while they work.
#: Nothing that could be a document: what is excluded is not kept safe.
DEFAULT_EXCLUDES: tuple[str, ...] = (
    "~$*",  # Microsoft Office: owner of an open document
    ".~lock.*#",  # LibreOffice: the same
    "*.tmp",
    "*~",  # backups of many editors
    "*.swp",  # vim
    ".*.sw?",
    "4913",  # vim: may I write here?
    r"\#*#",  # Emacs: autosave
    ".#*",  # Emacs: lock
    "*.kate-swp",
    ".goutputstream-*",  # GNOME: being written
    "*.sb-????????-??????",  # macOS: being written
    "*.part",  # Firefox and others: being downloaded
    "*.partial",
    "*.crdownload",
    "*.filepart",
    ".nfs*",  # deleted, but still open
    ".fuse_hidden*",
    ".DS_Store",
    "._*",  # macOS: attributes of a file on a foreign file system
    "Thumbs.db",
    "desktop.ini",
    ".Trash-*/",
)

# pathspec's beginning of a pattern that holds in every folder.
_IN_ANY_FOLDER = "^(?:.+/)?"
_GROUP_NAME = re.compile(r"\?P<\w+>")
_STAR = "[^/]*"
#: In pathspec's patterns, what takes one character, and never a slash.
_ONE = re.compile(r"\[\^/\]|\[[\w-]+\]|\\[^/\w]|[^/\\()\[\]$^|]", re.DOTALL)
_PARTS = re.compile(
    rf"{re.escape(_STAR)}|\[\^/\]\+|{_ONE.pattern}|/|\^|\(\?:\.\+/\)\?|\(\?:/\.\+\)\?"
    r"|\(\?:\(\?P<ps_d>/\)\|\$\)|\(\?P<ps_d>/\)|\$",
    re.DOTALL,
)
_FOLDERS_REMEMBERED = 4096  # paths come in order: a few are enough


class Filter:
    """
    Decide which paths belong to a mirror.

    A later pattern wins over an earlier one of the same list ("!*.tmp" after the
    defaults takes such files again), but nothing below an excluded folder is taken.

    Args:
        include: Only what one of these matches. None given: everything.
        exclude: Not what one of these matches, included or not.

    Raises:
        UserError: A pattern is not valid; names it.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._told = f"Filter({tuple(include)}, {tuple(exclude)})"
        self._include = _Patterns(include) if include else None
        self._exclude = _Patterns(exclude) if exclude else None
        # On the instance: a cache on the method would keep every Filter alive.
        self._is_below_excluded = lru_cache(_FOLDERS_REMEMBERED)(self._look_above)

    def __repr__(self) -> str:
        return self._told  # of equal filters it is equal: it is part of a rule's fingerprint

    def takes(self, path: Path) -> bool:
        """Tell whether the file at *path* is mirrored; an alias goes by the name it stands for."""
        if is_alias(path):
            path = path_of(key_of(path))
        if self._include is not None and not self._include.match(path):
            return False
        if self._exclude is None:
            return True
        if self._exclude.match(path):
            return False
        # Only a negated pattern can take a file again whose folder is excluded.
        return not (self._exclude.negates and self._is_below_excluded(path.rpartition("/")[0]))

    def _look_above(self, folder: Path) -> bool:
        names = folder.split("/") if folder else []
        above = ("/".join(names[:depth]) for depth in range(1, len(names) + 1))
        return self._exclude is not None and any(self._exclude.match(f"{one}/") for one in above)


class _Patterns:
    """
    A GitIgnoreSpec behind one regular expression that sorts out most paths.

    Measured with the defaults: 2 us a path instead of 10.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        for line in lines:
            _check(line)
        self._spec = GitIgnoreSpec.from_lines(lines)
        for pattern in self._spec.patterns:
            if pattern.regex is not None:
                pattern.regex = re.compile(_quick(pattern.regex.pattern))
        self._any = _any_of(self._spec)
        self.negates = any(pattern.include is False for pattern in self._spec.patterns)

    def match(self, path: Path) -> bool:
        return self._any.search(path) is not None and self._spec.match_file(path)


def _check(line: str) -> None:
    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error) as error:
        raise UserError(f"{line!r} is not a pattern as in .gitignore: {error}") from error


def _quick(regex: str) -> str:
    """
    Have what stands between two stars taken where it comes first, and no second place tried.

    What follows the later star finds as much there as further on. Else a name is divided among
    the stars in every way: with "*-*-*-*.pdf" one of 400 hyphens took 2.8 s, one of 1,000
    minutes, and no other thread ran meanwhile (pathspec 1.1). Strangers choose the names.
    """
    parts = _PARTS.findall(regex)
    if "".join(parts) != regex:
        return regex  # with a set in it that could be anything
    quick, since = list[str](), None  # where the last star is that nothing ended
    for part in parts:
        if part == _STAR and since is not None:
            quick[since:] = [f"(?>{_STAR}?{''.join(quick[since + 1 :])})"]
        if part == _STAR:
            since = len(quick)
        elif not _ONE.fullmatch(part):
            since = None
        quick.append(part)
    return "".join(quick)


def _any_of(spec: GitIgnoreSpec) -> re.Pattern[str]:
    """Join all patterns that are not negated. Most begin alike: try that beginning once."""
    regexes = [
        _GROUP_NAME.sub("?:", pattern.regex.pattern)
        for pattern in spec.patterns
        if pattern.include and pattern.regex is not None
    ]
    branches = [regex for regex in regexes if not regex.startswith(_IN_ANY_FOLDER)]
    names = [
        regex.removeprefix(_IN_ANY_FOLDER) for regex in regexes if regex.startswith(_IN_ANY_FOLDER)
    ]
    if names:
        branches.append(f"{_IN_ANY_FOLDER}(?:{'|'.join(names)})")
    return re.compile("|".join(branches) if branches else "(?!)")
