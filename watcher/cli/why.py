"""`why`: for one event, or for the last ones of a job, every rule that was asked, what it answered, and what came of it.

What was decided, owed and delivered are rows, told as they stand. With a configuration at hand it is also told which of its rules
were not asked, and which value and pattern did not fit where a rule's `match` kept it out.
"""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watcher.cli.look import find_job, read_store, shown_time
from watcher.cli.options import DEFAULT_CONFIG, JsonOption, StoreOption, load_configuration, print_json, store_url

if TYPE_CHECKING:
    from watcher.core.events import Event
    from watcher.core.matching import Labels
    from watcher.core.model import JobSnapshot
    from watcher.core.rule import BoundRule
    from watcher.core.wishes import Wish
    from watcher.ports.store import Store, StoryLine


@dataclass(frozen=True, slots=True)
class Answer:
    """What one rule answered about one event.

    Attributes:
        explained: what the configuration adds: the label, value and pattern that did not fit, the condition that was false; or "".
        outcome: what became of a deadline it set, or why nothing is owed although it spoke; or "".
        deliveries: what is owed for it, as stored, each with its receipt under `receipt` where one came.
        troubles: of what it told and goes on: that it began, who took it on, how it ended.
    """

    rule: str
    reason: str
    note: str
    explained: str
    outcome: str
    deliveries: tuple[Mapping[str, Any], ...]
    troubles: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """One event and all answers about it.

    Attributes:
        not_asked: rules of the configuration that do not listen to this kind of event.
        not_there: rules of the configuration that would have been asked but were not: they came later, or nothing was to be kept.
    """

    event: Event
    answers: tuple[Answer, ...]
    not_asked: tuple[str, ...]
    not_there: tuple[str, ...]


def why(
    wanted: Annotated[
        str, typer.Argument(help="An event's id, or a job: its id, source/id, or name.", metavar="JOB|EVENT")
    ],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            envvar="DLC_WATCHER_CONFIG",
            help="The configuration file (default: dlc-watcher.yaml, unless --store is given).",
            metavar="FILE",
        ),
    ] = None,
    store: StoreOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many of a job's newest events.")] = 10,
    json: JsonOption = False,
) -> None:
    """Why somebody was told, or not: what every rule made of an event (of a job: newest first), and what became of it."""
    place = config or (DEFAULT_CONFIG if store is None else None)
    loaded = None if place is None else load_configuration(place)
    rules, wishes = ((), frozenset()) if loaded is None else (loaded.rules, loaded.book.wishes)
    told = read_store(store_url(place or DEFAULT_CONFIG, store), lambda opened: _lines(opened, wanted, limit))
    accounts = [account(lines, story, rules, wishes) for lines, story in told]
    if json:
        from watcher.core.codec import plain

        print_json([plain(one) for one in accounts])
        return
    from watcher.cli.terminal import console, safe

    out = console()
    for one in accounts:
        for text, style in _words(one, configured=bool(rules)):
            out.print(safe(text), style=style)
    if not accounts:
        out.print("No events of this job are stored.")


async def _lines(store: Store, wanted: str, limit: int) -> list[tuple[tuple[StoryLine, ...], tuple[StoryLine, ...]]]:
    """For each event its own lines, and the story of its job."""
    from watcher.core.codec import event_from_json
    from watcher.core.events import EventId, job_of

    own = await store.account(EventId(wanted))
    if own:
        job = job_of(event_from_json(json_text.dumps(own[0].data)))
        return [(own, await store.story(job) if job is not None else ())]
    job = await find_job(store, wanted, also="no event has this id either")
    story = await store.story(job)
    newest = list(reversed(await store.events(job=job, limit=limit)))
    return [(await store.account(event.id), story) for event in newest]


def account(
    lines: Sequence[StoryLine],
    story: Sequence[StoryLine],
    rules: Sequence[BoundRule],
    wishes: frozenset[Wish] = frozenset(),
) -> Account:
    """Put together what is told of one event.

    Args:
        lines: what `Store.account` gives for it.
        story: what `Store.story` gives for its job; empty when it is about none.
        rules: those of the configuration at hand; empty without one.
        wishes: what it lets jobs wish by their tags.
    """
    from watcher.core.codec import event_from_json
    from watcher.core.matching import labels_of
    from watcher.core.wishes import wishes_of

    event = event_from_json(json_text.dumps(lines[0].data))
    decided = [line.data for line in lines if line.kind == "decision"]
    receipts = {line.data["flush_id"]: line.data for line in lines if line.kind == "receipt"}
    owed: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        if line.kind == "delivery":
            receipt = receipts.get(line.data["flush_id"])
            owed.setdefault(line.data["notification"]["rule"], []).append({**line.data, "receipt": receipt})
    by_name = {bound.name: bound for bound in rules}
    job = _job_then(event, story)
    owner = "" if job is None else wishes_of(job.tags, wishes, (), event.when.observed_at).owner
    answers = tuple(
        Answer(
            rule=one["rule"],
            reason=one["reason"],
            note=one["note"],
            explained=_explained(one, by_name.get(one["rule"]), labels_of(event, job, owner)) if rules else "",
            outcome=_outcome(one, owed.get(one["rule"], ()), story),
            deliveries=tuple(owed.get(one["rule"], ())),
            troubles=tuple(
                {"at": line.at, **line.data}
                for line in lines
                if line.kind == "trouble" and line.data["rule"] == one["rule"]
            ),
        )
        for one in decided
    )
    silent = [bound for bound in rules if bound.name not in {answer.rule for answer in answers}]
    return Account(
        event=event,
        answers=answers,
        not_asked=tuple(bound.name for bound in silent if not _listens(bound, event)),
        not_there=tuple(bound.name for bound in silent if _listens(bound, event)),
    )


def _listens(bound: BoundRule, event: Event) -> bool:
    from watcher.core.events import DeadlinePassed

    return event.rule == bound.name if isinstance(event, DeadlinePassed) else event.kind in bound.kinds


def _job_then(event: Event, story: Sequence[StoryLine]) -> JobSnapshot | None:
    """The job as it was held when the event was seen: the last snapshot kept until then."""
    from watcher.core.codec import snapshot_from_json

    seen = [line for line in story if line.kind == "snapshot" and line.at <= event.when.observed_at]
    return snapshot_from_json(json_text.dumps(seen[-1].data)) if seen else None


def _explained(decision: Mapping[str, Any], bound: BoundRule | None, labels: Labels) -> str:
    if bound is None:
        return "this rule is not in the configuration"
    if decision["reason"] == "not-matched":
        label = decision["note"]
        tests = [test for test in bound.match.tests if test.label == label]
        if not tests:
            return f"the configuration no longer asks for {label}"
        return next((test for test in tests if not test.holds(labels)), tests[0]).refusal(labels)
    if decision["reason"] == "condition-false":
        return f"when: {getattr(bound.when, 'text', '') or 'no longer in the configuration'}"
    return ""


def _outcome(decision: Mapping[str, Any], owed: Sequence[object], story: Sequence[StoryLine]) -> str:
    if decision["reason"] == "deadline-set":
        at = _instant(decision["note"].partition("; ")[0])
        for line in story:
            data = line.data
            if (
                line.kind == "event"
                and data["kind"] == "deadline.passed"
                and data["rule"] == decision["rule"]
                and _instant(data["due_at"]) == at
            ):
                return f"it passed: event {data['id']}"
        return "no event says that it passed: it is still to come, or was moved"
    if decision["reason"] == "investigates":
        return _found(decision["note"], story)
    if decision["reason"] == "notified" and not owed:
        return "nothing is owed: the same news was told before, and is told once"
    return ""


def _found(answer: str, story: Sequence[StoryLine]) -> str:
    """What came of an inquiry; its note is the id of the event that answers it."""
    from watcher.core.codec import event_from_json
    from watcher.core.declared import sentence

    for line in story:
        if line.kind == "event" and line.data["id"] == answer:
            missing = f"; could not read: {line.data['unread']}" if line.data["unread"] else ""
            return f"answered: {sentence(event_from_json(json_text.dumps(line.data)))}{missing}"
    return "not answered yet"


def _instant(text: str) -> object:
    from datetime import datetime

    return datetime.fromisoformat(text)


def _words(one: Account, *, configured: bool) -> Iterator[tuple[str, str]]:
    from watcher.cli.words import trouble_words
    from watcher.core.declared import sentence
    from watcher.core.events import job_of

    event = one.event
    about = f"{job_of(event)}  " if job_of(event) else ""
    provenance = event.when.provenance.value
    late = ", late" if event.when.late else ""
    yield f"{shown_time(event.when.at)}  {about}{event.kind}  {sentence(event)}  [{provenance}{late}]", "bold"
    yield f"  event {event.id}, seen {shown_time(event.when.observed_at)}", "dim"
    for answer in one.answers:
        note = f": {answer.note}" if answer.note else ""
        added = "; ".join(filter(None, (answer.explained, answer.outcome)))
        if answer.reason == "not-matched" and answer.explained:
            note = ""
        spoke = answer.reason == "notified"
        text = f"  {answer.rule}  {answer.reason}{note}" + (f" ({added})" if added else "")
        yield text, "green" if spoke else "red" if answer.reason == "failed" else ""
        for delivery in answer.deliveries:
            yield f"    -> {_delivery(delivery)}", "red" if delivery["state"] == "dead" else "cyan"
        for trouble in answer.troubles:
            yield f"{trouble_words(trouble).text}, {shown_time(trouble['at'])}", "yellow"
    if not one.answers:
        yield "  no rule was asked, or none of its answers was kept", "dim"
    if one.not_there:
        yield f"  no answer is stored of: {', '.join(one.not_there)} (it came later, or had nothing to add)", "dim"
    if one.not_asked:
        yield f"  not asked, for they listen to other events: {', '.join(one.not_asked)}", "dim"
    if not configured:
        yield "  (with --config it is also told which rules were not asked, and what did not fit)", "dim"


def _delivery(data: Mapping[str, Any]) -> str:
    receipt = data["receipt"] or {}
    where = ", ".join(filter(None, (receipt.get("reference"), receipt.get("place"), receipt.get("note"))))
    told = {
        "pending": f"held until {_clock(data['not_before'])}, in group {data['group_key']}",
        "sending": f"on its way since {_clock(data['first_attempt_at'])}",
        "retrying": f"next try at {_clock(data['not_before'])}",
        "delivered": f"at {_clock(data['settled_at'])}" + (f", {where}" if where else ""),
        "dead": f"given up at {_clock(data['settled_at'])}",
        "withheld": f"recorded at {_clock(data['settled_at'])}, nothing was sent",
        "folded": f"not sent by itself, folded at {_clock(data['settled_at'])}",
    }[data["state"]]
    tries = f", {data['attempt']} tries" if data["attempt"] > 1 else ""
    error = f": {data['error']}" if data["error"] else ""
    said = data["notification"].get("occasion", "news")
    again = "" if said == "news" else f"  {said}"
    return f"{data['receiver']}{again}  {data['state']} ({data['reason']}{tries}), {told}{error}"


def _clock(text: str | None) -> str:
    from datetime import datetime

    return shown_time(None if text is None else datetime.fromisoformat(text))
