"""Tell many evictions, failures or queueings with one cause as one thing.

Longer than other rules: finding storms, naming them and telling their course are read together, and a rule is one file that needs
no more than the public interface, as a stranger's would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Literal, NamedTuple

from watcher.api import (
    TERMINAL,
    Absorb,
    Context,
    Deadline,
    DeadlinePassed,
    Duration,
    Event,
    EventId,
    Facts,
    Fleet,
    Happening,
    Intent,
    JobAppeared,
    JobFailed,
    JobRef,
    JobRestarted,
    JobStatusChanged,
    Member,
    Notify,
    Phase,
    PodEvicted,
    RuleOptions,
    Said,
    Severity,
    Silence,
    Text,
    joined,
    known,
    say,
)

Dimension = Literal["node", "quota", "reason", "workspace", "type"]

_LONGEST: Final = 12
"""So many times `within` is the span after which a storm that goes on is told anew."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COVERS: Final = 0.8
"""A cause names a storm when it covers at least this part of what the widest shared cause covers."""
_MOST_NAMES: Final = 10
_MOST_OWNERS: Final = 5
_WORDS: Final[Mapping[str, Said]] = {
    "evicted": say("evicted", zh="被驱逐"),
    "failed": say("failed", zh="失败"),
    "queued": say("put back into the queue", zh="退回排队"),
}
_HIT: Final = say("hit", zh="受影响")
_PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "node": ("on node {name}", "节点 {name}"),
    "quota": ("of quota {name}", "资源配额 {name}"),
    "reason": ("with reason {name}", "原因 {name}"),
    "workspace": ("of workspace {name}", "工作空间 {name}"),
    "type": ("on resource type {name}", "资源类型 {name}"),
}
_SAY, _OVER = "say", "over"


class StormOptions(RuleOptions):
    """Options of `storm`."""

    count: int = 5
    """How many different jobs make a storm; at least 2."""
    within: Duration = timedelta(minutes=5)
    """In which time so many must be hit; and how long it must be quiet until the storm is over. At least 10s."""
    by: tuple[Dimension, ...] = ("node", "quota", "reason", "workspace", "type")
    """What can be a shared cause, the most specific first."""
    gather: Duration = timedelta(seconds=30)
    """It is told when no other job was hit for so long, and `within` after it began at the latest. 0s: at once."""
    absorbs: tuple[str, ...] = ("pod-evicted", "job-restarted", "job-failed")
    """Rules whose news about the jobs of a storm is not told by itself. Of critical news only failures with the reason that the
    storm is named by; all other critical news stays."""
    hold: Duration = timedelta(minutes=1)
    """How long news of `absorbs` that is not critical waits before it is sent, so that the first jobs of a storm can be absorbed,
    too. Longer makes storms tidier and every single eviction later."""

    def model_post_init(self, _: object, /) -> None:
        """Refuse what could never be meant."""
        if self.count < 2:  # noqa: PLR2004 - one is no storm
            raise ValueError("count is at least 2")
        if self.within < timedelta(seconds=10):
            raise ValueError("within is at least 10s")
        if not self.by:
            raise ValueError("by names at least one of node, quota, reason, workspace, type")
        if len(set(self.by)) < len(self.by):
            raise ValueError("by names each cause once")


class StormRule:
    """Tell many evictions, failures or queueings with one cause as one thing.

    When:
        At least `count` different jobs were evicted, failed or fell back into the queue within `within`, and share a node, a quota,
        a reason code, a workspace or a resource type. The most specific of these that covers the storm names it.

    Why you want to know:
        Twelve messages about twelve jobs hide that it is one thing: somebody took the quota, or a machine died. And whoever asks
        "why my job?" wants to know that it was everybody's, who got the machines, and whether they come back.

    What it says:
        How many jobs of what were hit in which time; as facts the jobs, their owners, the GPUs, the job that likely took their
        place and why we think so, and who runs again. When it was quiet for `within`, one line with the totals, who is back and
        who still waits. What the rules in `absorbs` say about the jobs of the storm meanwhile is not told by itself. A storm that
        goes on is told anew every hour or so (12 times `within`, by the clock), with what there was before.

    Options:
        `count` (5) and `within` (5m): how many jobs in which time. `by` (node, quota, reason, workspace, type): what can be the
        cause, most specific first. `gather` (30s): how long it waits for more jobs before it is told. `absorbs` (pod-evicted,
        job-restarted, job-failed): which rules' news it takes in; critical news only where the storm is named by the reason that
        the failure has. `hold` (1m): how long that news waits, critical news excepted.
    """

    name: ClassVar[str] = "storm"
    on: ClassVar[tuple[type[Event], ...]] = (PodEvicted, JobFailed, JobStatusChanged, JobRestarted)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[StormOptions]] = StormOptions

    def __init__(self, options: StormOptions | None = None) -> None:
        self.options = options or StormOptions()
        self.looks_back = 2 * _LONGEST * self.options.within
        self.holds = dict.fromkeys(self.options.absorbs, self.options.hold)
        self._record = _Record(self.options)

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Begin a storm, add to it, or tell it when its time has come."""
        if isinstance(event, DeadlinePassed):
            yield from self._due(event, context)
            return
        if not isinstance(event, PodEvicted | JobFailed | JobStatusChanged | JobRestarted):
            yield Silence("no sign of a storm")
            return
        verdict = self._record.verdict(event.id, context.fleet)
        storm = verdict.storm
        if storm is None:
            yield Silence(verdict.note)
            return
        yield self._absorb(storm, frozenset(storm.hits) if verdict.opens else frozenset({event.job}))
        if verdict.opens:
            yield Deadline(f"{_SAY} {storm.trip}", context.now + self.options.gather)
        else:
            yield Silence(verdict.note)

    def _absorb(self, storm: _Storm, jobs: frozenset[JobRef]) -> Absorb:
        failures = (hit.failures for hit in storm.hits.values() if storm.cause in hit.causes)
        return Absorb(
            into=_key(_SAY, storm),
            rules=frozenset(self.options.absorbs),
            jobs=jobs,
            since=storm.first_at,
            critical=frozenset[EventId]().union(*failures) if storm.cause.dimension == "reason" else frozenset(),
        )

    def _due(self, event: DeadlinePassed, context: Context) -> Iterator[Intent]:
        """Tell the storm, or its end, unless more was hit meanwhile."""
        stage, _, trip = event.key.partition(" ")
        storm = self._record.storm(EventId(trip), context.fleet)
        if storm is None:
            yield Silence("the storm is remembered no more")
            return
        quiet_at = storm.seen_at + self.options.within
        if stage == _OVER and storm.goes_on:
            yield Silence("it goes on, which is told")
            return
        if stage == _OVER:
            yield (
                Deadline(event.key, quiet_at)
                if context.now < quiet_at
                else _ended(storm, context.fleet, self.options.within)
            )
            return
        at = min(storm.grew_at + self.options.gather, storm.opened_at + self.options.within)
        if context.now < at:
            yield Deadline(event.key, at)
            return
        yield _begun(storm, context.fleet, self.options.within)
        yield Deadline(f"{_OVER} {storm.trip}", max(quiet_at, context.now))


# --- finding storms -----------------------------------------------------------------------------------------------------------


class _Cause(NamedTuple):
    """What several jobs may share. Names mean something within their source only."""

    dimension: str
    source: str
    value: str


class _Hit(NamedTuple):
    """What happened to one job: when first and last, in which ways, and what others may share with it."""

    job: JobRef
    first_at: datetime
    last_at: datetime
    words: frozenset[str]
    causes: frozenset[_Cause]
    failures: frozenset[EventId]

    def with_more(self, more: _Hit) -> _Hit:
        return _Hit(
            self.job,
            min(self.first_at, more.first_at),
            max(self.last_at, more.last_at),
            self.words | more.words,
            self.causes | more.causes,
            self.failures | more.failures,
        )


class _Storm:
    """Jobs that were hit together.

    Attributes:
        cause: what they shared when it became a storm; who shares it joins.
        trip: the event that made it a storm.
        first_at, last_at: when the first and the last hit happened.
        opened_at, grew_at, seen_at: when we learnt of the trip, of the last job that joined, of the last hit.
        until: what happens later is not part of it.
        before: of the storm that this one is the rest of, how many jobs were hit and within which time.
        goes_on: another one is the rest of this.
    """

    def __init__(
        self, cause: _Cause, trip: EventId, hits: Iterable[_Hit], seen_at: datetime, options: StormOptions
    ) -> None:
        self.cause, self.trip, self.by = cause, trip, options.by
        self.before: tuple[int, timedelta] | None = None
        self.goes_on = False
        self.hits = {hit.job: hit for hit in hits}
        self.first_at = min(hit.first_at for hit in self.hits.values())
        self.last_at = max(hit.last_at for hit in self.hits.values())
        self.opened_at = self.grew_at = self.seen_at = seen_at
        self.until = _until(self.first_at, _LONGEST * options.within)

    def name(self) -> tuple[_Cause, int]:
        """The most specific cause that covers the storm as it is by now, and how many jobs share it."""
        counts: dict[_Cause, int] = {}
        for cause in (cause for hit in self.hits.values() for cause in hit.causes):
            counts[cause] = counts.get(cause, 0) + 1
        enough = len(self.hits) * _COVERS
        fitting = [cause for cause, number in counts.items() if number >= enough]
        best = min(fitting, key=lambda one: (self.by.index(one.dimension), -counts[one], one), default=self.cause)
        return best, counts[best]

    def lately(self, at: datetime, within: timedelta) -> Iterator[_Hit]:
        """The last hits, without what those jobs met before."""
        return (hit._replace(first_at=hit.last_at) for hit in self.hits.values() if abs(at - hit.last_at) <= within)

    def near(self, at: datetime, within: timedelta) -> bool:
        return self.first_at - within <= at <= self.last_at + within

    def add(self, hit: _Hit, seen_at: datetime) -> None:
        held = self.hits.get(hit.job)
        if held is None:
            self.grew_at = seen_at
        self.hits[hit.job] = hit if held is None else held.with_more(hit)
        self.first_at, self.last_at = min(self.first_at, hit.first_at), max(self.last_at, hit.last_at)
        self.seen_at = seen_at


def _until(first_at: datetime, longest: timedelta) -> datetime:
    """The end of the span of the clock in which a storm begins; of the next one, where that is near.

    By the clock, so that storms have the same ends whichever of their events is the first that is still remembered.
    """
    return _EPOCH + ((first_at - _EPOCH + longest / 2) // longest + 1) * longest


class _Verdict(NamedTuple):
    """What an event was: the beginning of a storm, a part of one, or neither."""

    storm: _Storm | None
    note: str
    opens: bool = False


class _Record:
    """The storms of a fleet: what its happenings say, read in the order in which they were learnt.

    It is a memory of something that could be read again from the fleet at any time: the same happenings make the same storms.
    """

    def __init__(self, options: StormOptions) -> None:
        self._options = options
        self._forget(Fleet())

    def _forget(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._read: EventId | None = None
        self._ahead: dict[
            EventId, Happening
        ] = {}  # what comes next, so that a look with thousands of events seeks it once
        self._storms: list[_Storm] = []
        self._single: dict[JobRef, _Hit] = {}
        self._verdicts: dict[EventId, _Verdict] = {}

    def verdict(self, event_id: EventId, fleet: Fleet) -> _Verdict:
        """What that event was."""
        self._read_up_to(event_id, fleet)
        return self._verdicts.get(event_id, _Verdict(None, "no sign of a storm"))

    def storm(self, trip: EventId, fleet: Fleet) -> _Storm | None:
        """The storm that this event began, with all that is known by now."""
        self._read_up_to(None, fleet)
        return next((storm for storm in self._storms if storm.trip == trip), None)

    def _read_up_to(self, event_id: EventId | None, fleet: Fleet) -> None:
        if fleet is not self._fleet:
            self._forget(fleet)
        if event_id is not None and (event_id in self._verdicts or event_id not in fleet):
            return
        if event_id is None or event_id not in self._ahead:
            self._ahead = {happening.event.id: happening for happening in fleet.after(self._read)}
        while self._ahead:
            happening = self._ahead.pop(next(iter(self._ahead)))
            event = happening.event
            self._read = event.id
            self._verdicts[event.id] = self._judged(happening)
            if event.id == event_id:
                break
        while self._verdicts and next(iter(self._verdicts)) not in fleet:
            del self._verdicts[next(iter(self._verdicts))]

    def _judged(self, happening: Happening) -> _Verdict:
        event, member, within = happening.event, happening.member, self._options.within
        at, seen_at = event.when.at, event.when.observed_at
        long_ago = seen_at - 2 * _LONGEST * within
        self._storms = [storm for storm in self._storms if storm.seen_at >= long_ago]
        hit = None if member is None else _hit(event, member, self._options.by)
        if member is None or hit is None:
            own = next((s for s in self._storms if member and member.ref in s.hits and s.near(at, within)), None)
            return _Verdict(
                own, f"part of the storm {_place(own.cause, own, self._fleet)}" if own else "no sign of a storm"
            )
        former = None
        for storm in self._storms:
            if storm.near(at, within) and (storm.cause in hit.causes or hit.job in storm.hits):
                if at < storm.until:
                    storm.add(hit, seen_at)
                    return _Verdict(storm, f"part of the storm {_place(storm.cause, storm, self._fleet)}")
                former = storm
        self._single = {
            job: one for job, one in self._single.items() if abs(at - one.last_at) <= within or one.last_at > at
        }
        held = self._single.get(hit.job)
        self._single[hit.job] = hit if held is None else held.with_more(hit)
        near = [one for one in self._single.values() if abs(at - one.last_at) <= within]
        if former is not None:
            near += [one for one in former.lately(at, within) if one.job not in self._single]
        cause, number = self._shared(self._single[hit.job], near)
        if cause is None:
            return _Verdict(None, f"{number} of {self._options.count} jobs with the same cause")
        storm = _Storm(cause, event.id, (one for one in near if cause in one.causes), seen_at, self._options)
        self._storms.append(storm)
        if former is not None:
            former.goes_on, storm.before = True, (len(former.hits), former.last_at - former.first_at)
        for job in storm.hits:
            self._single.pop(job, None)
        return _Verdict(storm, "", opens=True)

    def _shared(self, hit: _Hit, near: list[_Hit]) -> tuple[_Cause | None, int]:
        """The most specific cause that covers the storm, if there is one; and how many jobs the widest cause covers."""
        if len(near) == 1 and near[0] is hit:
            return None, 1
        order = self._options.by
        counts = dict.fromkeys(hit.causes, 0)
        for one in near:
            for cause in hit.causes & one.causes:
                counts[cause] += 1
        widest = max(counts.values(), default=1)
        enough = max(self._options.count, widest * _COVERS)
        fitting = [cause for cause, number in counts.items() if number >= enough]
        return min(
            fitting, key=lambda cause: (order.index(cause.dimension), -counts[cause], cause), default=None
        ), widest


def _hit(event: Event, member: Member, by: tuple[str, ...]) -> _Hit | None:
    """What this event did to its job, if it is of the kind that storms are made of."""
    nodes: tuple[str, ...] = member.nodes
    reason = member.reason_code
    failures: frozenset[EventId] = frozenset()
    match event:
        case PodEvicted():
            word, nodes = "evicted", (event.node,) if event.node else ()
        case JobFailed() | JobStatusChanged(new_phase=Phase.RESERVED_FAILED):
            word, reason, failures = "failed", event.reason_code or reason, frozenset({event.id})
        case JobStatusChanged(new_phase=Phase.PENDING, filled_in=False) if event.old_phase is not Phase.PENDING:
            word, reason = "queued", event.reason_code or reason
        case _:
            return None
    values: dict[str, tuple[str, ...]] = {
        "node": nodes,
        "quota": (member.quota_id or member.quota_name,),
        "reason": (reason.strip(),),
        "workspace": (member.workspace_id,),
        "type": (member.resource_type,),
    }
    causes = frozenset(
        _Cause(dimension, member.ref.source, value) for dimension in by for value in values[dimension] if value
    )
    at = event.when.at
    return _Hit(member.ref, at, at, frozenset({word}), causes, failures)


# --- telling them -------------------------------------------------------------------------------------------------------------


def _key(stage: str, storm: _Storm) -> str:
    return f"{stage} {storm.trip}"


def _begun(storm: _Storm, fleet: Fleet, within: timedelta) -> Notify:
    members = _members(storm, fleet)
    running = [member for member in members if member.phase is Phase.RUNNING]
    # A job that lost a pod and never stopped running did not come back.
    back = [member for member in running if member.phase_since >= storm.hits[member.ref].first_at]
    found = (
        *_what(storm),
        ("Jobs", _names(members)),
        ("Owners", _owners(members)),
        ("GPUs", _gpus(members)),
        ("Likely pre-emptor", _preemptor(storm, members, fleet, within)),
        ("Before", _before(*storm.before) if storm.before else None),
        (
            "Back already",
            say("{n}: {names}", zh="{n} 个：{names}", n=len(back), names=_names(back))
            if back
            else say("none", zh="无"),
        ),
    )
    course = _course(storm, fleet)
    return Notify(
        headline=say("Goes on: {course}", zh="仍在持续：{course}", course=course) if storm.before else course,
        facts=known(*found),
        dedup_key=_key(_SAY, storm),
        across_jobs=True,
        series=storm.trip,
    )


def _before(jobs: int, length: timedelta) -> Said:
    return say("{n} jobs within {length}", zh="{length}内 {n} 个作业", n=jobs, length=length)


def _ended(storm: _Storm, fleet: Fleet, within: timedelta) -> Notify:
    members = _members(storm, fleet)
    running = [member for member in members if member.phase is Phase.RUNNING]
    ended = [member for member in members if member.phase in TERMINAL]
    waiting = [member for member in members if member not in running and member not in ended]
    parts = (
        (len(running), "{n} running", "{n} 个运行中"),
        (len(waiting), "{n} not running yet", "{n} 个尚未运行"),
        (len(ended), "{n} ended", "{n} 个已结束"),
    )
    counted = joined([say(english, zh=chinese, n=number) for number, english, chinese in parts if number])
    found: Facts = (
        *_what(storm),
        ("Running", _names(running)),
        ("Not running yet", _names(waiting, with_status=True)),
        ("Ended", _names(ended, with_status=True)),
        ("GPUs", _gpus(members)),
        ("Likely pre-emptor", _preemptor(storm, members, fleet, within)),
    )
    return Notify(
        headline=say(
            "Over: {course}; {counted}" if counted else "Over: {course}",
            zh="已平息：{course}；{counted}" if counted else "已平息：{course}",
            course=_course(storm, fleet),
            counted=counted,
        ),
        facts=known(*found),
        severity=Severity.INFO,
        dedup_key=_key(_OVER, storm),
        across_jobs=True,
        series=storm.trip,
    )


def _members(storm: _Storm, fleet: Fleet) -> list[Member]:
    """The jobs as they are now; those that were pruned meanwhile are left out."""
    return [fleet.members[ref] for ref in storm.hits if ref in fleet.members]


def _course(storm: _Storm, fleet: Fleet) -> Text:
    length = storm.last_at - storm.first_at
    at_once = length < timedelta(seconds=1)
    cause, number = storm.name()
    part = number < len(storm.hits)
    return say(
        "{n} jobs ({part} of them {place}) {hit} {time}" if part else "{n} jobs {place} {hit} {time}",
        zh="{n} 个作业{time}{hit}（其中 {part} 个：{place}）" if part else "{n} 个作业{time}{hit}（{place}）",
        n=len(storm.hits),
        part=number,
        place=_place(cause, storm, fleet),
        hit=_word(storm),
        time=say("at once", zh="同时") if at_once else say("within {length}", zh="在 {length}内", length=length),
    )


def _word(storm: _Storm) -> Said:
    """What all of them have in common; of an eviction and what followed from it, the eviction."""
    hits = storm.hits.values()
    return next((said for word, said in _WORDS.items() if all(word in hit.words for hit in hits)), _HIT)


def _place(cause: _Cause, storm: _Storm, fleet: Fleet) -> Text:
    """The cause, for people: a quota by its name where it has one."""
    shown = ""
    if cause.dimension == "quota":
        sharing = (
            fleet.members[ref] for ref, hit in storm.hits.items() if cause in hit.causes and ref in fleet.members
        )
        shown = next((member.quota_name for member in sharing if member.quota_name), "")
    english, chinese = _PLACES[cause.dimension]
    return say(english, zh=chinese, name=shown or cause.value)


def _what(storm: _Storm) -> Facts:
    if _word(storm) is not _HIT:
        return ()
    counts = ((sum(word in hit.words for hit in storm.hits.values()), said) for word, said in _WORDS.items())
    told = [say("{n} {hit}", zh="{n} 个{hit}", n=number, hit=said) for number, said in counts if number]
    return (("What", joined(told)),)


def _names(members: list[Member], *, with_status: bool = False) -> Text:
    named = [f"{one.title} ({one.status})" if with_status and one.status else one.title for one in members]
    return joined(named, most=_MOST_NAMES)


def _owners(members: list[Member]) -> Text:
    counts: dict[str, int] = {}
    for owner in (member.owner for member in members if member.owner):
        counts[owner] = counts.get(owner, 0) + 1
    first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return joined([f"{owner} ({number})" for owner, number in first], most=_MOST_OWNERS)


def _gpus(members: list[Member]) -> str:
    known = [member.gpus for member in members if member.gpus]
    return f"{sum(known):g}" if known else ""


def _preemptor(storm: _Storm, victims: list[Member], fleet: Fleet, within: timedelta) -> Text:
    """The job that got machines of that quota or on those nodes at that time, and is none of the storm's own.

    A guess: DLC tells that a pod was evicted, never for whom. Machines on the same nodes speak for it more than the same quota,
    then a higher priority than every victim's, then its size.
    """
    if not any({"evicted", "queued"} & hit.words for hit in storm.hits.values()):
        return ""
    nodes = {cause.value for hit in storm.hits.values() for cause in hit.causes if cause.dimension == "node"}
    quotas = {victim.quota_id or victim.quota_name for victim in victims} - {""}
    highest = max((victim.priority for victim in victims if victim.priority is not None), default=None)
    found: list[tuple[tuple[bool, bool, float, float], Text]] = []
    for event, member in _started(storm, fleet, within):
        shared = sorted(nodes & set(member.nodes))
        if shared or (member.quota_id or member.quota_name) in quotas:
            above = highest is not None and member.priority is not None and member.priority > highest
            apart = event.when.at - storm.first_at
            text = say(
                "{who}, started {where}, {when}",
                zh="{who}，{when}启动（{where}）",
                who=_who(member, above=above),
                where=_where(shared),
                when=_relative(apart),
            )
            found.append(((bool(shared), above, member.gpus or 0.0, -abs(apart).total_seconds()), text))
    return max(found, key=lambda one: (one[0], str(one[1])))[1] if found else ""


def _started(storm: _Storm, fleet: Fleet, within: timedelta) -> Iterator[tuple[Event, Member]]:
    """Jobs of the same source, not of the storm, that got machines around that time; as they are now."""
    for happening in fleet.recent(storm.first_at - within, frozenset({"job.status_changed", "job.appeared"})):
        event, then = happening.event, happening.member
        if then is None or then.ref in storm.hits or then.ref.source != storm.cause.source:
            continue
        if _took_machines(event) and event.when.at <= storm.last_at + within:
            yield event, fleet.members.get(then.ref, then)


def _who(member: Member, *, above: bool) -> Text:
    gpus = _gpus([member])
    about: tuple[Text, ...] = (
        member.owner,
        say("priority {n}, above theirs", zh="优先级 {n}，高于它们", n=member.priority or 0) if above else "",
        say("{n} GPUs", zh="{n} 个 GPU", n=gpus) if gpus else "",
    )
    told = joined([one for one in about if one])
    return say("{job} ({told})", zh="{job}（{told}）", job=member.title, told=told) if told else member.title


def _where(nodes: list[str]) -> Text:
    if not nodes:
        return say("on the same quota", zh="同一资源配额")
    more = say(" and {n} more of theirs", zh="，另有 {n} 个相同节点", n=len(nodes) - 1) if nodes[1:] else ""
    return say("on node {node}{more}", zh="节点 {node}{more}", node=nodes[0], more=more)


def _relative(apart: timedelta) -> Text:
    if abs(apart) < timedelta(seconds=1):
        return say("in the moment of the first", zh="与首个作业同时")
    if apart < timedelta(0):
        return say("{time} before the first", zh="早于首个作业 {time}", time=-apart)
    return say("{time} after the first", zh="晚于首个作业 {time}", time=apart)


def _took_machines(event: Event) -> bool:
    match event:
        case JobStatusChanged():
            return event.new_phase in {Phase.STARTING, Phase.RUNNING} and event.old_phase is not event.new_phase
        case JobAppeared():
            return event.phase in {Phase.STARTING, Phase.RUNNING}
        case _:
            return False
