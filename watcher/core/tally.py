"""`count` and `within` of a declared rule: it speaks when the n-th of the same happened within a time.

Theory. Nothing is counted up: how many there were is read off the fleet's memory each time, so a restart, a repeated commit or an
answer that came late changes nothing. Events that count together form a burst while no gap between two of them is longer than
`within`. A burst is told when some `within` of it holds `count` of them, and told once: its dedup key is its first event. When
`within` has passed without another one, the burst is over, and the next begins.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from watcher.core.duration import spell_duration
from watcher.core.events import Event, EventId
from watcher.core.fleet import Happening
from watcher.core.language import Moment, Text, joined, say
from watcher.core.matching import labels_of
from watcher.core.model import JobSnapshot
from watcher.core.rule import Context, Facts, Notify, Silence, known

MEMORY: Final = 12
"""A burst is followed back so many times `within`. One that is longer, and was thin for all that time, is told anew."""

MOST: Final = 1000
"""So many are looked at, the latest; it keeps a flood of events from costing the square of its size."""

FEWEST: Final = 2
"""One alone is no count."""

_MOST_NAMES: Final = 5
_MOST_VERDICTS: Final = 50_000

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """A `watcher.core.rule.Threshold`.

    Attributes:
        kinds: event kinds that are counted: those the rule listens to.
        count: how many.
        within: in which time.
        per: labels; only what has the same values of them is counted together.
    """

    kinds: frozenset[str]
    count: int
    within: timedelta
    per: tuple[str, ...] = ()
    _verdicts: dict[EventId, Key | None] = field(default_factory=dict, compare=False, repr=False)
    """What was found out about earlier events, which do not change: the values of `per`, or None for those not meant."""

    @property
    def looks_back(self) -> timedelta:
        """How far back it counts."""
        return self.within * MEMORY

    def weigh(
        self, event: Event, context: Context, said: Notify, would_say: Callable[[Event, Context], bool]
    ) -> Notify | Silence:
        """See `watcher.core.rule.Threshold.weigh`."""
        key = self._key(event, context.job)
        # What was learnt after this event, in the same look, is not its matter.
        earlier = context.fleet.latest(event.when.at - self.looks_back, self.kinds, before=event.id)
        same = islice((one for one in earlier if self._verdict(one, would_say) == key), MOST)
        now = Happening(event, None, context.job)
        burst = _burst(sorted((*same, now), key=_at), event.when.at, self.within)
        before = [one for one in burst if one is not now]
        if self._most(before) >= self.count:
            more = " and more" if len(burst) > MOST else ""
            return Silence(f"told already, {len(burst)}{more} so far")
        number = self._most(burst)
        if number < self.count:
            return Silence(f"{number} of {self.count} within {spell_duration(self.within)}")
        return Notify(
            headline=say(
                "{n} \N{MULTIPLICATION SIGN} {kinds} within {window}{shown}",
                zh="{window}内 {n} 次 {kinds}{shown}",
                n=number,
                kinds=_kinds(burst),
                window=self.within,
                shown=self._shown(event, context.job),
            ),
            facts=_facts(burst, said),
            detail=said.detail,
            severity=said.severity,
            dedup_key="\x1f".join(("burst", burst[0].event.id, *key)),
            across_jobs=True,
        )

    def _verdict(self, one: Happening, would_say: Callable[[Event, Context], bool]) -> Key | None:
        known = self._verdicts
        if one.event.id not in known:
            if len(known) >= _MOST_VERDICTS:
                known.clear()
            since = None if one.member is None else one.member.phase_since
            then = Context(now=one.event.when.observed_at, job=one.job, phase_since=since)
            known[one.event.id] = self._key(one.event, one.job) if would_say(one.event, then) else None
        return known[one.event.id]

    def _key(self, event: Event, job: JobSnapshot | None) -> Key:
        # A label with two meanings counts by the first that is known: the id.
        labels = labels_of(event, job)
        return tuple(next(filter(None, labels.get(label, ())), "") for label in self.per)

    def _shown(self, event: Event, job: JobSnapshot | None) -> Text:
        labels = labels_of(event, job)
        found = ((label, [value for value in labels.get(label, ()) if value]) for label in self.per)
        told: Text = ""
        for label, values in found:
            one = (
                say("{told}, {label} {value}", zh="{told}，{label} {value}", told=told, label=label, value=values[-1])
                if values
                else say("{told}, no {label}", zh="{told}，无 {label}", told=told, label=label)
            )
            told = one
        return told

    def _most(self, burst: Collection[Happening]) -> int:
        """The largest number of events in any `within`."""
        times = [_at(one) for one in burst]
        return max(
            (bisect_right(times, at + self.within) - index for index, at in enumerate(times)),
            default=0,
        )


def _at(one: Happening) -> datetime:
    return one.event.when.at


def _burst(row: list[Happening], at: datetime, gap: timedelta) -> list[Happening]:
    """The part of a row in order of time that hangs together with what happened at that time."""
    first = last = bisect_left(row, at, key=_at)
    while first > 0 and _at(row[first]) - _at(row[first - 1]) <= gap:
        first -= 1
    while last + 1 < len(row) and _at(row[last + 1]) - _at(row[last]) <= gap:
        last += 1
    return row[first : last + 1]


def _kinds(burst: Collection[Happening]) -> Text:
    kinds = sorted({one.event.kind for one in burst})
    return say(" or ".join(kinds), zh=" 或 ".join(kinds)) if kinds[1:] else kinds[0]


def _facts(burst: Collection[Happening], said: Notify) -> Facts:
    names = list(dict.fromkeys(_names(burst)))
    return known(
        ("Jobs", joined(names, most=_MOST_NAMES)),
        ("Since", Moment(min(map(_at, burst)), seconds=True)),
        ("Last", said.headline),
    )


def _names(burst: Collection[Happening]) -> Iterator[str]:
    for one in burst:
        if one.job is not None:
            yield one.job.title
        elif one.member is not None:
            yield one.member.title
