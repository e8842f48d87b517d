"""`doctor`: is the installation whole, and what can the lists of each source do?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, load_configuration, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.config.loading import Loaded
    from watcher.core.capabilities import Capabilities
    from watcher.core.feeds import ListQuestion
    from watcher.core.model import JobSummary
    from watcher.ports.source import ListReader

_OURS = "dlc-watcher"
_TOPS = ("watcher", "rules")


def doctor(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Check the installed files and libraries, and ask each source a few questions to learn what its lists can do.

    At most five ListJobs for each source, at its configured rate. Exit code 1 when something is wrong. What a running watcher has
    learnt stands in its metrics, `dlc_watcher_list_ability`.
    """
    import anyio

    loaded = load_configuration(config)
    told: dict[str, Any] = {"installation": installation()}
    told["sources"] = anyio.run(_ask_all, loaded)
    bad = bool(told["installation"]["problems"]) or any(source.get("error") for source in told["sources"].values())
    if json:
        print_json({"ok": not bad, **told})
    else:
        _show(told)
    if bad:
        raise typer.Exit(1)


def installation() -> dict[str, Any]:
    """Versions, and whether every installed file of ours is as it was installed and nobody else's."""
    import sqlite3
    from importlib.metadata import distribution, packages_distributions

    found = distribution(_OURS)
    problems = []
    owners = packages_distributions()
    for top in _TOPS:
        others = sorted(set(owners.get(top, ())) - {_OURS})
        if others:
            problems.append(
                f"the package {top!r} was also installed by {', '.join(others)}: use an environment of its own"
            )
    problems += [f"{path} is not as it was installed" for path in _changed(found.files or ())]
    return {"version": found.version, "sqlite": sqlite3.sqlite_version, "problems": problems}


def _changed(files: Sequence[Any]) -> list[str]:
    """Files whose hash is not that of the RECORD; an editable installation records none of them."""
    import base64
    import hashlib

    changed = []
    for file in files:
        if file.hash is None or file.parts[0] not in _TOPS:
            continue
        path = file.locate()
        told = hashlib.new(file.hash.mode, path.read_bytes()).digest() if path.exists() else b""
        if base64.urlsafe_b64encode(told).rstrip(b"=").decode() != file.hash.value:
            changed.append(str(file))
    return changed


async def _ask_all(loaded: Loaded) -> dict[str, dict[str, Any]]:
    from watcher.core.model import SourceName
    from watcher.ports.source import ListReader

    told: dict[str, dict[str, Any]] = {}
    for name, (kind, settings) in loaded.sources.items():
        source = kind(SourceName(name), settings)
        try:
            if isinstance(source, ListReader):
                told[name] = await _ask(source, 1 / settings.budget.requests_per_second)
            else:
                told[name] = {"note": "its lists cannot be asked single questions; it is watched by passes and looks"}
        finally:
            await source.aclose()
    return told


async def _ask(reader: ListReader, pause_s: float) -> dict[str, Any]:
    """Put the questions that tell, one after the other at the configured pace; what cannot be told from them stays unknown."""
    from datetime import UTC, datetime

    import anyio

    from watcher.core.capabilities import Ability, Capabilities, heard, refused
    from watcher.core.feeds import ENDED, ListQuestion, window_since
    from watcher.errors import InvalidRequest, SourceError

    learnt, shown, now = Capabilities(), list[Any](), datetime.now(UTC)
    first = ListQuestion()

    async def put(question: ListQuestion, before: Capabilities) -> Capabilities:
        await anyio.sleep(pause_s)
        try:
            answer = await reader.list_some(question)
        except InvalidRequest:
            if question is first:
                raise
            return refused(before, question, now)
        shown.extend(answer.jobs if question is first else ())
        return heard(before, question, answer, now)

    try:
        learnt = await put(first, learnt)
        learnt = await put(ListQuestion(since=window_since(None, now), window="finished", order="finished"), learnt)
        learnt = await put(ListQuestion(statuses=ENDED, order="finished"), learnt)
        if some := _some(shown):
            learnt = await put(ListQuestion(jobs=some), learnt)
    except SourceError as exc:
        return {"error": str(exc)}
    return {
        "jobs_shown": len(shown),
        "abilities": {ability.value: learnt.belief(ability).value for ability in Ability},
        "items_carry": sorted(learnt.carries),
    }


def _some(shown: Sequence[JobSummary]) -> tuple[Any, ...]:
    """Half of the jobs shown, so that a list of all would be another one."""
    return tuple(job.ref.job_id for job in shown[: len(shown) // 2])


def _show(told: dict[str, Any]) -> None:
    from watcher.cli.terminal import safe

    installed = told["installation"]
    typer.echo(f"dlc-watcher {installed['version']}, SQLite {installed['sqlite']}")
    for problem in installed["problems"] or ("files: as installed, and nobody else's",):
        typer.echo(f"  {problem}")
    for name, found in told["sources"].items():
        typer.echo(f"source {name}:")
        if "abilities" not in found:
            typer.echo(safe(f"  {found.get('error') or found['note']}"))
            continue
        typer.echo(f"  {found['jobs_shown']} jobs in the first list")
        for ability, belief in found["abilities"].items():
            typer.echo(f"  {ability}: {belief}")
        typer.echo(f"  list items carry: {', '.join(found['items_carry']) or 'none of the members in question'}")
