"""What a part of a run found: a table for people, on a terminal or as Markdown, and the same as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # not loaded where memory is measured
    from rich.console import Console

    from bench.measure import Spread


@dataclass(frozen=True)
class Table:
    """One part of a run.

    Attributes:
        name: what the part is called on the command line and in the data.
        title: what is measured.
        heading: the columns' names; the first column is text, the others are numbers.
        rows: cells as they are printed.
        notes: sentences below the table.
        data: the same as plain values.
    """

    name: str
    title: str
    heading: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    data: Any = field(default=None)

    def show(self, console: Console) -> None:
        """Print it for a terminal."""
        from rich.table import Table as Drawn  # noqa: PLC0415 - as above

        drawn = Drawn(title=self.title)
        for place, name in enumerate(self.heading):
            drawn.add_column(name, justify="right" if place else "left", overflow="fold", no_wrap=not place)
        for row in self.rows:
            drawn.add_row(*row)
        console.print(drawn)
        for note in self.notes:
            console.print(note)

    def markdown(self) -> str:
        """The same for `docs/performance.md`."""
        lines = [
            f"### {self.title}",
            "",
            "| " + " | ".join(self.heading) + " |",
            "|---|" + "---:|" * (len(self.heading) - 1),
            *("| " + " | ".join(row) + " |" for row in self.rows),
        ]
        return "\n".join([*lines, "", *self.notes, ""])


def cell(spread: Spread, digits: int = 0) -> str:
    """A median with its range."""
    if spread.min == spread.max:
        return f"{spread.median:,.{digits}f}"
    return f"{spread.median:,.{digits}f} ({spread.min:,.{digits}f}..{spread.max:,.{digits}f})"
