"""`deliveries`: what is owed, was told or could not be; taking up or dropping what is left over, beside a running watcher."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from watcher.cli.look import read_store, shown_time, this_user, write_beside
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption, print_json, store_url
from watcher.errors import WatcherError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.core.breaker import Breaker
    from watcher.core.delivery import Delivery, DeliveryState
    from watcher.core.interventions import Action
    from watcher.ports.store import Store

deliveries = typer.Typer(
    help="Deliveries: what each receiver is owed, was told, or could not be.",
    rich_markup_mode=None,
    no_args_is_help=True,
)

_EVERYTHING = 2**31
"""More rows than there can be."""

IdsArgument = Annotated[list[str] | None, typer.Argument(help="Ids of deliveries; `list` shows them.", metavar="ID...")]
ReceiverOption = Annotated[str | None, typer.Option("--receiver", help="All of this receiver.", metavar="NAME")]
AllOption = Annotated[bool, typer.Option("--all", help="All of every receiver.")]
CommentOption = Annotated[str, typer.Option("--comment", help="Why.", metavar="TEXT")]
AuthorOption = Annotated[
    str | None, typer.Option("--author", help="Who says so; by default this user.", metavar="NAME")
]
StateOption = Annotated[
    list[str] | None,
    typer.Option("--state", help="Only this state, for example dead; may be repeated.", metavar="STATE"),
]


@deliveries.command("list")
def list_deliveries(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    receiver: Annotated[str | None, typer.Option("--receiver", help="Only this receiver.")] = None,
    state: StateOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many of the newest.")] = 50,
    json: JsonOption = False,
) -> None:
    """What is owed, was delivered, or could not be, with the reason and the fix."""
    from watcher.cli.terminal import print_table
    from watcher.core.codec import plain

    states = _states(state or ())
    found = read_store(
        store_url(config, store), lambda store: store.deliveries(receiver=receiver, states=states, limit=limit)
    )
    if json:
        print_json([plain(delivery) for delivery in found])
        return
    print_table(
        ("CREATED", "RECEIVER", "STATE", "WHY", "TRY", "JOB", "WHAT", "ERROR AND FIX", "ID"),
        (
            (
                shown_time(delivery.created_at),
                delivery.receiver,
                delivery.state,
                delivery.reason,
                delivery.attempt or "",
                delivery.notification.job or "",
                delivery.notification.headline,
                delivery.error,
                delivery.id,
            )
            for delivery in found
        ),
        empty="No such deliveries.",
    )


@deliveries.command("retry")
def retry(
    ids: IdsArgument = None,
    receiver: ReceiverOption = None,
    everything: AllOption = False,
    comment: CommentOption = "",
    author: AuthorOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Take up dead letters again, once what was wrong is mended. Each has a day of attempts before it, as news has.

    A running watcher heeds it within 5 s. Who said so, when and why stays on record. Exit code 1 when nothing was taken up.
    """
    from watcher.core.delivery import RETRIABLE
    from watcher.core.interventions import Action

    found, blocked = _intervene(
        Action.RETRY, RETRIABLE, ids, receiver, everything, comment=comment, author=author, url=store_url(config, store)
    )
    _tell(found, "taken up again", json=json)
    for breaker in blocked:
        typer.echo(
            f"warning: receiver {breaker.receiver} is disabled ({breaker.error}), so this will die again; "
            f"first: dlc-watcher receivers enable {breaker.receiver}",
            err=True,
        )


@deliveries.command("drop")
def drop(
    ids: IdsArgument = None,
    receiver: ReceiverOption = None,
    everything: AllOption = False,
    state: StateOption = None,
    comment: CommentOption = "",
    author: AuthorOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Drop what nobody needs to be told any more: dead letters, or by id or --state what still waits. Needs a --comment.

    They stay as rows, `withheld (dropped)`, with who said so, when and why. Exit code 1 when nothing was dropped.
    """
    from watcher.core.delivery import DROPPABLE, DeliveryState
    from watcher.core.interventions import Action

    if not comment.strip():
        raise typer.BadParameter("say why; whoever misses it will want to know", param_hint="--comment")
    states = _states(state or (DeliveryState.DEAD,))
    if states - DROPPABLE:
        allowed = ", ".join(sorted(DROPPABLE))
        raise typer.BadParameter(f"what can be dropped is: {allowed}", param_hint="--state")
    # An id says exactly what is meant, so it needs no state beside it.
    meant = DROPPABLE if ids and not state else states
    found, _ = _intervene(
        Action.DROP, meant, ids, receiver, everything, comment=comment, author=author, url=store_url(config, store)
    )
    _tell(found, "dropped", json=json)


@deliveries.command("audit")
def audit(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many of the newest.")] = 50,
    json: JsonOption = False,
) -> None:
    """What people did about deliveries and receivers: who retried, dropped or enabled what, when, and why."""
    from watcher.cli.terminal import print_table

    found = read_store(store_url(config, store), lambda store: store.interventions(limit))
    if json:
        from watcher.core.codec import plain

        print_json([plain(one) for one in found])
        return
    print_table(
        ("WHEN", "WHO", "DID", "TO", "WHY"),
        ((shown_time(one.at), one.author, one.action, ", ".join(one.subjects), one.comment) for one in found),
        empty="Nobody did anything.",
    )


def _states(words: Iterable[str]) -> frozenset[DeliveryState]:
    from watcher.core.delivery import DeliveryState

    try:
        return frozenset(DeliveryState(one) for one in words)
    except ValueError as exc:
        word = str(exc).split(" ", 1)[0]
        raise typer.BadParameter(
            f"unknown state {word}; there are: {', '.join(DeliveryState)}", param_hint="--state"
        ) from None


def _intervene(
    action: Action,
    states: frozenset[DeliveryState],
    ids: list[str] | None,
    receiver: str | None,
    everything: bool,
    *,
    comment: str,
    author: str | None,
    url: str,
) -> tuple[list[Delivery], list[Breaker]]:
    """Do it to what is meant; what it was done to, as it is now, and the breakers of receivers of theirs that are disabled."""
    from watcher.core.breaker import BreakerState
    from watcher.core.interventions import Intervention

    if (bool(ids) + (receiver is not None) + everything) != 1:
        raise typer.BadParameter("name ids, or --receiver, or say --all", param_hint="ID...")

    async def work(opened: Store) -> tuple[list[Delivery], list[Breaker]]:
        known = await opened.deliveries(receiver=receiver, limit=_EVERYTHING)
        wanted = tuple(ids or [one.id for one in known if one.state in states])
        unknown = sorted(set(wanted) - {one.id for one in known})
        if unknown:
            raise WatcherError(f"there is no delivery {unknown[0]!r}; `dlc-watcher deliveries list` shows their ids")
        right = tuple(one.id for one in known if one.id in set(wanted) and one.state in states)
        word = Intervention(
            at=datetime.now(UTC), action=action, subjects=right, author=author or this_user(), comment=comment
        )
        done = set(await opened.intervene(word)) if right else set()
        if not done:
            raise WatcherError(_nothing(action, known, set(wanted)))
        after = [one for one in await opened.deliveries(limit=_EVERYTHING) if one.id in done]
        concerned = {one.receiver for one in after}
        shut = [one for one in await opened.breakers() if one.state is BreakerState.DISABLED]
        return after, [one for one in shut if one.receiver in concerned]

    return write_beside(url, work)


def _nothing(action: Action, known: tuple[Delivery, ...], wanted: set[str]) -> str:
    from watcher.core.interventions import Action

    for one in known:
        if one.id in wanted:
            can = "only dead letters can be taken up again" if action is Action.RETRY else "that cannot be dropped"
            return f"delivery {one.id} is {one.state} ({one.reason}): {can}"
    return "no dead letters there" if action is Action.RETRY else "nothing there that could be dropped"


def _tell(found: list[Delivery], verb: str, *, json: bool) -> None:
    from watcher.core.codec import plain

    if json:
        print_json([plain(delivery) for delivery in found])
        return
    from watcher.cli.terminal import safe

    for one in found:
        about = f"{one.notification.job}: " if one.notification.job else ""
        typer.echo(safe(f"{verb}: {one.receiver}: {about}{one.notification.headline}"))
