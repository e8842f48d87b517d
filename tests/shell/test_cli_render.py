"""`render`: every rule, every kind of event and what is stored, at every kind of receiver, with no network and no secret."""

from __future__ import annotations

import email
import email.policy
import html
import json
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import anyio
import pytest

from tests.shell.installed import installed_kinds
from tests.shell.service_cli import DRIVES_A_TERMINAL, HOSTILE, Cli, in_process, stored
from tests.shell.service_world import START, World, job
from watcher.core.events import EVENT_TYPES, kind_of
from watcher.ports.store import Store
from watcher.store import open_store
from watcher.testing.cases import load_cases
from watcher.testing.previews import of_rule, sample_events, sample_file

RULES = "  - {use: job-failed}\n  - {name: quiet, on: job.failed, match: {name: nobody}}\n"
CONFIGURATION = """\
sources:
  hz: {kind: dlc, region: cn-hangzhou, credentials: {kind: access_key, key_id: "${KEY_ID}", secret_file: /run/none/s}}
store: {url: "sqlite:///watcher.db"}
receivers:
  mail:
    email: {host: smtp.example.com, from: dlc@example.com, to: [oncall@example.com], username: u, password_file: /run/none/p}
    language: zh
    zone: Asia/Shanghai
  team:
    slack: {token_file: /run/none/slack, to: "#ml"}
    templates: {headline: short.j2}
  hook: {webhook: {url_file: /run/none/url, secret: "${HOOK_SECRET}"}}
  line: {console: {}}
route: {receiver: mail, routes: [{receiver: team, continue: true}, {receiver: hook, continue: true}, {receiver: line}]}
rules:
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    for name in ("DLC_WATCHER_CONFIG", "KEY_ID", "HOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)

    def no_network(*_: object, **__: object) -> NoReturn:
        raise AssertionError("render looks into the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    return in_process(monkeypatch, capsys)


@pytest.fixture
def configured(tmp_path: Path) -> None:
    (tmp_path / "dlc-watcher.yaml").write_text(CONFIGURATION + RULES)
    (tmp_path / "short.j2").write_text("{{ item.mark }} {{ item.headline }}")


@pytest.mark.parametrize("rule", sorted(installed_kinds().rules))
@pytest.mark.parametrize("receiver", ["email", "slack", "webhook", "console"])
def test_every_rule_is_shown_at_every_kind_of_receiver_without_a_configuration(
    cli: Cli, rule: str, receiver: str
) -> None:
    made = installed_kinds().rules[rule]
    file = sample_file(made)
    assert file is not None
    (case,) = load_cases(file)
    told = cli("render", "--rule", rule, "-r", receiver, "--as", "json")
    assert told.code == 0, told.text
    shown = html.unescape(json.dumps(json.loads(told.out), ensure_ascii=False).replace('\\"', '"'))
    assert case.expected[0].headline in shown


@pytest.mark.parametrize("kind", sorted(kind_of(event_type) for event_type in EVENT_TYPES))
def test_every_kind_of_event_is_shown(cli: Cli, kind: str) -> None:
    told = cli("render", "--kind", kind, "-r", "email")
    assert told.code == 0, told.text
    assert "dlc-watcher" in told.out
    assert sample_events()[kind].kind == kind


def test_a_mail_is_shown_as_text_page_wire_and_as_it_would_be_sent(cli: Cli, tmp_path: Path) -> None:
    asked = ("render", "--rule", "job-failed", "-r", "email")
    text, page, wire, raw = (cli(*asked, "--as", form).out for form in ("text", "html", "json", "eml"))
    assert text.startswith("Critical: llama-70b-pretrain: Failed after 2 h: JobExited\n")
    assert page.startswith("<!DOCTYPE html>")
    assert json.loads(wire)["text"].rstrip() == text.rstrip()
    parsed: Any = email.message_from_string(raw, policy=email.policy.default)
    assert parsed["Subject"] == "[dlc] llama-70b-pretrain (dlc1)"
    assert parsed.get_body(("plain",)).get_content().rstrip() == text.rstrip()
    file = tmp_path / "mail.html"
    assert cli(*asked, "--as", "html", "-o", file).out == ""
    assert file.read_text() == page


def test_blocks_are_what_slacks_block_kit_builder_takes(cli: Cli) -> None:
    told = cli("render", "--kind", "pod.evicted", "-r", "slack", "--as", "blocks")
    assert json.loads(told.out)["blocks"][0]["type"] == "section"


@pytest.mark.usefixtures("configured")
def test_a_receivers_language_zone_and_own_words_are_used_and_no_secret_is_looked_for(cli: Cli) -> None:
    mail = cli("render", "--rule", "job-failed", "-r", "mail")
    assert mail.code == 0, mail.text
    assert mail.out.startswith("严重")
    assert "UTC+8" in mail.out
    assert "🔴 Failed after 2 h" in cli("render", "--rule", "job-failed", "-r", "team").out
    assert cli("render", "--rule", "job-failed", "-r", "hook", "--as", "json").code == 0
    assert cli("render", "--rule", "job-failed", "-r", "line").out.count("Failed after 2 h") == 1


@pytest.mark.usefixtures("configured")
def test_a_rule_that_is_not_configured_and_a_kind_without_one_are_shown_and_said(cli: Cli) -> None:
    other = cli("render", "--rule", "storm", "-r", "line")
    assert (other.code, "is not in this configuration" in other.err) == (0, True)
    kind = cli("render", "--kind", "pod.evicted", "-r", "line")
    assert (kind.code, "no rule of this configuration says anything about pod.evicted" in kind.err) == (0, True)
    assert "evicted" in kind.out


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    async def fill(store: Store) -> None:
        world = World(
            job("dlc1", "Running", name="calm", created_at=START),
            job("dlc2", "Running", name=HOSTILE),
            rules=RULES,
            store=store,  # type: ignore[arg-type]  # a store on disk, where the world mostly has one in memory
        )
        await world.poller.load()
        await world.poller.pass_once()
        await world.clock.advance(timedelta(minutes=31))
        for job_id, name in (("dlc1", "calm"), ("dlc2", HOSTILE)):
            world.source.put(job(job_id, "Failed", name=name, reason="OOM", finished_at=world.clock.now()))
        await world.poller.pass_once()

    return stored(tmp_path_factory.mktemp("store"), fill)


def _ids(database: Path) -> dict[str, str]:
    async def read() -> dict[str, str]:
        store = open_store(f"sqlite:///{database}", read_only=True)
        await store.open()
        try:
            return {f"{one.kind} {getattr(one, 'job', '')}": str(one.id) for one in await store.events(limit=1000)}
        finally:
            await store.aclose()

    return anyio.run(read)


@pytest.mark.usefixtures("configured")
def test_an_event_of_the_store_is_shown_as_it_was_told_with_the_jobs_card(cli: Cli, database: Path) -> None:
    ids = _ids(database)
    told = cli("render", ids["job.failed hz/dlc1"], "-r", "line", "--store", database)
    assert told.code == 0, told.text
    assert "calm" in told.out
    assert "Failed" in told.out
    page = cli("render", ids["job.failed hz/dlc1"], "-r", "mail", "--as", "html", "--store", database).out
    assert "已失败" in page, "the card's phases are in the receiver's language"
    silent = cli("render", ids["job.appeared hz/dlc1"], "-r", "line", "--store", database)
    assert (silent.code, "no rule of this configuration" in silent.err) == (0, True)


@pytest.mark.usefixtures("configured")
def test_of_a_job_its_last_news_is_shown_and_what_it_is_called_drives_no_terminal(cli: Cli, database: Path) -> None:
    assert "Failed" in cli("render", "calm", "-r", "line", "--store", database).out
    for receiver, form in (("line", "text"), ("mail", "text"), ("mail", "html"), ("team", "blocks"), ("hook", "json")):
        told = cli("render", "dlc2", "-r", receiver, "--as", form, "--store", database)
        assert told.code == 0, told.text
        assert not DRIVES_A_TERMINAL & set(told.text)


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("-r", "mail"), "name one thing"),
        (("--rule", "storm", "--kind", "job.failed", "-r", "mail"), "name one thing"),
        (("--rule", "strom", "-r", "mail"), "there is no rule 'strom'; there are: cohort"),
        (("--kind", "job.fail", "-r", "mail"), "there is no kind 'job.fail'; there are: "),
        (("--rule", "storm"), "say which receiver; there are: mail, team, hook, line"),
        (("--rule", "storm", "-r", "mial"), "there is no receiver 'mial'"),
        (
            ("--rule", "storm", "-r", "team", "--as", "html"),
            "receiver 'team' (slack) has no html; it has: text, blocks, json",
        ),
        (("--rule", "quiet", "-r", "line"), "brings no sample in which it speaks"),
    ],
)
def test_what_cannot_be_shown_is_said_with_what_can(cli: Cli, asked: tuple[str, ...], told: str) -> None:
    ended = cli("render", *asked)
    assert ended.code != 0
    assert told in " ".join(ended.err.split())
    assert "Traceback" not in ended.err


@pytest.mark.usefixtures("configured")
def test_a_job_that_nobody_saw_is_said(cli: Cli, database: Path) -> None:
    assert "no job 'nobody' has been seen" in cli("render", "nobody", "-r", "line", "--store", database).err


def test_a_rule_without_a_sample_of_its_own_has_none() -> None:
    from rules.job_failed import JobFailedRule
    from watcher.core.rule import BoundRule

    class Elsewhere(JobFailedRule):
        """A rule of somebody else's."""

        name = "elsewhere"

    assert of_rule(BoundRule(name="elsewhere", rule=Elsewhere(Elsewhere.Options())), Elsewhere) is None
