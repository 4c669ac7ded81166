"""Figures, the bounds they are held against, and the table of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

README = Path(__file__).with_name("README.md")
_BEGIN, _END = "<!-- the table: make bench ARGS=--write -->\n", "<!-- the table ends -->\n"
_HEADER = ("", "docferry", "rclone", "s5cmd", "bound", "measured", "")


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that a figure may be: *factor* times another tool's, or by itself."""

    factor: float
    of: str = ""  #: "rclone", "s5cmd"; "": *factor* is in the figure's own unit


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity."""

    what: str
    unit: str  #: "s", "ms", "MiB", "%", "x"
    docferry: float
    others: Mapping[str, float] = field(default_factory=dict)  #: by tool
    bounds: tuple[Bound, ...] = ()

    def is_within(self, bound: Bound) -> bool:
        return self.docferry <= bound.factor * self.others.get(bound.of, 1.0)


def rows_of(figure: Figure) -> list[tuple[str, ...]]:
    """Give a row for each bound; one if there is none."""
    values = [_shown(figure.docferry, figure.unit)]
    for tool in ("rclone", "s5cmd"):
        found = figure.others.get(tool)
        values.append("" if found is None else _shown(found, figure.unit))
    if not figure.bounds:
        return [(figure.what, *values, "", "", "")]
    return [
        (
            *((figure.what, *values) if number == 0 else ("", "", "", "")),
            _bound(bound, figure.unit),
            _measured(figure, bound),
            "ok" if figure.is_within(bound) else "**over**",
        )
        for number, bound in enumerate(figure.bounds)
    ]


def markdown(figures: Sequence[Figure]) -> str:
    """Lay the figures out as a table that reads well on a terminal, too."""
    rows = [_HEADER, *(row for figure in figures for row in rows_of(figure))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = ["| " + " | ".join(_padded(row, widths)) + " |" for row in (rows[0], *rows[1:])]
    ruler = (
        "|"
        + "|".join(
            "-" * (width + 1) + ("-" if n in (0, 6) else ":") for n, width in enumerate(widths)
        )
        + "|"
    )
    return "\n".join([lines[0], ruler, *lines[1:]]) + "\n"


def write_readme(table: str) -> None:
    """Put *table* in the place of the one in README.md."""
    text = README.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    README.write_text(f"{before}{_BEGIN}\n{table}\n{_END}{after}")


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    def pad(column: int) -> Callable[[int], str]:
        return row[column].ljust if column in (0, 6) else row[column].rjust

    return [pad(column)(width) for column, width in enumerate(widths)]


def _shown(value: float, unit: str) -> str:
    digits = 0 if unit == "MiB" or value >= 100 else 2 if value < 10 else 1
    return f"{value:.{digits}f} {unit}"


def _bound(bound: Bound, unit: str) -> str:
    return f"≤ {bound.factor:g} {f'x {bound.of}' if bound.of else unit}"


def _measured(figure: Figure, bound: Bound) -> str:
    if not bound.of:
        return _shown(figure.docferry, figure.unit)
    return f"{figure.docferry / figure.others[bound.of]:.2f} x"
