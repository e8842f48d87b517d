"""`plan`: how soon changes will be seen with a request budget, and what a wanted delay costs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from watcher.core.forecast import Forecast

_CLASSES = {"ends": "a job ends", "status": "another change of status", "details": "a change of pods"}


def plan(
    jobs: Annotated[int, typer.Option("--jobs", "-n", min=1, max=1_000_000, help="Live jobs at a time.")],
    rps: Annotated[float, typer.Option("--rps", "-q", min=0.01, max=1000, help="Requests per second of the account.")],
    within: Annotated[
        str | None, typer.Option("--within", metavar="TIME", help="Also: the budget with which 95 % are seen so soon.")
    ] = None,
    poll_every: Annotated[str, typer.Option("--poll-every", metavar="TIME", help="As in the configuration.")] = "15s",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """How soon changes will be seen with a request budget, beside plain GetJob, and what a wanted delay costs.

    Reckoned for a typical fleet, as priors have it, where lists heed TimeRangeField and JobIds; docs/performance.md says how.
    """
    from rich.console import Console
    from rich.table import Table

    from watcher.core.forecast import forecast, plain, rate_within, typical
    from watcher.core.rates import Rates
    from watcher.core.schedule import Wish, allot

    every = _length(poll_every, "--poll-every")
    wanted = None if within is None else _length(within, "--within")
    wish = Wish(shortest=every, longest=max(Wish().longest, every * 1.2), list_shortest=every / 3)
    fleet, rates = typical(jobs), Rates()
    ours, theirs = forecast(fleet, rates, rps, wish), plain(jobs, rps)
    needed = allot(fleet, rates, rps, wish).needed
    costs = None if wanted is None else rate_within(fleet, rates, wanted.total_seconds(), wish)
    if as_json:
        told = {"jobs": jobs, "rps": rps, "dlc_watcher": asdict(ours), "plain_getjob": asdict(theirs)}
        told |= {"rps_for_stale_after": needed} | ({} if costs is None else {"rps_within": _finite(costs)})
        typer.echo(json.dumps(told, indent=2))
        return
    table = Table(title=f"{jobs:,} live jobs, {rps:g} requests per second: seconds until a change is seen")
    for column in ("", "dlc-watcher", "95 % within", "plain GetJob", "95 % within"):
        table.add_column(column, justify="left" if not column else "right")
    for name, text in _CLASSES.items():
        mine, other = getattr(ours, name), getattr(theirs, name)
        table.add_row(text, *(f"{value:,.1f}" for value in (mine.mean_s, mine.p95_s, other.mean_s, other.p95_s)))
    out = Console()
    (out if out.is_terminal else Console(width=120)).print(table)
    typer.echo(f"No live job's last look is older than {ours.oldest_s:,.0f} s.{_advice(ours, wish.longest, needed)}")
    for name, rate in (costs or {}).items():
        cost = f"takes {rate:,.1f} requests per second" if rate < _NEVER else "is not to be had, whatever the budget"
        typer.echo(f"{_CLASSES[name]}, seen within {within} in 95 % of cases: {cost}.")


_NEVER = float("inf")


def _advice(ours: Forecast, longest: timedelta, needed: float) -> str:
    if ours.oldest_s <= longest.total_seconds() * 1.001:
        return ""
    return f" For stale_after ({longest.total_seconds():,.0f} s) it takes {needed:,.1f} requests per second."


def _finite(costs: Mapping[str, float]) -> dict[str, float | None]:
    return {name: rate if rate < _NEVER else None for name, rate in costs.items()}


def _length(text: str, option: str) -> timedelta:
    from watcher.core.duration import parse_duration

    try:
        length = parse_duration(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint=option) from None
    if not length:
        raise typer.BadParameter("must be longer than nothing", param_hint=option)
    return length
