"""Questions besides the polls: what is read to answer an inquiry, behind everything that watching needs.

They share the account's budget, so they wait for what the polls leave over; where these leave nothing over for long, one question
in `SHARE` takes a place in the queue all the same. What goes wrong here says nothing about our sight of the jobs: a right to read
logs that is missing makes nobody blind. Only a throttling counts for all.
"""

from __future__ import annotations

from collections.abc import Awaitable

from watcher.core.evidence import Action, Question, Reading
from watcher.core.model import JobId
from watcher.errors import Forbidden, JobNotFound, SourceError, Throttled
from watcher.ports.source import JobSource
from watcher.service.budget import RequestBudget
from watcher.service.questions import CANCELLED, OK, Requests
from watcher.service.telemetry import Metrics, log
from watcher.settings import SourceSettings


class Aside:
    """Asks one source, one question at a time.

    Args:
        source: where to ask.
        settings: what may be read.
        budget: shared with the polls of this source.
        metrics: where requests are counted.
    """

    def __init__(self, source: JobSource, settings: SourceSettings, budget: RequestBudget, metrics: Metrics) -> None:
        self.source, self.level = source, settings.evidence
        self._budget, self._metrics = budget, metrics

    async def ask(self, job_id: JobId, question: Question) -> Reading:
        """One answer; a refusal that will not change is an answer, too.

        Raises:
            SourceError: it was not answered, and may be later.
        """
        await self._budget.permit_aside()
        requests, outcome = Requests(self._metrics, self.source.name, question.action), CANCELLED
        requests.sent()
        try:
            reading = Reading.of(question, await self._asked(job_id, question))
            outcome = OK
        except SourceError as exc:
            outcome = type(exc).__name__
            if isinstance(exc, Throttled):
                self._budget.throttled(question.action, exc)
            if exc.permanent or isinstance(exc, JobNotFound):
                return Reading.failed(question, str(exc), denied=isinstance(exc, Forbidden))
            raise
        except Exception as exc:
            # A source is a stranger's code. Its words are not logged: they may repeat what it read.
            outcome = type(exc).__name__
            log.error("source_raised", source=self.source.name, action=question.action, kind=outcome)
            raise SourceError(f"{question.action}: the source raised {outcome}") from exc
        finally:
            requests.answered(outcome)
        return reading

    def _asked(self, job_id: JobId, question: Question) -> Awaitable[tuple[str, ...]]:
        since, most = question.since, question.most
        if question.action is Action.JOB_EVENTS or question.pod is None:
            return self.source.job_events(job_id, since=since, most=most)
        ask = self.source.pod_logs if question.action is Action.POD_LOGS else self.source.pod_events
        return ask(job_id, question.pod.pod_id, question.pod_uid, since=since, most=most)
