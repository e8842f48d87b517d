"""Living cards on a terminal: one line for each job.

As a panel below everything else where the output is a terminal, else as a line that is printed again whenever the card has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.rule import Rule
from rich.text import Text

from watcher.core.card import cells
from watcher.core.language import spoken
from watcher.core.living import CardView
from watcher.core.phases import Phase
from watcher.notifiers import card_words as words
from watcher.notifiers.text import link, one_line

CELLS: Final[Mapping[Phase, tuple[str, str]]] = {
    Phase.PENDING: ("░", "yellow"),
    Phase.STARTING: ("▒", "blue"),
    Phase.RUNNING: ("█", "green"),
    Phase.RESTARTING: ("▞", "dark_orange"),
    Phase.STOPPING: ("▂", "cyan"),
    Phase.RESERVED_SUCCEEDED: ("▓", "magenta"),
    Phase.RESERVED_FAILED: ("▓", "magenta"),
    Phase.SUCCEEDED: ("✔", "bold green"),
    Phase.FAILED: ("✖", "bold red"),
    Phase.STOPPED: ("■", "cyan"),
    Phase.UNKNOWN: ("?", "dim"),
}
"""A mark for each phase: told apart without colours, too."""

_WIDTH: Final = 16
_NAME: Final = 48
_COLUMN: Final = 22
_MOST_ROWS: Final = 12
"""Rows of the panel. Jobs that have ended make room first."""

Span = tuple[str, str]


def render_card(view: CardView, zone: tzinfo | None) -> Mapping[str, Any]:
    """The card as one line of spans. Pure, given the zone; None for this machine's."""
    card = view.card
    name = one_line(card.title, _NAME)
    url = link(card.url)
    spans: list[Span] = [
        ("▤ ", "dim"),
        (f"{card.as_of.astimezone(zone):%H:%M:%S} ", "dim"),
        (name, f"bold link {url}" if url else "bold"),
        (" " * max(2, _COLUMN + 2 - cell_len(name)), ""),
        *((mark, style) for mark, style in (CELLS[phase] for phase in cells(card.bar, _WIDTH))),
        (" " + one_line(words.headline(card, view.locale), 80), CELLS[card.phase][1]),
    ]
    said = [part for say in (words.pods, words.size, words.wait) for part in say(card, view.locale)]
    spans.append(("".join(f" · {one_line(part, 60)}" for part in said), "dim"))
    why = [] if view.why is None else [(f" ({spoken(words.LOSSES[view.why], view.locale)})", "dim")]
    return {"indent": 0, "spans": [*spans, *why], "ended": card.ended}


class Panel:
    """The cards of all jobs at the bottom of a terminal.

    Args:
        console: where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._live: Live | None = None

    def show(self, key: str, wire: Mapping[str, Any]) -> None:
        """Show a card, or show it anew."""
        self._rows[key] = wire
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="ellipsis")
            self._live.start()
        self._live.update(self.drawn(), refresh=True)

    def drawn(self) -> Group:
        """What it shows now."""
        while len(self._rows) > _MOST_ROWS:
            ended = (key for key, wire in self._rows.items() if wire["ended"])
            del self._rows[next(ended, next(iter(self._rows)))]
        lines = [
            Text.assemble(*((said, style) for said, style in wire["spans"]), no_wrap=True, overflow="ellipsis")
            for wire in self._rows.values()
        ]
        return Group(Rule("jobs", style="dim", align="left"), *lines)

    def close(self) -> None:
        """Leave it standing as it is, and give the terminal back. May be called twice."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
