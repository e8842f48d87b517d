"""Whose turn it is: for every live job when it is next looked at and next listed, and when each feed is next asked.

`schedule` says how often; here it becomes an order. The service asks for the next piece of work with its own clock, and so does the
model in `bench/detection.py`, with a made-up one: what is measured there is what runs.

Looks go in two lines. News (an end that a list showed, a change, a doubt, a job never looked at) come before the rounds, ends
before other news; but one look in `ROUND_EVERY` belongs to the rounds as long as anybody there is due, so that a flood of news
starves nobody, and one in `CHANGE_EVERY` of the news belongs to others than ends.

The rounds go by a clock of their own: a job is due an interval after its last look, on that clock, and who is due first is looked
at first. Where there is budget to spare the clock runs with the caller's. Where the budget is short it shows the time at which the
job was due that was looked at last (self-clocked fair queueing, Golestani 1994), so it runs just as fast as looks can be given: all
intervals are stretched, or shortened, alike, and no request is wasted. Why nobody waits too long then is said in `schedule`.

Not a frozen value, as a copy for each of ten looks a second would cost more than all the rest; but it asks no clock and draws
nothing, so what it does follows from what it was told. Times are seconds on the caller's clock, as floats: five for each job.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, Generic, TypeVar

from watcher.core.rates import Habit, Rates
from watcher.core.schedule import JITTER, PAGE, Allotment, Wish, allot

ROUND_EVERY: Final = 4
CHANGE_EVERY: Final = 4

REPLAN_S: Final = 30.0
"""The allotment is made anew this often; in between the population changes little."""
GROWN: Final = 1.1
"""... or when there are so many times as many jobs, or fewer."""

MOST_STALE: Final = 100
"""So many places that count no longer, as their time was changed, are borne beside a quarter of the number of jobs."""

_LEFT: Final = JITTER
"""Where no more than this share of the budget is left over, nothing is: looks that come early by chance may take so much."""

_NEVER: Final = float("inf")


class Rank(IntEnum):
    """Why a look is due; the smaller, the sooner."""

    END = 0
    """A list showed that it ended, or something alarming waits for a second look."""
    CHANGE = 1
    """A list showed a change, or nothing is known of it yet."""
    ROUND = 2
    """Its time has come."""


class Feed(StrEnum):
    """What can be asked of lists, each at its own interval."""

    FINISHED = "finished"
    """What has ended lately?"""
    BORN = "born"
    """What was created lately?"""
    STATUS = "status"
    """What is in this rare status?"""
    SWEEP = "sweep"
    """What is the status of these hundred jobs?"""


K = TypeVar("K", bound=Hashable)


@dataclass(slots=True, eq=False)
class Turn(Generic[K]):
    """One live job's place. No other place is equal to it, whatever it holds.

    Attributes:
        key: which job.
        scope: the list that it stands in; below zero when it is not known to stand in any.
        habit: how often it is thought to change.
        rank: why it is next looked at.
        due_s: when; of a round, on the clock of the rounds.
        looked_s: when it was last looked at in full; before that, when it was enrolled.
        list_due_s: when it is next to be listed.
        changed_s: when anything about it last changed, as far as looks have shown; below zero: not known.
        phase_s: when it entered its phase; below zero: not known.
    """

    key: K
    habit: Habit
    rank: Rank
    due_s: float
    looked_s: float
    scope: int = -1
    list_due_s: float = _NEVER
    changed_s: float = -1.0
    phase_s: float = -1.0

    def __lt__(self, other: Turn[K]) -> bool:
        """Of two that are due at the same time, the one looked at longer ago is first."""
        return self.looked_s < other.looked_s


_Heap = list[tuple[float, Turn[K]]]


class Docket(Generic[K]):
    """The order of work of one source.

    Args:
        rates: how often jobs change.
        wish: what is asked of an allotment.
        rate: requests per second there are at present.
    """

    def __init__(self, rates: Rates, wish: Wish, rate: float) -> None:
        self.rates, self.wish = rates, wish
        self.allotment: Allotment = allot({}, rates, rate, wish)
        self._turns: dict[K, Turn[K]] = {}
        self._population: dict[Habit, int] = {}
        self._habits: dict[Habit, Habit] = {}
        self._looks: tuple[_Heap[K], _Heap[K], _Heap[K]] = ([], [], [])
        self._lists: dict[int, _Heap[K]] = {}
        self._taken = self._taken_news = 0
        self._lead_s = 0.0
        self._intervals: dict[Habit, tuple[float, float]] = {}
        self._worst = 0.0
        self._planned_s, self._planned_for, self._planned_rate = -_NEVER, 0, rate
        self._asked_s: dict[Feed, float] = {}

    def __len__(self) -> int:
        return len(self._turns)

    def __iter__(self) -> Iterator[Turn[K]]:
        return iter(tuple(self._turns.values()))

    def get(self, key: K) -> Turn[K] | None:
        """The place of a job."""
        return self._turns.get(key)

    @property
    def population(self) -> dict[Habit, int]:
        """How many jobs there are of each habit."""
        return dict(self._population)

    # --- the plan ---------------------------------------------------------------------------------------------------------------

    def plan(self, now_s: float, rate: float, *, wish: Wish | None = None) -> None:
        """Divide the budget anew if it is time to."""
        grown = not self._planned_for / GROWN <= len(self) <= max(self._planned_for, 1) * GROWN
        moved = not self._planned_rate / GROWN <= rate <= self._planned_rate * GROWN
        changed = wish is not None and wish != self.wish
        if wish is not None:
            self.wish = wish
        if changed or grown or moved or now_s - self._planned_s >= REPLAN_S:
            self.allotment = allot(self._population, self.rates, rate, self.wish)
            self._intervals.clear()
            self._worst = max(self._worst, self.allotment.division.multiplier)
            self._planned_s, self._planned_for, self._planned_rate = now_s, len(self), rate

    def interval_s(self, habit: Habit) -> float:
        """Seconds between two looks at a job of this habit."""
        return self._intervals_of(habit)[0]

    def list_interval_s(self, habit: Habit) -> float:
        """Seconds between two lists that show a job of this habit; infinite when none is asked for it."""
        return self._intervals_of(habit)[1]

    def _intervals_of(self, habit: Habit) -> tuple[float, float]:
        found = self._intervals.get(habit)
        if found is None:
            found = self._intervals[habit] = self.allotment.intervals(habit)
        return found

    def hasten(self, now_s: float, but: Collection[K] = frozenset()) -> None:
        """Bring forward what a worse plan has put off further than the present one would put off who is looked at now.

        While the rate is low, intervals are long. Without this those who were looked at meanwhile would wait so long even after it
        has risen again, as those whose time comes sooner go before them. Goes through all jobs, but only when the plan has become
        better since it last did: intervals are in proportion to the root of the multiplier.

        Args:
            now_s: now.
            but: jobs that were put off for another reason.
        """
        present = self.allotment.division.multiplier
        if present * GROWN * GROWN >= self._worst:
            return
        self._worst = present
        for turn in self._turns.values():
            if turn.rank is Rank.ROUND and turn.due_s < _NEVER and turn.key not in but:
                latest_s = now_s + self.interval_s(turn.habit) * (1 + JITTER)
                if self.due_s(turn) > latest_s:
                    self.put_off(turn, latest_s)

    # --- jobs -------------------------------------------------------------------------------------------------------------------

    def enrol(
        self, key: K, habit: Habit, due_s: float, *, rank: Rank = Rank.CHANGE, now_s: float, scope: int = -1
    ) -> Turn[K]:
        """Take a job in, to be looked at then."""
        if key in self._turns:
            self.drop(key)
        habit = self._shared(habit)
        turn = self._turns[key] = Turn(key, habit, rank, due_s + self._ahead_s(rank), now_s, scope)
        self._population[habit] = self._population.get(habit, 0) + 1
        self._push(turn)
        if scope >= 0:
            self._relist(turn, now_s)
        return turn

    def drop(self, key: K) -> None:
        """Leave a job out from now on."""
        turn = self._turns.pop(key, None)
        if turn is not None:
            self._count_out(turn.habit)
            turn.due_s = turn.list_due_s = _NEVER

    def _count_out(self, habit: Habit) -> None:
        left = self._population[habit] - 1
        if left:
            self._population[habit] = left
        else:
            del self._population[habit]

    def stands_in(self, turn: Turn[K], scope: int, now_s: float) -> None:
        """It is known in which list the job stands."""
        if scope != turn.scope:
            turn.scope = scope
            self._relist(turn, now_s)

    def put_off(self, turn: Turn[K], due_s: float, *, rank: Rank = Rank.ROUND) -> None:
        """Look at it then, whatever was planned."""
        turn.due_s, turn.rank = due_s + self._ahead_s(rank), rank
        self._push(turn)

    def due_s(self, turn: Turn[K]) -> float:
        """When a job is due, as it looks now."""
        return turn.due_s - self._ahead_s(turn.rank)

    def _ahead_s(self, rank: Rank) -> float:
        """How far the clock by which somebody of this rank is due is ahead of the caller's."""
        return self._lead_s if rank is Rank.ROUND else 0.0

    def news(self, turn: Turn[K], rank: Rank, now_s: float) -> bool:
        """A list shows that something happened: look now. Returns whether that is sooner than it was to be."""
        if turn.due_s <= now_s and turn.rank <= rank:
            return False
        self.put_off(turn, now_s, rank=rank)
        return True

    def looked(self, turn: Turn[K], habit: Habit, now_s: float, jitter: float) -> None:
        """It was looked at in full; the next look is an interval away.

        Args:
            turn: its place.
            habit: its habit from now on.
            now_s: now.
            jitter: from 0 to 1: a tenth early to a tenth late.
        """
        self.reckon(turn, habit)
        turn.looked_s = now_s
        self.put_off(turn, now_s + self.interval_s(habit) * (1 - JITTER + 2 * JITTER * jitter))
        self._relist(turn, now_s)

    def reckon(self, turn: Turn[K], habit: Habit) -> None:
        """Its habit is another one now."""
        if habit != turn.habit:
            self._count_out(turn.habit)
            self._population[habit] = self._population.get(habit, 0) + 1
            turn.habit = self._shared(habit)

    def _shared(self, habit: Habit) -> Habit:
        """One for all jobs that have it: there are some hundred at most, and a hundred bytes for each job are much."""
        return self._habits.setdefault(habit, habit)

    def listed(self, turn: Turn[K], now_s: float, *, full: bool = False) -> None:
        """A list showed it, or should have. In full when the item told as much as GetJob does, and nothing new."""
        if full:
            turn.looked_s = now_s
        self._relist(turn, now_s)

    def _push(self, turn: Turn[K]) -> None:
        heap = self._looks[turn.rank]
        heapq.heappush(heap, (turn.due_s, turn))
        if len(heap) > MOST_STALE + 1.25 * len(self):
            heap[:] = [place for place in heap if place[0] == place[1].due_s and place[1].rank is turn.rank]
            heapq.heapify(heap)

    def _relist(self, turn: Turn[K], now_s: float) -> None:
        every = self.list_interval_s(turn.habit) if turn.scope >= 0 else _NEVER
        turn.list_due_s = now_s + every if every < _NEVER else _NEVER  # not another infinity for each job
        if every < _NEVER:
            heap = self._lists.setdefault(turn.scope, [])
            heapq.heappush(heap, (turn.list_due_s, turn))
            if len(heap) > MOST_STALE + 1.25 * len(self):
                heap[:] = [place for place in heap if place[0] == place[1].list_due_s and place[1].scope == turn.scope]
                heapq.heapify(heap)

    # --- what is next -----------------------------------------------------------------------------------------------------------

    @property
    def hungry(self) -> bool:
        """Whether there are more jobs than the budget serves as often as they are wanted.

        Then intervals say what jobs are worth to each other, and the clock of the rounds goes by the looks that are given.
        """
        return self.allotment.left <= _LEFT * self._planned_rate

    def _first(self, rank: Rank) -> float:
        """When the first of a line is due. Places whose time was changed meanwhile are passed over."""
        heap = self._looks[rank]
        while heap and not (heap[0][0] == heap[0][1].due_s and heap[0][1].rank is rank):
            heapq.heappop(heap)
        if not heap:
            return _NEVER
        turn = heap[0][1]
        if rank is Rank.ROUND and self.hungry:
            return min(self.due_s(turn), turn.looked_s + self.wish.shortest.total_seconds())
        return self.due_s(turn)

    @property
    def next_due_s(self) -> float:
        """When the next look is due; infinite when nobody waits for one."""
        return min(self._first(rank) for rank in Rank)

    def next_rank(self, now_s: float) -> Rank | None:
        """Why the next look is due; None when none is."""
        due = [rank for rank in Rank if self._first(rank) <= now_s]
        if not due:
            return None
        if Rank.ROUND in due and (len(due) == 1 or self._taken % ROUND_EVERY == ROUND_EVERY - 1):
            return Rank.ROUND
        if Rank.CHANGE in due and (Rank.END not in due or self._taken_news % CHANGE_EVERY == CHANGE_EVERY - 1):
            return Rank.CHANGE
        return Rank.END

    def take(self, now_s: float) -> K | None:
        """The job to look at now; None when nobody's time has come. It is due no more until something is said about it."""
        rank = self.next_rank(now_s)
        if rank is None:
            return None
        turn = heapq.heappop(self._looks[rank])[1]
        if rank is Rank.ROUND and self.hungry:
            self._lead_s = turn.due_s - now_s
        turn.due_s = _NEVER
        self._taken += 1
        self._taken_news += rank is not Rank.ROUND
        return turn.key

    def batch(self, scope: int, size: int = PAGE) -> tuple[K, ...]:
        """The jobs of one list to ask about next: those that are due, and those that will be, as they cost nothing more.

        They wait for no list until something is said about them (`listed`).
        """
        heap, found = self._lists.get(scope, []), list[K]()
        while heap and len(found) < size:
            due_s, turn = heapq.heappop(heap)
            if due_s == turn.list_due_s and turn.scope == scope:
                found.append(turn.key)
                turn.list_due_s = _NEVER
        return tuple(found)

    @property
    def scopes(self) -> tuple[int, ...]:
        """The lists in which somebody waits to be shown."""
        return tuple(sorted(scope for scope, heap in self._lists.items() if heap))

    # --- feeds ------------------------------------------------------------------------------------------------------------------

    def feed_every_s(self, feed: Feed) -> float:
        """Seconds between two turns of a feed; 0 when it is not to be asked."""
        plan = self.allotment
        return {
            Feed.FINISHED: plan.finish_s,
            Feed.BORN: plan.birth_s,
            Feed.STATUS: plan.status_s,
            Feed.SWEEP: plan.sweep_s,
        }[feed]

    def feed_due_s(self, feed: Feed) -> float:
        """When a feed is next to be asked; infinite when it is not. One that was never asked is due at once."""
        every = self.feed_every_s(feed)
        return self._asked_s.get(feed, -_NEVER) + every if every else _NEVER

    def asked(self, feed: Feed, now_s: float) -> None:
        """A feed is being asked now."""
        self._asked_s[feed] = now_s

    def oldest_s(self) -> float:
        """When the job was looked at that was looked at longest ago; infinite when there is none. Goes through all of them."""
        return min((turn.looked_s for turn in self._turns.values()), default=_NEVER)
