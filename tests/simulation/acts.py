"""What happens in a history besides docferry's own work: a script, drawn from the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from docferry.model import Path, Side


class Kind(StrEnum):
    """What somebody, or something, does."""

    WRITE = "write"
    WRITE_SLOWLY = "write slowly"  #: in the folder: first one half, a little later the whole
    TOUCH = "touch"
    DELETE = "delete"
    DELETE_MANY = "delete many"
    RENAME = "rename"
    COPY = "copy"  #: of a content, to another path or to the other side
    SAVE_ANEW = "save anew"  #: as an editor: delete, and a moment later write
    BOTH = "both"  #: write at the same path on both sides
    HOLD_OPEN = "hold open"  #: a program has a file open for writing, for a while
    UNREADABLE = "unreadable"
    CRASH = "crash"
    RESTART = "restart"
    DOWN = "down"  #: a crash, and nothing runs until `UP`
    UP = "up"
    REFUSE = "refuse"  #: the store answers the next requests with errors
    LOSE_ANSWERS = "lose answers"  #: it does what it is asked, and says that it did not
    BREAK_LISTING = "break listing"
    SHORT_LISTING = "short listing"  #: it lacks something and does not say so
    STALE_LISTING = "stale listing"
    REFUSE_NOTES = "refuse notes"  #: the ledger takes none for a while
    UNMOUNT = "unmount"
    MOUNT = "mount"
    CLOCK = "clock"  #: is set
    DECIDE = "decide"  #: about the holds that are open
    PAUSE = "pause"
    RESUME = "resume"
    RESTORE = "restore"
    REMOVE = "remove"
    CONVERTER = "converter"  #: does not work for a while
    HINT = "hint"  #: of something that did not happen
    POLL = "poll"
    SPOIL = "spoil"  #: a program writes noise over some files
    LOCK = "lock"  #: a program writes noise beside some files, under new endings, and deletes them
    INVENT = "invent"  #: in no script that is drawn: a content that nobody made, as a fault would


@dataclass(frozen=True, slots=True)
class Act:
    """
    One act.

    steps: so many steps of docferry's threads are made before; None: until all is quiet.
    at: then, until one of them is at this step; the act is about the path that it is at.
    number: of which content, how many, for how long, which way: as its kind takes it.
    hint: 0: nobody tells of it; 1: somebody does; 2: twice; 3: of its folder.
    """

    kind: Kind
    steps: int | None
    side: Side = Side.LOCAL
    path: Path = ""
    other: Path = ""
    number: int = 0
    hint: int = 1
    at: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """What a history is about, but for the order of threads, which its seed decides too."""

    seed: int
    delete_limit: int
    are_etags_of_content: bool
    converts: bool
    suspicious_limit: int | None  #: None: nobody encrypts, and there is no brake
    acts: tuple[Act, ...]

    @property
    def has_brake(self) -> bool:
        return self.suspicious_limit is not None


#: Few, so that acts meet. Twins in case and in spelling, and what cannot be in one folder.
PATHS: tuple[Path, ...] = (
    "a.doc",
    "b.txt",
    "B.txt",
    "d/c.txt",
    "d/e.doc",
    "caf\u00e9",
    "cafe\u0301",
    "f",
    "f/g",
    "h.txt",
)
_TAME = PATHS[:6]
_WEIGHTS = {
    Kind.WRITE: 24,
    Kind.WRITE_SLOWLY: 4,
    Kind.TOUCH: 3,
    Kind.DELETE: 10,
    Kind.DELETE_MANY: 2,
    Kind.RENAME: 9,
    Kind.COPY: 4,
    Kind.SAVE_ANEW: 2,
    Kind.BOTH: 4,
    Kind.HOLD_OPEN: 2,
    Kind.UNREADABLE: 1,
    Kind.CRASH: 8,
    Kind.RESTART: 2,
    Kind.DOWN: 4,
    Kind.UP: 3,
    Kind.REFUSE: 4,
    Kind.LOSE_ANSWERS: 4,
    Kind.BREAK_LISTING: 3,
    Kind.SHORT_LISTING: 3,
    Kind.STALE_LISTING: 3,
    Kind.REFUSE_NOTES: 2,
    Kind.UNMOUNT: 2,
    Kind.MOUNT: 1,
    Kind.CLOCK: 2,
    Kind.DECIDE: 5,
    Kind.PAUSE: 1,
    Kind.RESUME: 1,
    Kind.RESTORE: 4,
    Kind.REMOVE: 2,
    Kind.CONVERTER: 2,
    Kind.HINT: 2,
    Kind.POLL: 2,
}
_BURSTS = {Kind.SPOIL: 20, Kind.LOCK: 8, Kind.DECIDE: 12}
#: What an act waits for: mostly a few steps of the others, at times for all to be over.
_STEPS = (0, 0, 1, 2, 3, 5, 8, 13, 21, 40, None, None)
#: Where somebody comes in between: the two steps of a race are seldom met by chance.
_RACES = (
    "stat",
    "open",
    "read",
    "before write",
    "after write",
    "after write",
    "before delete",
    "after delete",
    "before note",
    "after note",
)
_RACING = {
    Kind.WRITE,
    Kind.TOUCH,
    Kind.DELETE,
    Kind.RENAME,
    Kind.SAVE_ANEW,
    Kind.CRASH,
    Kind.DOWN,
    Kind.UNMOUNT,
}
_FIRST = 4  #: files that are there at the beginning, at the most
_FEWEST, _MOST = 3, 12


def script_of(seed: int, *, has_bursts: bool = False) -> Script:
    """Draw the script of *seed*: of a history with programs that encrypt, or without."""
    weights = _WEIGHTS | _BURSTS if has_bursts else _WEIGHTS
    chance = random.Random(seed)
    paths = PATHS if chance.random() < 0.4 else _TAME
    acts = [
        Act(Kind.WRITE, 0, chance.choice(list(Side)), path, number=number)
        for number, path in enumerate(chance.sample(paths, chance.randint(1, _FIRST)))
    ]
    kinds = chance.choices(list(weights), list(weights.values()), k=chance.randint(_FEWEST, _MOST))
    acts += [_act(kind, chance, paths) for kind in kinds]
    return Script(
        seed,
        delete_limit=chance.choice((0, 1, 2, 2, 100, 100)),
        are_etags_of_content=chance.random() < 0.7,
        converts=chance.random() < 0.3,
        suspicious_limit=chance.choice((0, 1, 2, 2)) if has_bursts else None,
        acts=tuple(acts),
    )


def _act(kind: Kind, chance: random.Random, paths: tuple[Path, ...]) -> Act:
    return Act(
        kind,
        chance.choice(_STEPS),
        chance.choice(list(Side)),
        chance.choice(paths),
        chance.choice(paths),
        chance.randrange(1000),
        chance.choice((0, 1, 1, 1, 2, 3)),
        at=chance.choice(_RACES) if kind in _RACING and chance.random() < 0.4 else "",
    )
