"""Whose turn it is: the live jobs of one source, each with the time it is next asked about, and the ids of the ended ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from prometheus_client import Gauge

from watcher.core.docket import Docket, Rank, Turn
from watcher.core.model import JobId, JobRef, JobSummary, Listed, Watch
from watcher.core.packing import Packed, Packer
from watcher.core.phases import TERMINAL, Phase
from watcher.core.rates import Habit
from watcher.core.recognition import Known, Lent
from watcher.errors import SourceError
from watcher.service.ledger import Bell

_MOST_SHARED: Final = 10_000
"""Different list items that are kept to be shared; more are begun anew."""
_NEVER: Final = float("inf")


@dataclass(slots=True)
class Entry:
    """One job on the roster. There may be very many, so what is held about it is kept packed.

    Attributes:
        ref: which job.
        packer: of its roster.
        version: of what is held about it; 0 until its first answer.
        packed: what is held about it; empty when that is still to be read from the store.
        listed: what is kept of the last list item about it.
        agreed: the version of what is held that agreed with `listed`, if one did.
        failures: questions that failed in a row.
        error: how the last question failed, or None.
        asking: a question about it is under way.
        asked_s: when it was last answered, or refused for its own sake, as a timestamp: the very one that its turn has, too.
        digest: of `known`; empty when there is none. Its parts lie here, as an object of its own would cost more than both.
        lent: of `known`.
        seen_s: when such an answer last came, as a timestamp, the very same again; newer than what is held then.
    """

    ref: JobRef
    packer: Packer
    version: int = 0
    packed: Packed = b""
    listed: Listed | None = None
    agreed: int | None = None
    failures: int = 0
    error: SourceError | None = None
    asking: bool = False
    asked_s: float | None = None
    digest: bytes = b""
    lent: Lent | None = None
    seen_s: float | None = None

    @property
    def known(self) -> Known | None:
        """What an answer that need not be read is recognised by, if one can be."""
        return None if self.lent is None else Known(self.digest, self.lent)

    @known.setter
    def known(self, known: Known | None) -> None:
        self.digest, self.lent = (b"", None) if known is None else (known.digest, known.lent)

    @property
    def asked_at(self) -> datetime | None:
        """When it was last answered, or refused for its own sake."""
        return None if self.asked_s is None else datetime.fromtimestamp(self.asked_s, UTC)

    @property
    def seen_at(self) -> datetime | None:
        """When an answer last came that need not be read; None when what is held is newer."""
        return None if self.seen_s is None else datetime.fromtimestamp(self.seen_s, UTC)

    @property
    def watch(self) -> Watch | None:
        """What is held about it, unpacked anew at every call; None when that is nothing, or in the store only."""
        return self.packer.unpack(self.packed) if self.packed else None

    def hold(self, watch: Watch | None) -> None:
        """What is held about it from now on."""
        self.version, self.packed = (0, b"") if watch is None else (watch.version, self.packer.pack(watch))


class Roster:
    """The jobs of one source. `bell` rings whenever somebody's time was set; `size` shows how many there are.

    Attributes:
        docket: whose turn it is.
        ended: jobs that are over.
        digests: by job id, by what its list item is recognised that was last taken in; of jobs that are not watched, too.
    """

    def __init__(self, size: Gauge, docket: Docket[JobRef]) -> None:
        self.docket = docket
        size.set_function(self.__len__)
        self.bell = Bell()
        self.ended: set[JobRef] = set()
        self.digests: dict[JobId, bytes] = {}
        self._packer = Packer()
        self._shared: dict[Listed, Listed] = {}
        self._entries: dict[JobRef, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, ref: JobRef) -> Entry | None:
        """The entry of a live job."""
        return self._entries.get(ref)

    def entries(self) -> tuple[Entry, ...]:
        """All of them."""
        return tuple(self._entries.values())

    def knows(self, ref: JobRef) -> bool:
        """Whether it is on the roster or has ended."""
        return ref in self._entries or ref in self.ended

    def enrol(
        self,
        ref: JobRef,
        now: datetime,
        *,
        version: int = 0,
        summary: JobSummary | None = None,
        phase: Phase = Phase.UNKNOWN,
        scope: int = -1,
    ) -> None:
        """Put a job on the roster, to be asked about now; one that had ended is alive again.

        Args:
            ref: which job.
            now: now.
            version: of what the store holds about it; 0 when that is nothing.
            summary: the list item that shows it.
            phase: its phase where no list item tells.
            scope: the list in which it stands.
        """
        self.ended.discard(ref)
        listed = None if summary is None else self.shared(Listed.of(summary))
        self._entries[ref] = Entry(ref, self._packer, version, listed=listed)
        shown = phase if listed is None else listed.phase
        rank = Rank.END if shown in TERMINAL else Rank.CHANGE if listed is not None else Rank.ROUND
        now_s = now.timestamp()
        self.docket.enrol(ref, Habit(shown), now_s, rank=rank, now_s=now_s, scope=scope)
        self.bell.ring()

    def retire(self, entry: Entry) -> None:
        """The job has ended or is gone. Its list item is read once more, to see whether it says so, too."""
        self._entries.pop(entry.ref, None)
        self.docket.drop(entry.ref)
        self.digests.pop(entry.ref.job_id, None)
        self.ended.add(entry.ref)

    def shared(self, listed: Listed) -> Listed:
        """An equal one that others have, too, if there is one."""
        if len(self._shared) > _MOST_SHARED:
            self._shared.clear()
        return self._shared.setdefault(listed, listed)

    def take_digest(self, job_id: JobId, digest: bytes | None) -> None:
        """A list item was taken in, and is recognised by this; None when it cannot be."""
        if digest is None:
            self.digests.pop(job_id, None)
        else:
            self.digests[job_id] = digest

    def keep_named(self, named: frozenset[JobRef]) -> None:
        """Forget what lists no longer name: by what items are recognised, and jobs that ended, as nothing shows them again."""
        self.ended &= named
        if len(self.digests) > len(named):
            names = {ref.job_id for ref in named}
            self.digests = {job_id: digest for job_id, digest in self.digests.items() if job_id in names}

    def turn(self, entry: Entry) -> Turn[JobRef] | None:
        """The job's place in the order; None when it is not on the roster any more."""
        return self.docket.get(entry.ref)

    def schedule(self, entry: Entry, due_at: datetime, rank: Rank = Rank.ROUND) -> None:
        """Set when a job is next asked about."""
        turn = self.docket.get(entry.ref)
        if turn is not None:
            self.docket.put_off(turn, due_at.timestamp(), rank=rank)
            self.bell.ring()

    def news(self, entry: Entry, rank: Rank, now: datetime) -> None:
        """A list shows that something happened to it: it is asked about now. Not while it is being asked about."""
        turn = self.docket.get(entry.ref)
        if turn is not None and not entry.asking and self.docket.news(turn, rank, now.timestamp()):
            self.bell.ring()

    def take_due(self, now: datetime) -> Entry | None:
        """The job whose turn it is, if it is anybody's."""
        ref = self.docket.take(now.timestamp())
        return None if ref is None else self._entries[ref]

    @property
    def next_due(self) -> datetime | None:
        """When somebody is due next; None when nobody waits."""
        due_s = self.docket.next_due_s
        return datetime.fromtimestamp(due_s, UTC) if due_s < _NEVER else None
