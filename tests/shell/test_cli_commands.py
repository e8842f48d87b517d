"""The commands as a user types them: exit codes, sentences instead of traces, JSON that parses, strangers' text made harmless."""

from __future__ import annotations

import functools
import json
import socket
from pathlib import Path
from typing import Any

import anyio
import jsonschema
import pytest
from ruamel.yaml import YAML

from tests.shell.service_cli import CONFIGURATION, DRIVES_A_TERMINAL, HOSTILE, Cli, in_process, stored
from tests.shell.service_world import START, World, job
from watcher.ports.store import Store
from watcher.simulator import DEMO_KEY, SimulatorServer, StaticApp

ROOT = Path(__file__).resolve().parents[2]
PAYLOADS = sorted((ROOT / "tests" / "payloads").glob("getjob*.json"))
BAD = ROOT / "tests" / "config" / "bad"


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three jobs, one of them with a hostile name, all of which have a story."""

    async def fill(store: Store) -> None:
        world = World(job("dlc1", "Queuing", name="calm"), job("dlc2", name="twin"), job("dlc3", name="twin"), store=store,  # type: ignore[arg-type]
                      budget={"requests_per_second": 1000})  # fmt: skip
        world.source.put(job("dlc4", "Queuing", name=HOSTILE, reason=HOSTILE))
        await world.poller.load()
        await world.poller.pass_once()
        world.source.put(job("dlc1", "Failed", name="calm", reason="JobFailed", finished_at=START))
        world.source.put(job("dlc4", HOSTILE, name=HOSTILE, reason=HOSTILE + "again"))
        await world.poller.pass_once()

    return stored(tmp_path_factory.mktemp("store"), fill)


# --- right use --------------------------------------------------------------------------------------------------------------------

READING: tuple[tuple[str, ...], ...] = (
    ("jobs", "--all", "--store", "DB", "--json"),
    ("jobs", "--store", "URL", "--json"),
    ("events", "--store", "DB", "--json"),
    ("events", "--store", "DB", "--job", "dlc1", "--kind", "job.failed", "--json"),
    ("story", "calm", "--store", "DB", "--json"),
    ("deliveries", "list", "--store", "DB", "--json"),
    ("deliveries", "list", "--store", "DB", "--state", "pending", "--receiver", "team", "--json"),
    ("rules", "--json"),
    ("rules", "stuck-pending", "--json"),
    ("schema",),
    ("replay", *map(str, PAYLOADS), "--json"),
    ("check", "--config", str(ROOT / "examples" / "minimal.yaml"), "--json"),
)


@pytest.mark.parametrize("args", READING, ids=lambda args: " ".join(args)[:40])
def test_every_reading_command_gives_one_json_document(cli: Cli, database: Path, args: tuple[str, ...]) -> None:
    places = {"DB": str(database), "URL": f"sqlite:///{database}"}
    ended = cli(*(places.get(arg, arg) for arg in args))
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)
    assert ended.err == ""


def test_jobs_shows_the_live_ones_and_with_all_the_ended_ones_too(cli: Cli, database: Path) -> None:
    assert "calm" not in cli("jobs", "--store", database).out
    row = next(line for line in cli("jobs", "--all", "--store", database).out.splitlines() if "calm" in line)
    assert "hz/dlc1" in row
    assert "Failed" in row


def test_events_are_told_with_what_was_before_and_after(cli: Cli, database: Path) -> None:
    told = cli("events", "--job", "hz/dlc1", "--store", database).out
    assert "job.appeared" in told
    assert "Queuing -> Failed" in told
    assert "dlc2" not in told


def test_a_story_holds_what_was_seen_what_followed_who_spoke_and_who_did_not(cli: Cli, database: Path) -> None:
    told = cli("story", "calm", "--store", database).out
    for word in (
        "attempt 1: ? - ",
        "failed (unknown)",
        "Queuing",
        "job.failed",
        "job-failed",
        "notified",
        "-> team",
        "pending",
    ):
        assert word in told, word
    (lived,) = json.loads(cli("story", "calm", "--store", database, "--json").out)["attempts"]
    assert (lived["number"], lived["end"]) == (1, "failed")
    kinds = [line["kind"] for line in json.loads(cli("story", "calm", "--store", database, "--json").out)["story"]]
    assert {"snapshot", "event", "decision", "delivery"} <= set(kinds)


@pytest.mark.parametrize("wanted", ["dlc1", "hz/dlc1", "calm"])
def test_a_job_is_found_by_id_by_source_and_id_and_by_name(cli: Cli, database: Path, wanted: str) -> None:
    ended = cli("story", wanted, "--store", database)
    assert ended.code == 0
    assert ended.out.startswith("hz/dlc1")


def test_rules_lists_every_installed_rule_with_its_purpose(cli: Cli) -> None:
    listed = json.loads(cli("rules", "--json").out)
    assert len(listed) >= 11
    for rule in listed:
        assert rule["doc"], rule["name"]
        assert rule["on"], rule["name"]
    assert listed == sorted(listed, key=lambda rule: rule["name"])
    assert "Why you want to know" in cli("rules", "stuck-pending").out


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_the_printed_schema_accepts_the_examples_and_refuses_a_misspelt_key(cli: Cli, example: Path) -> None:
    schema = json.loads(cli("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    document = YAML(typ="safe").load(example)
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "recievers": {}}, schema)


def test_a_good_configuration_is_called_good_and_counted(cli: Cli) -> None:
    ended = cli("check", "-c", ROOT / "examples" / "minimal.yaml")
    assert ended.code == 0
    rules = (ROOT / "rules" / "default.yaml").read_text(encoding="utf-8").count("\n  - use:")
    assert f"1 source, 1 receiver, {rules} rules" in ended.out


# --- wrong use --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_broken_configuration_is_refused_with_its_place_and_without_a_trace(cli: Cli, file: Path) -> None:
    ended = cli("check", "--config", file)
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err
    places = [line for line in ended.err.splitlines() if line.startswith(f"{file}:")]
    assert places
    for place in places if file.stem != "only_comments" else ():  # that one is about the file as a whole
        line, column = place.removeprefix(f"{file}:").split(":")[:2]
        assert line.isdigit(), place
        assert column.isdigit(), place
    told = json.loads(cli("check", "--config", file, "--json").out)
    assert told["ok"] is False
    assert all(problem["message"] for problem in told["problems"])


@pytest.mark.parametrize("command", ["run", "once", "check", "jobs", "send-test terminal", "health"])
def test_every_command_with_a_configuration_names_a_missing_file(cli: Cli, command: str) -> None:
    ended = cli(*command.split(), "--config", "nowhere.yaml")
    assert ended.code == 2
    assert ended.err.startswith("nowhere.yaml: ")
    assert "Traceback" not in ended.err


WRONG: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (1, "no job 'dlc9' has been seen", ("story", "dlc9", "--store", "DB")),
    (1, "'twin' fits 2 jobs: hz/dlc2, hz/dlc3", ("story", "twin", "--store", "DB")),
    (1, "no job 'nope' has been seen", ("events", "--job", "nope", "--store", "DB")),
    (1, "there is no such file", ("jobs", "--store", "missing.db")),
    (1, "postgresql://", ("jobs", "--store", "mysql://me@h/d")),
    (2, "there are: deadline.passed", ("events", "--kind", "job.exploded", "--store", "DB")),
    (2, "there are: pending", ("deliveries", "list", "--state", "lost", "--store", "DB")),
    (
        2,
        "there is no receiver 'nobody'; there are: terminal",
        ("send-test", "nobody", "-c", str(ROOT / "examples/minimal.yaml")),
    ),
    (2, "bundled are: bidding-lost, budget-exhausted, clean-run", ("simulate", "--scenario", "nope")),
    (2, "bundled are: bidding-lost, budget-exhausted, clean-run", ("demo", "--scenario", "nope")),
    (2, "write for example 90s", ("demo", "--duration", "20")),
    (2, "longer than nothing", ("demo", "--duration", "0s")),
    (2, "there is no rule 'nope'; there are: cohort", ("rules", "nope")),
    (2, "--port", ("simulate", "--port", "70000")),
    (2, "list_items", ("simulate", "--switch", "list_items=fat")),
    (2, "nonsense", ("simulate", "--switch", "nonsense=1")),
    (2, "lower", ("simulate", "--secret-rate", "5", "2")),
    (2, "does nothing with --static", ("simulate", "--static", "5", "--secret-rate", "2", "5")),
    (2, "does nothing without --static", ("simulate", "--pods", "5")),
    (2, "No such command", ("frobnicate",)),
    (1, "cannot be read", ("replay", "missing.json")),
)


@pytest.mark.parametrize(
    ("code", "words", "args"), WRONG, ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else ""
)
def test_a_mistake_is_answered_with_a_sentence(
    cli: Cli, database: Path, code: int, words: str, args: tuple[str, ...]
) -> None:
    ended = cli(*(str(database) if arg == "DB" else arg for arg in args))
    assert ended.code == code
    assert words in " ".join(ended.err.split())
    assert ended.out == ""
    assert "Traceback" not in ended.err


def test_without_a_command_the_help_is_shown(cli: Cli) -> None:
    ended = cli()
    assert "Usage: dlc-watcher" in ended.text
    assert "demo" in ended.text


# --- replay -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", PAYLOADS, ids=lambda path: path.stem)
def test_a_recorded_answer_replays_without_an_event_however_often_it_comes(cli: Cli, file: Path) -> None:
    steps = json.loads(cli("replay", file, file, file, "--json").out)
    assert len(steps) == 3
    for step in steps[1:]:
        assert step["events"] == []
        assert step["would_send"] == []
    assert {event["kind"] for event in steps[0]["events"]} <= {"job.appeared"}
    assert steps[0]["would_send"] == []
    assert cli("replay", file).code == 0


def test_replay_tells_what_changed_and_who_would_hear_it(cli: Cli, tmp_path: Path) -> None:
    answer: dict[str, Any] = {
        "JobId": "dlc1",
        "DisplayName": "a",
        "Status": "Running",
        "GmtCreateTime": "2026-01-02T03:04:05Z",
    }
    (tmp_path / "1.json").write_text(json.dumps(answer))
    (tmp_path / "2.json").write_text(json.dumps({"payload": {**answer, "Status": "Failed", "ReasonCode": "JobFailed"}}))
    ended = cli("replay", "1.json", "2.json")
    assert "Running -> Failed" in ended.out
    assert "-> terminal: [critical]" in ended.out
    steps = json.loads(cli("replay", "1.json", "2.json", "--json").out)
    assert [one["rule"] for one in steps[1]["would_send"]] == ["job-failed"]
    assert steps[1]["would_record"] == []
    (tmp_path / "trial.yaml").write_text(
        "sources: {replay: {kind: dlc, region: cn-hangzhou}}\nreceivers: {team: {console: {}}}\n"
        "rules: [{use: job-failed, shadow: true}]\n"
    )
    trial = cli("replay", "1.json", "2.json", "-c", "trial.yaml")
    assert "(shadow: not sent to team: Failed: JobFailed; rule job-failed is in shadow)" in trial.out
    (row,) = json.loads(cli("replay", "1.json", "2.json", "-c", "trial.yaml", "--json").out)[1]["would_record"]
    assert row == {"receiver": "team", "rule": "job-failed", "headline": "Failed: JobFailed", "reason": "shadow"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b'{"Status": 3}',
        b'{"JobId": "\\ud800", "Status": "x"}',
        b"[" * 100_000,
    ],
    ids=lambda content: repr(content[:20]),
)
def test_replay_of_something_else_is_refused_with_the_name_of_the_file(
    cli: Cli, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "odd.json").write_bytes(content)
    ended = cli("replay", "odd.json")
    assert ended.code == 1
    assert ended.err.startswith("dlc-watcher: odd.json: ")
    assert "Traceback" not in ended.err


# --- strangers' text --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ("jobs",),
        ("events",),
        ("story", "dlc4"),
        ("deliveries", "list"),
        ("jobs", "--json"),
        ("events", "--json"),
        ("story", "dlc4", "--json"),
    ],
    ids=" ".join,
)
def test_a_hostile_name_is_shown_and_not_obeyed(cli: Cli, database: Path, args: tuple[str, ...]) -> None:
    ended = cli(*args, "--store", database)
    assert ended.code == 0, ended.err
    assert not set(ended.text) & DRIVES_A_TERMINAL
    if args[0] != "deliveries":
        assert "[bold]markup[/bold]" in ended.out
    if "--json" in args:
        assert HOSTILE in _texts(json.loads(ended.out))
    else:
        assert not any(line.startswith("second line") for line in ended.out.splitlines())


def _texts(value: Any) -> set[str]:
    if isinstance(value, dict):
        return functools.reduce(set.union, map(_texts, value.values()), set())
    if isinstance(value, list):
        return functools.reduce(set.union, map(_texts, value), set())
    return {value} if isinstance(value, str) else set()


def test_a_hostile_answer_replays_harmlessly(cli: Cli, tmp_path: Path) -> None:
    base = {"JobId": "dlc1", "DisplayName": HOSTILE, "ReasonMessage": HOSTILE, "GmtCreateTime": "2026-01-02T03:04:05Z"}
    (tmp_path / "1.json").write_text(json.dumps({**base, "Status": "Running"}))
    (tmp_path / "2.json").write_text(json.dumps({**base, "Status": HOSTILE}))
    (tmp_path / "3.json").write_text(json.dumps({**base, "Status": "Failed", "ReasonCode": HOSTILE}))
    for form in ((), ("--json",)):
        ended = cli("replay", "1.json", "2.json", "3.json", *form)
        assert ended.code == 0, ended.err
        assert not set(ended.text) & DRIVES_A_TERMINAL
        assert "[bold]markup[/bold]" in ended.out


def test_other_scripts_stay_readable_in_json(cli: Cli, tmp_path: Path) -> None:
    answer = {"JobId": "dlc1", "DisplayName": "a", "Status": "训练中", "GmtCreateTime": "2026-01-02T03:04:05Z"}
    (tmp_path / "1.json").write_text(json.dumps(answer))
    assert "训练中" in cli("replay", "1.json", "--json").out


# --- sending and asking -----------------------------------------------------------------------------------------------------------


def test_send_test_reaches_the_receiver_and_says_so(cli: Cli) -> None:
    ended = cli("send-test", "terminal", "-c", ROOT / "examples" / "minimal.yaml")
    assert ended.code == 0, ended.err
    assert "this is a test; no job is concerned" in ended.out
    assert "terminal: accepted" in ended.out


def test_health_without_a_service_is_a_failure_that_names_the_address(cli: Cli, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        ended = cli("health", "--url", url)
    assert ended.code == 1
    assert f"no answer from {url}" in ended.err
    (tmp_path / "off.yaml").write_text((ROOT / "examples/minimal.yaml").read_text() + "service: {http: {port: null}}\n")
    off = cli("health", "-c", "off.yaml")
    assert off.code == 1
    assert "service.http.port" in off.err


def test_simulate_lists_its_scenarios(cli: Cli) -> None:
    ended = cli("simulate", "--list")
    assert ended.code == 0
    assert {"demo", "eviction", "restart-loop"} <= {line.split()[0] for line in ended.out.splitlines()}


@pytest.mark.anyio
async def test_one_pass_over_static_jobs_sees_them_all(tmp_path: Path) -> None:
    from tests.shell.service_cli import program

    async with SimulatorServer(StaticApp(7), thread=True) as server:
        (tmp_path / "dlc-watcher.yaml").write_text(
            CONFIGURATION.format(url=server.url, key_id="any", secret="thing", folder=tmp_path)
        )
        ended = await anyio.to_thread.run_sync(functools.partial(program, "once", cwd=tmp_path))
        assert ended.code == 0, ended.err
    jobs = await anyio.to_thread.run_sync(functools.partial(program, "jobs", "--json", cwd=tmp_path))
    assert len(json.loads(jobs.out)) == 7


@pytest.mark.anyio
async def test_one_pass_with_a_wrong_key_fails_with_one_clear_line(tmp_path: Path) -> None:
    from tests.shell.service_cli import program
    from watcher.simulator import Simulator, bundled

    secret = "not-the-simulators-secret"
    async with SimulatorServer(Simulator(bundled("clean-run")), thread=True) as server:
        (tmp_path / "dlc-watcher.yaml").write_text(
            CONFIGURATION.format(url=server.url, key_id=DEMO_KEY.key_id, secret=secret, folder=tmp_path)
        )
        for _ in range(2):
            ended = await anyio.to_thread.run_sync(functools.partial(program, "once", cwd=tmp_path))
            assert ended.code == 1
            lines = [json.loads(line) for line in ended.err.splitlines()]
            failed = [line for line in lines if line["event"] == "source_failed"]
            assert len(failed) == 1
            assert "SignatureDoesNotMatch" in failed[0]["error"]
            assert "Traceback" not in ended.text
            assert secret not in ended.text
    events = await anyio.to_thread.run_sync(functools.partial(program, "events", "--json", cwd=tmp_path))
    assert [event["kind"] for event in json.loads(events.out)] == ["watch.blind"]
