"""The DLC API as an ASGI application over a scenario, with control over what goes wrong and a view of what was asked.

    GET /api/v1/jobs                                  ListJobs
    GET /api/v1/jobs/{JobId}                          GetJob
    GET /api/v1/jobs/{JobId}/events                   GetJobEvents
    GET /api/v1/jobs/{JobId}/pods/{PodId}/events      GetPodEvents
    GET /api/v1/jobs/{JobId}/pods/{PodId}/logs        GetPodLogs

    POST   /_simulator/faults      arm a fault (JSON as `faults.Fault`); DELETE takes all away; GET tells them
    GET    /_simulator/requests    what was asked, oldest first
    GET    /_simulator/truth       what has happened in the scenario so far

The control paths take no signature and answer loopback clients only.

A request goes the way of a gateway: fault, signature, budget, action.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final
from uuid import uuid4

from pydantic import ValidationError

from watcher.simulator.answers import Moment, Wire, get_job
from watcher.simulator.behaviour import Behaviour
from watcher.simulator.clocks import SpeedUp, real_time
from watcher.simulator.faults import Armed, Fault, FaultKind, Refusal, strike
from watcher.simulator.gate import DATE_WINDOW, Keyring, SignedRequest, verify
from watcher.simulator.life import State, state_at, states
from watcher.simulator.listing import Asker, Life, list_jobs
from watcher.simulator.records import Refused, incarnation, job_events, pod_events, pod_logs
from watcher.simulator.routes import Target, action_of, request_of
from watcher.simulator.scenario import Scenario, ScriptedJob
from watcher.simulator.throttle import Bucket
from watcher.simulator.transitions import Transition, transitions, truth
from watcher.simulator.wires import Answer, Line, Receive, Scope, Send
from watcher.sources.dlc.acs3 import AccessKey

MOST_REQUESTS: Final = 100_000
LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})

DEMO_KEY: Final = AccessKey("simulatorkeyid", "simulatorkeysecret")
"""The key of a simulator that was given none."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it was answered.

    Attributes:
        action: GetJob, ListJobs ..., or "" for a path that is none of them.
        job_id: the job in question, or "".
        status: the HTTP status sent; 0 when the connection was broken instead of an answer.
        code: the error code sent, or "".
        fault: the fault that struck, or "".
        at: scenario time.
    """

    action: str
    job_id: str
    status: int
    code: str
    fault: str
    at: datetime


_NO_ANSWER: Final = frozenset({FaultKind.HANG, FaultKind.DROP})


def _bucket(rate: float | tuple[float, float] | None, seed: str) -> Bucket | None:
    if rate is None:
        return None
    return (
        Bucket.secret(*rate, time.monotonic(), seed) if isinstance(rate, tuple) else Bucket.full(rate, time.monotonic())
    )


class Simulator:
    """A DLC service over one scenario.

    Args:
        scenario: the jobs and their lives; it starts when this object is made.
        clock: scenario time, aware; default: the real time.
        wall: real time, aware: signature dates and the Date header go by it.
        keys: who may ask; default: `DEMO_KEY`.
        behaviour: the switches for open questions.
        requests_per_second: budget of real requests per second for all keys together; None: no limit. Two numbers stand for a rate
            between them that nobody is told.
        seed: draws that rate; "" draws another one each time.

    Attributes:
        requests: what was asked, oldest first; at most the last 100 000.
        counts: requests by action since the start.
        origin: when the scenario started, on its clock.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        clock: Callable[[], datetime] | None = None,
        wall: Callable[[], datetime] = real_time,
        keys: tuple[AccessKey, ...] = (DEMO_KEY,),
        behaviour: Behaviour | None = None,
        requests_per_second: float | tuple[float, float] | None = None,
        seed: str = "",
    ) -> None:
        self.scenario = scenario
        self.behaviour = behaviour or Behaviour()
        self.requests: deque[Asked] = deque(maxlen=MOST_REQUESTS)
        self.counts: Counter[str] = Counter()
        self._clock, self._wall = clock or SpeedUp(), wall
        self.origin = self._clock()
        self._ring = Keyring({key.key_id: key for key in keys})
        self._nonces: dict[str, datetime] = {}
        self._lives: dict[str, Life] = {job.id: (job, states(job)) for job in scenario.jobs}
        self._all = tuple(self._lives.values())
        self._truth: tuple[Transition, ...] | None = None
        self._plan = tuple(Armed.of(fault) for fault in scenario.faults)
        self._bucket = _bucket(requests_per_second, seed)

    # control

    @property
    def elapsed(self) -> timedelta:
        """Scenario time since the start."""
        return self._clock() - self.origin

    def inject(self, *faults: Fault) -> None:
        """Arm faults, behind those that are armed already."""
        self._plan += tuple(Armed.of(fault) for fault in faults)

    def calm(self) -> None:
        """Take all faults away."""
        self._plan = ()

    @property
    def armed(self) -> tuple[Armed, ...]:
        """The faults that may still strike."""
        return self._plan

    def expire_token(self, key_id: str) -> None:
        """From now on the security token of this key counts as expired."""
        self._ring = Keyring(self._ring.keys, self._ring.expired | {key_id})

    def set_keys(self, *keys: AccessKey) -> None:
        """Only these keys are good from now on, and none is expired."""
        self._ring = Keyring({key.key_id: key for key in keys})

    def happened(self) -> tuple[Transition, ...]:
        """The truth up to now."""
        if self._truth is None:
            self._truth = truth(self.scenario)
        elapsed = self.elapsed
        return tuple(one for one in self._truth if one.at <= elapsed)

    # the ASGI side

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = await request_of(scope, receive)
        elapsed = self.elapsed
        target = action_of(request.segments) if request.method == "GET" else Target()
        if request.segments[0] == "_simulator":
            loopback = bool(scope.get("client")) and scope["client"][0] in LOOPBACK
            await Line(scope, receive, send, self._wall()).send(self._controlled(request, loopback=loopback))
            return
        fault, self._plan = strike(self._plan, target.action, target.job_id, elapsed)
        if fault is not None and fault.kind is FaultKind.STALE:
            elapsed -= fault.span
        answer, code = self._answered(request, target, elapsed, fault)
        sent = 0 if fault and fault.kind in _NO_ANSWER else answer.status
        self.counts[target.action] += 1
        self.requests.append(
            Asked(target.action, target.job_id, sent, code, fault.kind.value if fault else "", self.origin + elapsed)
        )
        skew = fault.span if fault and fault.kind is FaultKind.CLOCK_SKEW else timedelta(0)
        line = Line(scope, receive, send, self._wall() + skew)
        if fault is None:
            await line.send(answer)
        else:
            await line.send_broken(answer, fault)

    def _answered(
        self, request: SignedRequest, target: Target, elapsed: timedelta, fault: Fault | None
    ) -> tuple[Answer, str]:
        request_id = str(uuid4()).upper()
        host = request.headers.get("host", "")
        wait_s = 0.0
        refusal = self._fault_refusal(fault) or self._gate(request)
        if refusal is None and self._bucket is not None:
            self._bucket, wait_s = self._bucket.take(time.monotonic())
            refusal = self.behaviour.throttled if wait_s else None
        if refusal is None:
            try:
                body = self._act(request, target, Moment(self.origin, elapsed, self.behaviour))
                return Answer.of(body, request_id), ""
            except Refused as exc:
                refusal = exc.refusal
        answer = Answer.refused(refusal, request_id, host)
        if refusal == self.behaviour.throttled and self.behaviour.retry_after:
            wait_ms = max(1, round((wait_s or 1) * 1000))
            waits = {b"retry-after": str(-(-wait_ms // 1000)).encode(), b"x-acs-retry-after": str(wait_ms).encode()}
            answer = Answer(answer.status, answer.body, {**answer.headers, **waits})
        return answer, refusal.code

    def _fault_refusal(self, fault: Fault | None) -> Refusal | None:
        if fault is None:
            return None
        shaped = {FaultKind.THROTTLED: self.behaviour.throttled, FaultKind.NOT_FOUND: self.behaviour.not_found}
        return fault.refusal(shaped.get(fault.kind))

    def _gate(self, request: SignedRequest) -> Refusal | None:
        wall = self._wall()
        refusal = verify(request, self._ring, wall, self._nonces)
        if refusal is None:
            # Insertion order is order of arrival, so the oldest stand first. A date may lie ahead by the window, hence twice.
            for nonce, seen in list(islice(self._nonces.items(), 2)):
                if wall - seen > 2 * DATE_WINDOW:
                    del self._nonces[nonce]
            self._nonces[request.headers["x-acs-signature-nonce"]] = wall
        return refusal

    def _act(self, request: SignedRequest, target: Target, moment: Moment) -> Wire:
        action, job_id = target.action, target.job_id
        if not action:
            raise Refused(Refusal(404, "InvalidAction.NotFound", "Specified api is not found."))
        if request.headers["x-acs-action"] != action:
            raise Refused(Refusal(400, "InvalidAction", "x-acs-action does not fit the path."))
        params = request.params
        if action == "ListJobs":
            asker = Asker(self.scenario.caller, self.scenario.workspace)
            return list_jobs(self._all, params, asker, moment)
        job, told, state = self._known(job_id, moment.elapsed)
        if action == "GetJob":
            return get_job(job, state, moment)
        if action == "GetJobEvents":
            return job_events(job, tuple(transitions(job, told)), params, moment)
        pod = incarnation(state, target.pod_id.removeprefix(f"{job_id}-"), params.get("PodUid", ""))
        if pod is None:
            raise Refused(self.behaviour.not_found)
        if action == "GetPodEvents":
            return pod_events(job, pod, tuple(transitions(job, told)), params, moment)
        return pod_logs(job, pod, params, moment)

    def _known(self, job_id: str, elapsed: timedelta) -> tuple[ScriptedJob, tuple[State, ...], State]:
        job, told = self._lives.get(job_id, (None, ()))
        state = state_at(told, elapsed)
        if job is None or state is None:
            raise Refused(self.behaviour.not_found)
        return job, told, state

    def _controlled(self, request: SignedRequest, *, loopback: bool) -> Answer:
        what = (request.method, *request.segments[1:])
        if not loopback:
            return _told({"error": "the control paths answer loopback clients only"}, 403)
        if what == ("POST", "faults"):
            try:
                self.inject(Fault.model_validate_json(request.body))
            except ValidationError as exc:
                said = [
                    f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}".removeprefix(": ")
                    for error in exc.errors(include_url=False, include_input=False)
                ]
                return _told({"error": said}, 400)
            return _told({"armed": len(self._plan)}, 201)
        if what == ("DELETE", "faults"):
            self.calm()
        views: dict[tuple[str, ...], Callable[[], list[Any]]] = {
            ("GET", "requests"): lambda: [{**asdict(one), "at": one.at.isoformat()} for one in self.requests],
            ("GET", "truth"): lambda: [{**asdict(one), "at": self._instant(one)} for one in self.happened()],
        }
        views[("GET", "faults")] = views[("DELETE", "faults")] = lambda: [
            {**one.fault.model_dump(mode="json", exclude_defaults=True), "left": one.left} for one in self._plan
        ]
        view = views.get(what)
        return _told({"error": "there is nothing here"}, 404) if view is None else _told(view(), 200)

    def _instant(self, one: Transition) -> str:
        return (self.origin + one.at).isoformat()


def _told(body: Any, status: int) -> Answer:
    return Answer(status, json.dumps(body).encode(), {b"content-type": b"application/json"})
