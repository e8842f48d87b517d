"""What the engine asks of a source of jobs. It needs little of the core, as a start asks before it has the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol, runtime_checkable

from watcher.core.feeds import ListAnswer, ListQuestion
from watcher.core.model import JobId, JobSnapshot, JobSummary, Listing, SourceName
from watcher.errors import Throttled

NOTHING_KNOWN: Final[Mapping[JobId, bytes]] = MappingProxyType({})


class Permit(Protocol):
    """The right to one request. Awaited before every single one, so that all requests of an account share one budget."""

    async def __call__(self, refused: Throttled | None = None) -> None:
        """Wait for it.

        Args:
            refused: how the same request was throttled just before. It is sent again, so that a pass of a thousand requests need
                not begin anew for one of them.

        Raises:
            Throttled: `refused` itself: it was throttled too often.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer about a job that was read.

    Attributes:
        snapshot: what it says.
        digest: to recognise an answer that says the same; b"" when that cannot be done for this one. It means something to its
            source only, and only in this run of the program.
    """

    snapshot: JobSnapshot
    digest: bytes = b""


class JobSource(Protocol):
    """Where jobs are looked up.

    Every method raises a `SourceError` of the fitting leaf and nothing else for whatever goes wrong on the way or over there.
    A method makes one attempt, apart from re-signing once where the far side asks for that (nonce used, token expired, clock
    corrected); waiting and repeating are the poller's decision.
    """

    @property
    def name(self) -> SourceName:
        """The name it has in the configuration."""
        ...

    async def fetch(self, job_id: JobId) -> JobSnapshot:
        """Ask for one job.

        Raises:
            JobNotFound: the far side says it does not know this id.
            SourceError: any other leaf.
        """
        ...

    async def fetch_if_changed(self, job_id: JobId, known: bytes) -> Fetched | None:
        """Ask for one job; None when the answer says what the one with the digest `known` said.

        Two answers say the same when `core.carry_over.differ` finds no difference between their snapshots and they tell the same
        `modified_at`, that is, when only durations and the like have run on. When in doubt they do not. A source that cannot tell
        gives `Fetched(await self.fetch(job_id))`.

        Args:
            job_id: which job.
            known: the digest that came with an earlier answer of this source; b"" fits none.

        Raises:
            SourceError: as `fetch` does.
        """
        ...

    async def list_jobs(self, permit: Permit, known: Mapping[JobId, bytes] = NOTHING_KNOWN) -> Listing:
        """One pass over all listed jobs this source covers, each once; `permit` is awaited before each request.

        A pass that failed midway raises; it never returns a part as if it were the whole. A request that is throttled is sent again
        with another permit; whether to go on is the permit's decision.

        Args:
            permit: the right to one request.
            known: by job id, the digest that came with an item which has been taken in. Items that still have it are only named
                (`Listing.unchanged`): they say the same but for what runs on. A source that cannot tell reads them all.
        """
        ...

    async def job_events(self, job_id: JobId, *, since: datetime | None = None, most: int = 200) -> tuple[str, ...]:
        """Lines of the job's own events, with one request.

        This and the two below: lines are plain text whose form DLC does not document, in the order it gives them; the last `most`
        of them, each cut to a length, and all together to a size. They may hold secrets: whoever keeps one redacts it first.

        Args:
            job_id: which job.
            since: only what is newer. None leaves it to DLC, which shows seven days.
            most: the most lines wanted.
        """
        ...

    async def pod_events(
        self, job_id: JobId, pod_id: str, pod_uid: str = "", *, since: datetime | None = None, most: int = 200
    ) -> tuple[str, ...]:
        """Lines of one pod's events, with one request; with `pod_uid` those of that incarnation. See `job_events`."""
        ...

    async def pod_logs(
        self, job_id: JobId, pod_id: str, pod_uid: str = "", *, since: datetime | None = None, most: int = 2000
    ) -> tuple[str, ...]:
        """Lines of one pod's log, with one request; with `pod_uid` those of that incarnation. See `job_events`."""
        ...

    def console_url(self, job: JobSnapshot | JobSummary) -> str:
        """A link for people to the job's page, or ""."""
        ...

    async def aclose(self) -> None:
        """Let go of connections. May be called twice."""
        ...


@runtime_checkable
class ListReader(Protocol):
    """A source whose lists can be asked single questions, which makes watching many jobs a hundred times cheaper.

    Not every source can. One that does not offer this is watched by passes and looks alone.
    """

    @property
    def scopes(self) -> int:
        """How many lists there are: each question is put to one of them, by its number from 0."""
        ...

    @property
    def account(self) -> str:
        """Whose request budget it draws on: sources that give the same text share one. No secret is in it."""
        ...

    def scope_of(self, workspace_id: str) -> int:
        """The list in which jobs of a workspace stand; -1 when that is not known."""
        ...

    async def list_some(self, question: ListQuestion, known: Mapping[JobId, bytes] = NOTHING_KNOWN) -> ListAnswer:
        """Put one question, with one request.

        What the far side makes of it is not certain (`core.capabilities`): the answer may show jobs that were not asked for, or
        leave out some that were.

        Args:
            question: what is asked.
            known: see `JobSource.list_jobs`.

        Raises:
            InvalidRequest: the far side does not take such a question.
            SourceError: any other leaf.
        """
        ...
