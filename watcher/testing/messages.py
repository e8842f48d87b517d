"""Messages to try a notifier with: the plain ones, the long ones, and the malicious ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from watcher.core.absence import Absence
from watcher.core.card import Card, PodCount, Stretch
from watcher.core.delivery import FlushId
from watcher.core.events import deterministic_id
from watcher.core.message import Item, JobCard, Message, loudest, told_late
from watcher.core.model import JobId, JobRef, SourceName
from watcher.core.phases import Phase, PodPhase, phase_of
from watcher.core.rule import Severity, Shown

AT: Final = datetime(2026, 2, 3, 14, 3, 22, tzinfo=UTC)
CONSOLE: Final = "https://pai.console.aliyun.com/?regionId=cn-hangzhou#/job/detail?jobId={}&workspaceId=268"

HOSTILE: Final[Mapping[str, str]] = {
    "mention": "<!channel> <!here> <@U012AB3CD> @everyone #general",
    "slack-link": "<https://evil.example|your bank> & <mailto:a@b.example>",
    "header": "innocent\r\nBcc: victim@example.com\r\n\r\nbody",
    "html": "<script>alert(1)</script><img src=x onerror=alert(2)> &lt;b&gt; \" '",
    "terminal": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\ \x9b2Jgone\x08\x08\x07",
    "markup": "[bold red]loud[/] [link=https://evil.example]x[/link] *bold* _it_ ~st~ `code` ```block``` {{ 7*7 }} {% raw %}",
    "direction": "nimda\u202egnp.exe\u202c \u2066isolate\u2069 zero\u200bwidth \ufeffbom",
    "breaks": "a\nb\u2028c\u2029d\x0be\x0cf\x85g\x00h",
    "wide": "训练任务-大模型 🚀 " + "界" * 40,
}
"""Names that a job may have, by what they try."""


def job(
    job_id: str = "dlc1vpb4vfdd2kr",
    title: str = "llama-70b-pretrain",
    *,
    url: str | None = None,
    facts: Shown | None = None,
    status: str = "Failed",
    card: Card | None = None,
) -> JobCard:
    """A job's card."""
    return JobCard(
        ref=JobRef(SourceName("hangzhou"), JobId(job_id)),
        title=title,
        url=CONSOLE.format(job_id) if url is None else url,
        status=status,
        facts=(("Workspace", "nlp-research"), ("User", "wei"), ("GPUs", "64"), ("Restarts", "2"))
        if facts is None
        else facts,
        card=card,
    )


def card(job_id: str = "dlc1vpb4vfdd2kr", title: str = "llama-70b-pretrain", *, url: str | None = None) -> Card:
    """A job at one glance: queued, run, restarted after an eviction, run again, failed."""
    begun = AT - timedelta(hours=5, minutes=1)
    lengths = (("Queuing", 12), ("EnvPreparing", 4), ("Running", 193), ("Restarting", 7), ("Running", 85))
    bar, since = [], begun
    for status, minutes in lengths:
        length = timedelta(minutes=minutes)
        bar.append(Stretch(phase=phase_of(status), status=status, since=since, length=length))
        since += length
    bar.append(Stretch(phase=Phase.FAILED, status="Failed", since=since, current=True))
    return Card(
        ref=JobRef(SourceName("hangzhou"), JobId(job_id)),
        title=title,
        url=CONSOLE.format(job_id) if url is None else url,
        status="Failed",
        phase=Phase.FAILED,
        bar=tuple(bar),
        attempt=2,
        attempts=4,
        pods=(
            PodCount("Master", PodPhase.SUCCEEDED, 1),
            PodCount("Worker", PodPhase.SUCCEEDED, 6),
            PodCount("Worker", PodPhase.FAILED, 1),
        ),
        evicted=1,
        gpus=64,
        gpu_hours=296.5,
        gpu_hours_down=7.5,
        waited=timedelta(minutes=16),
        workspace="nlp-research",
        quota="research-gu8",
        owner="wei",
        job_type="PyTorchJob",
        reason_code="PodFailed",
        reason="worker-3 was killed: out of memory.",
        as_of=AT + timedelta(seconds=8),
    )


def running(job_id: str = "dlc1vpb4vfdd2kr", title: str = "llama-70b-pretrain") -> Card:
    """The same job while it ran again."""
    ended = card(job_id, title)
    *bar, _ = ended.bar
    return replace(
        ended,
        status="Running",
        phase=Phase.RUNNING,
        bar=(*bar[:-1], replace(bar[-1], current=True)),
        pods=(PodCount("Master", PodPhase.RUNNING, 1), PodCount("Worker", PodPhase.RUNNING, 7)),
        reason_code="",
        reason="",
    )


def item(
    headline: str = "Failed after 3h12m",
    *,
    severity: Severity = Severity.CRITICAL,
    about: JobCard | None = None,
    facts: Shown = (),
    detail: str = "",
    kind: str = "job.failed",
    rule: str = "job-failed",
    after: timedelta = timedelta(0),
) -> Item:
    """One thing that happened, `after` the samples' time."""
    return Item(
        severity=severity, headline=headline, facts=facts, detail=detail, at=AT + after, kind=kind, rule=rule, job=about
    )


def message(
    *items: Item, title: str = "", name: str = "sample", thread_reference: str = "", attempt: int = 1
) -> Message:
    """A message of these items; its id follows from `name`."""
    first = items[0]
    about = first.job
    return Message(
        id=FlushId(deterministic_id("sample", name)),
        receiver="team",
        thread_key=f"job:{about.ref}" if about else "group:all",
        thread_title=f"{about.title} ({about.ref.job_id})" if about else "dlc-watcher: all",
        thread_reference=thread_reference,
        severity=loudest([entry.severity for entry in items]),
        title=title or (f"{about.title}: {first.headline}" if about else first.headline),
        items=items,
        attempt=attempt,
    )


_FAILED: Final = item(
    about=job(),
    facts=(("Reason", "PodFailed"), ("Exit code", "137"), ("Pod", "dlc1vpb4vfdd2kr-worker-3"), ("Ran for", "3h12m")),
    detail="worker-3 was killed: out of memory.\nCUDA error: device-side assert triggered",
)
_QUEUED: Final = item(
    "Queuing for 45m: not enough resources in the quota",
    severity=Severity.WARNING,
    about=job("dlc9queued", "eval-nightly", status="Queuing"),
    kind="job.deadline",
    rule="stuck-pending",
    after=timedelta(seconds=5),
)
_DONE: Final = item(
    "Succeeded after 41m",
    severity=Severity.INFO,
    about=job("dlc7done", "tokenise-corpus", url="", status="Succeeded"),
    kind="job.succeeded",
    rule="job-succeeded",
    after=timedelta(seconds=9),
)
_BLIND: Final = item(
    "No answer from DLC in cn-hangzhou for 5m",
    facts=(("Source", "hangzhou"), ("Last answer", "2026-02-03 13:58:20 UTC")),
    detail="Throttled: the account asks too often [Throttling.User]",
    kind="watch.blind",
    rule="watch-blind",
)
_AWAY: Final = Absence(AT - timedelta(hours=2, minutes=30), AT)
_LATE: Final = told_late(
    [
        *(
            item(
                f"Restart {n} of 3 after eviction, 4 m down",
                severity=severity,
                about=job(),
                kind="job.restarted",
                rule="job-restarted",
                after=timedelta(minutes=30 * n - 150),
            )
            for n, severity in ((1, Severity.WARNING), (2, Severity.INFO), (3, Severity.CRITICAL))
        ),
        replace(_FAILED, at=AT - timedelta(minutes=20), away=_AWAY),
    ],
    _AWAY,
)
_AGAIN: Final = (
    item(
        "Pod dlc1vpb4vfdd2kr-worker-3 was evicted from node cn-hangzhou.10.0.7.21",
        severity=Severity.WARNING,
        about=job(),
        facts=(("Role", "Worker"), ("Spot", "yes"), ("Restarts", "1 of 3")),
        detail="The instance was taken back by its owner.",
        kind="pod.evicted",
        rule="pod-evicted",
    ),
    item(
        "Restart 1 of 3 after eviction",
        severity=Severity.INFO,
        about=job(),
        kind="job.restarted",
        rule="job-restarted",
        after=timedelta(minutes=1),
    ),
    item(
        "Runs again after 7 m",
        severity=Severity.INFO,
        about=job(),
        kind="job.recovered",
        rule="job-recovered",
        after=timedelta(minutes=8),
    ),
)
_PODS: Final = "\n".join(
    f"dlc1vpb4vfdd2kr-worker-{n} evicted from node cn-hangzhou.10.0.{n // 250}.{n % 250}" for n in range(5000)
)


def _story(length: int) -> tuple[Item, ...]:
    return tuple(
        item(
            f"Pod worker-{n} evicted: the node is short of memory",
            severity=Severity.WARNING,
            about=job(),
            facts=(("Pod", f"worker-{n}"), ("Node", f"10.0.0.{n}")),
            detail="The node was low on resource: memory." if n % 2 else "",
            kind="pod.evicted",
            rule="pod-evicted",
            after=timedelta(seconds=n),
        )
        for n in range(length)
    )


def _hostile(name: str, text: str) -> Message:
    return message(
        item(
            text,
            about=job(title=text, facts=((text, text),)),
            facts=((text, text),),
            detail=f"{text}\n{text}",
            rule=text,
        ),
        item(
            "and more", about=job(title=text, facts=((text, text),)), facts=((text, text),), after=timedelta(seconds=1)
        ),
        title=f"{text}: {text}",
        name=f"hostile-{name}",
    )


SAMPLES: Final[Mapping[str, Message]] = {
    "single": message(_FAILED, name="single"),
    "bare": message(_DONE, name="bare"),
    "watcher-itself": message(_BLIND, name="watcher-itself"),
    "with-card": message(replace(_FAILED, job=job(card=card())), name="with-card"),
    "several-with-card": message(
        *(replace(one, job=job(card=running(), status="Running")) for one in _AGAIN),
        title="llama-70b-pretrain: Runs again after 7 m (+2 more)",
        name="several-with-card",
    ),
    "several-of-one-job": message(
        *_story(3), title="llama-70b-pretrain: Pod worker-2 evicted (+2 more)", name="several"
    ),
    "while-away": message(_LATE, name="away"),
    "several-jobs": message(_FAILED, _QUEUED, _DONE, title="3 notices about 3 jobs", name="jobs"),
    "storm": message(*_story(120), title="llama-70b-pretrain: Pod worker-119 evicted (+119 more)", name="storm"),
    "five-thousand-pods": message(
        item(
            "5000 pods evicted",
            about=job(),
            facts=tuple((f"Pod {n}", f"worker-{n} on 10.0.{n // 250}.{n % 250}") for n in range(5000)),
            detail=_PODS,
        ),
        name="pods",
    ),
    "very-long": message(
        *(
            item(
                "&<>" * 2000,
                about=job(f"dlclong{n}", "<&>" * 400, url=f"https://example.com/?{'a=b&' * 140}{n}"),
                facts=(("&" * 300, "<" * 9000),) * 20,
                detail="<&>" * 20_000,
            )
            for n in range(60)
        ),
        title=">" * 9000,
        name="long",
    ),
    **{f"hostile-{name}": _hostile(name, text) for name, text in HOSTILE.items()},
}
"""One of every kind, by name. Ids are fixed, so that renderings can be compared with golden files."""


def again(sample: Message, *, attempt: int = 2) -> Message:
    """The same message at a later attempt."""
    return replace(sample, attempt=attempt)


def reply(sample: Message, thread_reference: str, *, name: str) -> Message:
    """A later message of the same thread."""
    return replace(sample, thread_reference=thread_reference, id=FlushId(deterministic_id("reply", name)))
