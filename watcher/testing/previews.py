"""News to show how something would look: of every rule that brings a sample, and of every kind of event."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, partial
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

from watcher.core.absence import Absence
from watcher.core.attempts import AttemptEnd
from watcher.core.calls import CallKind
from watcher.core.codec import event_from_json
from watcher.core.consequence import Book, consequences
from watcher.core.declared import sentence, told
from watcher.core.delivery import FlushId
from watcher.core.digest import Digest, Period, Share
from watcher.core.digest import told as digest_of
from watcher.core.events import Event, job_of
from watcher.core.fallback import Why
from watcher.core.language import PLAIN, Locale
from watcher.core.message import JobCard, Message, compose, job_card
from watcher.core.model import Course as Way
from watcher.core.model import JobId, JobRef, JobSnapshot, PodSnapshot, RestartCount, RoleSpec, SourceName, StatusPeriod
from watcher.core.phases import Phase
from watcher.core.rule import BoundRule, Context, Notification, NotificationId, Rule, Severity, Wording
from watcher.errors import NotifierError
from watcher.notifiers.slack_replies import classify, classify_answer
from watcher.testing.cases import Case, bind, load_cases
from watcher.testing.course import ZERO, Course
from watcher.testing.later import called, instead, owed_to, without_owner

_CONSOLE: Final = "https://pai.console.aliyun.com/?regionId=cn-hangzhou#/job/detail?jobId={}"


@dataclass(frozen=True, slots=True)
class Preview:
    """One piece of news, and the job as it stood.

    Attributes:
        said: the news.
        card: the job.
        owed_since: since when the news is owed; None for since it was seen.
    """

    said: Notification
    card: JobCard | None
    owed_since: datetime | None = None


def sample_file(rule: type[Rule]) -> Path | None:
    """The sample that a rule brings: `samples/NAME.yaml` beside its module; None where there is none."""
    module = inspect.getsourcefile(sys.modules[rule.__module__])
    file = Path(module).parent / "samples" / f"{rule.name}.yaml" if module else None
    return file if file is not None and file.is_file() else None


def of_rule(bound: BoundRule, rule: type[Rule], *, number: int = 0) -> Preview | None:
    """What the rule, with its options as configured, says in its sample; else what it says there with the sample's own options.

    Args:
        bound: the rule as configured.
        rule: its class.
        number: which of the things it says in one case, from 0.

    Raises:
        CaseError: the sample is not written as a case is.
        OSError: it cannot be read.
    """
    file = sample_file(rule)
    for case in load_cases(file, shown=str(file)) if file is not None else ():
        for tried in (bound, replace(bind(case, rule), name=bound.name, labels=bound.labels)):
            found = next(islice(_said(case, tried), number, None), None)
            if found is not None:
                return found
    return None


def _said(case: Case, bound: BoundRule) -> Iterator[Preview]:
    course = Course(bound, case.jobs)
    told: set[NotificationId] = set()
    for step in case.course:
        course.take(step)
        for _, said in tuple(course.said.values()):
            if said.id in told:
                continue
            told.add(said.id)
            life = course.lives[said.job.job_id] if said.job is not None else None
            card = life and job_card(life.job, _CONSOLE.format(life.job.ref.job_id), life.way, as_of=said.observed_at)
            yield Preview(said, card or None)


@cache
def sample_events() -> Mapping[str, Event]:
    """One event of every kind, as docs/events.md shows it."""
    text = files("watcher.testing").joinpath("sample_events.json").read_text(encoding="utf-8")
    return {kind: event_from_json(json.dumps(body)) for kind, body in json.loads(text).items()}


def sample_job(event: Event) -> JobSnapshot | None:
    """A job that such an event could be about; None when it is about none."""
    ref = job_of(event)
    if ref is None:
        return None
    now = event.when.at
    running = StatusPeriod(status="Running", started_at=now - timedelta(hours=3))
    queued = StatusPeriod(status="Queuing", started_at=now - timedelta(hours=4), ended_at=running.started_at)
    members: dict[str, Any] = getattr(event, "__dataclass_fields__", {})
    status = str(getattr(event, next((name for name in ("status", "new_status") if name in members), ""), "Running"))
    return JobSnapshot(
        ref=ref,
        observed_at=event.when.observed_at,
        status=status,
        name="llama-70b-pretrain",
        user_name="wei",
        workspace_name="nlp-research",
        quota_name="research-gu8",
        job_type="PyTorchJob",
        requested_gpu=64.0,
        restarts=RestartCount.parse("1/3"),
        created_at=queued.started_at,
        submitted_at=queued.started_at,
        running_at=running.started_at,
        status_history=(queued, running),
        roles=(RoleSpec(role="Worker", count=8),),
        pods=tuple(PodSnapshot(pod_id=f"{ref.job_id}-worker-{n}", role="Worker", status="Running") for n in range(8)),
    )


def of_event(event: Event, job: JobSnapshot | None, book: Book, way: Way = Way(), url: str = "") -> Iterator[Preview]:  # noqa: B008 - frozen
    """What the rules say about an event, each piece of news; one in plain words where all are silent."""
    now = event.when.observed_at
    context = Context(now=now, job=job, phase_since=event.when.at if job is not None else None, course=way)
    said = consequences((event,), context, book, now).notifications
    card = None if job is None else job_card(job, url or _CONSOLE.format(job.ref.job_id), way, as_of=now)
    for one in said or (plainly(event),):
        yield Preview(one, card)


def plainly(event: Event) -> Notification:
    """The event as news of no rule."""
    job: JobRef | None = job_of(event)
    return Notification(
        id=NotificationId(f"preview-{event.id}"),
        rule="preview",
        severity=Severity.INFO,
        headline=sentence(event),
        wording=Wording(headline=told(event)),
        facts=(),
        detail="",
        event_id=event.id,
        kind=event.kind,
        at=event.when.at,
        observed_at=event.when.observed_at,
        job=job,
        cause=event.cause,
        labels=(),
    )


def _share(job_id: str, title: str, **members: Any) -> Share:
    plain = {"ran": True, "end": None, "reason": "", "restarts": 0, "used": 0.0, "down": 0.0, "in_vain": 0.0}
    known = {**plain, "waited": None, "phase": Phase.RUNNING, **members}
    return Share(job=JobRef(SourceName("hangzhou"), JobId(job_id)), title=title, **known)


_DAY: Final = Digest(
    period=Period(ZERO - timedelta(days=1), ZERO),
    shares=(
        _share("dlc1", "llama-70b-pretrain", used=1210.0, down=14.5, restarts=2, waited=timedelta(minutes=16)),
        _share(
            "dlc2",
            "qwen-sft-sweep-3",
            end=AttemptEnd.FAILED,
            reason="PodFailed",
            used=96.0,
            in_vain=96.0,
            phase=Phase.FAILED,
            waited=timedelta(hours=2),
        ),
        _share("dlc3", "tokenise-corpus", end=AttemptEnd.SUCCEEDED, used=12.5, phase=Phase.SUCCEEDED),
        _share("dlc4", "eval-nightly", ran=False, phase=Phase.PENDING),
    ),
    evicted=(JobRef(SourceName("hangzhou"), JobId("dlc1")),) * 2,
)


_REVOKED: Final = classify_answer("token_revoked", 200, {}, place="Slack channel #ml-jobs")
_UNREACHED: Final = classify(TimeoutError(), place="Slack channel #ml-jobs")


def message_kinds(rules: Mapping[str, type[Rule]], locale: Locale = PLAIN) -> Mapping[str, Message]:
    """One message of every kind, made of what the rules really say in their samples, for a reader of that language.

    Args:
        rules: by name, those of the program.
        locale: how the reader is spoken to.
    """

    def told(rule: str, job_id: str = "", title: str = "", away: Absence | None = None, number: int = 0) -> Preview:
        bound = BoundRule(name=rule, rule=cast("Any", rules[rule])(rules[rule].Options()))
        found = of_rule(bound, rules[rule], number=number)
        if found is None:
            raise ValueError(f"rule {rule!r} brings no sample in which it speaks")
        said = replace(found.said, away=away)
        if not job_id or found.card is None or found.card.card is None:
            return Preview(said, found.card)
        ref = JobRef(SourceName("hangzhou"), JobId(job_id))
        drawn = replace(found.card.card, ref=ref, title=title, url=_CONSOLE.format(job_id))
        card = replace(found.card, ref=ref, title=title, url=drawn.url, card=drawn)
        return Preview(replace(said, job=ref, id=NotificationId(f"{said.id}-{job_id}")), card)

    at = told("job-failed").said.at
    away = Absence(at - timedelta(hours=9), at + timedelta(minutes=20))
    kinds: dict[str, tuple[Preview, ...]] = {
        "single": (told("job-failed"),),
        "reply": (told("job-recovered"),),
        "several-of-one-job": (told("pod-evicted"), told("job-restarted"), told("job-recovered")),
        "several-jobs": (
            told("stuck-pending", "dlc9queued", "eval-nightly"),
            told("job-failed", "dlc1vpb4vfdd2kr", "llama-70b-pretrain"),
            told(
                "job-succeeded",
                "dlc7done",
                "训练任务-大模型-tokenise-corpus-with-a-very-long-name-that-people-really-use",
            ),
        ),
        "storm": (told("storm"),),
        "while-away": (told("pod-evicted", away=away), told("job-restarted", away=away), told("job-failed", away=away)),
        "watcher-itself": (told("watch-blind"),),
        "cause": (told("root-cause"),),
        "flapping": (told("flapping"),),
        "flapping-settled": (told("flapping", number=1),),
        "digest": (Preview(digest_of(_DAY, "team", ZERO)[0], None),),
        "reminder": (remade(told("stuck-pending"), partial(called, kind=CallKind.REMIND)),),
        "escalation": (remade(told("job-failed"), partial(called, kind=CallKind.ESCALATE)),),
        "fallback-dead": in_place(told("job-failed"), Why.DEAD, _REVOKED),
        "fallback-down": in_place(told("job-failed"), Why.DOWN, _UNREACHED),
        "owner-unknown": (Preview(without_owner(told("job-failed").said, "wei"), None),),
        "held": (told("job-recovered", "dlc1", "llama-70b-pretrain"),),
    }
    overtaken = {"held": (told("pod-evicted", "dlc1"), told("job-restarted", "dlc1"))}
    receivers = {"escalation": "oncall", "fallback-dead": "mail", "fallback-down": "mail"}
    threads = dict.fromkeys(("reply", "reminder"), "<root@example.com>")
    return {
        kind: preview_message(
            news,
            receivers.get(kind, "team"),
            locale,
            thread_reference=threads.get(kind, ""),
            folded=overtaken.get(kind, ()),
        )
        for kind, news in kinds.items()
    }


def remade(news: Preview, into: Callable[[Notification], Notification]) -> Preview:
    """Other news of the same job."""
    return Preview(into(news.said), news.card)


def in_place(news: Preview, why: Why, error: NotifierError) -> tuple[Preview, ...]:
    """What a fallback is told of it."""
    return tuple(Preview(owed.notification, news.card, owed.created_at) for owed in instead(news.said, why, str(error)))


def preview_message(
    news: Sequence[Preview],
    receiver: str,
    locale: Locale = PLAIN,
    *,
    thread_reference: str = "",
    folded: Sequence[Preview] = (),
) -> Message:
    """The news as one message to this receiver; `folded` was held with it, and is told by what came of it."""
    return compose(
        tuple(owed_to(receiver, one.said, one.owed_since) for one in news),
        {one.card.ref: one.card for one in news if one.card is not None},
        flush_id=FlushId("00000000-0000-5000-8000-000000000000"),
        attempt=1,
        thread_reference=thread_reference,
        locale=locale,
        folded=tuple(owed_to(receiver, one.said) for one in folded),
    )
