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

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_HEX = "0123456789abcdef"
#: More than any sensible rule needs (measured: some hundreds); then it counts as a meeting.
_MOST_STEPS = 20_000
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
    patterns = [_named_by(line) for lines in filters for line in lines]
    taken_by_all = _taken_by_all(filters)
    automata = [names, *patterns]
    alphabet = _one_of_each(
        _alphabet(template + extension + rule, [line for each in filters for line in each]),
        automata,
    )
    begin = tuple(one.begin() for one in automata)
    waiting: deque[tuple[tuple[_States, ...], str]] = deque([(begin, "")])
    seen = {begin}
    while waiting:
        states, name = waiting.popleft()
        if names.is_end(states[0]) and taken_by_all(name):
            return name
        for char in alphabet:
            after = tuple(one.step(at, char) for one, at in zip(automata, states, strict=True))
            if after[0] and after not in seen:
                seen.add(after)
                waiting.append((after, name + char))
        if len(seen) > _MOST_STEPS:
            return name
    return None


def _taken_by_all(filters: Sequence[Sequence[str]]) -> Callable[[str], bool]:
    takers = [Filter(lines) for lines in filters]
    of_documents = [
        Filter([line])
        for lines in filters
        for line in lines
        if "." in line.rpartition("/")[2] and not line.startswith("!")
    ]

    def is_taken(name: str) -> bool:
        above = [name[:at] for at, char in enumerate(name) if char == "/"]
        return all(taker.takes(name) for taker in takers) and not any(
            one.takes(folder) for folder in above for one in of_documents
        )

    return is_taken


class _Automaton:
    """Goes through a name, char by char. It begins in its first state and ends in its last."""

    def __init__(self) -> None:
        self._steps: list[list[tuple[_Takes, int]]] = [[]]

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
        return self._closed(
            to
            for state in states
            for takes, to in self._steps[state]
            if takes is not None and takes(char)
        )

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


# What a pattern names: only to tell apart what it treats apart.


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
