"""A job's story in words: one line for each row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from watcher.ports import StoryLine


@dataclass(frozen=True, slots=True)
class Words:
    """A line's text and rich style."""

    text: str
    style: str = ""


def story_words(line: StoryLine) -> Words:
    """One line of a story."""
    return _TELLERS[line.kind](line.data)


def _snapshot(data: Mapping[str, Any]) -> Words:
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


def _event(data: Mapping[str, Any]) -> Words:
    from watcher.core.codec import event_from_json
    from watcher.core.declared import sentence

    when = data["when"]
    return Words(f"  {data['kind']:24} {sentence(event_from_json(json.dumps(data)))}  [{when['provenance']}]")


def _decision(data: Mapping[str, Any]) -> Words:
    note = f": {data['note']}" if data["note"] else ""
    spoke = data["reason"] == "notified"
    return Words(f"    rule {data['rule']} {data['reason']}{note}", "green" if spoke else "dim")


def _delivery(data: Mapping[str, Any]) -> Words:
    tries = f", try {data['attempt']}" if data["attempt"] > 1 else ""
    error = f": {data['error']}" if data["error"] else ""
    style = {"dead": "red", "folded": "dim", "withheld": "dim"}.get(data["state"], "cyan")
    said = data["notification"]["headline"]
    return Words(f'    -> {data["receiver"]}  {data["state"]} ({data["reason"]}{tries}){error}  "{said}"', style)


def _receipt(data: Mapping[str, Any]) -> Words:
    facts = ", ".join(filter(None, (data["reference"], data["place"], data["note"])))
    return Words(f"    <- {data['receiver']} took it" + (f" ({facts})" if facts else ""), "cyan")


_TELLERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Words]]] = {
    "snapshot": _snapshot,
    "event": _event,
    "decision": _decision,
    "delivery": _delivery,
    "receipt": _receipt,
}
