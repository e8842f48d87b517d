"""What happened to a job's pods between two snapshots. Part of `core.diff`; see there for the laws.

DLC dates the creation, the start and the end of each life of a pod: these are the times of its events. A change of status is dated
only by a time that is new with it and lies between the two looks; else it may belong to an earlier stay in the same status, and
only the interval is known. What was over when the next life was created had happened by then.

Long, because the lives of one pod are matched and told in one walk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from watcher.core.events import (
    CauseId,
    EventId,
    PodAppeared,
    PodEvicted,
    PodMoved,
    PodPlaced,
    PodRestarted,
    PodStatusChanged,
    PodVanished,
    When,
    deterministic_id,
)
from watcher.core.identity import Look
from watcher.core.incarnations import lives, names, pair, pods_by_id
from watcher.core.model import JobRef, PodKey, PodSnapshot, RestartRecord
from watcher.core.order import Rank, Told
from watcher.core.phases import PodPhase
from watcher.core.restart_diff import explained
from watcher.core.restart_records import by_life, explanation, pod_records
from watcher.core.times import between, dated, no_later_than, second


class _Common(TypedDict):
    id: EventId
    when: When
    cause: CauseId
    job: JobRef
    pod: PodKey
    role: str
    node: str
    ip: str


@dataclass(frozen=True, slots=True)
class _Compared:
    """One pod before and after.

    Attributes:
        look: the look that compares them.
        old: the pod as it was held; None if it was not.
        new: the pod as it is.
        chain: its incarnations now, oldest first, the live one last.
        known: for each of them what was known of it, or None.
        called: for each of them its name.
        records: for each of them that has one, the record of the restart that brought it.
    """

    look: Look
    old: PodSnapshot | None
    new: PodSnapshot
    chain: tuple[PodSnapshot, ...]
    known: tuple[PodSnapshot | None, ...]
    called: tuple[str, ...]
    records: Mapping[int, RestartRecord] = field(default_factory=dict)

    def identity(self, step: int) -> str:
        """What makes an incarnation one of a kind; where DLC says nothing at all, the look must do."""
        return self.called[step] or f"#{self.look.ordinal}"

    def common(self, kind: str, step: int, when: When, *natural: object) -> _Common:
        life = self.chain[step]
        return _common(self.look, kind, PodKey(self.new.pod_id, self.called[step]), life, when, *natural)

    def ended(self, step: int) -> When:
        """When this life ended, as well as is known: a later one lives only after it."""
        life, later = self.chain[step], self.chain[step + 1 :]
        if life.finished_at is not None:
            return dated(self.look.when, life.finished_at)
        return no_later_than(self.look.when, later[0].created_at if later else None)


def _common(look: Look, kind: str, key: PodKey, pod: PodSnapshot, when: When, *natural: object) -> _Common:
    return {
        "id": EventId(deterministic_id(kind, look.new.ref, key.pod_id, *natural)),
        "when": when,
        "cause": look.cause,
        "job": look.new.ref,
        "pod": key,
        "role": pod.role,
        "node": pod.node,
        "ip": pod.ip,
    }


def pod_changes(look: Look) -> Iterator[Told]:
    """Everything that differs between the pods of two snapshots. Nothing when the new one does not speak of pods."""
    if look.new.pods is None:
        return
    before, after = pods_by_id(look.old.pods), pods_by_id(look.new.pods)
    records = pod_records(look.new) if look.new.restart_records else {}
    recorded = pod_records(look.old) if look.old.restart_records else {}
    for pod_id, pod in after.items():
        known, said, heard = before.get(pod_id), records.get(pod_id, ()), recorded.get(pod_id, ())
        if known is None:
            yield from _appeared(look, pod, said)
        elif not _alike(known, pod) or said != heard:
            yield from _changed(look, known, pod, said, heard)
    for pod_id, pod in before.items():
        if pod_id not in after:
            key = PodKey(pod_id, names(lives(pod))[-1])
            common = _common(look, "pod.vanished", key, pod, look.when, look.ordinal)
            yield Told(Rank.POD_VANISHING, PodVanished(**common, last_status=pod.status), pod.role, pod_id)


def _alike(old: PodSnapshot, new: PodSnapshot) -> bool:
    """Whether nothing that is watched differs. Most pods, most of the time: this is what makes 5,000 of them cheap."""
    return old is new or (
        old.status == new.status
        and old.uid == new.uid
        and old.sub_status == new.sub_status
        and old.node == new.node
        and old.ip == new.ip
        and old.created_at == new.created_at
        and old.history == new.history
    )


def _appeared(look: Look, new: PodSnapshot, said: tuple[RestartRecord, ...]) -> Iterator[Told]:
    chain = lives(new)
    pod = _Compared(look, None, new, chain, (None,) * len(chain), names(chain), by_life(chain, said))
    first = chain[0]
    # a pod that was left out for a while and is listed again was not created since: it appears once more
    fresh = first.created_at is not None and first.created_at >= second(look.old.observed_at)
    known_by = pod.called[0] if fresh else look.ordinal
    common = pod.common("pod.appeared", 0, dated(look.when, first.created_at), known_by)
    event = PodAppeared(**common, status=first.status, sub_status=first.sub_status)
    yield Told(Rank.POD_APPEARANCE, event, first.role, new.pod_id)
    for step, life in enumerate(chain):
        if step:
            yield _restarted(pod, step, chain[step - 1], pod.called[step - 1], step)
        if life.evicted:
            yield _evicted(pod, step)


def _changed(
    look: Look,
    old: PodSnapshot,
    new: PodSnapshot,
    said: tuple[RestartRecord, ...],
    heard: tuple[RestartRecord, ...],
) -> Iterator[Told]:
    before, chain = lives(old), lives(new)
    known = pair(before, chain)
    held = {id(life): name for life, name in zip(before, names(before), strict=True)}
    # a former life goes on under the name it was known by; the present one may learn its uid
    kept = tuple(
        "" if was is None or (life is new and was.key != life.key) else held[id(was)]
        for life, was in zip(chain, known, strict=True)
    )
    pod = _Compared(look, old, new, chain, known, names(chain, kept), by_life(chain, said))
    for step, (life, was) in enumerate(zip(chain, known, strict=True)):
        if was is None:
            yield _newly_known(pod, step, old, _name_of_old(pod, held[id(old)]))
        else:
            yield from _lived_on(pod, step, was)
        if life.evicted and not (was is not None and was.evicted):
            yield _evicted(pod, step)
    if said != heard:
        yield from _explained(pod, {id(before[place]): record for place, record in by_life(before, heard).items()})


def _name_of_old(pod: _Compared, held: str) -> str:
    """What the life of the last look is called by now: DLC may have named it since, and what is told of it first says so."""
    place = next((place for place, was in enumerate(pod.known) if was is pod.old), None)
    if place is None or pod.old is None:
        return held
    life = pod.chain[place]
    told = (pod.old.status, pod.old.sub_status) != (life.status, life.sub_status)
    return pod.called[place] if told else held


def _newly_known(pod: _Compared, step: int, old: PodSnapshot, name_of_old: str) -> Told:
    """One restart for one incarnation that was not known: which pair it stands between depends on where it came to light.

    After all that was known, it took the place of the one that lived at the last look, or of its newly known forerunner. Elsewhere
    DLC's history was filled in late: it followed its forerunner, or, with none, gave way to its successor. (Where there are no
    times, the one that lived at the last look may stand in front; it is nobody's forerunner then.)
    """
    chain, known = pod.chain, pod.known
    forerunner = next((was for was in reversed(known[:step]) if was is not None), None)
    if all(was is None for was in known[step:]):
        if step == 0 or known[step - 1] is not None:
            return _restarted(pod, step, old, name_of_old, step)
        return _restarted(pod, step, chain[step - 1], pod.called[step - 1], step)
    if forerunner is not None and forerunner is not old:
        return _restarted(pod, step, known[step - 1] or chain[step - 1], pod.called[step - 1], step)
    return _restarted(pod, step + 1, chain[step], pod.called[step], step)


def _lived_on(pod: _Compared, step: int, was: PodSnapshot) -> Iterator[Told]:
    """The same incarnation at both looks."""
    look, life = pod.look, pod.chain[step]
    live = life is pod.new
    name = pod.called[step]
    told = False
    if (was.status, was.sub_status) != (life.status, life.sub_status):
        told = True
        when = _entered(pod, step, was)
        change = (was.status, life.status, was.sub_status, life.sub_status)
        natural = (look.ordinal, *change) if when.occurred_at is None else (*change[1::2], when.occurred_at.isoformat())
        event = PodStatusChanged(
            **pod.common("pod.status_changed", step, when, name, *natural),
            old_status=was.status,
            new_status=life.status,
            old_sub_status=was.sub_status,
            new_sub_status=life.sub_status,
        )
        yield Told(Rank.POD_STATUS if live else Rank.POD_LIFE_ENDED, event, life.role, pod.new.pod_id, step)
    if not (live and was is pod.old):
        return
    places = ((was.node, life.node), (was.ip, life.ip))
    if any(before and after and before != after for before, after in places):
        common = pod.common("pod.moved", step, look.when, name, look.ordinal, *places)
        yield Told(Rank.POD_MOVE, PodMoved(**common, old_node=was.node, old_ip=was.ip), life.role, pod.new.pod_id, step)
    elif not told and any(after and not before for before, after in places):
        common = pod.common("pod.placed", step, look.when, name, look.ordinal)
        yield Told(Rank.POD_PLACEMENT, PodPlaced(**common), life.role, pod.new.pod_id, step)


def _entered(pod: _Compared, step: int, was: PodSnapshot) -> When:
    """When a life came into its present status, as well as is known."""
    look, life = pod.look, pod.chain[step]
    before, now = was.finished_at, life.finished_at
    over = life.phase in (PodPhase.SUCCEEDED, PodPhase.FAILED) or life.evicted
    if life.phase is PodPhase.RUNNING and not life.evicted:
        before, now = was.started_at, life.started_at
    elif not over:
        before = now = None
    if now is not None and now != before and between(look.old.observed_at, now, look.new.observed_at):
        return dated(look.when, now)
    later = pod.chain[step + 1 :]
    return no_later_than(look.when, later[0].created_at if later else None)


def _restarted(pod: _Compared, step: int, former: PodSnapshot, name_of_former: str, place: int) -> Told:
    """The life at this step took the place of another one.

    Args:
        pod: the pod.
        step: of the new life.
        former: the other one.
        name_of_former: what that one is called.
        place: where among the pod's events this belongs.
    """
    life = pod.chain[step]
    when = dated(pod.look.when, life.created_at)
    event = PodRestarted(
        **pod.common("pod.restarted", step, when, pod.identity(step)),
        old_incarnation=name_of_former,
        old_node=former.node,
        old_ip=former.ip,
        status=life.status,
        sub_status=life.sub_status,
        **explanation(pod.records.get(step, RestartRecord())),
    )
    return Told(Rank.POD_RESTART, event, life.role, pod.new.pod_id, place)


def _explained(pod: _Compared, recorded: Mapping[int, RestartRecord]) -> Iterator[Told]:
    """Records that are new, or say more, of restarts that were told earlier."""
    for step, record in pod.records.items():
        known = pod.known[step]
        was = recorded.get(id(known), RestartRecord())
        if (
            step > 0  # nobody told how the first life that is known came about
            and known is not None
            and explanation(was) != explanation(record)
            and pod.look.told_since(pod.chain[step].created_at)
        ):
            ref, pod_id = pod.look.new.ref, pod.new.pod_id
            created_at = pod.chain[step].created_at
            corrected, nameless = (
                deterministic_id("pod.restarted", ref, pod_id, name)
                for name in (pod.identity(step), created_at.isoformat() if created_at else "")
            )
            yield explained(
                pod.look,
                record,
                EventId(corrected),
                nameless="" if corrected == nameless else nameless,
                pod_id=pod_id,
            )


def _evicted(pod: _Compared, step: int) -> Told:
    life, was = pod.chain[step], pod.known[step]
    common = pod.common("pod.evicted", step, pod.ended(step), pod.identity(step))
    common["node"] = life.node or ("" if was is None else was.node)
    event = PodEvicted(**common, reason_message=pod.look.new.reason_message)
    return Told(Rank.EVICTION, event, life.role, pod.new.pod_id, step)
