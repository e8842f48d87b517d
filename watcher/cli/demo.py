"""`demo`: the simulator, the service as it ships, and this terminal."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watcher.cli.options import JsonOption, print_json

if TYPE_CHECKING:
    import anyio

    from watcher.ports.notifier import Notifier
    from watcher.ports.store import Store
    from watcher.service.app import Service
    from watcher.simulator import Simulator, SpeedUp

_CONFIGURATION = """\
sources:
  demo:
    kind: dlc
    region: cn-hangzhou
    endpoint: "{url}"
    workspaces: {workspaces}
    credentials: {{kind: access_key, key_id: {key_id}, secret: {secret}}}
    poll_every: {poll}ms
    discover_every: {poll}ms
    feed_every: {poll}ms
    budget: {{requests_per_second: {rate}, concurrency: 16}}
store: {{url: "{store}"}}
receivers:
  terminal: {{console: {{cards: true}}}}
route: {{receiver: terminal}}
service: {{http: {{port: null}}}}
"""
_SPEED = 120.0
_POLL_EVERY = 0.08
"""Real seconds between two looks at a job: what is short in the script is seen even at high speed."""
_REQUESTS = 300.0
"""Requests per real second: what one machine answers and asks without effort."""
_LEAD = 0.6
"""Real seconds between the service's first question and the first scene, so that it knows what was not there before."""
_START_AND_END = 2.5
"""Seconds of a demo that go into starting and into the last message."""


def _seconds(text: str | None) -> float | None:
    from watcher.core.duration import parse_duration

    if text is None:
        return None
    try:
        length = parse_duration(text).total_seconds()
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--duration") from None
    if length <= 0:
        raise typer.BadParameter("must be longer than nothing", param_hint="--duration")
    return length


def demo(
    duration: Annotated[
        str | None, typer.Option("--duration", help="End after this time; the story is told that fast.", metavar="20s")
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option("--speed", min=0.1, help=f"Times real speed; {_SPEED:g} unless --duration says else."),
    ] = None,
    scenario: Annotated[
        str, typer.Option("--scenario", "-s", help="A bundled scenario, or a YAML file.", metavar="NAME|FILE")
    ] = "demo",
    store: Annotated[
        Path | None,
        typer.Option(
            "--store", help="Keep the database in this file, to look at with `story` afterwards.", metavar="FILE"
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Watch simulated DLC jobs queue, start, get evicted, restart, fail and succeed, told on this terminal.

    Everything but the jobs is real: the client, the signatures, the store, rules, routes and deliveries.
    """
    import anyio

    from watcher.cli.simulate import find_scenario
    from watcher.service.telemetry import set_up_logging
    from watcher.simulator import truth

    if store is not None and store.exists():
        raise typer.BadParameter(
            f"{store} is there already; name a new file, for a demo begins at the beginning", param_hint="--store"
        )
    story = find_scenario(scenario)
    script = truth(story)
    length = (max((one.at for one in script), default=timedelta(0)) + timedelta(minutes=3)).total_seconds()
    limit = _seconds(duration)
    pace = speed or (_SPEED if limit is None else max(1.0, length / max(1.0, limit - _START_AND_END)))
    set_up_logging("warning")
    with tempfile.TemporaryDirectory(prefix="dlc-watcher-") as folder:
        database = (store or Path(folder) / "demo.db").absolute()
        counts = anyio.run(_show, story, pace, limit, length / pace + _LEAD, database, not json)
    if json:
        print_json(counts)
    if counts["lost"]:
        raise typer.Exit(1)


async def _show(
    story: object, pace: float, limit: float | None, length: float, database: Path, aloud: bool
) -> dict[str, Any]:
    import json

    import anyio

    from watcher.cli.builtin import builtin_configuration
    from watcher.cli.terminal import console
    from watcher.service.app import assemble, run
    from watcher.service.clock import SpedUpClock
    from watcher.simulator import DEMO_KEY, Scenario, Simulator, SimulatorServer, SpeedUp

    assert isinstance(story, Scenario)  # noqa: S101 - the caller's type, kept out of the module's imports
    out = console()
    time = SpeedUp(pace, held=True)  # until the service is up, however long that takes: its first scenes are to be seen
    lead = timedelta(seconds=_LEAD * pace)
    jobs = [job.model_copy(update={"submit_at": job.submit_at + lead}) for job in story.jobs]
    simulator = Simulator(story.model_copy(update={"jobs": jobs}), clock=time)
    async with SimulatorServer(simulator) as server:
        loaded = builtin_configuration(
            _CONFIGURATION.format(
                url=server.url,
                workspaces=json.dumps(sorted({job.workspace for job in story.jobs})),
                key_id=DEMO_KEY.key_id,
                secret=DEMO_KEY.secret,
                store=f"sqlite:///{database}",
                poll=round(_POLL_EVERY * pace * 1000),
                rate=_REQUESTS / pace,
            )
        )
        if aloud:
            out.print(
                f"{len(story.jobs)} simulated DLC jobs, {pace:.0f} times as fast as real time. Ctrl-C ends it.\n",
                style="dim",
            )
        async with assemble(
            loaded, clock=SpedUpClock(time), notifiers=None if aloud else {"terminal": _aside()}
        ) as service:
            stop = anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_begin, time, simulator)
                tasks.start_soon(_end, stop, service, time, math.inf if limit is None else limit, length)
                tasks.start_soon(_interrupt, stop)
                await run(service, stop, serve_http=False)
                tasks.cancel_scope.cancel()
            counts = await _summary(service.store, simulator)
    if aloud:
        _tell(counts)
    return counts


async def _interrupt(stop: anyio.Event) -> None:
    import signal

    import anyio

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            stop.set()
            return


async def _begin(time: SpeedUp, simulator: Simulator) -> None:
    """Let the story begin once the service has asked for the first time."""
    import anyio

    while not simulator.counts:  # noqa: ASYNC110 - the simulator rings no bell for a request
        await anyio.sleep(0.02)
    time.go()


async def _end(stop: anyio.Event, service: Service, time: SpeedUp, limit: float, length: float) -> None:
    """Stop at the limit, or when the story is over and all of it has been told. Both count from the story's begin."""
    import anyio

    while time() == time.origin:  # noqa: ASYNC110 - as above
        await anyio.sleep(0.02)
    with anyio.move_on_after(limit - _START_AND_END / 4):
        await anyio.sleep(length)
        while await _waiting(service.store):  # noqa: ASYNC110 - the store rings no bell for what has been delivered
            await anyio.sleep(0.1)
    stop.set()


async def _waiting(store: Store) -> int:
    counts = await store.counts()
    return sum(counts.get(f"deliveries.{state}", 0) for state in ("pending", "sending", "retrying"))


def _aside() -> Notifier:
    """A console that speaks on standard error, so that standard output is one JSON document."""
    from watcher.cli.terminal import console
    from watcher.notifiers.console import ConsoleNotifier, ConsoleSettings

    return ConsoleNotifier("terminal", ConsoleSettings(), console=console(stderr=True))


async def _summary(store: Store, simulator: Simulator) -> dict[str, Any]:
    """What was scripted, seen and told."""
    from watcher.core.delivery import DeliveryState

    scripted = Counter(one.kind for one in simulator.happened())
    seen = Counter(event.kind for event in await store.events(limit=1_000_000))
    deliveries = await store.deliveries(limit=1_000_000)
    states = Counter(delivery.state for delivery in deliveries)
    lost, folded, withheld = (
        states[state] for state in (DeliveryState.DEAD, DeliveryState.FOLDED, DeliveryState.WITHHELD)
    )
    return {
        "requests": dict(simulator.counts),
        "scripted": dict(sorted(scripted.items())),
        "seen": dict(sorted(seen.items())),
        "told": dict(
            sorted(Counter(d.notification.rule for d in deliveries if d.state is DeliveryState.DELIVERED).items())
        ),
        "waiting": len(deliveries) - states[DeliveryState.DELIVERED] - lost - folded - withheld,
        "folded": folded,
        "lost": lost,
    }


_SUMMARY = (
    ("jobs appeared", "job.appeared", ("job.appeared",)),
    ("status changes", "job.status_changed", ("job.status_changed",)),
    ("job restarts", "job.restarted", ("job.restarted",)),
    ("pods evicted", "pod.evicted", ("pod.evicted",)),
    ("pods restarted", "pod.restarted", ("pod.restarted",)),
    ("jobs deleted", "job.deleted", ("job.vanished",)),
)


def _tell(counts: Mapping[str, Any]) -> None:
    from rich.table import Table

    from watcher.cli.terminal import console

    out = console()
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        title="\nWhat happened, and what was seen of it",
        title_justify="left",
    )
    for column in ("", "in the script", "seen"):
        table.add_column(column, justify="right" if column else "left")
    for label, kind, events in _SUMMARY:
        if scripted := counts["scripted"].get(kind, 0):
            table.add_row(label, str(scripted), str(sum(counts["seen"].get(event, 0) for event in events)))
    out.print(table)
    by_rule = ", ".join(f"{rule} {number}" for rule, number in counts["told"].items())
    told = f"{sum(counts['told'].values())} ({by_rule})" if by_rule else "nothing"
    requests = ", ".join(f"{number} {action}" for action, number in counts["requests"].items())
    out.print(f"\nTold: {told}; waiting {counts['waiting']}, lost {counts['lost']}.")
    out.print(f"Asked: {requests}.")
