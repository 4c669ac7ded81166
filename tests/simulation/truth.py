"""What is so, as somebody knows who sees everything: what people did, and what docferry may do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from docferry.core.brake import CHANGE_WINDOW
from docferry.core.paths import key_of, path_of
from docferry.model import Path, Sha256, Side
from docferry.storage.memory import Held

OTHER = {Side.LOCAL: Side.REMOTE, Side.REMOTE: Side.LOCAL}


#: What is under way ends within so many seconds.
GRACE_S = 15.0


class BrokenPromiseError(AssertionError):
    """docferry has done, or said, what it must not."""


@dataclass
class Done:
    """How often docferry changed something, to be held against what it has written down."""

    written: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    deleted: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))


@dataclass
class Bursts:
    """
    What programs that encrypt have done, and what people decided about it.

    let_go: noise that people approved, or that was on its way as they decided.
    spread: when (monotonic) docferry wrote noise over what both sides had, since a decision:
        each side may have as much of it from the other.
    come_back: what a path is to hold, as people refused what it holds; None: nothing.
    """

    limit: int
    is_held: Callable[[Side, Path, Held | None, Held], bool]  #: whether a person is asked about it
    is_as_agreed: Callable[[Side, Path, Held], bool]
    noise: set[bytes] = field(default_factory=set)
    let_go: set[bytes] = field(default_factory=set)
    spread: dict[tuple[Side, Path], float] = field(default_factory=dict)
    come_back: dict[Path, Sha256 | None] = field(default_factory=dict)

    def check(self, side: Side, path: Path, before: Held | None, after: Held, now_s: float) -> None:
        """See that noise neither spreads though it is held, nor to more files than it may."""
        if self.is_held(side, path, before, after):
            raise BrokenPromiseError(f"{path} was changed ({side}) to what is held")
        is_spoilt = before is not None and before.content not in self.noise
        if not is_spoilt or after.content in self.let_go:
            return
        if before is not None and self.is_as_agreed(side, path, before):
            self.spread[side, path] = now_s
            since_s = now_s - CHANGE_WINDOW.total_seconds() + GRACE_S
            all_of = self.spread.items()
            within = [one for (on, one), at_s in all_of if on is side and at_s > since_s]
            if len(within) > self.limit:
                raise BrokenPromiseError(f"{len(within)} files were spoilt, and nobody was asked")


@dataclass
class Truth:
    """
    What people left standing, and what every side ever held.

    All paths are those of keys: a local alias stands for the same file.
    """

    had: Callable[[], set[bytes]]  #: all contents that are on a side or in an archive
    elsewhere: Callable[[Path, bytes], bool]  #: whether another path has that content now
    now_s: Callable[[], float]
    is_held: Callable[[Path], bool]  #: whether a person is asked about its deletion
    is_agreed: Callable[[Side, Path, Held], bool]  #: both sides have it, and nothing is asked for
    is_empty: Callable[[Side], bool]
    is_there: Callable[[Side, Path], bool]
    who: Callable[[], object]  #: which of docferry's threads acts
    bursts: Bursts
    standing: set[bytes] = field(default_factory=set)
    made: set[bytes] = field(default_factory=set)  #: by people, and by converters
    halves: set[bytes] = field(default_factory=set)  #: never finished, nor ever at rest
    given_up: set[bytes] = field(default_factory=set)  #: destroyed by people alone
    held_ever: dict[tuple[Side, Path], set[bytes]] = field(default_factory=dict)
    #: By people, and not back: each with the local name that it had.
    removed: dict[tuple[Side, Path], Path] = field(default_factory=dict)
    gone: set[Path] = field(default_factory=set)  #: deleted by people, whatever came of it
    asked_away: dict[Path, set[bytes]] = field(default_factory=dict)  #: by requests of people
    asked_back: set[Path] = field(default_factory=set)
    approved: set[Path] = field(default_factory=set)
    refused: set[Path] = field(default_factory=set)  #: deletions that people did not want
    #: Who has looked at a place last, and found it so: what comes after is a race nobody wins.
    seen_gone: dict[tuple[Side, Path], object] = field(default_factory=dict)
    paused_s: float | None = None
    emptied_s: dict[Side, float] = field(default_factory=dict)
    losses_s: list[float] = field(default_factory=list)  #: of deletions without an approval
    done: Done = field(default_factory=Done)
    is_person: bool = False
    at_rest: set[bytes] = field(default_factory=set)  #: were the same on both sides
    named: set[Path] = field(default_factory=set)  #: what people wrote, in the folder
    before: set[bytes] = field(default_factory=set)

    # What people do.

    def person_begins(self) -> None:
        self.is_person, self.before = True, self.had()

    def person_ended(self) -> None:
        self.given_up |= self.before - self.had()
        self.is_person = False

    def stands(self, content: bytes) -> None:
        self.made.add(content)
        self.standing.add(content)

    def stands_no_more(self, contents: Iterable[bytes]) -> None:
        self.standing.difference_update(contents)

    def rested(self, local: Mapping[Path, Held], remote: Mapping[Path, Held]) -> None:
        """Note what both sides have while all is quiet."""
        for path, held in local.items():
            there = remote.get(path_of(key_of(path)))
            if there is not None and there.content == held.content:
                self.at_rest.add(held.content)

    # What happens on the sides.

    def looked(self, side: Side, path: Path) -> None:
        """Note that docferry looks at *path* just now."""
        place = side, path_of(key_of(path))
        if place in self.removed:
            self.seen_gone[place] = self.who()
        else:
            self.seen_gone.pop(place, None)

    def changed(self, side: Side, path: Path, before: Held | None, after: Held | None) -> None:
        plain = path_of(key_of(path))
        place = side, plain
        if before is not None:
            self.held_ever.setdefault(place, set()).add(before.content)
        if after is not None:
            self.held_ever.setdefault(place, set()).add(after.content)
            # A file with the name of an object that has a second one is another file.
            if not self.is_person or self.removed.get(place) == path:
                self.removed.pop(place, None)
        elif self.is_person:
            self.removed[place] = path
        if self.is_empty(side):
            self.emptied_s.setdefault(side, self.now_s())
        else:
            self.emptied_s.pop(side, None)
        if self.is_person:
            self._note_person(side, plain, before, after)
        else:
            is_renamed = path != plain and self.is_there(side, plain)
            self._check(side, plain, before, after, is_renamed=is_renamed)

    def _note_person(self, side: Side, path: Path, before: Held | None, after: Held | None) -> None:
        self.refused.discard(path)
        self.bursts.come_back.pop(path, None)
        if after is not None:
            self.named.add(path)
            self.gone.discard(path)
        elif before is not None and self.is_agreed(side, path, before):
            self.gone.add(path)

    def _check(
        self,
        side: Side,
        path: Path,
        before: Held | None,
        after: Held | None,
        *,
        is_renamed: bool,
    ) -> None:
        if self.paused_s is not None and self.now_s() > self.paused_s + GRACE_S:
            raise BrokenPromiseError(f"{path} was changed ({side}) though the mirror is paused")
        if after is not None:
            self.done.written[side] += 1
            self._check_invented(side, path, after.content)
            if after.content in self.bursts.noise:
                self.bursts.check(side, path, before, after, self.now_s())
        else:
            self.done.deleted[side] += 1
        if before is None:
            return
        if after is None or after.content != before.content:
            if before.content not in self.had():
                raise BrokenPromiseError(f"{before.content!r} is lost: it was at {side} {path}")
            if self._may_give_way(path, before.content):
                self.standing.discard(before.content)
        if after is None and not is_renamed:  # else the same object has another local name
            self._check_deletion(side, path, before.content)

    def _may_give_way(self, path: Path, content: bytes) -> bool:
        """Say whether a person has asked for what displaces *content*."""
        return path in self.asked_back or content in self.asked_away.get(path, ())

    def _check_invented(self, side: Side, path: Path, content: bytes) -> None:
        if content in self.halves:
            raise BrokenPromiseError(f"{content!r} was never at rest, and went to {side} {path}")
        if content not in self.made:
            raise BrokenPromiseError(f"nobody made {content!r}, which came to {side} {path}")

    def _check_deletion(self, side: Side, path: Path, content: bytes) -> None:
        if content in self.asked_away.get(path, ()):
            return
        other = OTHER[side], path
        if other not in self.removed and self.seen_gone.get(other) is not self.who():
            raise BrokenPromiseError(f"{path} was deleted ({side}), and nobody had deleted it")
        if content not in self.held_ever.get(other, ()):
            raise BrokenPromiseError(
                f"{path} was deleted ({side}): an edit that {OTHER[side]} never had"
            )
        if self.is_held(path):
            raise BrokenPromiseError(f"{path} was deleted ({side}), and a person is still asked")
        if path in self.refused:
            raise BrokenPromiseError(f"{path} was deleted ({side}), which a person did not want")
        if path not in self.approved:
            if self.emptied_s.get(OTHER[side], self.now_s()) + GRACE_S < self.now_s():
                raise BrokenPromiseError(f"{path} was deleted ({side}): {OTHER[side]} is empty")
            if not self.elsewhere(path, content):
                self.losses_s.append(self.now_s())

    def check_limit(self, limit: int, window_s: float) -> None:
        """See that no more was deleted within some time than may be without asking."""
        # One more: a copy that was there when it was judged may be gone by now.
        for number, first_s in enumerate(self.losses_s):
            within = [at_s for at_s in self.losses_s[number:] if at_s < first_s + window_s]
            if len(within) > limit + 1:
                raise BrokenPromiseError(f"{len(within)} files were deleted, and nobody was asked")
