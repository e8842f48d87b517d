"""A Store in memory: for virtual-time tests, rule try-outs and the demo. No threads, no disk, the same contract.

Every method does its work without awaiting in the middle, so it is as atomic as a transaction. Long, because the contract has many
methods and they share one state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import dropwhile, islice

from anyio.lowlevel import checkpoint

from watcher.core.backlog import Backlog
from watcher.core.breaker import Breaker, enabled
from watcher.core.codec import event_to_json, snapshot_to_json
from watcher.core.compaction import compact
from watcher.core.delivery import (
    TERMINAL_STATES,
    Delivery,
    DeliveryId,
    DeliveryReason,
    DeliveryState,
    FlushId,
    Receipt,
    Settlement,
    absorbed,
)
from watcher.core.ends import SUFFIX, ToldTrouble
from watcher.core.events import Event, EventId, job_of
from watcher.core.fleet import Brief, brief_of
from watcher.core.inhibition import inhibited
from watcher.core.interventions import Action, Intervention
from watcher.core.living import LivingCard
from watcher.core.model import JobRef, JobSnapshot, SourceName, Watch
from watcher.core.ongoing import UNTIL_ANSWERED
from watcher.core.people import Address
from watcher.core.recipients import Acceptance, those
from watcher.core.rule import Decision, Notification, NotificationId, RuleDeadline
from watcher.core.sight import Sight
from watcher.core.silencing import Silencing, SilencingId
from watcher.core.trouble import Trouble, TroubleEnd
from watcher.ports.store import Lease, Observation, StoryLine
from watcher.store import breakers, outbox, queue, rows, writing
from watcher.store.queue import Turn, Waiting


@dataclass(frozen=True, slots=True)
class _Told:
    receiver: str
    at: datetime
    receipt: Receipt


class MemoryStore:
    """A `watcher.ports.store.Store` that forgets everything with the process."""

    def __init__(self) -> None:
        self._watches: dict[JobRef, Watch] = {}
        self._ended: dict[JobRef, datetime] = {}
        self._snapshots: dict[JobRef, list[JobSnapshot]] = {}
        self._events: dict[EventId, Event] = {}
        self._decisions: dict[tuple[EventId, str], tuple[Decision, JobRef | None, datetime]] = {}
        self._notifications: dict[NotificationId, Notification] = {}
        self._deliveries: dict[DeliveryId, Delivery] = {}
        self._unsettled: dict[str, dict[DeliveryId, None]] = {}
        self._receipts: dict[FlushId, _Told] = {}
        self._threads: dict[tuple[str, str], str] = {}
        self._folded: dict[FlushId, list[Delivery]] = {}
        self._spoke: dict[tuple[str, str], datetime] = {}
        self._deadlines: dict[tuple[str, JobRef, str], RuleDeadline] = {}
        self._sights: dict[SourceName, Sight] = {}
        self._silences: dict[SilencingId, Silencing] = {}
        self._breakers: dict[str, Breaker] = {}
        self._interventions: list[Intervention] = []
        self._interventions_made = 0
        self._troubles: dict[NotificationId, Trouble] = {}
        self._cards: dict[tuple[str, JobRef], LivingCard] = {}

    async def open(self) -> None:
        """Nothing is to be made ready."""
        await checkpoint()

    async def aclose(self) -> None:
        """Nothing is to be let go; what is stored stays until the object goes."""
        await checkpoint()

    async def watch(self, ref: JobRef) -> Watch | None:
        """See `Store.watch`."""
        await checkpoint()
        return self._watches.get(ref)

    async def watches(
        self,
        *,
        live_only: bool = True,
        source: SourceName | None = None,
        after: JobRef | None = None,
        limit: int | None = None,
    ) -> tuple[Watch, ...]:
        """See `Store.watches`."""
        await checkpoint()
        found = (
            watch
            for ref, watch in sorted(self._watches.items())
            if (watch.live or not live_only) and source in {None, ref.source} and (after is None or ref > after)
        )
        return tuple(islice(found, limit))

    async def briefs(self, *, source: SourceName | None = None) -> tuple[Brief, ...]:
        """See `Store.briefs`."""
        return tuple(map(brief_of, await self.watches(live_only=False, source=source)))

    async def commit(self, observation: Observation) -> None:
        """See `Store.commit`. Raises ValueError when the watch's version does not follow `expected_version`."""
        await checkpoint()
        writing.check(observation)
        self._advance(observation)
        if observation.sight is not None:
            self._sights[observation.sight.source] = observation.sight
        for event in observation.events:
            self._events.setdefault(event.id, event)
        own = observation.watch.snapshot.ref if observation.watch else None
        jobs = {event.id: job_of(event) for event in observation.events}
        for decision in observation.decisions:
            made = (decision, jobs.get(decision.event_id, own), observation.at)
            self._decisions.setdefault((decision.event_id, decision.rule), made)
        for notification in observation.notifications:
            self._notifications.setdefault(notification.id, notification)
        for delivery in observation.deliveries:
            self._owe(delivery)
        self._note_troubles(observation)
        self._absorb(observation)
        for deadline in observation.deadlines_passed:
            key = (deadline.rule, deadline.job, deadline.key)
            if key in self._deadlines and self._deadlines[key].at == deadline.at:
                del self._deadlines[key]
        for deadline in observation.deadlines:
            self._deadlines[deadline.rule, deadline.job, deadline.key] = deadline

    def _note_troubles(self, observation: Observation) -> None:
        for trouble in observation.troubles:
            said = self._notifications.setdefault(trouble.id, trouble.notification)
            held = self._troubles.setdefault(trouble.id, replace(trouble, notification=said))
            if held.ended_at is None and trouble.end is not None:
                self._troubles[trouble.id] = replace(held, ended_at=trouble.ended_at, end=trouble.end)

    def _absorb(self, observation: Observation) -> None:
        for absorption in observation.absorptions:
            for delivery in list(self._deliveries.values()):
                self._put(absorbed(delivery, absorption, observation.at))
        for delivery in list(self._deliveries.values()) if observation.inhibitions else ():
            self._put(inhibited(delivery, observation.inhibitions, observation.at))

    def _advance(self, observation: Observation) -> None:
        watch = observation.watch
        if watch is None:
            return
        ref = watch.snapshot.ref
        held = self._watches.get(ref)
        if (held.version if held else 0) != observation.expected_version:
            raise writing.stale(observation)
        self._watches[ref] = watch
        if watch.live:
            self._ended.pop(ref, None)
        else:
            self._ended.setdefault(ref, observation.at)
        if observation.snapshot_changed:
            self._snapshots.setdefault(ref, []).append(watch.snapshot)
        for key, card in self._cards.items():
            if key[1] == ref:
                self._cards[key] = replace(card, news=card.news + 1)

    def _owe(self, delivery: Delivery) -> None:
        said = self._notifications.setdefault(delivery.notification.id, delivery.notification)
        if delivery.id not in self._deliveries:
            self._put(replace(delivery, notification=said))

    def _put(self, delivery: Delivery) -> None:
        self._deliveries[delivery.id] = delivery
        waiting = self._unsettled.setdefault(delivery.receiver, {})
        if delivery.state in TERMINAL_STATES:
            waiting.pop(delivery.id, None)
        else:
            waiting.setdefault(delivery.id)

    async def sights(self) -> tuple[Sight, ...]:
        """See `Store.sights`."""
        await checkpoint()
        return tuple(sight for _, sight in sorted(self._sights.items()))

    async def due_deadlines(self, now: datetime, limit: int = 100) -> tuple[RuleDeadline, ...]:
        """See `Store.due_deadlines`."""
        await checkpoint()
        due = (deadline for deadline in self._deadlines.values() if deadline.at <= now)
        return tuple(sorted(due, key=lambda d: (d.at, d.rule, d.job, d.key))[: max(limit, 0)])

    async def deadlines(self, rule: str) -> tuple[RuleDeadline, ...]:
        """See `Store.deadlines`."""
        await checkpoint()
        own = (deadline for deadline in self._deadlines.values() if deadline.rule == rule)
        return tuple(sorted(own, key=lambda d: (d.at, d.job, d.key)))

    async def next_due(self, *, receiver: str | None = None) -> datetime | None:
        """See `Store.next_due`."""
        await checkpoint()
        if receiver is None:
            return min((deadline.at for deadline in self._deadlines.values()), default=None)
        return queue.next_due(self._waiting(receiver))

    def _waiting(self, receiver: str) -> list[Waiting]:
        owed = (self._deliveries[delivery_id] for delivery_id in self._unsettled.get(receiver, ()))
        return [
            Waiting(
                one.id,
                one.group_key,
                one.thread_key,
                one.state,
                one.not_before,
                one.flush_id,
                one.apart,
                self._spoke.get((receiver, one.group_key)),
                one.created_at,
                one.reason,
                one.person if one.address is Address.DIRECT else "",
                "" if one.notification.job is None else f"job:{one.notification.job}",
            )
            for one in owed
        ]

    async def lease(self, receiver: str, now: datetime, *, backlog: Backlog | None = None) -> Lease | None:
        """See `Store.lease`, and `watcher.store.queue` for whose turn it is."""
        await checkpoint()
        for gathered in [] if backlog is None else queue.gatherings(self._waiting(receiver), now, backlog):
            group = gathered.group
            for one in (self._deliveries[delivery_id] for delivery_id in gathered.ids):
                self._put(replace(one, group_key=group, thread_key=f"group:{group}", apart=timedelta(0)))
        while (turn := queue.next_turn(owed := self._waiting(receiver), now)) is not None:
            flush_id, ids = turn.flush_id or queue.flush_id(receiver, turn.ids), turn.ids
            if queue.was_held(turn, owed, now):
                flush_id, ids = self._compact(receiver, turn, now)
            if ids:
                return self._begin(receiver, flush_id, ids, now)
        return None

    def _compact(self, receiver: str, turn: Turn, now: datetime) -> tuple[FlushId, list[DeliveryId]]:
        held = [self._deliveries[one] for one in turn.ids]
        since = dropwhile(lambda one: one.id not in turn.ids, self._deliveries.values())
        told = [one for one in since if one.receiver == receiver and one.state is DeliveryState.DELIVERED]
        phases = {ref: watch.snapshot.phase for ref, watch in self._watches.items()}
        compaction = compact(held, phases, told)
        flush_id, folded = queue.begin(receiver, compaction, now)
        for one in folded:
            self._put(one)
            self._folded.setdefault(flush_id, []).append(one)
        return flush_id, [one.id for one in compaction.kept]

    def _begin(self, receiver: str, flush_id: FlushId, ids: list[DeliveryId], now: datetime) -> Lease:
        for delivery_id in ids:
            delivery = self._deliveries[delivery_id]
            self._put(
                replace(
                    delivery,
                    state=DeliveryState.SENDING,
                    reason=DeliveryReason.LEASED,
                    attempt=delivery.attempt + 1,
                    flush_id=flush_id,
                    first_attempt_at=delivery.first_attempt_at or now,
                )
            )
        taken = tuple(self._deliveries[delivery_id] for delivery_id in ids)
        return Lease(
            flush_id=flush_id,
            receiver=receiver,
            attempt=taken[0].attempt,
            first_attempt_at=taken[0].first_attempt_at or now,
            deliveries=taken,
            thread_reference=self._threads.get((receiver, queue.thread_of(taken)), ""),
            folded=tuple(one for one in self._folded.get(flush_id, ()) if one.flush_id == flush_id),
            recipients=self._receipts[flush_id].receipt.recipients if flush_id in self._receipts else (),
            refused_before=frozenset(
                outcome.recipient
                for told_as, told in self._receipts.items()
                if told.receiver == receiver and told_as != flush_id
                for outcome in those(told.receipt.recipients, Acceptance.REFUSED)
            ),
        )

    async def settle(
        self,
        lease: Lease,
        settlement: Settlement,
        receipt: Receipt | None,
        now: datetime,
        *,
        owed: tuple[Delivery, ...] = (),
        breaker: Breaker | None = None,
    ) -> None:
        """See `Store.settle`. Writes nothing when the flush has since been leased again, or settled."""
        await checkpoint()
        outbox.check(settlement)
        ours = [
            delivery
            for delivery in (self._deliveries.get(leased.id) for leased in lease.deliveries)
            if delivery is not None
            and delivery.state is DeliveryState.SENDING
            and (delivery.flush_id, delivery.attempt) == (lease.flush_id, lease.attempt)
        ]
        for delivery in ours:
            self._put(
                replace(
                    delivery,
                    state=settlement.state,
                    reason=settlement.reason,
                    error=settlement.error,
                    not_before=settlement.not_before or delivery.not_before,
                    settled_at=now if settlement.state in TERMINAL_STATES else None,
                )
            )
        if not ours:
            return
        if breaker is not None:
            self._breakers[breaker.receiver] = breaker
        for delivery in owed:
            self._owe(delivery)
        if receipt is not None:
            asked = tuple(sorted(receipt.recipients, key=lambda one: one.recipient))
            kept = replace(receipt, recipients=asked, retry_after=None)
            self._receipts[lease.flush_id] = _Told(lease.receiver, now, kept)
            self._spoke[lease.receiver, lease.deliveries[0].group_key] = now
            if receipt.thread_reference:
                self._threads[lease.receiver, queue.thread_of(lease.deliveries)] = receipt.thread_reference

    async def release(self, now: datetime) -> int:
        """See `Store.release`."""
        await checkpoint()
        left = [delivery for delivery in self._deliveries.values() if delivery.state is DeliveryState.SENDING]
        for delivery in left:
            due = replace(delivery, state=DeliveryState.RETRYING, reason=DeliveryReason.UNKNOWN_OUTCOME, not_before=now)
            self._put(due)
        return len(left)

    async def breakers(self) -> tuple[Breaker, ...]:
        """See `Store.breakers`."""
        await checkpoint()
        return tuple(breaker for _, breaker in sorted(self._breakers.items()))

    async def keep_breaker(self, breaker: Breaker) -> None:
        """See `Store.keep_breaker`."""
        await checkpoint()
        self._breakers[breaker.receiver] = breaker

    async def dead_letters(self) -> Mapping[str, int]:
        """See `Store.dead_letters`."""
        await checkpoint()
        dead = (one.receiver for one in self._deliveries.values() if one.state is DeliveryState.DEAD)
        return dict(sorted(Counter(dead).items()))

    async def intervene(self, intervention: Intervention) -> tuple[str, ...]:
        """See `Store.intervene`."""
        await checkpoint()
        act = self._enable if intervention.action is Action.ENABLE else self._move
        changed = tuple(subject for subject in dict.fromkeys(intervention.subjects) if act(subject, intervention))
        self._interventions += [replace(intervention, subjects=(subject,)) for subject in changed]
        self._interventions_made += len(changed)
        return changed

    def _enable(self, receiver: str, _intervention: Intervention) -> bool:
        known = self._breakers.get(receiver)
        if known is None or enabled(known) == known:
            return False
        self._breakers[receiver] = enabled(known)
        return True

    def _move(self, subject: str, intervention: Intervention) -> bool:
        delivery = self._deliveries.get(DeliveryId(subject))
        after = None if delivery is None else breakers.moved(delivery, intervention)
        if after is None or after == delivery:
            return False
        self._put(after)
        # Its place in the queue is that of its age, as in a table.
        waiting = self._unsettled[after.receiver]
        self._unsettled[after.receiver] = {one: None for one in self._deliveries if one in waiting}
        return True

    async def interventions(self, limit: int = 100) -> tuple[Intervention, ...]:
        """See `Store.interventions`."""
        await checkpoint()
        return tuple(self._interventions[max(len(self._interventions) - max(limit, 0), 0) :])

    async def interventions_made(self) -> int:
        """See `Store.interventions_made`."""
        await checkpoint()
        return self._interventions_made

    async def card(self, receiver: str, job: JobRef) -> LivingCard | None:
        """See `Store.card`."""
        await checkpoint()
        return self._cards.get((receiver, job))

    async def keep_card(self, card: LivingCard) -> None:
        """See `Store.keep_card`."""
        await checkpoint()
        key = card.receiver, card.job
        held = self._cards.get(key)
        self._cards[key] = card if held is None else replace(card, news=held.news)
        if card.reference:
            self._threads[card.receiver, f"job:{card.job}"] = card.reference

    async def cards_behind(self, receiver: str, limit: int = 1) -> tuple[LivingCard, ...]:
        """See `Store.cards_behind`."""
        await checkpoint()
        found = [card for card in self._cards.values() if card.receiver == receiver and card.behind]
        return tuple(sorted(found, key=lambda card: (card.next_at, card.job))[: max(limit, 0)])

    async def add_silence(self, silencing: Silencing) -> None:
        """See `Store.add_silence`."""
        await checkpoint()
        self._silences.setdefault(silencing.id, silencing)

    async def end_silence(self, silencing_id: SilencingId, at: datetime, by: str) -> bool:
        """See `Store.end_silence`."""
        await checkpoint()
        held = self._silences.get(silencing_id)
        if held is None or held.ended_at is not None:
            return False
        self._silences[silencing_id] = replace(held, ended_at=at, ended_by=by)
        return True

    async def silences(self, now: datetime | None = None) -> tuple[Silencing, ...]:
        """See `Store.silences`."""
        await checkpoint()
        found = sorted(self._silences.values(), key=lambda one: (one.created_at, one.id))
        return tuple(
            one for one in found if now is None or (one.ended_at is None and (one.until is None or one.until > now))
        )

    async def troubles(
        self,
        *,
        open_only: bool = True,
        job: JobRef | None = None,
        since: datetime | None = None,
        trouble_id: NotificationId | None = None,
    ) -> tuple[Trouble, ...]:
        """See `Store.troubles`."""
        await checkpoint()
        found = sorted(self._troubles.values(), key=lambda one: (one.opened_at, one.id))
        return tuple(
            one
            for one in found
            if (one.ended_at is None or not open_only)
            and job in {None, one.job}
            and (since is None or one.ended_at is None or one.ended_at >= since)
            and trouble_id in {None, one.id}
        )

    async def open_troubles(self) -> tuple[int, int]:
        """See `Store.open_troubles`."""
        await checkpoint()
        held = [one for one in self._troubles.values() if one.ended_at is None]
        return len(held), sum(one.acknowledged_at is not None for one in held)

    async def told_troubles(self, receiver: str) -> tuple[ToldTrouble, ...]:
        """See `Store.told_troubles`."""
        await checkpoint()
        ours = {one.notification.id: one for one in self._deliveries.values() if one.receiver == receiver}
        return tuple(
            ToldTrouble(trouble, ours[trouble.id])
            for trouble in sorted(self._troubles.values(), key=lambda one: (one.opened_at, one.id))
            if trouble.id in ours
            and ours[trouble.id].state is DeliveryState.DELIVERED
            and (trouble.ended_at is None or NotificationId(trouble.id + SUFFIX) not in ours)
        )

    async def acknowledge(self, trouble_id: NotificationId, at: datetime, by: str, comment: str = "") -> bool:
        """See `Store.acknowledge`."""
        await checkpoint()
        meant = self._troubles.get(trouble_id)
        waiting = [
            one for one in self._troubles.values() if meant and one.matter == meant.matter and one.waits_for_answer
        ]
        for one in waiting:
            answered = replace(one, acknowledged_at=at, acknowledged_by=by, comment=comment)
            ends = one.ongoing in UNTIL_ANSWERED
            self._troubles[one.id] = answered.ended(TroubleEnd.ANSWERED, at) if ends else answered
        return bool(waiting)

    async def events(
        self,
        *,
        job: JobRef | None = None,
        kinds: frozenset[str] = frozenset(),
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Event, ...]:
        """See `Store.events`."""
        await checkpoint()
        found = [
            event
            for event in self._events.values()
            if (job is None or job_of(event) == job)
            and (not kinds or event.kind in kinds)
            and (since is None or event.when.at > since)
        ]
        return tuple(found[max(len(found) - max(limit, 0), 0) :])

    async def deliveries(
        self,
        *,
        receiver: str | None = None,
        states: frozenset[DeliveryState] = frozenset(),
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Delivery, ...]:
        """See `Store.deliveries`."""
        await checkpoint()
        found = [
            delivery
            for delivery in self._deliveries.values()
            if receiver in {None, delivery.receiver}
            and (not states or delivery.state in states)
            and (since is None or delivery.created_at > since)
        ]
        return tuple(found[max(len(found) - max(limit, 0), 0) :])

    async def story(self, job: JobRef) -> tuple[StoryLine, ...]:
        """See `Store.story`."""
        await checkpoint()
        lines = [rows.snapshot_line(seen.observed_at, snapshot_to_json(seen)) for seen in self._snapshots.get(job, ())]
        lines += [rows.event_line(e.when.at, event_to_json(e)) for e in self._events.values() if job_of(e) == job]
        lines += [
            rows.decision_line(at, made.event_id, made.rule, made.reason.value, made.note)
            for made, about, at in self._decisions.values()
            if about == job
        ]
        lines += [line for one in self._troubles.values() if one.job == job for line in rows.trouble_lines(one)]
        owed = [delivery for delivery in self._deliveries.values() if delivery.notification.job == job]
        return rows.in_order(lines + self._told(owed))

    async def account(self, event_id: EventId) -> tuple[StoryLine, ...]:
        """See `Store.account`."""
        await checkpoint()
        event = self._events.get(event_id)
        if event is None:
            return ()
        lines = [rows.event_line(event.when.at, event_to_json(event))]
        lines += [
            rows.decision_line(at, made.event_id, made.rule, made.reason.value, made.note)
            for made, _, at in self._decisions.values()
            if made.event_id == event_id
        ]
        owed = [delivery for delivery in self._deliveries.values() if delivery.notification.event_id == event_id]
        said = {delivery.notification.id for delivery in owed}
        lines += [line for one in self._troubles.values() if one.id in said for line in rows.trouble_lines(one)]
        return rows.in_order(lines + self._told(owed))

    def _told(self, owed: list[Delivery]) -> list[StoryLine]:
        """The deliveries, and what came back for them."""
        lines = [rows.delivery_line(delivery) for delivery in owed]
        for flush_id in dict.fromkeys(delivery.flush_id for delivery in owed):
            told = self._receipts.get(flush_id) if flush_id else None
            if flush_id and told:
                lines.append(rows.receipt_line(told.at, flush_id, told.receiver, told.receipt))
        return lines

    async def counts(self) -> Mapping[str, int]:
        """See `Store.counts`."""
        await checkpoint()
        numbers = {"jobs.live": len(self._watches) - len(self._ended), "jobs.ended": len(self._ended)}
        numbers |= {f"deliveries.{state.value}": 0 for state in DeliveryState}
        for delivery in self._deliveries.values():
            numbers[f"deliveries.{delivery.state.value}"] += 1
        return numbers | {
            "snapshots": sum(map(len, self._snapshots.values())),
            "events": len(self._events),
            "decisions": len(self._decisions),
            "notifications": len(self._notifications),
            "receipts": len(self._receipts),
            "deadlines": len(self._deadlines),
            "troubles.open": sum(one.ended_at is None for one in self._troubles.values()),
            "troubles.acknowledged": sum(
                one.ended_at is None and one.acknowledged_at is not None for one in self._troubles.values()
            ),
        }

    async def prune(self, before: datetime) -> frozenset[JobRef]:
        """See `Store.prune`."""
        await checkpoint()
        self._silences = {
            key: one
            for key, one in self._silences.items()
            if not any(end is not None and end < before for end in (one.until, one.ended_at))
        }
        self._interventions = [one for one in self._interventions if one.at >= before]
        self._troubles = {
            key: one
            for key, one in self._troubles.items()
            if one.job is not None or one.ended_at is None or one.ended_at >= before
        }
        untold = {
            delivery.notification.job
            for delivery in self._deliveries.values()
            if delivery.settled_at is None or delivery.settled_at >= before
        }
        self._spoke = {key: at for key, at in self._spoke.items() if at >= before}
        gone = {ref for ref, at in self._ended.items() if at < before and ref not in untold}
        flushes = {d.flush_id for d in self._deliveries.values() if d.notification.job in gone}
        self._deliveries = {k: d for k, d in self._deliveries.items() if d.notification.job not in gone}
        flushes -= {delivery.flush_id for delivery in self._deliveries.values()}
        self._folded = {k: rows for k, rows in self._folded.items() if k not in flushes}
        self._receipts = {k: told for k, told in self._receipts.items() if k not in flushes}
        self._notifications = {k: said for k, said in self._notifications.items() if said.job not in gone}
        self._decisions = {k: made for k, made in self._decisions.items() if made[1] not in gone}
        self._events = {k: event for k, event in self._events.items() if job_of(event) not in gone}
        self._deadlines = {k: deadline for k, deadline in self._deadlines.items() if deadline.job not in gone}
        self._silences = {k: one for k, one in self._silences.items() if one.job not in gone}
        self._troubles = {k: one for k, one in self._troubles.items() if one.job not in gone}
        self._cards = {k: card for k, card in self._cards.items() if k[1] not in gone}
        threads = {f"job:{ref}" for ref in gone}
        self._threads = {
            k: reference for k, reference in self._threads.items() if k[1].partition(" for ")[0] not in threads
        }
        for ref in gone:
            del self._watches[ref], self._ended[ref]
            self._snapshots.pop(ref, None)
        return frozenset(gone)
