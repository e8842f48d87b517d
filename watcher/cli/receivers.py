"""`receivers`: who can be told anything, who cannot and why, and letting news go to one again."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watcher.cli.look import read_store, shown_time, this_user, write_beside
from watcher.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    StoreOption,
    load_configuration,
    print_json,
    store_url,
)
from watcher.errors import WatcherError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.ports.store import Store

receivers = typer.Typer(
    help="Receivers: who can be told, who cannot, and why.", rich_markup_mode=None, no_args_is_help=True
)

_EVERYTHING = 2**31
"""More rows than there can be."""


@receivers.command("list")
def list_receivers(config: ConfigOption = DEFAULT_CONFIG, store: StoreOption = None, json: JsonOption = False) -> None:
    """Each receiver: whether it is sent to, since when nothing got through, what waits, what is dead, who is told instead."""
    configured = _configured(config, store)
    now = datetime.now(UTC)

    async def question(opened: Store) -> list[dict[str, Any]]:
        from watcher.core.breaker import Breaker, at_time
        from watcher.core.delivery import TERMINAL_STATES, DeliveryState

        known = {breaker.receiver: at_time(breaker, now) for breaker in await opened.breakers()}
        dead = await opened.dead_letters()
        unsettled = frozenset(DeliveryState) - TERMINAL_STATES
        waiting = Counter(one.receiver for one in await opened.deliveries(states=unsettled, limit=_EVERYTHING))
        names = configured or dict.fromkeys(sorted({*known, *dead, *waiting}), ("", ""))
        return [
            {
                "receiver": name,
                "kind": kind,
                "state": breaker.state.value,
                "since": breaker.since,
                "until": breaker.until,
                "waiting": waiting[name],
                "dead": dead.get(name, 0),
                "fallback": fallback,
                "error": breaker.error,
            }
            for name, (kind, fallback) in names.items()
            for breaker in [known.get(name, Breaker(receiver=name))]
        ]

    found = read_store(store_url(config, store), question)
    if json:
        print_json(found)
        return
    from watcher.cli.terminal import print_table

    print_table(
        ("RECEIVER", "KIND", "STATE", "FAILING SINCE", "NEXT TRY", "WAITING", "DEAD", "FALLBACK", "ERROR AND FIX"),
        (
            (
                one["receiver"],
                one["kind"],
                one["state"],
                shown_time(one["since"]),
                shown_time(one["until"]),
                one["waiting"] or "",
                one["dead"] or "",
                one["fallback"],
                one["error"],
            )
            for one in found
        ),
        empty="No receivers.",
    )


@receivers.command("enable")
def enable(
    receiver: Annotated[str, typer.Argument(help="Its name; `receivers list` shows it.", metavar="RECEIVER")],
    comment: Annotated[str, typer.Option("--comment", help="What was mended.", metavar="TEXT")] = "",
    author: Annotated[
        str | None, typer.Option("--author", help="Who says so; by default this user.", metavar="NAME")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
) -> None:
    """Send to a receiver again that is disabled (HTTP 410) or held off. What died meanwhile: `deliveries retry`.

    A running watcher heeds it within 5 s. Exit code 1 when nothing kept it from being sent to.
    """
    from watcher.core.interventions import Action, Intervention

    configured = _configured(config, store)
    if configured and receiver not in configured:
        from watcher.config.wording import unknown

        raise typer.BadParameter(unknown("receiver", receiver, configured), param_hint="RECEIVER")

    async def work(opened: Store) -> tuple[str, ...]:
        word = Intervention(
            at=datetime.now(UTC),
            action=Action.ENABLE,
            subjects=(receiver,),
            author=author or this_user(),
            comment=comment,
        )
        return await opened.intervene(word)

    if not write_beside(store_url(config, store), work):
        raise WatcherError(f"receiver {receiver!r}: nothing keeps it from being sent to")
    typer.echo(f"receiver {receiver} is sent to again")


def _configured(config: Path, store: str | None) -> Mapping[str, tuple[str, str]]:
    """Name -> kind and fallback, where a configuration is at hand; it need not be beside a store that is named."""
    if store is not None and not config.exists():
        return {}
    loaded = load_configuration(config)
    return {
        name: (receiver.notifier.kind, receiver.common.fallback or "") for name, receiver in loaded.receivers.items()
    }
