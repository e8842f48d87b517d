"""Tells people: one worker for each receiver leases what is due, sends it and writes down what became of it.

One worker per destination keeps the order and the pace. Deliveries are marked before the network is touched and settled after, so
whatever the moment of a crash, nothing is lost and at most the one message under way is repeated, under the same id.

Long, because the order of a worker's steps is its matter; what each step decides stands elsewhere (`gate`, `cards`, `lasting`).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import anyio
import anyio.lowlevel

from watcher.core.breaker import Breaker
from watcher.core.card import Card
from watcher.core.delivery import (
    Delivery,
    DeliveryReason,
    DeliveryState,
    Failure,
    FlushId,
    Outcome,
    Receipt,
    Settlement,
    settle,
)
from watcher.core.language import PLAIN, Locale
from watcher.core.living import LivingCard
from watcher.core.message import Item, JobCard, Message, compose, job_card, loudest
from watcher.core.model import JobRef, SourceName, Watch
from watcher.core.recipients import newly_refused
from watcher.errors import NotifierError, StoreUnavailable
from watcher.notifiers.own_words import in_own_words
from watcher.ports.notifier import LastingNotifier, LivingNotifier, Notifier
from watcher.ports.source import JobSource
from watcher.ports.store import Lease
from watcher.service.cards import Cards
from watcher.service.gate import Gate
from watcher.service.lasting import Lasting
from watcher.service.ledger import Ledger
from watcher.service.telemetry import log
from watcher.service.waiting import sleep_or
from watcher.settings import ReceiverSettings
from watcher.store.queue import thread_of
from watcher.templates import NONE as NO_TEMPLATES
from watcher.templates import Templates

SEND_TIMEOUT: Final = timedelta(seconds=60)
"""For one attempt, everything included. A mail server may take 8 s to refuse a password; a minute is beyond all reason."""

_PATIENCE: Final = timedelta(seconds=5)
_ALONE: Final = ReceiverSettings()


class Dispatcher:
    """The worker of one receiver.

    Args:
        name: the receiver.
        notifier: how to tell it.
        ledger: store, clock, metrics and the bell that rings for new deliveries.
        sources: for links to jobs.
        jitter: draws from 0 to 1, for the retry schedule.
        templates: in what words of its own.
        common: what every receiver has.
        target: stands for its configuration (`settings.fingerprint`).
        locale: in which language and by whose clock the receiver is spoken to.
        seen_at: when a job was last seen to be as it is held; None where nobody looks at it.
    """

    def __init__(
        self,
        name: str,
        notifier: Notifier,
        ledger: Ledger,
        sources: Mapping[SourceName, JobSource],
        jitter: Callable[[], float] = random.random,
        *,
        locale: Locale = PLAIN,
        seen_at: Callable[[JobRef], datetime | None] = lambda _job: None,
        templates: Templates = NO_TEMPLATES,
        common: ReceiverSettings = _ALONE,
        target: str = "",
    ) -> None:
        self.name, self._notifier, self._ledger, self._sources, self._jitter = name, notifier, ledger, sources, jitter
        self._living = (
            Cards(name, notifier, ledger, self._card_now, self._guarded_card, locale=locale)
            if isinstance(notifier, LivingNotifier) and notifier.card_target
            else None
        )
        self._locale, self._templates, self._seen_at = locale, templates, seen_at
        self._lasting = (
            Lasting(name, notifier, ledger, self._show_again) if isinstance(notifier, LastingNotifier) else None
        )
        self._backlog = common.backlog
        self._gate = Gate(name, ledger, common, target)
        self._sending: anyio.CancelScope | None = None

    @property
    def breaker(self) -> Breaker:
        """Whether this receiver is sent to, and what keeps it from being."""
        return self._gate.breaker

    async def dispatch(self) -> None:
        """Run until cancelled. A send that has begun is finished and written down even then."""
        clock = self._ledger.clock
        while True:
            await (
                anyio.lowlevel.checkpoint_if_cancelled()
            )  # a send shields itself from being stopped: begin none after it
            rung = [self._ledger.deliveries_bell.listen()]
            if self._living is not None:
                rung.append(self._ledger.cards_bell.listen())
            try:
                await self._gate.heed()
                look_at = await self._gate.pass_on()
                sent = self._gate.held_until is None and (
                    await self.send_next() or await self._show_next() or await self._last_next()
                )
                due_at = None if sent else await self._next_due()
            except StoreUnavailable as exc:
                log.error("dispatch_put_off", receiver=self.name, error=str(exc))
                await clock.sleep(_PATIENCE)
                continue
            if sent:
                await clock.sleep(self._notifier.pace)
            else:
                wake_at = min((at for at in (due_at, look_at) if at is not None), default=None)
                wait = wake_at - clock.now() if wake_at is not None else timedelta(days=1)
                await sleep_or(clock.sleep, wait, *rung)

    async def drain(self) -> int:
        """Send all that is due now and return how many messages that was; for `once`. Then cards. Stops at a pause."""
        count = 0
        await self._gate.heed()
        while self._gate.held_until is None and (await self.send_next() or await self._last_next()):
            count += 1
            await self._ledger.clock.sleep(self._notifier.pace)
        while self._gate.held_until is None and await self._show_next():
            await self._ledger.clock.sleep(self._notifier.pace)
        return count

    async def send_next(self) -> bool:
        """Lease, send and settle one flush. False when nothing is due."""
        with anyio.CancelScope(shield=True) as self._sending:
            lease = await self._ledger.store.lease(self.name, self._ledger.clock.now(), backlog=self._backlog)
            if lease is None:
                return False
            if (refusal := self._gate.refusal()) is not None:
                await self._write(lease, refusal, None, self._gate.breaker)
                return True
            root = await self._root(lease)
            if isinstance(root, Failure):
                await self._settle(lease, root)
                return True
            message = compose(
                lease.deliveries,
                await self._cards(lease.deliveries),
                flush_id=lease.flush_id,
                attempt=lease.attempt,
                folded=lease.folded,
                thread_reference=root.reference if root else lease.thread_reference,
                thread_place=root.place if root else "",
                locale=self._locale,
                recipients=lease.recipients,
                refused_before=lease.refused_before,
                people=self._ledger.book.people,
                reaches=self._notifier.capabilities.reaches,
            )
            outcome = await self._attempt(self._in_own_words(message))
            self._note_refusals(outcome, lease)
            await self._settle(lease, outcome)
            if root is not None and self._living is not None and isinstance(outcome, Receipt):
                await self._living.replied(root)
                await self._living.show_next(overdue_only=True)
        return True

    async def _root(self, lease: Lease) -> LivingCard | Failure | None:
        """The card under which a flush is told; None where none is to be. A thread that began without one goes on so."""
        job = lease.deliveries[0].notification.job
        if self._living is None or job is None or thread_of(lease.deliveries) != f"job:{job}":
            return None
        try:
            if lease.thread_reference and await self._ledger.store.card(self.name, job) is None:
                return None
            return await self._living.root(job)
        except StoreUnavailable as exc:
            return Failure(error=str(exc))

    async def _show_next(self) -> bool:
        """Change one card that is behind. False when none is, or none yet."""
        if self._living is None or self._gate.breaker.shut:
            return False
        with anyio.CancelScope(shield=True) as self._sending:
            if await self._living.show_next():
                return True
        return False

    async def _last_next(self) -> bool:
        """Owe the ends of what lasted, or renew what lasts. False when neither was to be done."""
        if self._lasting is None or self._gate.breaker.shut:
            return False
        with anyio.CancelScope(shield=True) as self._sending:
            return await self._lasting.step()
        return False  # what was cut off at the end of the program is done at the next start

    async def _show_again(self, deliveries: Sequence[Delivery]) -> Outcome:
        """What lasts, as one message of what it was told with."""
        cards = await self._cards(deliveries)
        said = [
            compose(
                (one,), cards, flush_id=one.flush_id or FlushId(""), attempt=1, thread_reference="", locale=self._locale
            )
            for one in deliveries
        ]
        items = tuple(item for message in said for item in message.items)
        message = replace(said[0], items=items, severity=loudest([item.severity for item in items]))
        outcome = await self._attempt(self._in_own_words(message))
        if isinstance(outcome, Failure) and (outcome.pauses or outcome.disables):
            await self._gate.overheard(outcome)
        return outcome

    async def _next_due(self) -> datetime | None:
        if self._gate.held_until is not None:
            return self._gate.held_until
        due = [await self._ledger.store.next_due(receiver=self.name)]
        if self._gate.breaker.shut:  # what needs no delivery is not done then, and must not be waited for
            return due[0]
        if self._living is not None:
            due.append(await self._living.next_at())
        if self._lasting is not None:
            due.append(self._lasting.next_at())
        return min(filter(None, due), default=None)

    def hurry(self, grace: timedelta) -> None:
        """Give a send that is under way so much longer. What is cut off is sent again at the next start, under the same id."""
        if self._sending is not None:
            self._sending.deadline = anyio.current_time() + grace.total_seconds()

    def _in_own_words(self, message: Message) -> Message:
        """In the receiver's own words; a template that fails is an operator's matter, and people hear of it all the same."""
        message, faults = in_own_words(message, self._templates)
        for part, fault in faults:
            self._ledger.metrics.template_failures.labels(self.name, part).inc()
            log.error("template_failed", receiver=self.name, part=part, error=fault)
        return message

    async def _attempt(self, message: Message) -> Outcome:
        try:
            wire = self._render(message)
        except Exception as exc:  # noqa: BLE001 - a notifier is a stranger's code: its faults must not stop the others
            return Failure(error=f"cannot be put into words: the renderer raised {type(exc).__name__}")
        return await self._guarded(lambda: self._notifier.send(wire, message))

    async def _guarded(self, work: Callable[[], Awaitable[Receipt]]) -> Outcome:
        """What becomes of one call of the notifier, whatever it does."""
        try:
            with anyio.fail_after(SEND_TIMEOUT.total_seconds()):
                return await work()
        except TimeoutError:
            return Failure(error=f"no outcome after {SEND_TIMEOUT.total_seconds():.0f} s", ambiguous=True)
        except NotifierError as exc:
            return Failure(
                error=str(exc),
                permanent=exc.permanent,
                ambiguous=exc.ambiguous,
                retry_after=exc.retry_after,
                most_attempts=exc.most_attempts,
                pauses=exc.pauses_receiver,
                disables=exc.disables_receiver,
            )
        except Exception as exc:  # noqa: BLE001 - as above
            log.exception("notifier_raised", receiver=self.name, kind=self._notifier.kind)
            return Failure(error=f"the notifier raised {type(exc).__name__}", ambiguous=True)

    async def _guarded_card(self, work: Callable[[], Awaitable[Receipt]]) -> Outcome:
        """The same for a card, whose failures are settled by nobody: what it says of the receiver is kept here."""
        outcome = await self._guarded(work)
        if isinstance(outcome, Failure) and (outcome.pauses or outcome.disables):
            await self._gate.overheard(outcome)
        return outcome

    def _render(self, message: Message) -> Mapping[str, object]:
        try:
            return self._notifier.render(message)
        except Exception:  # noqa: BLE001 - as above; people still hear of it, in plain words
            log.exception("render_raised", receiver=self.name, kind=self._notifier.kind)
            return self._notifier.render(plainest(message))

    def _note_refusals(self, outcome: Outcome, lease: Lease) -> None:
        """Whom the far side refuses for good is an operator's matter, too: somebody has left, or was never there."""
        if isinstance(outcome, Receipt):
            for one in newly_refused(outcome.recipients, lease.recipients):
                self._ledger.metrics.recipients_refused.labels(self.name).inc()
                log.warning("recipient_refused", receiver=self.name, recipient=one.recipient, answer=one.answer)

    async def _settle(self, lease: Lease, outcome: Outcome) -> None:
        now = self._ledger.clock.now()
        settlement = settle(
            outcome, attempt=lease.attempt, first_attempt_at=lease.first_attempt_at, now=now, jitter=self._jitter()
        )
        receipt = outcome if isinstance(outcome, Receipt) else None
        await self._write(lease, settlement, receipt, self._gate.heard(lease.flush_id, outcome, now))

    async def _write(self, lease: Lease, settlement: Settlement, receipt: Receipt | None, breaker: Breaker) -> None:
        """Write down what became of a flush, with all that follows from it; then count and log it."""
        now = self._ledger.clock.now()
        owed = self._gate.owed_instead(lease, settlement, now)
        changed = None if breaker == self._gate.breaker else breaker
        while True:
            try:
                await self._ledger.store.settle(lease, settlement, receipt, now, owed=owed, breaker=changed)
                break
            except StoreUnavailable as exc:
                # Sent but not written down: go on trying as long as the process lives, or it would be sent twice.
                log.error("settle_put_off", receiver=self.name, flush=lease.flush_id, error=str(exc))
                await self._ledger.clock.sleep(_PATIENCE)
        self._gate.settled(breaker, owed)
        self._ledger.metrics.deliveries.labels(self.name, settlement.reason.value).inc(len(lease.deliveries))
        if lease.folded and lease.attempt == 1:
            self._ledger.metrics.deliveries.labels(self.name, DeliveryReason.OVERTAKEN.value).inc(len(lease.folded))
        fields = {
            "receiver": self.name,
            "flush": lease.flush_id,
            "attempt": lease.attempt,
            "reason": settlement.reason.value,
            "deliveries": len(lease.deliveries),
            "folded": len(lease.folded),
            "cause": lease.deliveries[0].notification.cause,
        }
        if settlement.state is DeliveryState.DELIVERED:
            if self._lasting is not None:
                self._lasting.told()
            for delivery in lease.deliveries:
                self._ledger.metrics.delivery_delay.labels(self.name).observe(
                    (now - delivery.created_at).total_seconds()
                )
            log.info("delivered", **fields, note=settlement.error)
        elif settlement.state is DeliveryState.DEAD:
            log.error("delivery_dead", **fields, error=settlement.error)
        else:
            log.warning("delivery_put_off", **fields, error=settlement.error, until=str(settlement.not_before))

    async def _cards(self, deliveries: Sequence[Delivery]) -> dict[JobRef, JobCard]:
        jobs = {delivery.notification.job for delivery in deliveries} - {None}
        cards = {ref: await self._job_card(ref) for ref in jobs if ref is not None}
        return {ref: card for ref, card in cards.items() if card is not None}

    async def _job_card(self, ref: JobRef) -> JobCard | None:
        watch = await self._watch(ref)
        if watch is None:
            return None
        source = self._sources.get(ref.source)
        url = source.console_url(watch.snapshot) if source else ""
        return job_card(
            watch.snapshot,
            url,
            watch.course,
            as_of=self._seen_at(ref),
            gone=watch.vanished,
        )

    async def _card_now(self, ref: JobRef) -> Card | None:
        job = await self._job_card(ref)
        return None if job is None else job.card

    async def _watch(self, ref: JobRef) -> Watch | None:
        """The job as held. A message that has been leased leaves without it rather than not at all."""
        try:
            return await self._ledger.store.watch(ref)
        except StoreUnavailable as exc:
            log.warning("card_left_out", job=str(ref), error=str(exc))
            return None


def plainest(message: Message) -> Message:
    """The same news with nothing in it that could trip a renderer: headlines only."""

    def bare(item: Item) -> Item:
        return Item(
            severity=item.severity,
            headline=item.headline[:300],
            facts=(),
            detail="",
            at=item.at,
            kind=item.kind,
            rule=item.rule,
            job=item.job and JobCard(ref=item.job.ref, title=item.job.ref.job_id),
        )

    return replace(
        message,
        wording={},
        thread_title=message.thread_title[:200],
        title=message.title[:300],
        items=tuple(bare(item) for item in message.items[:20]),
    )
