"""The fast static mode: many running jobs of one shape, answered from one encoded body. For measuring clients, not behaviour.

No signatures are checked and nothing ever happens, so that what is measured is the client.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import parse_qs

from watcher.simulator.answers import Moment, get_job, list_item
from watcher.simulator.behaviour import Behaviour
from watcher.simulator.life import state_at, states
from watcher.simulator.scenario import Role, ScriptedJob, Step
from watcher.simulator.wires import JSON_TYPE, Receive, Scope, Send

_REQUEST_ID: Final = "00000000-0000-4000-8000-000000000000"
_SHAPE: Final = "dlcstatic0000000"
_NOT_FOUND: Final = json.dumps(
    {"RequestId": _REQUEST_ID, "HostId": "", "Code": "NotFound", "Message": "The specified job is not found."}
).encode()


class StaticApp:
    """An ASGI application with `count` running jobs, ids `dlcstatic0000000` onwards.

    Args:
        count: how many jobs.
        pods: how many pods each has: the body's size grows with it.
        list_items: whether list items carry pods and history.
    """

    def __init__(self, count: int, *, pods: int = 2, list_items: Literal["thin", "full"] = "thin") -> None:
        self.job_ids = tuple(f"dlcstatic{number:07d}" for number in range(count))
        life = (
            Step(at=timedelta(0), status="Creating"),
            Step(at=timedelta(seconds=5), status="Queuing"),
            Step(at=timedelta(minutes=1), status="EnvPreparing"),
            Step(at=timedelta(minutes=2), status="Running"),
        )
        job = ScriptedJob(
            id=_SHAPE, name=_SHAPE, quota="quota-static", roles={"Worker": Role(count=pods, gpu="8")}, life=life
        )
        elapsed = timedelta(hours=1)
        state = state_at(states(job), elapsed)
        assert state is not None  # noqa: S101 - the job above is submitted and not deleted
        moment = Moment(datetime.now(UTC) - elapsed, elapsed)
        listed = Moment(moment.origin, elapsed, Behaviour(list_items=list_items))
        self._body = json.dumps({"RequestId": _REQUEST_ID, **get_job(job, state, moment)}).encode()
        self._item = json.dumps(list_item(job, state, listed)).encode()
        self._known = {name.encode(): name.encode() for name in self.job_ids}
        self._page = lru_cache(maxsize=64)(self._made_page)
        self._headers = [(b"content-type", JSON_TYPE)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Answer GetJob or ListJobs."""
        if scope["type"] != "http":
            return
        status, body = self.respond(scope["raw_path"], scope["query_string"])
        headers = [*self._headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def respond(self, path: bytes, query: bytes) -> tuple[int, bytes]:
        """Status and body for a raw path and query."""
        prefix, _, name = path.rpartition(b"/")
        if prefix == b"/api/v1/jobs" and name in self._known:
            return 200, self._body.replace(_SHAPE.encode(), name)
        if path == b"/api/v1/jobs":
            return 200, self._page(query)
        return 404, _NOT_FOUND

    def _made_page(self, query: bytes) -> bytes:
        """JobIds, JobId and a window on the finish time (nobody finishes) are heeded; all other filters are not."""
        params = {name: values[-1] for name, values in parse_qs(query.decode("ascii", "replace")).items()}
        size, page = min(100, int(params.get("PageSize", "10"))), int(params.get("PageNumber", "1"))
        found: Sequence[str] = self.job_ids
        if wanted := params.get("JobId") or params.get("JobIds"):
            found = [name for name in wanted.split(",") if name.encode() in self._known]
        if params.get("TimeRangeField") == "GmtFinishTime":
            found = ()
        names = found[(page - 1) * size : page * size]
        items = b",".join(self._item.replace(_SHAPE.encode(), name.encode()) for name in names)
        head = json.dumps({"RequestId": _REQUEST_ID, "TotalCount": len(found)}).encode()
        return head[:-1] + b',"Jobs":[' + items + b"]}"
