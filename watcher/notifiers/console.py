"""The terminal: one or two lines for each item, made to be read while they go by."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, ClassVar, Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from watcher import settings as _settings
from watcher.core.catalog import phrase
from watcher.core.delivery import Receipt
from watcher.core.language import Locale
from watcher.core.living import CardView
from watcher.core.message import Item, JobCard, Message
from watcher.core.rule import Severity
from watcher.errors import NotifierError
from watcher.notifiers.console_cards import Panel, render_card
from watcher.notifiers.text import link, one_line
from watcher.ports.notifier import Capabilities, Wire

_MOST_ITEMS: Final = 30
_MOST_FACTS: Final = 8
_NAME: Final = 48
_HEADLINE: Final = 200
_VALUE: Final = 80
_DETAIL: Final = 240
_COLUMN: Final = 22
"""Cells that a name takes at least, so that headlines stand under each other."""
_ONE_LINE: Final = 90
"""Characters up to which facts and detail share a line."""
_INDENT: Final = 11
"""Where the second line begins: under the job's name, after the sign and the time."""

_SIGNS: Final[Mapping[Severity, tuple[str, str]]] = {
    Severity.INFO: ("●", "cyan"),
    Severity.WARNING: ("▲", "yellow"),
    Severity.CRITICAL: ("✖", "bold red"),
}
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "job.succeeded": ("✔", "bold green"),
    "job.restarted": ("↻", "cyan"),
    "job.stopped": ("■", "cyan"),
    "watch.recovered": ("✔", "bold green"),
}
"""Kinds with a sign of their own, as long as the rule does not find them worse than `info`."""

Span = tuple[str, str]
"""Text and its style."""


class ConsoleSettings(_settings.Settings):
    """The console needs no settings: `console: {}`."""

    cards: bool = False
    """Whether each job that is told of has its status card: on a terminal as a panel below, elsewhere as a line for each change."""


class ConsoleNotifier:
    """Prints to a terminal, or to a file without colours.

    Args:
        name: the receiver's.
        settings: see `ConsoleSettings`.
        console: where to print; standard output by default.
        zone: whose clock to show; by default the receiver's, and where it has none, this machine's.
    """

    kind: ClassVar[str] = "console"
    Settings: ClassVar[type[_settings.Settings]] = ConsoleSettings
    capabilities: ClassVar[Capabilities] = Capabilities(
        shows="coloured lines on the terminal",
        updates="with `cards: true`, a line for each job",
        receipt="our own id of the message, once it is printed",
    )
    pace: timedelta = timedelta(0)
    card_pace: timedelta = timedelta(0)

    def __init__(
        self, name: str, settings: ConsoleSettings, *, console: Console | None = None, zone: tzinfo | None = None
    ) -> None:
        self.name, self._settings, self._zone = name, settings, zone
        self._console = Console(highlight=False, soft_wrap=False) if console is None else console
        self._panel = Panel(self._console) if self._console.is_terminal and self._console.file.isatty() else None

    def __repr__(self) -> str:
        return f"ConsoleNotifier({self.name!r})"

    def render(self, message: Message) -> Wire:
        """The lines, as spans of text and style."""
        return render_lines(message, self._zone or message.locale.zone)

    async def send(self, wire: Wire, message: Message) -> Receipt:
        """Print it.

        Raises:
            NotifierError: the output is closed or full.
        """
        with _classified():
            for line in wire["lines"]:
                self._print(line)
            self._console.file.flush()
        return Receipt(reference=message.id, place="console")

    @property
    def card_target(self) -> str:
        """This console, where there are to be cards."""
        return "console" if self._settings.cards else ""

    def render_card(self, view: CardView) -> Wire:
        """The card as a line of spans."""
        return render_card(view, self._zone or view.locale.zone)

    async def show_card(self, wire: Wire, view: CardView) -> Receipt:
        """Show it in the panel or, where that cannot be, print its line.

        Raises:
            NotifierError: the output is closed or full.
        """
        with _classified():
            if self._panel is not None:
                self._panel.show(str(view.card.ref), wire)
            else:
                self._print(wire)
            self._console.file.flush()
        return Receipt(reference=view.id, place="console")

    def _print(self, line: Mapping[str, Any]) -> None:
        text = Text.assemble(" " * int(line["indent"]), *((words, style) for words, style in line["spans"]))
        if not self._console.is_terminal:
            self._console.print(text, soft_wrap=True)  # in a file nothing is cut or wrapped
        elif line["indent"]:
            self._console.print(text, no_wrap=True, overflow="ellipsis")
        else:
            self._console.print(text, overflow="fold")

    async def aclose(self) -> None:
        """Give the terminal back. May be called twice."""
        if self._panel is not None:
            self._panel.close()


@contextlib.contextmanager
def _classified() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, SystemExit) as exc:  # SystemExit is what rich makes of a broken pipe
        raise classify(exc) from exc


def classify(failure: BaseException) -> NotifierError:
    """What it means that printing failed: a full disk may be emptied, a closed output never opens again. Pure."""
    if isinstance(failure, OSError) and not isinstance(failure, BrokenPipeError):
        return NotifierError(
            f"the console cannot be written to: {failure.strerror or type(failure).__name__}",
            code="write",
            pauses_receiver=True,
        )
    return NotifierError(
        "the console is closed",
        permanent=True,
        code="closed",
        fix="Nobody reads this output any more: start again with one, or take the receiver out",
        pauses_receiver=True,
    )


def render_lines(message: Message, zone: tzinfo | None) -> Mapping[str, Any]:
    """The message as lines for a terminal. Pure, given the zone.

    Args:
        message: what to say.
        zone: whose clock to show; None for this machine's.
    """
    lines: list[dict[str, Any]] = []
    for item in message.items[:_MOST_ITEMS]:
        lines.append({"indent": 0, "spans": _first_line(item, zone)})
        lines += [{"indent": _INDENT, "spans": spans} for spans in _more_lines(item, message.locale)]
    more = len(message.items) - _MOST_ITEMS
    if more > 0:
        lines.append({"indent": _INDENT, "spans": [(phrase("and-more", message.locale, n=more), "dim")]})
    return {"lines": lines}


def _first_line(item: Item, zone: tzinfo | None) -> list[Span]:
    sign, colour = _SIGNS[item.severity]
    if item.severity is Severity.INFO:
        sign, colour = _KINDS.get(item.kind, (sign, colour))
    clock = _clock(item.at, zone)
    spans: list[Span] = [(f"{sign} ", colour), (f"{clock} ", "dim")]
    if item.job:
        name = one_line(item.job.title, _NAME)
        spans += [(name, _job_style(item.job)), (" " * max(2, _COLUMN + 2 - cell_len(name)), "")]
    return [*spans, (one_line(item.headline, _HEADLINE), "" if item.severity is Severity.INFO else colour)]


def _job_style(job: JobCard) -> str:
    # A link for terminals that know them (OSC 8). rich reads "link" up to the next space, and `link` lets no space through.
    url = link(job.url)
    return f"bold link {url}" if url else "bold"


def _clock(at: datetime, zone: tzinfo | None) -> str:
    return at.astimezone(zone).strftime("%H:%M:%S")


def _more_lines(item: Item, locale: Locale) -> list[list[Span]]:
    facts: list[Span] = []
    for label, value in item.facts[:_MOST_FACTS]:
        facts += [(" · " if facts else "", "dim"), (f"{one_line(label, 40)} ", "dim"), (one_line(value, _VALUE), "")]
    if len(item.facts) > _MOST_FACTS:
        more = phrase("and-more-facts", locale, n=len(item.facts) - _MOST_FACTS)
        facts.append((f" · {more}", "dim"))
    detail = one_line(item.detail, _DETAIL)
    told: list[Span] = [(detail, "italic dim")] if detail else []
    if facts and told and sum(len(words) for words, _ in (*facts, *told)) <= _ONE_LINE:
        return [[*facts, (" · ", "dim"), *told]]
    return [line for line in (facts, told) if line]
