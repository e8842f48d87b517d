"""`rules` and `rules test`: which rule a case is run against, what is printed, and the exit codes a CI goes by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.shell.service_cli import Cli, in_process

ROOT = Path(__file__).resolve().parents[2]
BUILT_IN = sorted((ROOT / "tests" / "rules").glob("*.yaml"))
FAILURE = """\
notifies_about_failure:
  rule: job-failed
  course:
    - {at: 0s, status: Running}
    - {at: 1h, status: Failed, job: {failed_at: 1h, reason_code: OOM}}
  expect:
    - {at: 1h, headline: "Failed: OOM", severity: critical}
"""
WAITING = """\
notifies_after_the_configured_time:
  rule: stuck-pending
  course:
    - {at: 0s, status: Queuing}
    - {at: 3h}
  expect:
    - {at: 45m, headline: Pending for 45 m}
"""
CONFIGURATION = """\
sources:
  hz: {kind: dlc, region: cn-hangzhou}
receivers:
  team: {console: {}}
rules:
  - use: stuck-pending
    with: {after: 45m}
  - {name: out-of-memory, on: job.failed, when: 'event.reason_code == "OOM"', severity: warning, summary: "{{ job.name }} ran out"}
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(FAILURE)
    (tmp_path / "waiting.yaml").write_text(WAITING)
    (tmp_path / "c.yaml").write_text(CONFIGURATION)
    return in_process(monkeypatch, capsys)


def test_the_cases_of_all_built_in_rules_hold(cli: Cli) -> None:
    ended = cli("rules", "test", *BUILT_IN)
    assert ended.code == 0, ended.out
    assert "FAILED" not in ended.out
    assert ended.out.rstrip().endswith("cases, none failed")
    told = json.loads(cli("rules", "test", *BUILT_IN, "--json").out)
    assert told["ok"] is True
    assert {case["rule"] for case in told["cases"]} == {path.stem for path in BUILT_IN}


def test_a_case_that_does_not_hold_is_told_with_its_line_and_both_sides(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("\n" + FAILURE.replace("critical", "info").replace("Failed: OOM", "Ended"))
    ended = cli("rules", "test", "good.yaml", "bad.yaml")
    assert ended.code == 1
    assert ended.out.splitlines() == [
        "good.yaml:1: ok: notifies_about_failure (job-failed)",
        "bad.yaml:2: FAILED: notifies_about_failure (job-failed)",
        "    notification 1: headline is 'Failed: OOM', not 'Ended'",
        "    notification 1: severity is 'critical', not 'info'",
        "2 cases, 1 failed",
    ]
    told = json.loads(cli("rules", "test", "good.yaml", "bad.yaml", "--json").out)
    assert told["ok"] is False
    assert [(case["place"], case["ok"], len(case["differences"])) for case in told["cases"]] == [
        ("good.yaml:1", True, 0),
        ("bad.yaml:2", False, 2),
    ]


def test_with_a_configuration_a_case_is_run_against_the_rule_as_configured(cli: Cli) -> None:
    assert cli("rules", "test", "waiting.yaml").code == 1
    ended = cli("rules", "test", "waiting.yaml", "good.yaml", "-c", "c.yaml")
    assert ended.code == 0, ended.out
    assert "(stuck-pending, as configured)" in ended.out
    assert "(job-failed)" in ended.out


def test_a_case_with_options_of_its_own_is_about_the_rule_as_installed(cli: Cli, tmp_path: Path) -> None:
    own = WAITING.replace("rule: stuck-pending", "rule: stuck-pending\n  options: {after: 1h}")
    (tmp_path / "own.yaml").write_text(own.replace("45m", "1h").replace("45 m", "1 h"))
    ended = cli("rules", "test", "own.yaml", "-c", "c.yaml")
    assert ended.code == 0, ended.out
    assert "as configured" not in ended.out


def test_a_declared_rule_is_tested_with_its_condition_and_words(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "out-of-memory.yaml").write_text("""\
notifies_of_this_reason:
  job: {name: llm}
  course:
    - {at: 0s, status: Running}
    - {at: 1h, status: Failed, job: {reason_code: OOM}}
  expect: [{at: 1h, headline: llm ran out, severity: warning}]
stays_silent_about_another_reason:
  course:
    - {at: 0s, status: Running}
    - {at: 1h, status: Failed, job: {reason_code: Other}}
""")
    assert cli("rules", "test", "out-of-memory.yaml", "-c", "c.yaml").code == 0
    assert "there is no rule 'out-of-memory'; there are: cohort" in cli("rules", "test", "out-of-memory.yaml").err


BROKEN = {
    "notifies_x: {coarse: 3}\n": "odd.yaml:1: there is no 'coarse' here; did you mean 'course'?",
    "a: [\n": "odd.yaml:2: ",
    "": "odd.yaml:1: a case file is a mapping",
    "7: {course: []}\n": "odd.yaml:1: a case is called notifies_",
    "a: \x07\n": "odd.yaml:1: not a text in YAML",
    FAILURE.replace("rule: job-failed", "rule: job-exploded"): "odd.yaml:1: notifies_about_failure: there is no rule",
    FAILURE.replace("  course", "  options: {after: 3m}\n  course"): "odd.yaml:1: notifies_about_failure: options.after: ",
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: repr(text[:30]))
def test_a_broken_file_is_named_with_its_line_and_ends_with_2(cli: Cli, tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.yaml").write_text(text)
    ended = cli("rules", "test", "good.yaml", "odd.yaml", "missing.yaml")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[0].startswith(BROKEN[text])
    assert ended.err.splitlines()[-1] == "missing.yaml: cannot be read: No such file or directory"
    told = json.loads(cli("rules", "test", "odd.yaml", "--json").out)
    assert told["ok"] is False
    assert told["broken"][0].startswith(BROKEN[text])


def test_without_a_command_rules_lists_as_it_always_did(cli: Cli) -> None:
    assert cli("rules").out == cli("rules", "list").out
    assert cli("rules", "stuck-pending").out == cli("rules", "list", "stuck-pending").out
    assert cli("rules", "--json").out == cli("rules", "list", "--json").out
    assert "test" in cli("rules", "--help").out
