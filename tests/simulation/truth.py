"""What is so, as somebody knows who sees everything: what people did, and what docferry may do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from docferry.core.paths import key_of, path_of
from docferry.model import Path, Side
from docferry.storage.memory import Held

OTHER = {Side.LOCAL: Side.REMOTE, Side.REMOTE: Side.LOCAL}


class BrokenPromiseError(AssertionError):
    """docferry has done, or said, what it must not."""


@dataclass
class Done:
    """How often docferry changed something, to be held against what it has written down."""

    written: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    deleted: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))


@dataclass
class Truth:
    """
    What people left standing, and what every side ever held.

    All paths are those of keys: a local alias stands for the same file.
    """

    had: Callable[[], set[bytes]]  #: all contents that are on a side or in an archive
    elsewhere: Callable[[Path, bytes], bool]  #: whether another path has that content now
    now_s: Callable[[], float]
    hold_of: Callable[[Path], str | None]  #: the state of the hold that a path is in
    standing: set[bytes] = field(default_factory=set)
    made: set[bytes] = field(default_factory=set)  #: by people, and by converters
    halves: set[bytes] = field(default_factory=set)  #: never finished, nor ever at rest
    given_up: set[bytes] = field(default_factory=set)  #: destroyed by people alone
    held_ever: dict[tuple[Side, Path], set[bytes]] = field(default_factory=dict)
    removed: set[tuple[Side, Path]] = field(default_factory=set)  #: by people, and not back
    asked_away: set[Path] = field(default_factory=set)  #: by requests of people
    asked_back: set[Path] = field(default_factory=set)
    approved: set[Path] = field(default_factory=set)
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

    def changed(self, side: Side, path: Path, before: Held | None, after: Held | None) -> None:
        plain = path_of(key_of(path))
        place = side, plain
        if before is not None:
            self.held_ever.setdefault(place, set()).add(before.content)
        if after is not None:
            self.held_ever.setdefault(place, set()).add(after.content)
            self.removed.discard(place)
        elif self.is_person:
            self.removed.add(place)
        if self.is_person and after is not None:
            self.named.add(plain)
        if not self.is_person:
            self._check(side, plain, before, after)

    def _check(self, side: Side, path: Path, before: Held | None, after: Held | None) -> None:
        if after is not None:
            self.done.written[side] += 1
            self._check_invented(side, path, after.content)
        else:
            self.done.deleted[side] += 1
        if before is None:
            return
        if after is None or after.content != before.content:
            if before.content not in self.had():
                raise BrokenPromiseError(f"{before.content!r} is lost: it was at {side} {path}")
            if path in self.asked_away | self.asked_back:
                self.standing.discard(before.content)
        if after is None:
            self._check_deletion(side, path, before.content)

    def _check_invented(self, side: Side, path: Path, content: bytes) -> None:
        if content in self.halves:
            raise BrokenPromiseError(f"{content!r} was never at rest, and went to {side} {path}")
        if content not in self.made:
            raise BrokenPromiseError(f"nobody made {content!r}, which came to {side} {path}")

    def _check_deletion(self, side: Side, path: Path, content: bytes) -> None:
        if path in self.asked_away:
            return
        other = OTHER[side], path
        if other not in self.removed:
            raise BrokenPromiseError(f"{path} was deleted ({side}), and nobody had deleted it")
        if content not in self.held_ever.get(other, ()):
            raise BrokenPromiseError(
                f"{path} was deleted ({side}): an edit that {OTHER[side]} never had"
            )
        state = self.hold_of(path)
        if state is not None and state != "approved":
            raise BrokenPromiseError(f"{path} was deleted ({side}) though it is held: {state}")
        if path not in self.approved and not self.elsewhere(path, content):
            self.losses_s.append(self.now_s())

    def check_limit(self, limit: int, window_s: float) -> None:
        """See that no more was deleted within some time than may be without asking."""
        # One more: a copy that was there when it was judged may be gone by now.
        for number, first_s in enumerate(self.losses_s):
            within = [at_s for at_s in self.losses_s[number:] if at_s < first_s + window_s]
            if len(within) > limit + 1:
                raise BrokenPromiseError(f"{len(within)} files were deleted, and nobody was asked")
