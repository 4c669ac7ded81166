"""
Whether names that a template gives could be taken by patterns: rules that would feed themselves.

No sample can prove that two patterns never meet. So both are turned into automata that run
side by side, over all names that there could be; where they meet, the shortest such name
is found with them. What a name is taken by is asked of the filters themselves.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from docferry.core.filters import Filter
from docferry.core.places import FIELDS

#: What a step of an automaton takes; None: it is taken for nothing.
_Takes: TypeAlias = Callable[[str], bool] | None
_States: TypeAlias = frozenset[int]
_Side: TypeAlias = tuple[_States, ...]

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_HEX = "0123456789abcdef"
#: More than any sensible rule needs (measured: some hundreds); then it counts as a meeting.
_MOST_STEPS = 10_000
#: Below a folder that a pattern names, all is taken, if nothing is taken out again.
_TAKEN: _Side = (frozenset({-1}),)
#: A pattern for documents, and none for folders: "*.pdf", but not "v1.2" or ".cache".
_DOCUMENT = re.compile(r"[^/]\.[A-Za-z*?\[][^./]*$")
#: Of what no pattern names, one is as good as all others; the first makes the best example.
_ORDINARY = "xnotesbriefakquw0123456789"
_STANDS_FOR_ITSELF = {"ext", "rule"}
_FIELD = re.compile(r"\{(\w+)\}")
_PART_OF_GLOB = re.compile(r"\\(.)|(\*+)|(\?)|\[([!^]?)(\]?[^\]]*)\]|(.)", re.DOTALL)


def meeting(
    template: str, filters: Sequence[Sequence[str]], *, extension: str = "", rule: str = ""
) -> str | None:
    """
    Give the shortest name that *template* can make and that each of *filters* takes.

    None: there is none, whatever the documents are called. Errs to the other side only:
    the parts of a name are taken as if each could be anything. But no folder is thought to
    be called as documents are: "*.pdf" also takes all that is below a folder "old.pdf".

    Args:
        template: As `places` has it.
        filters: Patterns, as a rule has them.
        extension: Of the results, with the dot.
    """
    names = _names_of(template, extension, rule)
    sides = [_Patterns(lines) for lines in filters]
    alphabet = _one_of_each(
        _alphabet(template + extension + rule, [line for each in filters for line in each]),
        [names, *(automaton for side in sides for automaton in side.automata)],
    )
    begin = (names.begin(), *(side.begin() for side in sides))
    waiting = deque([(begin, "")])
    seen = {begin}
    while waiting:
        (at, *states), name = waiting.popleft()
        if names.is_end(at) and all(side.filter.takes(name) for side in sides):
            return name
        for char in alphabet:
            to = names.step(at, char)
            after = [side.step(state, char) for side, state in zip(sides, states, strict=True)]
            one = (to, *after)
            if to and None not in after and one not in seen:
                seen.add(one)
                waiting.append((one, name + char))
        if len(seen) > _MOST_STEPS:
            return name
    return None


class _Automaton:
    """Goes through a name, char by char. It begins in its first state and ends in its last."""

    def __init__(self) -> None:
        self._steps: list[list[tuple[_Takes, int]]] = [[]]
        self._known: dict[tuple[_States, str], _States] = {}

    @property
    def last(self) -> int:
        return len(self._steps) - 1

    def then(self, takes: _Takes) -> int:
        """Add a state behind the last one; give its number."""
        self._steps.append([])
        self.link(self.last - 1, takes, self.last)
        return self.last

    def link(self, state: int, takes: _Takes, to: int) -> None:
        self._steps[state].append((takes, to))

    def begin(self) -> _States:
        return self._closed([0])

    def step(self, states: _States, char: str) -> _States:
        known = self._known.get((states, char))
        if known is None:
            known = self._closed(
                to
                for state in states
                for takes, to in self._steps[state]
                if takes is not None and takes(char)
            )
            self._known[states, char] = known
        return known

    def is_end(self, states: _States) -> bool:
        return self.last in states

    def kind_of(self, char: str) -> tuple[bool, ...]:
        """Say of every step whether it takes *char*: what is told alike is alike."""
        return tuple(
            takes(char) for steps in self._steps for takes, _ in steps if takes is not None
        )

    def _closed(self, states: Iterable[int]) -> _States:
        found: set[int] = set()
        todo = list(states)
        while todo:
            state = todo.pop()
            if state not in found:
                found.add(state)
                todo += [to for takes, to in self._steps[state] if takes is None]
        return frozenset(found)


# What a template makes.


def _names_of(template: str, extension: str, rule: str) -> _Automaton:
    automaton = _Automaton()
    at = 0
    for match in _FIELD.finditer(template):
        _add_text(automaton, template[at : match.start()])
        at = match.end()
        field = match[1]
        if field in _STANDS_FOR_ITSELF:
            _add_text(automaton, extension.removeprefix(".") if field == "ext" else rule)
        else:
            _FIELDS[field](automaton)
    _add_text(automaton, template[at:])
    return automaton


def _add_text(automaton: _Automaton, text: str) -> None:
    for char in text:
        automaton.then(_just(char))


def _add_ulid(automaton: _Automaton) -> None:
    automaton.then(_one_of("01234567"))
    for _ in range(25):
        automaton.then(_one_of(_CROCKFORD))


def _add_hash(automaton: _Automaton) -> None:
    for _ in range(64):
        automaton.then(_one_of(_HEX))


def _add_segment(automaton: _Automaton) -> None:
    inside = automaton.then(_no_slash)
    automaton.link(inside, _no_slash, inside)


def _add_folder(automaton: _Automaton) -> None:
    begin = automaton.then(None)  # of each folder on the way
    _add_segment(automaton)
    automaton.link(automaton.last, _just("/"), begin)
    end = automaton.then(_nothing)
    automaton.link(begin, None, end)


def _add_path(automaton: _Automaton) -> None:
    _add_folder(automaton)
    _add_segment(automaton)


_FIELDS: dict[str, Callable[[_Automaton], None]] = {
    "ulid": _add_ulid,
    "sha256": _add_hash,
    "path": _add_path,
    "dir": _add_folder,
    "name": _add_segment,
    "stem": _add_segment,
}
assert FIELDS.keys() == _FIELDS.keys() | _STANDS_FOR_ITSELF


# What patterns name: only to tell apart what they treat apart.


class _Patterns:
    """The patterns of one filter, which go through a name side by side."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.filter = Filter(lines)
        self.automata = [_named_by(line) for line in lines]
        self._are_documents = [_DOCUMENT.search(line) is not None for line in lines]
        self._negates = any(line.startswith("!") for line in lines)
        self._known: dict[tuple[_Side, str], _Side | None] = {}

    def begin(self) -> _Side:
        return tuple(automaton.begin() for automaton in self.automata)

    def step(self, states: _Side, char: str) -> _Side | None:
        """Give what comes after; None: a folder would be called as documents are."""
        if (states, char) not in self._known:
            self._known[states, char] = self._step(states, char)
        return self._known[states, char]

    def _step(self, states: _Side, char: str) -> _Side | None:
        if states == _TAKEN:
            return _TAKEN
        after = tuple(
            automaton.step(at, char) for automaton, at in zip(self.automata, states, strict=True)
        )
        are_below = [
            automaton.is_end(at) for automaton, at in zip(self.automata, after, strict=True)
        ]
        if any(both for both in zip(are_below, self._are_documents, strict=True) if all(both)):
            return None
        return _TAKEN if any(are_below) and not self._negates else after


def _named_by(line: str) -> _Automaton:
    """Read a line of gitignore's. Where it names a folder, all that is below it is meant."""
    automaton = _Automaton()
    text = line.removeprefix("!")
    if "/" not in text.removesuffix("/"):
        _add_folders(automaton)
    *above, last = text.strip("/").split("/")
    for segment in above:
        if segment == "**":
            _add_folders(automaton)
        else:
            _add_glob(automaton, segment)
            automaton.then(_just("/"))
    _add_glob(automaton, last)
    below = automaton.then(_just("/"))
    automaton.link(below, _anything, below)
    return automaton


def _add_folders(automaton: _Automaton) -> None:
    """Any folder, or none: what "**/" stands for."""
    begin = automaton.last
    inside = automaton.then(_anything)
    automaton.link(inside, _anything, inside)
    end = automaton.then(_just("/"))
    automaton.link(begin, None, end)


def _add_glob(automaton: _Automaton, segment: str) -> None:
    for part in _PART_OF_GLOB.finditer(segment):
        escaped, stars, question, negation, members, char = part.groups()
        if stars:
            inside = automaton.then(None)
            automaton.link(inside, _no_slash, inside)
        elif question:
            automaton.then(_no_slash)
        elif members is not None:
            automaton.then(_bracket(members, is_negated=bool(negation)))
        else:
            automaton.then(_just(escaped or char))


def _bracket(members: str, *, is_negated: bool) -> Callable[[str], bool]:
    chars = set(_members(members))
    return lambda char: char != "/" and (char in chars) != is_negated


def _members(members: str) -> Iterable[str]:
    for first, last, one in re.findall(r"(.)-(.)|(.)", members.replace("\\", ""), re.DOTALL):
        yield from (one,) if one else map(chr, range(ord(first), ord(last) + 1))


# Characters.


def _alphabet(template: str, lines: Sequence[str]) -> list[str]:
    """Give every character that something names, and some that nothing does."""
    text = "".join(lines)
    listed = {char for found in re.findall(r"\[([^/]*?)\]", text) for char in _members(found)}
    rest = sorted({*template, *text, *listed, *_CROCKFORD, "/", "."} - set(_ORDINARY))
    return [*_ORDINARY, *rest, "\N{SNOWMAN}"]  # which nothing names


def _one_of_each(alphabet: Sequence[str], automata: Sequence[_Automaton]) -> list[str]:
    """Leave out characters that are treated as one before them."""
    kinds: dict[tuple[bool, ...], str] = {}
    for char in alphabet:
        kinds.setdefault(tuple(bit for one in automata for bit in one.kind_of(char)), char)
    return list(kinds.values())


def _just(wanted: str) -> Callable[[str], bool]:
    return lambda char: char == wanted


def _one_of(chars: str) -> Callable[[str], bool]:
    return lambda char: char in chars


def _no_slash(char: str) -> bool:
    return char != "/"


def _anything(_: str) -> bool:
    return True


def _nothing(_: str) -> bool:
    return False
