"""`routes tree` and `routes test`: what is inherited, who hears what and by which way, and the exit codes a CI goes by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.shell.service_cli import DRIVES_A_TERMINAL, HOSTILE, Cli, in_process, stored
from tests.shell.service_world import World, job
from watcher.ports.store import Store

CONFIGURATION = """\
sources:
  hz: {kind: dlc, region: cn-hangzhou}
receivers:
  team: {console: {}}
  oncall: {console: {}}
  audit: {console: {}}
  vision: {console: {}}
route:
  receiver: team
  group_wait: 10s
  routes:
    - match: {severity: critical, name: {is: "prod-*", not: ["prod-test*", "prod-x"]}}
      receiver: oncall
      continue: true
    - match: {user: {regex: "svc-[0-9]+"}}
      group_by: source
      receiver: audit
      routes:
        - match: {tag.team: vision}
          receiver: vision
          group_wait: 1m
          group_interval: 5m
          repeat_interval: 4h
          urgent: [critical, warning]
        - match: {kind: {not: "pod.*"}, topic: {not: noise}}
          receiver: oncall
    - match: {quota: {not_regex: "tmp-.*"}}
      receiver: audit
rules:
  - {use: job-failed, labels: {topic: failures}}
  - {use: job-started, labels: {topic: noise}}
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLC_WATCHER_CONFIG", raising=False)
    (tmp_path / "dlc-watcher.yaml").write_text(CONFIGURATION)
    return in_process(monkeypatch, capsys)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job that failed, and one that runs under a hostile name."""

    async def fill(store: Store) -> None:
        rules = CONFIGURATION.partition("rules:\n")[2]
        world = World(
            job("dlc1", "Running", name="prod-llm", user_id="svc-1"),
            job("dlc2", "Running", name=HOSTILE),
            rules=rules,
            store=store,  # type: ignore[arg-type]
            budget={"requests_per_second": 1000},
        )
        await world.poller.load()
        await world.poller.pass_once()
        world.source.put(job("dlc1", "Failed", name="prod-llm", user_id="svc-1", finished_at=world.clock.now()))
        await world.poller.pass_once()

    return stored(tmp_path_factory.mktemp("store"), fill)


def test_the_tree_says_of_each_route_what_it_takes_where_it_leads_and_what_it_inherits(cli: Cli) -> None:
    ended = cli("routes", "tree")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        "route  everything that is left  -> team",
        "│  group by source, job (default); 10 s",
        '├─ routes[0]  severity is "critical", name is "prod-*", name is not "prod-test*" or "prod-x", and on  -> oncall',
        "│     group by source, job (inherited); 10 s (inherited)",
        '├─ routes[1]  user is like "svc-[0-9]+"  -> audit',
        "│  │  group by source; 10 s (inherited)",
        '│  ├─ routes[0]  tag.team is "vision"  -> vision',
        "│  │     group by source (inherited); 1 m",
        "│  │     further news after 5 m; reminders after 4 h; urgent: critical, warning",
        '│  └─ routes[1]  kind is not "pod.*", topic is not "noise"  -> oncall',
        "│        group by source (inherited); 10 s (inherited)",
        '└─ routes[2]  quota is not like "tmp-.*"  -> audit',
        "      group by source, job (inherited); 10 s (inherited)",
    ]
    nodes = json.loads(cli("routes", "tree", "--json").out)
    assert [node["path"] for node in nodes][-1] == "route.routes[2]"
    assert nodes[0]["written"] == ["group_wait", "receiver"]
    assert (nodes[3]["group_interval_s"], nodes[3]["repeat_interval_s"], nodes[3]["urgent"]) == (
        300.0,
        14400.0,
        ["critical", "warning"],
    )


def test_labels_are_led_through_the_tree_and_every_route_that_stayed_out_says_which_test_failed(cli: Cli) -> None:
    ended = cli("routes", "test", "severity=critical", "name=prod-1", "user=svc-3", "kind=job.failed")
    assert ended.out.splitlines() == [
        "severity=critical name=prod-1 user=svc-3 kind=job.failed",
        "  route: it fits; passed down",
        "  route.routes[0] -> oncall",
        "  route.routes[1]: it fits; passed down",
        '  route.routes[1].routes[0]: stayed out: tag.team is not told, wanted is "vision"',
        "  route.routes[1].routes[1]: it fits; oncall hears it by route.routes[0]",
        "  route.routes[2]: not asked: route.routes[1] took it and does not continue",
    ]
    other = cli("routes", "test", "severity=critical", "name=prod-test", "quota=tmp-1", "user=12", "user=ann")
    assert '  route.routes[0]: stayed out: name is "prod-test", wanted is not "prod-test*" or "prod-x"' in other.out
    assert '  route.routes[1]: stayed out: user is "12" or "ann", wanted is like "svc-[0-9]+"' in other.out
    assert "  route -> team" in other.out


@pytest.mark.parametrize(
    ("expected", "code"),
    [("oncall", 0), ("oncall,", 0), ("oncall,team", 1), ("team", 1), ("", 1), ("team, oncall", 1)],
)
def test_expect_compares_who_hears_it_and_sets_the_exit_code(cli: Cli, expected: str, code: int) -> None:
    asked = ("routes", "test", "severity=critical", "name=prod-1", "quota=tmp-1", "--expect", expected)
    ended = cli(*asked)
    assert ended.code == code
    assert ("but it is oncall" in ended.out) is bool(code)
    told = json.loads(cli(*asked, "--json").out)
    assert told["receivers"] == ["oncall"]
    assert (told["expected"] == told["receivers"]) is not bool(code)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["severty=critical"], 'unknown label "severty"; did you mean "severity"?'),
        (["severity=critcal"], 'unknown severity "critcal"; did you mean "critical"?'),
        (["rule=job-fail"], 'did you mean "job-failed"?'),
        (["source=hx"], "allowed are: hz"),
        (["a-job", "another"], "one job or event at a time, not a-job and another"),
        (["severity=info", "--expect", "tema"], 'unknown receiver "tema"; did you mean "team"?'),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(cli: Cli, given: list[str], told: str) -> None:
    ended = cli("routes", "test", *given)
    assert ended.code == 2
    assert told in " ".join(ended.err.split())


def test_a_label_of_one_s_own_rules_and_any_tag_may_be_given(cli: Cli) -> None:
    ended = cli("routes", "test", "topic=noise", "tag.team=vision", "user=svc-1", "--expect", "vision")
    assert ended.code == 0, ended.out


def test_a_job_from_the_store_stands_for_news_about_it(cli: Cli, database: Path) -> None:
    ended = cli("routes", "test", "prod-llm", "severity=critical", "--store", database)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0] == "news of hz/dlc1"
    assert "  route.routes[0] -> oncall" in ended.out
    told = json.loads(cli("routes", "test", "hz/dlc1", "name=other", "--store", database, "--json").out)
    (asked,) = told["asked"]
    assert asked["labels"]["name"] == ["other"]
    assert asked["labels"]["user"] == ["svc-1", ""]
    assert asked["labels"]["job"] == ["dlc1"]
    assert "it fits; oncall" not in json.dumps(told)


def test_an_event_stands_for_what_was_said_about_it(cli: Cli, database: Path) -> None:
    events = json.loads(cli("events", "--job", "dlc1", "--store", database, "--json").out)
    failed, appeared = (next(e["id"] for e in events if e["kind"] == kind) for kind in ("job.failed", "job.appeared"))
    ended = cli("routes", "test", failed, "--store", database, "--expect", "oncall")
    assert ended.code == 0, ended.text
    assert ended.out.splitlines()[0].startswith("job-failed about job.failed: Failed")
    silent = cli("routes", "test", appeared, "--store", database, "--expect", "oncall")
    assert silent.out.splitlines()[0] == "job.appeared, about which nothing was said"
    assert "stayed out: severity is not told" in silent.out
    missing = cli("routes", "test", "nothing", "--store", database)
    assert (missing.code, missing.out) == (1, "")
    assert "no event has this id either" in missing.err


def test_strangers_names_are_made_harmless(cli: Cli, database: Path) -> None:
    for form in ((), ("--json",)):
        ended = cli("routes", "test", "dlc2", "severity=critical", "--store", database, *form)
        assert ended.code == 0, ended.err
        assert not set(ended.text) & DRIVES_A_TERMINAL


def test_a_route_in_shadow_is_shown_and_counts_for_nobody(cli: Cli, tmp_path: Path) -> None:
    trial = CONFIGURATION.replace("    - match: {user", "    - {receiver: audit, shadow: true}\n    - match: {user")
    (tmp_path / "trial.yaml").write_text(trial)
    tree = cli("routes", "tree", "-c", "trial.yaml").out
    assert "├─ routes[1]  everything  -> audit, in shadow\n" in tree
    asked = ("routes", "test", "severity=critical", "name=prod-1", "quota=tmp-1", "-c", "trial.yaml")
    ended = cli(*asked, "--expect", "oncall")
    assert ended.code == 0
    assert "  route.routes[1] -> audit (in shadow: recorded, not sent)\n" in ended.out
    steps = json.loads(cli(*asked, "--json").out)["asked"][0]["steps"]
    assert [(step["route"], step["shadow"]) for step in steps if step["verdict"] == "taken"] == [
        ("route.routes[0]", False),
        ("route.routes[1]", True),
    ]
    checked = cli("check", "-c", "trial.yaml")
    assert (checked.code, checked.err) == (0, "")
    (tmp_path / "all.yaml").write_text(
        CONFIGURATION.replace("  receiver: team\n", "  receiver: team\n  shadow: true\n", 1)
    )
    assert "everything is recorded and nothing is sent to anybody" in cli("check", "-c", "all.yaml").err
    nothing = cli("routes", "test", "severity=info", "-c", "all.yaml", "--expect", "")
    assert nothing.code == 0


MUTES = """\
mute_intervals:
  nights: {zone: Asia/Shanghai, from: "22:00", to: "08:00"}
  weekends: {zone: Asia/Shanghai, weekdays: [sat, sun], dates: 2026-10-01..2026-10-07}
"""


def test_the_tree_shows_what_is_muted_when_and_what_passes(cli: Cli, tmp_path: Path) -> None:
    text = CONFIGURATION.replace(
        "  receiver: team\n", "  receiver: team\n  mute: [nights, weekends]\n  mute_except: critical\n", 1
    ).replace("      receiver: oncall\n      continue", "      receiver: oncall\n      mute: []\n      continue", 1)
    (tmp_path / "muted.yaml").write_text(MUTES + text)
    lines = cli("routes", "tree", "-c", "muted.yaml").out.splitlines()
    assert lines[2] == "│  muted by nights, weekends, except critical"
    assert "muted" not in lines[4]
    assert "      muted by nights, weekends (inherited), except critical (inherited)" in lines
    nodes = json.loads(cli("routes", "tree", "-c", "muted.yaml", "--json").out)
    assert [node["mute"] for node in nodes[:3]] == [["nights", "weekends"], [], ["nights", "weekends"]]
    assert cli("check", "-c", "muted.yaml").err == ""
    (tmp_path / "unused.yaml").write_text(MUTES + text.replace("[nights, weekends]", "nights"))
    assert "no route is muted by this interval" in cli("check", "-c", "unused.yaml").err


def test_of_two_routes_with_one_match_the_second_is_warned_of(cli: Cli, tmp_path: Path) -> None:
    again = "    - match: {severity: info}\n      receiver: audit\n"
    (tmp_path / "twice.yaml").write_text(CONFIGURATION.replace("rules:\n", again + again + "rules:\n"))
    ended = cli("check", "-c", "twice.yaml")
    assert ended.code == 0
    assert "this route is never asked: routes.3 has the same match and does not continue" in ended.err
