"""`replay --from-db` as a user types it: what is printed, and the exit code that a CI goes by."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.core.test_rehearsal import HEAD, PLAIN, RULES, SCRIPT, book
from tests.drive import Drive
from tests.shell.service_cli import Cli, in_process
from watcher.simulator.reading import load_scenario
from watcher.store import open_store


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)

    async def fill() -> None:
        store = open_store("sqlite:///watcher.db")
        await store.open()
        try:
            for seen in Drive(load_scenario(SCRIPT).jobs, book()).run(timedelta(hours=4)):
                await store.commit(seen)
        finally:
            await store.aclose()

    anyio.run(fill)
    kept = "store: {url: 'sqlite:///watcher.db'}\n"
    (tmp_path / "then.yaml").write_text(HEAD + PLAIN + RULES + kept)
    (tmp_path / "new.yaml").write_text(
        HEAD + PLAIN + RULES.replace("30m", "40m").replace("- use: job-failed", "- {use: job-failed, severity: info}")
        .replace("  - use: job-succeeded\n", "  - use: job-started\n") + kept
    )  # fmt: skip
    return in_process(monkeypatch, capsys)


def test_the_same_configuration_ends_with_0(cli: Cli) -> None:
    ended = cli("replay", "--from-db", "--config", "then.yaml")
    assert ended.code == 0, ended.text
    assert ended.out.rstrip().endswith("nothing would be different")
    assert json.loads(cli("replay", "--from-db", "-c", "then.yaml", "--json").out)["same"] is True


def test_another_configuration_ends_with_1_and_exactly_its_differences(cli: Cli) -> None:
    ended = cli("replay", "--from-db", "-c", "new.yaml", "--store", "watcher.db")
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.count("+ only with this configuration") == 2
    assert ended.out.count("- no more with this configuration") == 1
    assert "oncall, team -> team" in ended.out
    assert "severity: " in ended.out
    assert "critical -> info" in ended.out
    assert "at another time: " in ended.out
    assert "oncall: 1 -> 0 (-1)" in ended.out
    assert ended.out.rstrip().endswith("2 added, 1 removed, 1 rerouted, 1 regraded, 1 moved")
    told = json.loads(cli("replay", "--from-db", "-c", "new.yaml", "--json").out)
    assert [one["notification"]["rule"] for one in told["removed"]] == ["job-succeeded"]
    assert told["receivers"]["oncall"] == [1, 0]


def test_since_takes_a_time_or_a_length(cli: Cli) -> None:
    told = json.loads(cli("replay", "--from-db", "-c", "new.yaml", "--since", "2026-03-02T10:00+00:00", "--json").out)
    assert (told["added"], told["removed"], len(told["rerouted"])) == ([], [], 1)
    assert cli("replay", "--from-db", "-c", "then.yaml", "--since", "7d").code == 0


@pytest.mark.parametrize(
    ("words", "args"),
    [
        ("takes a --config and no files", ("--from-db",)),
        ("takes a --config and no files", ("a.json", "--from-db", "-c", "then.yaml")),
        ("goes with --from-db only", ("a.json", "--since", "7d")),
        ("name at least one file", ()),
        ("is neither a time", ("--from-db", "-c", "then.yaml", "--since", "yesterday")),
    ],
)
def test_wrong_use_is_answered_with_a_sentence(cli: Cli, words: str, args: tuple[str, ...]) -> None:
    ended = cli("replay", *args)
    assert (ended.code, ended.out) == (2, "")
    assert words in " ".join(ended.err.split())
