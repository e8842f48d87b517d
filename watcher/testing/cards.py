"""Living cards to try a notifier with: the plain ones, the long ones, and the malicious ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from watcher.core.card import Card, PodCount, Stretch
from watcher.core.delivery import FlushId, Receipt
from watcher.core.events import deterministic_id
from watcher.core.living import CardLoss, CardView
from watcher.core.model import JobId, JobRef, SourceName
from watcher.core.phases import Phase, PodPhase
from watcher.testing.messages import AT, CONSOLE, HOSTILE


def bar(*stretches: tuple[Phase, float | None], ended: bool = False) -> tuple[Stretch, ...]:
    """A phase bar that ends at the samples' time; lengths in minutes, None for one that is not known."""
    lengths = [None if minutes is None else timedelta(minutes=minutes) for _, minutes in stretches]
    since = AT - sum((length for length in lengths if length), timedelta())
    made = []
    for place, ((phase, _), length) in enumerate(zip(stretches, lengths, strict=True)):
        current = place == len(stretches) - 1
        shown = None if current and ended else length
        began = None if length is None and not current else since
        made.append(Stretch(phase=phase, status=phase.value.title(), since=began, length=shown, current=current))
        since += length or timedelta()
    return tuple(made)


def card(*stretches: tuple[Phase, float | None], **members: Any) -> Card:
    """A card of a training job with these phases; lengths in minutes."""
    phase = stretches[-1][0]
    ended = phase in {Phase.SUCCEEDED, Phase.FAILED, Phase.STOPPED}
    job_id = members.pop("job_id", "dlc1vpb4vfdd2kr")
    return Card(
        **{
            "ref": JobRef(SourceName("hangzhou"), JobId(job_id)),
            "title": "llama-70b-pretrain",
            "url": CONSOLE.format(job_id),
            "status": phase.value.title(),
            "phase": phase,
            "bar": bar(*stretches, ended=ended),
            "gpus": 64.0,
            "workspace": "nlp-research",
            "quota": "h800-training",
            "owner": "wei",
            "as_of": AT,
            **members,
        }
    )


def view(shown: Card, *, name: str = "sample", **members: Any) -> CardView:
    """What an end is given to show; the id follows from `name`."""
    return CardView(id=FlushId(deterministic_id("sample-card", name)), receiver="team", card=shown, since=AT, **members)


def standing_there(shown: CardView, receipt: Receipt) -> CardView:
    """The same card, where it was posted."""
    return replace(shown, reference=receipt.reference, place=receipt.place)


_RUNNING: Final = card(
    (Phase.PENDING, 12),
    (Phase.STARTING, 2),
    (Phase.RUNNING, 95),
    (Phase.RESTARTING, 4),
    (Phase.RUNNING, 41),
    attempt=2,
    attempts=4,
    pods=(PodCount("master", PodPhase.RUNNING, 1), PodCount("worker", PodPhase.RUNNING, 7)),
    evicted=1,
    gpu_hours=145.1,
    gpu_hours_down=4.27,
    waited=timedelta(minutes=14),
    reason_code="NodeLost",
    reason="The node cn-hangzhou.10.0.3.17 was lost; the job was restarted.",
)

CARDS: Final[Mapping[str, CardView]] = {
    "queued": view(
        card((Phase.PENDING, 45), waited=timedelta(minutes=45), waiting=True, reason="JobEnqueued", attempts=4)
    ),
    "running": view(_RUNNING, name="running"),
    "failed": view(
        card(
            (Phase.PENDING, 3),
            (Phase.RUNNING, 192),
            (Phase.FAILED, None),
            attempt=1,
            attempts=1,
            pods=(PodCount("worker", PodPhase.FAILED, 1), PodCount("worker", PodPhase.SUCCEEDED, 7)),
            gpu_hours=204.8,
            waited=timedelta(minutes=3),
            reason_code="PodFailed",
            reason="worker-3 was killed: out of memory.\nCUDA error: device-side assert triggered",
        ),
        name="failed",
    ),
    "succeeded": view(
        card(
            (Phase.PENDING, 1),
            (Phase.RUNNING, 41),
            (Phase.SUCCEEDED, None),
            job_id="dlc7done",
            title="tokenise-corpus",
            url="",
            gpus=None,
        ),
        name="succeeded",
    ),
    "gone": view(card((Phase.RUNNING, 10), gone=True, title="deleted-while-running"), name="gone"),
    "replaced": view(
        _RUNNING, name="replaced", previous="1770127402.000100", previous_place="C0ML0JOBS", why=CardLoss.FULL
    ),
    "hardly-known": view(
        card((Phase.UNKNOWN, None), title="dlc9new", status="Levitating", gpus=None, workspace="", quota="", owner=""),
        name="hardly-known",
    ),
    "very-long": view(
        card(
            *((Phase.RUNNING, 5), (Phase.RESTARTING, 1)) * 6,
            left_out=340,
            title="<&>" * 400,
            url=f"https://example.com/?{'a=b&' * 140}",
            pods=tuple(PodCount(f"role-{n}", phase, 100 * n) for n in range(60) for phase in PodPhase),
            reason="<&>" * 20_000,
            owner="&" * 500,
            attempt=340,
        ),
        name="very-long",
    ),
    **{
        f"hostile-{name}": view(
            card(
                (Phase.RUNNING, 5),
                title=text,
                status=text,
                owner=text,
                workspace=text,
                quota=text,
                reason=f"{text}\n{text}",
                reason_code=text,
                pods=(PodCount(text, PodPhase.RUNNING, 1),),
            ),
            name=f"hostile-{name}",
        )
        for name, text in HOSTILE.items()
    },
}
"""One of every kind, by name. Ids are fixed, so that renderings can be compared with golden files."""
