"""Rules that would do harm: feed themselves or each other, or overwrite each other's results."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from itertools import combinations

from docferry.config.converters import needs_of
from docferry.config.faults import Fault, did_you_mean, shown
from docferry.config.options import BUILT_IN, ConverterKind
from docferry.config.tables import Table
from docferry.core.filters import DEFAULT_EXCLUDES
from docferry.core.overlap import meeting


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule without a fault."""

    table: Table
    name: str
    from_mirror: str
    patterns: tuple[str, ...]
    to_mirror: str
    template: str
    extension: str
    types: tuple[str, ...]
    smallest: int
    largest: int | None


def check_rules(tables: Sequence[Table], faults: list[Fault]) -> None:
    """Check what holds between rules, converters and mirrors. Faulty ones are passed over."""
    converts = [table for table in tables if table.section == "convert"]
    ends = _ends(tables)
    faults += _without_converter(converts, tables)
    faults += _without_size(converts)
    rules = [rule for table in converts if (rule := _rule(table, ends)) is not None]
    mirrors = {table.name: table for table in tables if table.section == "mirror"}
    faults += _endless(rules, mirrors)
    faults += _left_out(rules, mirrors)
    faults += _overwriting(rules)


def warnings_of(name: str, patterns: Sequence[str], template: str, extension: str) -> Iterator[str]:
    """Say where the results of two documents have one name: one of them is given up."""
    same = template.replace("{dir}{name}", "{path}")
    if any(field in same for field in ("{ulid}", "{sha256}", "{path}")):
        return
    ends = {re.sub(r".*(?=\.)", "", line) for line in patterns if not line.startswith("!")}
    has_one_end = len(ends) == 1 and re.fullmatch(r"\.\w+", next(iter(ends)))
    if "{dir}" in template and (has_one_end or "{name}" in template):
        return
    known = [end for end in sorted(ends) if re.fullmatch(r"\.\w+", end)]
    first, second, *_ = known if len(known) > 1 else (".docx", ".pdf")
    one, other = (f"a{first}", f"a{second}") if "{dir}" in template else ("x/a.docx", "y/a.docx")
    yield (
        f"convert.{name}.to: {one} and {other} would have one result: while one is there, the "
        f'other is given up; "{{path}}.{extension.removeprefix(".")}" tells them apart'
    )


def _ends(tables: Sequence[Table]) -> dict[str, str | None]:
    """Give what results of each converter end with; None: a fault is in the way."""
    made = {
        table.name: table.get("produces", str) or None
        for table in tables
        if table.section == "converter"
    }
    return {name: one.produces for name, one in BUILT_IN.items()} | made


def _without_converter(converts: Sequence[Table], tables: Sequence[Table]) -> Iterator[Fault]:
    known = {table.name for table in tables if table.section == "converter"} | BUILT_IN.keys()
    for table in converts:
        for name in table.get("chain", tuple) or ():
            if name not in known:
                wrong = f"is {shown(name)}, and there is no [converter.{name}]"
                right = _a_table(name) or did_you_mean(name, known)
                yield Fault(table.key_of("with"), wrong, right)


def _a_table(name: str) -> str | None:
    """Say what a kind lacks that is named as if it were a converter; None: it is no kind."""
    if name not in {kind.value for kind in ConverterKind}:
        return None
    needed = ", ".join(needs_of(ConverterKind(name)))
    return f'that is a kind: a table [converter.{name}] with kind = "{name}", and its {needed}'


def _without_size(converts: Sequence[Table]) -> Iterator[Fault]:
    for table in converts:
        smallest, largest = table.get("smallest", int), table.get("largest", int)
        if smallest is not None and largest is not None and smallest > largest:
            wrong = f"is {largest} bytes, and min_size is {smallest}: no document is taken"
            yield Fault(table.key_of("max_size"), wrong, "a larger max_size, or a smaller min_size")


def _rule(table: Table, ends: Mapping[str, str | None]) -> _Rule | None:
    chain = table.get("chain", tuple)
    extension = ends.get(chain[-1]) if chain else None
    wanted = ("name", "from_mirror", "patterns", "to_mirror", "template", "types", "smallest")
    if extension is None or not all(key in table.sound for key in (*wanted, "largest")):
        return None
    return _Rule(
        table,
        table.get("name", str) or "",
        table.get("from_mirror", str) or "",
        table.get("patterns", tuple) or (),
        table.get("to_mirror", str) or "",
        table.get("template", str) or "",
        extension,
        table.get("types", tuple) or (),
        table.get("smallest", int) or 0,
        table.get("largest", int),
    )


# Round and round.


def _endless(rules: Sequence[_Rule], mirrors: Mapping[str, Table]) -> Iterator[Fault]:
    """
    Find rules that would convert what they have made, or what others make of that.

    One daemon makes nothing of its own results; but another one on the same bucket sees
    them as files like any other, and so does this one once its ledger was rebuilt.
    """

    @cache
    def fed(one: int, other: int) -> str | None:
        """Give a result of *one* that *other* would take; None: there is none."""
        if rules[one].to_mirror != rules[other].from_mirror:
            return None
        include = _written(mirrors.get(rules[one].to_mirror), "include")
        return _result(rules[one], [rules[other].patterns, *([include] if include else [])])

    told: set[frozenset[int]] = set()
    for first in range(len(rules)):
        circle = _circle(first, len(rules), fed)
        if circle and frozenset(circle) not in told:
            told.add(frozenset(circle))
            ring = zip(circle, [*circle[1:], first], strict=True)
            yield _endless_fault([(rules[one], rules[to], fed(one, to)) for one, to in ring])


def _circle(first: int, count: int, fed: Callable[[int, int], str | None]) -> list[int]:
    """Give the shortest way from a rule back to itself; none: []."""
    ways, seen = deque([[first]]), {first}
    while ways:
        way = ways.popleft()
        for to in range(count):
            if fed(way[-1], to) is None:
                continue
            if to == first:
                return way
            if to not in seen:
                seen.add(to)
                ways.append([*way, to])
    return []


def _endless_fault(circle: Sequence[tuple[_Rule, _Rule, str | None]]) -> Fault:
    rule = circle[0][0]
    key = rule.table.key_of("patterns")
    if len(circle) == 1:
        wrong = f"matches the rule's own results ({circle[0][2]}), which go into the same mirror"
        return Fault(key, wrong, _remedy(rule, rule))
    steps = ", ".join(
        f"{one.name} makes {made} in {one.to_mirror}, which {to.name} takes"
        for one, to, made in circle
    )
    return Fault(key, f"closes a circle: {steps}", _remedy(circle[-1][0], rule))


def _remedy(maker: _Rule, taker: _Rule) -> str:
    """Say what would keep *taker* from the results of *maker*, if a pattern can do so."""
    folder = maker.template.partition("{")[0].rpartition("/")[0]
    line = f"!/{folder}/**" if folder else f"!*{maker.extension}"
    patterns = (*taker.patterns, line)
    leaves_something = meeting("{path}", [patterns]) is not None
    if leaves_something and _result(maker, [patterns]) is None:
        return f'another mirror in "to", or {shown(line)} as the last of the patterns'
    return (
        f'another mirror in "to", or a folder, such as "{maker.to_mirror}/made/{{path}}.{{ext}}", '
        'and "!/made/**" as the last of the patterns'
    )


# Results that go nowhere, or over each other.


def _left_out(rules: Sequence[_Rule], mirrors: Mapping[str, Table]) -> Iterator[Fault]:
    """Find results that their mirror does not take: they would stay in the folder."""
    for rule in rules:
        mirror = mirrors.get(rule.to_mirror)
        include = _written(mirror, "include")
        exclude = _written(mirror, "exclude")[len(DEFAULT_EXCLUDES) :]
        if not include and not exclude:
            continue
        others = [line.removeprefix("!") if line[0] == "!" else f"!{line}" for line in exclude]
        if _result(rule, [include or ("*",), ["*", *others]]) is None:
            yield Fault(
                rule.table.key_of("to"),
                f"has results ({rule.template}, {rule.extension}) that include and exclude of "
                f"mirror.{rule.to_mirror} leave out: they would never reach the store",
                "another mirror, or an include that takes them",
            )


def _overwriting(rules: Sequence[_Rule]) -> Iterator[Fault]:
    """Find rules that give the results of one document the same name."""
    for other, mine in combinations(rules, 2):
        if not _have_same_names(mine, other) or not _take_alike(mine, other):
            continue
        document = meeting("{path}", [mine.patterns, other.patterns])
        if document is not None:
            where = f"{mine.to_mirror}/{mine.template}"
            yield Fault(
                mine.table.key_of("to"),
                f"gives its results the names that {other.table.key_of('to')} gives: of "
                f"{document} both would make {where}, and the later one takes the place of the "
                "other",
                f'names of its own, such as "{mine.to_mirror}/{{rule}}/{{ulid}}.{{ext}}", or '
                "patterns, types or sizes of which only one takes a document",
            )


def _have_same_names(mine: _Rule, other: _Rule) -> bool:
    if mine.to_mirror != other.to_mirror or _names(mine) != _names(other):
        return False
    return mine.from_mirror == other.from_mirror or "{ulid}" not in mine.template


def _names(rule: _Rule) -> str:
    template = rule.template.replace("{dir}{name}", "{path}").replace("{rule}", rule.name)
    return template.replace("{ext}", rule.extension.removeprefix("."))


def _take_alike(mine: _Rule, other: _Rule) -> bool:
    """Say whether a document can be of a type and a size that both take."""
    smallest = max(mine.smallest, other.smallest)
    if any(each.largest is not None and each.largest < smallest for each in (mine, other)):
        return False
    if not mine.types or not other.types:
        return True
    return any(
        fnmatchcase(one, another) or fnmatchcase(another, one)
        for one in mine.types
        for another in other.types
    )


def _written(table: Table | None, key: str) -> tuple[str, ...]:
    return (table.get(key, tuple) or ()) if table is not None else ()


def _result(rule: _Rule, filters: Sequence[Sequence[str]]) -> str | None:
    return meeting(rule.template, filters, extension=rule.extension, rule=rule.name)
