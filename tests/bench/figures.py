"""What a run found: one figure per line, beside its aim, the baseline, and itself on the smallest ledger."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

GROWTH_MAX = 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number. `detail` says what it is made of; a larger one is better when the unit is a rate."""

    engine: str
    ledger_rows: int
    name: str
    value: float
    unit: str
    detail: str = ""

    @property
    def is_rate(self) -> bool:
        """Whether more is better."""
        return self.unit.endswith("/s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A figure as it is shown: `growth` is how many times worse it is than on the smallest ledger."""

    figure: Figure
    aim: str
    met: bool | None
    over_baseline: float | None
    growth: float | None


#: The aims of the design for two cores that also carry the load generator, by figure and engine
#: ("" is any). A rate is a least, anything else a most.
AIMS = {
    ("fast path: accepted, 32 clients", "sqlite"): 5_000,
    ("fast path: accepted, 32 clients", "postgresql"): 2_500,
    ("Flask: accepted, 32 clients", "sqlite"): 3_500,
    ("fast path: p99, 32 clients", ""): 15,
    ("fast path: p50 at 200/s", ""): 3,
    ("fast path: p99 at 200/s", ""): 10,
    ("decided, sustained", ""): 1_000,
    ("accepted to decided: p95 at 200/s", ""): 30,
    ("second charge to refund sent: p95", ""): 250,
    ("dashboard: overview, first", ""): 300,
    ("memory of web under load", ""): 80,
    ("memory of worker under load", ""): 120,
}
BASELINE = "naive view"
BASELINE_RATIO_MIN = 5


def lines(figures: Sequence[Figure]) -> list[Line]:
    """The figures with what they are held against, the baseline's own included."""
    known = {(one.engine, one.ledger_rows, one.name): one.value for one in figures}
    smallest = min((one.ledger_rows for one in figures), default=0)
    return [_line(one, known, smallest) for one in figures]


def _line(one: Figure, known: dict[tuple[str, int, str], float], smallest: int) -> Line:
    aim = AIMS.get((one.name, one.engine), AIMS.get((one.name, "")))
    sign = "≥" if one.is_rate else "≤"
    door, _, what = one.name.partition(": ")
    base = known.get((one.engine, smallest, f"{BASELINE}: {what}")) if door != BASELINE else None
    first = known.get((one.engine, smallest, one.name))
    growth = None
    if one.ledger_rows != smallest and first and one.value:
        growth = first / one.value if one.is_rate else one.value / first
    return Line(
        figure=one,
        aim="" if aim is None else f"{sign} {aim:,}",
        met=None if aim is None else (one.value >= aim if one.is_rate else one.value <= aim),
        over_baseline=one.value / base if base and one.is_rate else None,
        growth=growth,
    )


_TITLES = (
    "engine",
    "events in ledger",
    "figure",
    "value",
    "aim",
    "x naive view",
    "growth",
    "detail",
)


def table(figures: Sequence[Figure]) -> Table:
    """The figures for a terminal."""
    shown = Table(title="redress, measured", header_style="bold")
    for title in _TITLES:
        shown.add_column(title, justify="right" if title in ("value", "aim") else "left")
    for line in lines(figures):
        style = {True: "green", False: "red", None: ""}[line.met]
        shown.add_row(*_cells(line), style=style)
    return shown


def markdown(figures: Sequence[Figure]) -> str:
    """The same for a document."""
    rows = [_TITLES, tuple("---" for _ in _TITLES), *(_cells(line) for line in lines(figures))]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cells(line: Line) -> tuple[str, ...]:
    one = line.figure
    marks = {True: " (met)", False: " (missed)", None: ""}
    value = f"{one.value:,.0f}" if one.value >= 100 else f"{one.value:.1f}"
    return (
        one.engine,
        f"{one.ledger_rows:,}",
        one.name,
        f"{value} {one.unit}",
        line.aim + marks[line.met],
        "" if line.over_baseline is None else f"{line.over_baseline:.1f}",
        "" if line.growth is None else f"{line.growth:.2f}",
        one.detail,
    )
