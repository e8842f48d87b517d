"""`routes`: the tree with what each node inherits, and who would hear something, by which way.

Long, because showing the tree and asking it are two commands over the same lines of text.
"""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watcher.cli.look import find_job, read_store
from watcher.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    StoreOption,
    load_configuration,
    print_json,
    store_url,
)

if TYPE_CHECKING:
    from watcher.config.loading import Loaded
    from watcher.core.matching import Labels
    from watcher.core.model import JobSnapshot
    from watcher.core.routing import Route, Step
    from watcher.core.wishes import Wish
    from watcher.ports.store import Store

routes = typer.Typer(
    help="The route tree: who hears what, and why.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@routes.command("tree")
def tree(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Print the route tree with what each node takes, where it leads, and what it inherits."""
    root = load_configuration(config).route
    if json:
        print_json([_node(node) for node in root.walk()])
        return
    from watcher.cli.terminal import console, safe

    out = console()
    for text in _branches(root):
        out.print(safe(text))


def _node(node: Route) -> dict[str, Any]:
    return {
        "path": node.path,
        "receiver": node.receiver,
        "match": str(node.match),
        "continue": node.continue_,
        "group_by": list(node.group_by),
        "group_wait_s": node.group_wait.total_seconds(),
        "group_interval_s": node.group_interval.total_seconds(),
        "repeat_interval_s": node.repeat_interval.total_seconds(),
        "urgent": list(node.urgent),
        "mute": [interval.name for interval in node.mute],
        "mute_except": list(node.mute_except),
        "escalate": [{"after_s": step.after.total_seconds(), "to": step.to} for step in node.escalate],
        "to_owner": node.to_owner,
        "mention": list(node.mention),
        "shadow": node.shadow,
        "written": sorted(node.written),
    }


def _branches(node: Route, lead: str = "", own: str = "") -> Iterator[str]:
    from watcher.core.duration import spell_duration

    name = node.path.rpartition(".")[2]
    more = ", ".join(filter(None, (str(node.match), "and on" if node.continue_ else "")))
    shadow = f", in shadow{_from(node, 'shadow')}" if node.shadow else ""
    takes = f"  {more or 'everything'}" if own else "  everything that is left"
    yield f"{own}{name}{takes}  -> {node.receiver}{_from(node, 'receiver')}{shadow}"
    inner = lead + ("│  " if node.routes else "   ")
    wait = spell_duration(node.group_wait) if node.group_wait else "at once"
    group = ", ".join(node.group_by) or "nothing: all in one"
    yield f"{inner}group by {group}{_from(node, 'group_by')}; {wait}{_from(node, 'group_wait')}"
    pace = [
        f"{word} {spell_duration(length)}{_from(node, setting)}"
        for setting, word, length in (
            ("group_interval", "further news after", node.group_interval),
            ("repeat_interval", "reminders after", node.repeat_interval),
        )
        if length
    ]
    if (node.group_wait or node.group_interval) and "urgent" in node.written:
        pace.append(f"urgent: {', '.join(node.urgent) or 'nothing'}")
    if pace:
        yield f"{inner}{'; '.join(pace)}"
    if node.mute:
        names = ", ".join(interval.name for interval in node.mute)
        loud = f", except {', '.join(node.mute_except)}{_from(node, 'mute_except')}" if node.mute_except else ""
        yield f"{inner}muted by {names}{_from(node, 'mute')}{loud}"
    for step in node.escalate:
        unanswered = f"critical and not taken on within {spell_duration(step.after)}: told to {step.to}"
        yield f"{inner}{unanswered}{_from(node, 'escalate')}"
    if node.to_owner:
        yield f"{inner}to the owner of the job alone{_from(node, 'to_owner')}"
    if node.mention:
        yield f"{inner}the owner is named: {', '.join(node.mention)}{_from(node, 'mention')}"
    for child in node.routes:
        last = child is node.routes[-1]
        yield from _branches(child, lead + ("   " if last else "│  "), lead + ("└─ " if last else "├─ "))


def _from(node: Route, setting: str) -> str:
    """Where a setting comes from, when it does not stand at the node itself."""
    return "" if setting in node.written else " (default)" if node.path == "route" else " (inherited)"


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that is to be routed.

    Attributes:
        about: what it is, for people.
        labels: what the tree is asked with.
    """

    about: str
    labels: Labels


@routes.command("test")
def try_routes(
    wanted: Annotated[
        list[str],
        typer.Argument(
            help="Labels as LABEL=VALUE; or a job (its id, source/id, or name) or an event's id from the store, "
            "and perhaps labels besides.",
            metavar="LABEL=VALUE|JOB|EVENT...",
        ),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect",
            help='Exit with 1 unless exactly these hear it, separated by commas; "" for nobody.',
            metavar="RECEIVER,...",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Who would hear this, by which way, and for each route that stayed out which test failed.

    A job stands for news about it as it is now; say more with labels (`severity=critical kind=job.failed`). An event stands for
    what rules said about it. Nothing is sent.
    """
    from watcher.core.routing import trace

    loaded = load_configuration(config)
    labels, things = _sorted_out(wanted, loaded)
    expected = None if expect is None else _expected(expect, loaded)
    if things:
        from functools import partial

        question = partial(_from_store, wanted=things[0], labels=labels, wishes=loaded.book.wishes)
        asked = read_store(store_url(config, store), question)
    else:
        asked = [Asked(" ".join(wanted), labels)]
    told = [(one, trace(loaded.route, one.labels)) for one in asked]
    heard = sorted({receiver for _, steps in told for receiver in _hearing(steps)})
    differs = expected is not None and expected != heard
    if json:
        print_json(_as_json(told, heard, expected))
    else:
        from watcher.cli.terminal import console, safe

        out = console()
        for one, steps in told:
            for text, style in _words(one, steps):
                out.print(safe(text), style=style)
        if differs:
            out.print(safe(f"expected {_listed(expected or ())}, but it is {_listed(heard)}"), style="red")
    if differs:
        raise typer.Exit(1)


def _sorted_out(wanted: Sequence[str], loaded: Loaded) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """What is labels, and what is to be looked up."""
    from watcher.config.matches import is_label
    from watcher.config.wording import unknown

    known = loaded.vocabulary
    labels: dict[str, tuple[str, ...]] = {}
    things: list[str] = []
    for text in wanted:
        label, equals, value = text.partition("=")
        if not equals:
            things.append(text)
        elif not is_label(label, loaded.labels):
            raise typer.BadParameter(unknown("label", label, loaded.labels), param_hint=text)
        elif label in known and value not in known[label]:
            raise typer.BadParameter(unknown(label, value, known[label]), param_hint=text)
        else:
            labels[label] = (*labels.get(label, ()), value)
    if len(things) > 1:
        raise typer.BadParameter(
            f"one job or event at a time, not {' and '.join(things)}; labels are written LABEL=VALUE",
            param_hint="JOB|EVENT",
        )
    return labels, things


def _expected(text: str, loaded: Loaded) -> list[str]:
    from watcher.config.wording import unknown

    names = sorted({name.strip() for name in text.split(",")} - {""})
    for name in names:
        if name not in loaded.receivers:
            raise typer.BadParameter(unknown("receiver", name, loaded.receivers), param_hint="--expect")
    return names


async def _from_store(
    store: Store, *, wanted: str, labels: Mapping[str, tuple[str, ...]], wishes: frozenset[Wish]
) -> list[Asked]:
    """What the store knows of a job or an event, as labels; those that were given go first."""
    from watcher.core.codec import event_from_json
    from watcher.core.events import EventId, job_of
    from watcher.core.matching import labels_of, labels_of_job

    lines = await store.account(EventId(wanted))
    if not lines:
        ref = await find_job(store, wanted, also="no event has this id either")
        watch = await store.watch(ref)
        held = {} if watch is None else labels_of_job(watch.snapshot, _owner(watch.snapshot, wishes))
        whose = {"source": (ref.source,), "job": (ref.job_id,)}
        return [Asked(f"news of {ref}", {**whose, **held, **labels})]
    event = event_from_json(json_text.dumps(lines[0].data))
    said = {line.data["notification"]["id"]: line.data["notification"] for line in lines if line.kind == "delivery"}
    if said:
        return [
            Asked(
                f"{one['rule']} about {event.kind}: {one['headline']}",
                {**{label: tuple(values) for label, values in one["labels"]}, **labels},
            )
            for one in said.values()
        ]
    job = job_of(event)
    watch = None if job is None else await store.watch(job)
    snapshot = None if watch is None else watch.snapshot
    return [
        Asked(
            f"{event.kind}, about which nothing was said",
            {**labels_of(event, snapshot, _owner(snapshot, wishes)), **labels},
        )
    ]


def _owner(job: JobSnapshot | None, wishes: frozenset[Wish]) -> str:
    """Who the job says it belongs to, where the configuration lets it."""
    from watcher.core.wishes import wishes_of

    return "" if job is None else wishes_of(job.tags, wishes, (), job.observed_at).owner


def _hearing(steps: Sequence[Step]) -> list[str]:
    from watcher.core.routing import Verdict

    return [step.route.receiver for step in steps if step.verdict is Verdict.TAKEN and not step.route.shadow]


def _as_json(told: Sequence[tuple[Asked, Sequence[Step]]], heard: list[str], expected: list[str] | None) -> Any:
    return {
        "receivers": heard,
        "expected": expected,
        "asked": [
            {
                "about": one.about,
                "labels": {label: list(values) for label, values in one.labels.items()},
                "steps": [
                    {
                        "route": step.route.path,
                        "receiver": step.route.receiver,
                        "verdict": step.verdict.value,
                        "shadow": step.route.shadow,
                        "why": _why(one, step),
                    }
                    for step in steps
                ],
            }
            for one, steps in told
        ],
    }


def _words(one: Asked, steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
    from watcher.core.routing import Verdict

    yield one.about, "bold"
    for step in steps:
        if step.verdict is Verdict.TAKEN:
            trial = " (in shadow: recorded, not sent)" if step.route.shadow else ""
            yield f"  {step.route.path} -> {step.route.receiver}{trial}", "dim" if trial else "green"
        else:
            yield f"  {step.route.path}: {_why(one, step)}", "dim"


def _why(one: Asked, step: Step) -> str:
    """Why this route's receiver does not hear of it by this route; "" where it does."""
    from watcher.core.routing import Verdict

    by = "" if step.by is None else step.by.path
    return {
        Verdict.TAKEN: "",
        Verdict.PASSED_DOWN: "it fits; passed down",
        Verdict.HEARD_ALREADY: f"it fits; {step.route.receiver} hears it by {by}",
        Verdict.NOT_MATCHED: "" if step.failed is None else f"stayed out: {step.failed.refusal(one.labels)}",
        Verdict.NOT_ASKED: f"not asked: {by} took it and does not continue",
    }[step.verdict]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nobody"
