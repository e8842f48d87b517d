"""What the engine asks of a way to tell people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from watcher.core.answering import Answer, Press
from watcher.core.delivery import Receipt
from watcher.core.living import CardView
from watcher.core.message import Message
from watcher.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a kind of notifier can do, in words for people; "" where it cannot. The README's table is made from it.

    Attributes:
        shows: what people get, in one line.
        threads: what is told as one thread. Said by those whose receipts carry a `thread_reference`.
        updates: which message is changed in place when there is news.
        receipt: what the far side gives back for a message. Said by those whose receipts carry a `reference`.
        buttons: what people can do from within the message.
        ends: how it shows that a trouble is over, beyond telling that as news. Said by those that are `LastingNotifier`s.
        repeats: whether a message can be seen twice after a crash.
        reaches: by which address of a person in the directory of owners it tells somebody alone (`Message.to`) and names somebody
            (`Message.mentions`).
    """

    shows: str
    threads: str = ""
    updates: str = ""
    receipt: str = ""
    buttons: str = ""
    ends: str = ""
    repeats: str = "possible"
    reaches: Literal["", "slack", "mail"] = ""


class Notifier(Protocol):
    """One way to tell people. Three small functions; only `send` touches the world.

    `render` is pure and its output is what golden files hold. `send` makes one attempt and lets the foreign exception, or the
    reply, go to `classify`. A notifier never waits and never repeats: pace, order and retries are the dispatcher's.
    """

    kind: ClassVar[str]
    """The key under a receiver's name, for example `slack`."""
    Settings: ClassVar[type[Settings]]
    capabilities: ClassVar[Capabilities]
    """What it can do; a literal, known without making one."""

    def __init__(self, name: str, settings: Any) -> None:
        """Made with the receiver's name and a validated instance of `Settings`."""
        ...

    pace: timedelta
    """Least time between two sends to this destination; zero for none."""

    def render(self, message: Message) -> Wire:
        """The message in this channel's form: JSON-like data, safe to print (no secret in it). Job text is escaped here."""
        ...

    async def send(self, wire: Wire, message: Message) -> Receipt:
        """One attempt.

        Raises:
            NotifierError: it did not arrive, or nobody knows; says `permanent`, `ambiguous`, `retry_after`, `fix`.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections. May be called twice."""
        ...


Wire = Mapping[str, Any]
"""What `render` makes and `send` takes."""


@runtime_checkable
class LivingNotifier(Notifier, Protocol):
    """A notifier that can also keep one message for each job and change it in place: the job's card (`core.living`).

    The card is the root of the job's thread: what it is posted under comes back as `Message.thread_reference` of every message
    about the job. When cards are to be posted or changed is decided elsewhere; these two do as they are told.
    """

    @property
    def card_target(self) -> str:
        """Where cards go, for example a channel's name; "" when this receiver wants none. A change of it begins new cards."""
        ...

    card_pace: timedelta
    """Least time between two changes of cards."""

    def render_card(self, view: CardView) -> Wire:
        """The card in this channel's form. As `render`: pure, bounded, escaped, the same on every attempt."""
        ...

    async def show_card(self, wire: Wire, view: CardView) -> Receipt:
        """Post it where `view.reference` is "", else change that message. One attempt.

        Returns:
            `reference` names the message from now on; `place` where it stands; `earlier` where a copy was found that an earlier
            attempt had posted: it shows what was so then, and will be changed next.

        Raises:
            CardLost: the message cannot be changed any more, and why; a new one will be posted with the next news of the job.
            NotifierError: as `send`. On a repeated attempt at posting, a copy is looked for where that is possible.
        """
        ...


@runtime_checkable
class AnsweringNotifier(Notifier, Protocol):
    """A notifier whose messages have buttons (`core.answering`). What a press does is decided elsewhere."""

    @property
    def buttons(self) -> Literal["", "http", "own"]:
        """How presses come back: posted to our HTTP server, or on a way of the notifier's own; "" where there are no buttons."""
        ...

    def read_press(self, headers: Mapping[str, str], body: bytes) -> Press | None:
        """The press that was posted to our HTTP server; None for what is none of ours.

        Raises:
            PressRefused: the far side does not vouch for it.
        """
        ...

    async def listen(self, take: Callable[[Press], bool]) -> None:
        """Fetch presses on a way of its own and hand them over, until cancelled. `take` says whether there was room for it."""
        ...

    async def answer(self, press: Press, answer: Answer) -> None:
        """Show what came of a press where it was pressed.

        Raises:
            NotifierError: as `send`.
        """
        ...


@runtime_checkable
class LastingNotifier(Notifier, Protocol):
    """A notifier whose far side shows things while they last, as Alertmanager does: it is told of ends, and of what goes on.

    An item with `over_at` says that what an earlier item with the same labels, rule, severity and job told is over. What goes on is
    sent again through `send`, with the items it was told with; such a repeat must not show as news.
    """

    renew_every: timedelta
    """How often what goes on is sent again, so that it is not taken for over."""
    renew_most: int
    """How many items one message may have."""
