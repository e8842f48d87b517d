"""Text for a terminal: job names and reasons are strangers' words, so control characters are shown, not obeyed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def safe(text: object) -> str:
    """The text with control and direction-changing characters replaced."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in {"Cc", "Cf"} else char for char in str(text)
    )


_PIPE_WIDTH = 200
"""Columns when the output is not a terminal: wide enough that `grep` finds whole rows."""


def console(*, stderr: bool = False) -> Console:
    """A rich console that neither guesses at markup nor at numbers to colour."""
    from rich.console import Console

    out = Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not out.is_terminal:
        out.width = max(out.width, _PIPE_WIDTH)
    return out


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A plain table, or one sentence when there is nothing to show."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    count = 0
    for row in rows:
        table.add_row(*(Text(safe(cell)) for cell in row))
        count += 1
    out = console()
    out.print(table if count else empty, soft_wrap=not count)
