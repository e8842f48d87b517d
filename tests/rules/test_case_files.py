"""What the case loader makes of files that are wrong, and what the checker says when a rule is."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.job_failed import JobFailedRule
from rules.stuck_pending import StuckPendingRule
from watcher.testing.cases import CaseError, check, load_cases

GOOD = """\
notifies_about_failure:
  course:
    - {at: 0s, status: Running}
    - {at: 1h, status: Failed, job: {failed_at: 1h, reason_code: OOM}}
  expect:
    - {at: 1h, headline: "Failed: OOM", severity: critical}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "job-failed.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_case_holds(tmp_path: Path) -> None:
    (case,) = load_cases(written(tmp_path, GOOD))
    assert (str(case), case.place) == ("notifies_about_failure", "job-failed.yaml:1")
    check(case, JobFailedRule)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("course:", "coarse:", "job-failed.yaml:2: there is no 'coarse' here; did you mean 'course'?"),
        ("at: 0s", "at: 0", "job-failed.yaml:3: '0' is not a length of time"),
        ("at: 0s, ", "", "job-failed.yaml:3: a step needs a time"),
        ("failed_at: 1h", "failed: 1h", "job-failed.yaml:4: there is no 'failed' here; did you mean 'failed_at'?"),
        ("failed_at: 1h", "priority: high", "job-failed.yaml:4: 'priority' must be of type int, not 'high'"),
        ("failed_at: 1h", "debugger: 1", "job-failed.yaml:4: 'debugger' must be of type bool, not 1"),
        ("failed_at: 1h", "priority: true", "job-failed.yaml:4: 'priority' must be of type int, not True"),
        ("failed_at: 1h", "pods: w0", "job-failed.yaml:4: 'pods' must be a list"),
        ("failed_at: 1h", "pods: [{uid: a}]", "job-failed.yaml:4: PodSnapshot needs pod_id"),
        ("failed_at: 1h", "settings: 3", "job-failed.yaml:4: 'settings' must be of type JobSettings, not 3"),
        ("failed_at: 1h", "status: X", "job-failed.yaml:4: there is no 'status' here"),
        ("status: Running", "event: job.fail", "job-failed.yaml:3: there is no event kind 'job.fail'; there are"),
        ("status: Running", "event: job.failed", "job-failed.yaml:3: JobFailed needs status"),
        ("status: Running", "event: job.failed, status: X", "job-failed.yaml:3: a step has a status or an event"),
        (
            "status: Running",
            "event: job.appeared, with: {status: X, phase: up}",
            "job-failed.yaml:3: 'phase' is one of pending, starting,",
        ),
        ("critical", "loud", "job-failed.yaml:6: 'severity' is one of info, warning, critical, not 'loud'"),
        ('headline: "Failed: OOM", ', "", "job-failed.yaml:6: an expected notification has at least at and headline"),
        ("notifies_about", "speaks_about", "job-failed.yaml:1: a case is called notifies_... or stays_silent_..."),
        ("notifies_about", "stays_silent_about", "expects 1 notifications, against its name"),
        ("at: 0s", "at: 2h", "job-failed.yaml:2: the steps of a course are in order of time"),
        (GOOD, "", "job-failed.yaml:1: a case file is a mapping"),
        (GOOD, "a: [", "job-failed.yaml:1: expected the node content"),
        (GOOD, GOOD + GOOD, "job-failed.yaml:7: found duplicate key"),
        (
            GOOD,
            "notifies_x: 3",
            "job-failed.yaml:1: 'notifies_x' must be a mapping with rule, options, job, jobs, course",
        ),
        (GOOD, "notifies_x: {course: []}", "job-failed.yaml:1: notifies_x needs a course"),
        (GOOD, "notifies_x: {course: 3}", "job-failed.yaml:1: 'course' must be a list"),
        (GOOD, "notifies_x:\n  job: 3\n  course: [{at: 0s}]", "job-failed.yaml:2: 'job' must be a mapping"),
    ],
)
def test_a_case_that_is_not_written_rightly_is_refused_with_file_and_line(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in GOOD
    with pytest.raises(CaseError) as caught:
        load_cases(written(tmp_path, GOOD.replace(old, new)))
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"Failed: OOM"', "Broken", "notification 1: headline is 'Failed: OOM', not 'Broken'"),
        ("severity: critical", "severity: info", "notification 1: severity is 'critical', not"),
        ("severity: critical", "detail: x", "notification 1: detail is '', not 'x'"),
        ("severity: critical", "facts: {A: b}", "notification 1: fact A is 'missing', not 'b'"),
        ("- {at: 1h, headline", "- {at: 2h, headline", "notification 1: at is '1 h', not '2 h'"),
        ("status: Failed", "status: Stopped", "expected, but not said: 1 h: Failed: OOM"),
        ("  expect:", "  deadlines: [5m]\n  expect:", "deadlines: [], not ['5 m']"),
        ("  expect:", "  silence: [asleep]\n  expect:", "silence: no note has 'asleep'"),
    ],
)
def test_a_rule_that_says_something_else_is_told_with_both_sides(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    (case,) = load_cases(written(tmp_path, GOOD.replace(old, new)))
    with pytest.raises(AssertionError) as caught:
        check(case, JobFailedRule)
    assert str(caught.value).startswith("job-failed.yaml:1: notifies_about_failure\n")
    assert complaint in str(caught.value)


def test_more_than_was_expected_is_told(tmp_path: Path) -> None:
    text = "stays_silent_always:\n  course: [{at: 0s, status: Running}, {at: 1h, status: Failed}]\n"
    (case,) = load_cases(written(tmp_path, text))
    with pytest.raises(AssertionError, match=r"said, but not expected: 1 h: \[critical\] Failed"):
        check(case, JobFailedRule)


def test_options_that_the_rule_does_not_have_are_told(tmp_path: Path) -> None:
    text = "stays_silent_always:\n  options: {afer: 3m}\n  course: [{at: 0s, status: Running}]\n"
    (case,) = load_cases(written(tmp_path, text))
    with pytest.raises(CaseError, match=r"job-failed\.yaml:1: stays_silent_always: options\.afer: Extra inputs"):
        check(case, StuckPendingRule)


def test_a_rule_that_raises_is_told(tmp_path: Path) -> None:
    class Broken(JobFailedRule):
        def consider(self, event: object, context: object) -> object:  # type: ignore[override]
            raise KeyError("oops")

    (case,) = load_cases(written(tmp_path, GOOD))
    with pytest.raises(AssertionError, match="the rule raised KeyError: 'oops'"):
        check(case, Broken)


SEVERAL = """\
notifies_about_one_of_two:
  job: {reason_code: OOM}
  jobs: {a: {}, b: {reason_code: Other}}
  course:
    - {at: 0s, of: [a, b], status: Running}
    - {at: 1h, of: b, status: Failed}
    - {at: 2h}
  expect:
    - {at: 1h, of: b, headline: "Failed: Other"}
"""


def test_a_case_may_be_about_several_jobs(tmp_path: Path) -> None:
    (case,) = load_cases(written(tmp_path, SEVERAL))
    check(case, JobFailedRule)


def test_the_wrong_job_is_told(tmp_path: Path) -> None:
    (case,) = load_cases(written(tmp_path, SEVERAL.replace("- {at: 1h, of: b, headline", "- {at: 1h, of: a, headline")))
    with pytest.raises(AssertionError, match="notification 1: of is 'b', not 'a'"):
        check(case, JobFailedRule)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("of: b, status", "of: c, status", "job-failed.yaml:6: there is no job 'c'; there are a, b"),
        ("of: b, headline", "of: c, headline", "job-failed.yaml:9: there is no job 'c'; there are a, b"),
        ("of: b, status", "status", "job-failed.yaml:6: a step of a case with several jobs says of which it is"),
        ("{a: {}, b: {reason_code: Other}}", "{}", "job-failed.yaml:3: jobs names at least one job"),
        ("reason_code: Other", "reason: Other", "job-failed.yaml:3: there is no 'reason' here"),
    ],
)
def test_several_jobs_that_are_not_written_rightly_are_refused(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in SEVERAL
    with pytest.raises(CaseError) as caught:
        load_cases(written(tmp_path, SEVERAL.replace(old, new, 1)))
    assert complaint in str(caught.value)
