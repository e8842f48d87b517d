"""A status card in words: what every end that shows one says of the job, line by line, free of any markup. Pure.

Everything here is still as the job wrote it: who puts it into a markup escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from watcher.core.card import Card, Stretch
from watcher.core.duration import spell_duration
from watcher.core.living import CardLoss
from watcher.core.phases import Phase, PodPhase

PHASES: Final[Mapping[Phase, str]] = {
    Phase.PENDING: "waiting",
    Phase.STARTING: "preparing",
    Phase.RUNNING: "running",
    Phase.RESTARTING: "restarting",
    Phase.STOPPING: "stopping",
    Phase.RESERVED_SUCCEEDED: "succeeded, machines held",
    Phase.RESERVED_FAILED: "failed, machines held",
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.STOPPED: "stopped",
    Phase.UNKNOWN: "unknown",
}

PODS: Final[Mapping[PodPhase, str]] = {
    PodPhase.RUNNING: "running",
    PodPhase.PENDING: "pending",
    PodPhase.SUCCEEDED: "succeeded",
    PodPhase.FAILED: "failed",
    PodPhase.UNKNOWN: "unknown",
}

LOSSES: Final[Mapping[CardLoss, str]] = {
    CardLoss.DELETED: "the earlier card was deleted",
    CardLoss.FROZEN: "the earlier card could no longer be changed",
    CardLoss.PLACE_GONE: "the earlier card's channel could no longer be written to",
    CardLoss.MOVED: "the earlier card is in another channel",
    CardLoss.FULL: "the earlier thread has grown too long",
}

_MOST_ROLES: Final = 6


def headline(card: Card) -> str:
    """How it stands, in a line, for example `Running, attempt 2 of 4`."""
    word = PHASES[card.phase] if card.phase is not Phase.UNKNOWN else card.status or PHASES[card.phase]
    said = word[:1].upper() + word[1:]
    if card.gone:
        said += ", gone from DLC"
    return ", ".join([said, *attempt(card)])


def attempt(card: Card) -> list[str]:
    """Which attempt, where there may be more than one."""
    if card.attempts is not None and card.attempts > 1:
        return [f"attempt {card.attempt} of {card.attempts}"]
    return [f"attempt {card.attempt}"] if card.attempt > 1 else []


def stretch(one: Stretch) -> str:
    """One stretch of the bar, for example `waiting 12 m`."""
    return PHASES[one.phase] if one.length is None else f"{PHASES[one.phase]} {spell_duration(one.length)}"


def pods(card: Card) -> list[str]:
    """The pods by role: `worker 7 running, 1 pending`; then how many were evicted so far."""
    roles: dict[str, list[str]] = {}
    for one in card.pods:
        roles.setdefault(one.role or "pods", []).append(f"{one.count} {PODS[one.phase]}")
    said = [f"{role} {', '.join(counts)}" for role, counts in list(roles.items())[:_MOST_ROLES]]
    if len(roles) > _MOST_ROLES:
        said.append(f"{len(roles) - _MOST_ROLES} more roles")
    if card.evicted:
        said.append(f"{card.evicted} evicted so far")
    return said


def size(card: Card) -> list[str]:
    """GPUs, and what they were used for so far."""
    said = [f"{card.gpus:g} {'GPU' if card.gpus == 1 else 'GPUs'}"] if card.gpus else []
    if card.gpu_hours:
        said.append(f"{_hours(card.gpu_hours)} GPU-hours")
    if card.gpu_hours_down:
        said.append(f"{_hours(card.gpu_hours_down)} lost to restarts")
    return said


def _hours(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}"  # noqa: PLR2004 - two digits are enough to read


def place(card: Card) -> list[str]:
    """How long it waited, in which quota, whose it is and where."""
    said = []
    if card.waited is not None and not card.waiting:
        said.append(f"waited {spell_duration(card.waited)}")
    said += [f"quota {card.quota}"] if card.quota else []
    return [*said, *filter(None, (card.owner, card.workspace))]


def reason(card: Card) -> str:
    """DLC's last reason, its code before its text."""
    if card.reason_code and card.reason and not card.reason.startswith(card.reason_code):
        return f"{card.reason_code}: {card.reason}"
    return card.reason or card.reason_code
