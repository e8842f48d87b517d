"""A job's story in words: one line for each row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from watcher.core.attempts import JobAttempt
    from watcher.ports.store import StoryLine


@dataclass(frozen=True, slots=True)
class Words:
    """A line's text and rich style."""

    text: str
    style: str = ""


_RUN: Final = 12
"""So many lines of one kind in a row are shown in full."""
_SHOWN: Final = 3
"""Of a longer row, so many."""


def attempt_words(attempt: JobAttempt, shown: Callable[[datetime | None], str]) -> str:
    """One line about an attempt: which, from when to when, how and why it ended, and what it cost to get there.

    Args:
        attempt: which.
        shown: how a time reads; "" for none.
    """
    from watcher.core.duration import spell_duration

    lasted = f"{shown(attempt.started_at) or '?'} - {shown(attempt.ended_at) or ('?' if attempt.end else 'now')}"
    parts = [
        f"attempt {attempt}: {lasted}",
        "" if attempt.end is None else f"{attempt.end} ({attempt.cause})",
        "" if attempt.down is None else f"{spell_duration(attempt.down)} down before it",
        "" if not attempt.gpu_hours_down else f"about {attempt.gpu_hours_down:.1f} GPU-hours",
    ]
    return ", ".join(filter(None, parts))


def story_told(
    lines: Iterable[StoryLine], *, everything: bool = False, zone: tzinfo | None = None
) -> Iterator[tuple[datetime, Words]]:
    """The lines of a story with their times, made to be read.

    Rules that had nothing to say share a line, and long rows of one kind, as a job of a thousand pods has, are cut short.

    Args:
        lines: the story, in order.
        everything: line by line, with what each silent rule gave as its reason.
        zone: whose clock to show; this machine's by default.
    """
    for sort, row in groupby(lines, key=_sort):
        same = list(row)
        at = same[-1].at
        silent: list[str] = []
        if sort == "decision" and not everything:
            spoke = {line.data["rule"]: None for line in same if line.data["reason"] in _SPEAKING}
            silent = [rule for rule in dict.fromkeys(line.data["rule"] for line in same) if rule not in spoke]
            same = [line for line in same if line.data["reason"] in _SPEAKING]
        shown = same if everything or len(same) <= _RUN else same[:_SHOWN]
        for line in shown:
            yield line.at, _TELLERS[line.kind](line.data, zone)
        if len(same) > len(shown):
            yield at, Words(f"  ... {len(same) - len(shown):,} more like these ({sort}); --all shows them", "dim")
        if silent:
            yield at, Words(f"    silent: {', '.join(silent)}", "dim")


_SPEAKING: Final = frozenset({"notified", "deadline-set", "failed"})


def _sort(line: StoryLine) -> str:
    return str(line.data["kind"]) if line.kind == "event" else line.kind


def _snapshot(data: Mapping[str, Any], _zone: tzinfo | None) -> Words:
    pods = data.get("pods")
    restarts = data["restarts"]["text"]
    parts = [
        "saw " + "/".join(filter(None, (data["status"], data["sub_status"]))),
        data["reason_code"],
        "no word of pods" if pods is None else _pods(pods),
        f"restarts {restarts}" if restarts else "",
    ]
    return Words("  ".join(filter(None, parts)), "bold")


def _pods(pods: list[Mapping[str, Any]]) -> str:
    count = Counter("/".join(filter(None, (pod["status"], pod["sub_status"].removeprefix("Normal")))) for pod in pods)
    counted = f"{len(pods)} pod{'' if len(pods) == 1 else 's'}"
    return counted + (f" ({', '.join(f'{n} {status}' for status, n in count.items())})" if pods else "")


def _event(data: Mapping[str, Any], _zone: tzinfo | None) -> Words:
    from watcher.core.codec import event_from_json
    from watcher.core.declared import sentence

    when = data["when"]
    known = when["provenance"] + (", late" if when.get("late") else "")
    return Words(f"  {data['kind']:24} {sentence(event_from_json(json.dumps(data)))}  [{known}]")


def _decision(data: Mapping[str, Any], zone: tzinfo | None) -> Words:
    note = f": {data['note']}" if data["note"] else ""
    if data["reason"] == "deadline-set":
        at = datetime.fromisoformat(data["note"]).astimezone(zone)
        return Words(f"    rule {data['rule']} will look again at {at:%Y-%m-%d %H:%M:%S}", "dim")
    spoke = data["reason"] == "notified"
    return Words(f"    rule {data['rule']} {data['reason']}{note}", "green" if spoke else "dim")


def _delivery(data: Mapping[str, Any], _zone: tzinfo | None) -> Words:
    tries = f", try {data['attempt']}" if data["attempt"] > 1 else ""
    error = f": {data['error']}" if data["error"] else ""
    style = {"dead": "red", "folded": "dim", "withheld": "dim"}.get(data["state"], "cyan")
    said = data["notification"]["headline"]
    return Words(f'    -> {data["receiver"]}  {data["state"]} ({data["reason"]}{tries}){error}  "{said}"', style)


def _receipt(data: Mapping[str, Any], _zone: tzinfo | None) -> Words:
    facts = ", ".join(filter(None, (data["reference"], data["place"], data["note"])))
    return Words(f"    <- {data['receiver']} took it" + (f" ({facts})" if facts else ""), "cyan")


def trouble_words(data: Mapping[str, Any], _zone: tzinfo | None = None) -> Words:
    """That something goes on, that somebody took it on, or that it ended."""
    comment = f": {data['comment']}" if data.get("comment") else ""
    step = {
        "opened": f"goes on: {data['ongoing']} ({data['severity']}, rule {data['rule']})",
        "acknowledged": f"{data.get('by')} took it on{comment}",
        "ended": f"{data['ongoing']} ended ({data.get('end')})",
    }[data["step"]]
    return Words(f"    {step}", "yellow" if data["step"] == "opened" else "")


_TELLERS: Final[Mapping[str, Callable[[Mapping[str, Any], tzinfo | None], Words]]] = {
    "snapshot": _snapshot,
    "event": _event,
    "decision": _decision,
    "delivery": _delivery,
    "receipt": _receipt,
    "trouble": trouble_words,
}
