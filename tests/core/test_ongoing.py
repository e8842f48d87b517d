from __future__ import annotations

import pytest

from tests.core.strategies import job, pod
from watcher.core.events import KINDS
from watcher.core.model import PodSnapshot
from watcher.core.ongoing import HOLDS, UNTIL_ANSWERED, Ongoing, described, holds
from watcher.core.phases import JOB_PHASES, Phase

EVICTED = pod("w-0", status="Running", sub_status="Evicted")


@pytest.mark.parametrize(
    ("kind", "status", "pods", "goes_on"),
    [
        ("deadline.passed", "Queuing", None, Ongoing.WAITING),
        ("deadline.passed", "EnvPreparing", None, Ongoing.STARTING),
        ("deadline.passed", "Running", None, Ongoing.OVERLONG),
        ("deadline.passed", "SucceededReserving", None, Ongoing.HELD),
        ("job.status_changed", "FailedReserving", None, Ongoing.FAILED),
        ("job.status_changed", "Running", None, None),
        ("job.failed", "Failed", None, Ongoing.FAILED),
        ("job.cause_found", "Failed", None, Ongoing.FAILED),
        ("job.cause_found", "Running", None, None),
        ("job.restarted", "Restarting", None, Ongoing.DOWN),
        ("job.restarted", "Queuing", None, Ongoing.DOWN),
        ("job.restarted", "Running", None, None),
        ("job.sanity_check_failed", "Restarting", None, Ongoing.DOWN),
        ("job.activity_checked", "Running", None, Ongoing.SILENT),
        ("job.vanished", "Running", None, Ongoing.VANISHED),
        ("job.priority_changed", "Queuing", None, None),
        ("job.stopped", "Stopped", None, None),
        ("pod.evicted", "Running", (EVICTED,), Ongoing.POD_LOST),
        ("pod.evicted", "Running", None, Ongoing.POD_LOST),
        ("pod.evicted", "Running", (pod("w-0"),), None),
        ("pod.evicted", "Failed", (EVICTED,), None),
        ("pod.vanished", "Running", (), None),
        ("watch.recovered", "Running", None, None),
    ],
)
def test_news_names_what_goes_on_of_which_it_tells(
    kind: str, status: str, pods: tuple[PodSnapshot, ...] | None, goes_on: Ongoing | None
) -> None:
    assert described(kind, job(status, pods=pods), "w-0") is goes_on


def test_blindness_is_about_no_job() -> None:
    assert described("watch.blind", None) is Ongoing.BLIND


@pytest.mark.parametrize("kind", ["rule.failed", "job.failed", "pod.evicted"])
def test_what_is_told_of_many_jobs_or_of_none_goes_on_only_where_it_is_critical(kind: str) -> None:
    assert described(kind, None) is None
    assert described(kind, None, critical=True) is Ongoing.UNANSWERED


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("status", sorted(JOB_PHASES))
def test_critical_news_always_wants_an_answer_and_what_it_names_holds(kind: str, status: str) -> None:
    held = job(status)
    goes_on = described(kind, held, critical=True)
    assert goes_on is not None
    assert holds(goes_on, held) or goes_on is Ongoing.BLIND


@pytest.mark.parametrize("goes_on", list(Ongoing))
def test_in_a_phase_that_nobody_can_name_everything_goes_on(goes_on: Ongoing) -> None:
    assert holds(goes_on, job("Brooding"))


@pytest.mark.parametrize("goes_on", sorted(UNTIL_ANSWERED - {Ongoing.FAILED}))
def test_what_waits_for_an_answer_goes_by_no_phase(goes_on: Ongoing) -> None:
    assert all(holds(goes_on, job(status)) for status in JOB_PHASES)


def test_a_job_that_succeeded_or_was_stopped_has_none_of_the_troubles_that_go_by_its_phase() -> None:
    assert not [one for one in HOLDS if HOLDS[one] & {Phase.SUCCEEDED, Phase.STOPPED}]


def test_a_lost_pod_is_back_when_it_runs_has_succeeded_or_is_left_out() -> None:
    def lost(*pods: PodSnapshot) -> bool:
        return holds(Ongoing.POD_LOST, job("Running", pods=pods), "w-0")

    assert lost(EVICTED)
    assert lost(pod("w-0", status="Pending"), pod("w-1"))
    assert not lost(pod("w-0"), pod("w-1", status="Pending"))
    assert not lost(pod("w-0", status="Succeeded"))
    assert not lost(pod("w-1", status="Pending"))


def test_pods_wait_until_the_last_of_them_has_its_place() -> None:
    assert holds(Ongoing.PODS_WAITING, job("Running", pods=None))
    assert holds(Ongoing.PODS_WAITING, job("Running", pods=(pod("w-0"), pod("w-1", status="Pending"))))
    assert not holds(Ongoing.PODS_WAITING, job("Running", pods=(pod("w-0"),)))
    assert not holds(Ongoing.PODS_WAITING, job("Queuing", pods=(pod("w-1", status="Pending"),)))
