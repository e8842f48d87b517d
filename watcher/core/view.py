"""What conditions and summaries may look at: an event and its context as plain data under dotted names.

One table of names serves both languages: CEL (`when`, see `core.expression`) declares each dotted name as a typed variable, so a
misspelt one is refused when the configuration loads; Jinja (`summary`, see `core.summary`) gets the same names nested.

Absent is empty. What DLC did not tell, what an event of this kind does not carry, and everything under `job` for an event that is
about no job, is the empty value of its shape: "", 0, false, no length at all. So a condition on a member that only some of a
rule's kinds have is simply false for the others. An absent tag is "" too, as in `match`.
"""

from __future__ import annotations

from collections.abc import Mapping

from watcher.core.events import Event, PodEvicted, pod_of
from watcher.core.incarnations import lives
from watcher.core.incarnations import names as names_of
from watcher.core.matching import labels_of
from watcher.core.model import PodSnapshot
from watcher.core.plain_text import cut
from watcher.core.rule import Context
from watcher.core.view_names import ATTEMPT_NAMES, EMPTY, EVENT_NAMES, HISTORY_NAMES, JOB_NAMES, Absent, Shape


def view(event: Event, context: Context, names: Mapping[str, Shape]) -> dict[str, object]:
    """The values of these names."""
    known: dict[str, object] = {
        "labels": Absent(
            {
                label: [cut(value) for value in held]
                for label, held in labels_of(event, context.job, context.wishes.owner).items()
            }
        ),
        "now": context.now,
        "phase_age": None if context.phase_since is None else context.now - context.phase_since,
        "event.kind": event.kind,
        "event.at": event.when.at,
        "event.observed_at": event.when.observed_at,
        "event.provenance": event.when.provenance.value,
        "event.late": event.when.late,
        **_pod(event, context),
    }
    if context.job is not None:
        known |= {name: entry.read(context.job, context) for name, entry in JOB_NAMES.items()}
        known |= {n: entry.read(context.job, context) for n, entry in HISTORY_NAMES.items() if n in names}
        known |= {n: entry.read(context.attempts[-1], context) for n, entry in ATTEMPT_NAMES.items() if n in names}
    known |= {name: getattr(event, name.removeprefix("event."), None) for name in EVENT_NAMES[event.kind]}
    return {name: _tidy(known.get(name), shape) for name, shape in names.items()}


def _pod(event: Event, context: Context) -> dict[str, object]:
    key = pod_of(event)
    if key is None:
        return {}
    pods = (context.job.pods or ()) if context.job else ()
    chains = (lives(pod) for pod in pods if pod.pod_id == key.pod_id)
    known = (named for chain in chains for named in zip(names_of(chain), chain, strict=True))
    seen = next((pod for name, pod in known if name == key.incarnation), PodSnapshot(pod_id=key.pod_id))
    return {
        "pod.id": key.pod_id,
        "pod.role": getattr(event, "role", "") or seen.role,
        "pod.node": getattr(event, "node", "") or seen.node,
        "pod.ip": getattr(event, "ip", "") or seen.ip,
        "pod.status": seen.status or getattr(event, "new_status", "") or getattr(event, "status", ""),
        "pod.evicted": seen.evicted or isinstance(event, PodEvicted),
    }


def nested(flat: Mapping[str, object]) -> dict[str, object]:
    """`{"job.restarts.used": 2}` -> `{"job": {"restarts": {"used": 2}}}`."""
    tree: dict[str, object] = {}
    for name, value in flat.items():
        *parents, leaf = name.split(".")
        branch = tree
        for parent in parents:
            below = branch.setdefault(parent, {})
            assert isinstance(below, dict), f"{parent} cannot hold a value and names"  # noqa: S101 - a law of the table
            branch = below
        branch[leaf] = value
    return tree


def _tidy(value: object, shape: Shape) -> object:
    if value is None:
        return EMPTY[shape]
    return cut(value) if isinstance(value, str) else value
