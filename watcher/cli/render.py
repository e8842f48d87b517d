"""`render`: how news would look at a receiver, without sending anything: no network, no secret, nothing is written to the store.

News comes from the store (an event, or the last news of a job), or is a sample: one of each kind of event, as docs/events.md shows
it, and one for each rule that brings one. It goes the way it always goes, through rules, templates and the notifier's own `render`.
"""

from __future__ import annotations

import json as json_text
import os
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from watcher.cli.options import DEFAULT_CONFIG, StoreOption, named_store
from watcher.errors import WatcherError

if TYPE_CHECKING:
    from watcher.config.loading import Loaded
    from watcher.core.message import Message
    from watcher.core.model import JobSnapshot
    from watcher.ports.store import Store
    from watcher.testing.previews import Preview

_BUILT_IN: Final = """\
sources:
  hangzhou: {kind: dlc, region: cn-hangzhou}
receivers:
  email: {email: {host: smtp.example.com, from: dlc@example.com, to: [oncall@example.com]}}
  slack: {slack: {token: left-alone, to: "#ml-jobs"}}
  webhook: {webhook: {url: "https://example.com/hook", secret: "whsec_bGVmdC1hbG9uZS1sZWZ0LWFsb25lLWxlZnQ="}}
  console: {console: {}}
route: {receiver: email}
"""
"""Ends to look at where there is no configuration yet."""

_MOST: Final = 100_000
"""Deliveries that are looked through for those of an event."""


class Form(StrEnum):
    """How it is shown."""

    TEXT = "text"
    HTML = "html"
    BLOCKS = "blocks"
    JSON = "json"
    EML = "eml"


class _AnyVariable(dict[str, str]):
    """An environment in which every variable is set: to itself where it is, else to what no secret is."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __missing__(self, name: str) -> str:
        from watcher.settings import NO_SECRET

        return NO_SECRET.read_text(encoding="utf-8").strip()


def render(
    what: Annotated[
        str | None, typer.Argument(help="An event's id, or a job (its last news), from the store.", metavar="EVENT|JOB")
    ] = None,
    receiver: Annotated[
        str | None, typer.Option("--receiver", "-r", help="At which receiver; may be left out where there is one.")
    ] = None,
    form: Annotated[
        Form, typer.Option("--as", help="In which form; which there are depends on the receiver.")
    ] = Form.TEXT,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Instead: a sample event of this kind.", metavar="KIND")
    ] = None,
    rule: Annotated[
        str | None, typer.Option("--rule", help="Instead: what this rule says in its sample.", metavar="RULE")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it to this file.", metavar="FILE")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            envvar="DLC_WATCHER_CONFIG",
            help="The configuration (default: dlc-watcher.yaml; without one, receivers called email, slack, webhook, console).",
            metavar="FILE",
        ),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Show how news would look at a receiver, in its language and its words: text, HTML, Block Kit or JSON. Sends nothing.

    Secret files are not read, and variables of the configuration need not be set.
    """
    if [what, kind, rule].count(None) != 2:  # noqa: PLR2004 - all but one of three
        raise typer.BadParameter("name one thing: an event or job, --kind, or --rule", param_hint="EVENT|JOB")
    loaded = _configuration(config)
    end = _receiver(loaded, receiver)
    if kind is not None:
        news = _of_kind(loaded, kind)
    elif rule is not None:
        news = _of_rule(loaded, rule)
    else:
        news = _of_store(loaded, named_store(store) if store else loaded.store.url, str(what), end)
    shown = _shown(loaded, end, _message(news, end, loaded), form)
    if output is None:
        typer.echo(shown)
    else:
        output.write_text(shown + "\n", encoding="utf-8")
        typer.echo(f"{output}: {form.value} for {end}", err=True)


def _configuration(config: Path | None) -> Loaded:
    from watcher.config.loading import load, load_file
    from watcher.plugins import discover

    if config is None and not DEFAULT_CONFIG.exists():
        return load(_BUILT_IN, file="built-in", env={}, kinds=discover(), base_dir=Path.cwd(), secrets=False)
    return load_file(config or DEFAULT_CONFIG, env=_AnyVariable(os.environ), kinds=discover(), secrets=False)


def _receiver(loaded: Loaded, wanted: str | None) -> str:
    names = list(loaded.receivers)
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        told = "say which receiver" if wanted is None else f"there is no receiver {wanted!r}"
        raise typer.BadParameter(f"{told}; there are: {', '.join(names)}", param_hint="--receiver")
    return wanted


def _of_kind(loaded: Loaded, kind: str) -> list[Preview]:
    from watcher.testing.previews import of_event, sample_events, sample_job

    event = sample_events().get(kind)
    if event is None:
        known = ", ".join(sorted(sample_events()))
        raise typer.BadParameter(f"there is no kind {kind!r}; there are: {known}", param_hint="--kind")
    return _heard(list(of_event(event, sample_job(event), loaded.book)), kind)


def _heard(news: list[Preview], about: str) -> list[Preview]:
    if news[0].said.rule == "preview":
        typer.echo(f"no rule of this configuration says anything about {about}; shown in plain words", err=True)
    return news


def _of_rule(loaded: Loaded, name: str) -> list[Preview]:
    from watcher.core.rule import BoundRule
    from watcher.plugins import discover
    from watcher.testing.previews import of_rule

    bound = next((one for one in loaded.rules if one.name == name), None)
    installed = discover().rules
    if bound is None and name not in installed:
        known = ", ".join(sorted({*(one.name for one in loaded.rules), *installed}))
        raise typer.BadParameter(f"there is no rule {name!r}; there are: {known}", param_hint="--rule")
    made = type(bound.rule) if bound is not None else installed[name]
    if bound is None:
        typer.echo(f"rule {name} is not in this configuration; shown with its own defaults", err=True)
        bound = BoundRule(name=name, rule=cast("Callable[[Any], Any]", made)(made.Options()))
    told = of_rule(bound, made)
    if told is None:
        raise WatcherError(
            f"rule {name!r} brings no sample in which it speaks; look at it with --kind and a kind that it listens to"
        )
    return [told]


def _of_store(loaded: Loaded, url: str, wanted: str, end: str) -> list[Preview]:
    from watcher.cli.look import read_store

    async def found(store: Store) -> list[Preview]:
        from watcher.cli.look import find_job
        from watcher.core.codec import event_from_json
        from watcher.core.events import EventId
        from watcher.core.message import job_card
        from watcher.core.model import Course
        from watcher.testing.previews import Preview, of_event

        lines = await store.account(EventId(wanted))
        event = event_from_json(json_text.dumps(lines[0].data, default=str)) if lines else None
        ref = (
            getattr(event, "job", None)
            if event is not None
            else await find_job(store, wanted, also="no event has this id")
        )
        watch = await store.watch(ref) if ref is not None else None
        owed = [
            one
            for one in await store.deliveries(limit=_MOST)
            if (one.notification.event_id == event.id if event is not None else one.notification.job == ref)
        ]
        here = [one for one in owed if one.receiver == end] or owed
        if event is None:
            here = here[-1:]
        link = _link(loaded, watch.snapshot) if watch is not None else ""
        if here:
            card = None if watch is None else job_card(watch.snapshot, link, watch.course)
            said = {one.notification.id: one.notification for one in here}
            return [Preview(one, card) for one in said.values()]
        if event is None:
            raise WatcherError(
                f"{wanted}: nothing was told about this job; name one of its events (`dlc-watcher events`)"
            )
        job, way = (None, Course()) if watch is None else (watch.snapshot, watch.course)
        return _heard(list(of_event(event, job, loaded.book, way, link)), f"event {wanted}")

    return read_store(url, found)


def _link(loaded: Loaded, job: JobSnapshot) -> str:
    """The link that the job's source makes; a source needs no network and no key for that."""
    source = loaded.sources.get(job.ref.source)
    return "" if source is None else str(source.kind(job.ref.source, source.settings).console_url(job))


def _message(news: list[Preview], end: str, loaded: Loaded) -> Message:
    """The news as one message, in the receiver's language and its own words."""
    from watcher.notifiers.own_words import in_own_words
    from watcher.testing.previews import preview_message

    common = loaded.receivers[end].common
    message = preview_message(news, end, common.locale)
    worded, faults = in_own_words(message, common.templates)
    for part, fault in faults:
        typer.echo(f"template of {part}: {fault}; shown in the built-in words", err=True)
    return worded


def _shown(loaded: Loaded, end: str, message: Message, form: Form) -> str:
    from anyio import run

    kind, settings, _ = loaded.receivers[end]

    async def rendered() -> Mapping[str, Any]:  # some notifiers want a running loop when they are made
        notifier = kind(end, settings)
        try:
            return notifier.render(message)
        finally:
            await notifier.aclose()

    wire = run(rendered)
    forms = dict(_forms(wire, message))
    if form not in forms:
        raise typer.BadParameter(
            f"receiver {end!r} ({kind.kind}) has no {form.value}; it has: {', '.join(forms)}", param_hint="--as"
        )
    return forms[form]().rstrip("\n")


def _forms(wire: Mapping[str, Any], message: Message) -> Iterator[tuple[Form, Callable[[], str]]]:
    """What can be shown of a wire, by what it holds."""
    if isinstance(wire.get("text"), str):
        yield Form.TEXT, partial(str, wire["text"])
    elif isinstance(wire.get("body"), str):
        yield Form.TEXT, partial("{title}\n\n{body}".format, title=wire.get("title", ""), body=wire["body"])
    elif "lines" in wire:
        yield Form.TEXT, partial("\n".join, list(map(_line, wire["lines"])))
    if isinstance(wire.get("html"), str):
        yield Form.HTML, partial(str, wire["html"])
    if "blocks" in wire:
        yield Form.BLOCKS, partial(_json, {"blocks": wire["blocks"]})
    if {"headers", "text", "html"} <= wire.keys():
        yield Form.EML, partial(_mail, wire, message)
    yield Form.JSON, partial(_json, dict(wire))


def _line(line: Mapping[str, Any]) -> str:
    return " " * int(line["indent"]) + "".join(words for words, _ in line["spans"])


def _json(value: object) -> str:
    return json_text.dumps(value, indent=2, ensure_ascii=False, default=str)


def _mail(wire: Mapping[str, Any], message: Message) -> str:
    from watcher.notifiers.mail import compose_mail

    mail = compose_mail(wire, message.items[-1].at)
    mail.set_boundary("=_dlc-watcher-preview")
    return mail.as_bytes().decode("ascii").replace("\r\n", "\n")
