"""`deliveries` and `receivers`: what could not be told, taken up again or dropped, and who can be told at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.shell.service_cli import Cli, in_process, stored
from tests.shell.service_world import START, job
from watcher.core.breaker import Breaker, heard
from watcher.core.delivery import Failure, FlushId
from watcher.ports.store import Store
from watcher.testing.store_contract import T0, a_delivery, an_observation, leased, send, settlement_for

GONE = Failure(error="the hook answered 410. Put in a new address", permanent=True, disables=True)
REFUSED = Failure(error="channel_not_found. Invite the bot", permanent=True)

CONFIGURATION = """\
sources: {hz: {kind: dlc, region: cn-hangzhou}}
receivers:
  team: {console: {}, fallback: mail}
  mail: {console: {}}
route: {receiver: team, routes: [{match: {severity: critical}, receiver: mail, continue: true}]}
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    return in_process(monkeypatch, capsys)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """One that is dead at team, which is disabled; one dead at mail; one that waits at mail."""

    async def fill(store: Store) -> None:
        await store.commit(an_observation(a_delivery(1), a_delivery(2, receiver="mail")))
        lease = await leased(store)
        breaker = heard(Breaker(receiver="team"), lease.flush_id, GONE, START)
        await store.settle(lease, settlement_for(lease, GONE, T0), None, T0, breaker=breaker)
        await send(store, REFUSED, T0, "mail")
        await store.commit(an_observation(a_delivery(3, receiver="mail", job=job("dlc9").ref)))
        await store.keep_breaker(
            heard(Breaker(receiver="mail"), FlushId("f"), Failure(error="503", pauses=True), START)
        )

    return stored(tmp_path, fill)


def rows(cli: Cli, database: Path, *more: str) -> list[dict[str, Any]]:
    ended = cli("deliveries", "list", "--store", database, "--json", *more)
    assert ended.code == 0, ended.err
    found: list[dict[str, Any]] = json.loads(ended.out)
    return found


def test_dead_letters_are_listed_with_reason_fix_and_id(cli: Cli, database: Path) -> None:
    ended = cli("deliveries", "list", "--state", "dead", "--store", database)
    (first, second) = rows(cli, database, "--state", "dead")
    assert "Put in a new address" in ended.out
    assert "Invite the bot" in ended.out
    assert {first["id"], second["id"]} <= set(ended.out.split())


def test_a_dead_letter_is_taken_up_by_its_id_and_stays_on_record(cli: Cli, database: Path) -> None:
    (dead,) = rows(cli, database, "--state", "dead", "--receiver", "mail")
    ended = cli("deliveries", "retry", dead["id"], "--comment", "invited", "--author", "ann", "--store", database)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("taken up again: mail: hangzhou/dlc-1: ")
    (row,) = (row for row in rows(cli, database) if row["id"] == dead["id"])
    assert (row["state"], row["reason"], row["attempt"]) == ("pending", "retried", 0)
    assert row["error"] == "taken up again by ann: invited (before: channel_not_found. Invite the bot)"
    again = cli("deliveries", "retry", dead["id"], "--store", database)
    assert again.code == 1
    assert "is pending (retried): only dead letters can be taken up again" in again.err


def test_all_of_a_receiver_and_all_of_everybody_are_taken_up(cli: Cli, database: Path) -> None:
    ended = cli("deliveries", "retry", "--receiver", "team", "--store", database)
    assert ended.code == 0
    assert "warning: receiver team is disabled" in ended.err
    assert "dlc-watcher receivers enable team" in ended.err
    assert len(json.loads(cli("deliveries", "retry", "--all", "--json", "--store", database).out)) == 1
    nothing = cli("deliveries", "retry", "--all", "--store", database)
    assert (nothing.code, "no dead letters there" in nothing.err) == (1, True)


def test_what_is_dropped_says_who_and_why_and_needs_a_reason(cli: Cli, database: Path) -> None:
    refused = cli("deliveries", "drop", "--all", "--store", database)
    assert (refused.code, "say why" in refused.err) == (2, True)
    ended = cli("deliveries", "drop", "--all", "--comment", "too late", "--author", "ann", "--store", database)
    assert (ended.code, len(ended.out.splitlines())) == (0, 2)
    dropped = rows(cli, database, "--state", "withheld")
    assert {row["reason"] for row in dropped} == {"dropped"}
    assert all(row["error"].startswith("dropped by ann: too late (before: ") for row in dropped)
    assert [row["state"] for row in rows(cli, database)].count("pending") == 1, "what waits is not meant by --all"
    (waits,) = rows(cli, database, "--state", "pending")
    assert cli("deliveries", "drop", waits["id"], "--comment", "never mind", "--store", database).code == 0


def test_who_did_what_and_why_stays_on_record(cli: Cli, database: Path) -> None:
    assert "Nobody did anything." in cli("deliveries", "audit", "--store", database).out
    (dead,) = rows(cli, database, "--state", "dead", "--receiver", "mail")
    cli("deliveries", "retry", dead["id"], "--comment", "invited", "--author", "ann", "--store", database)
    cli("deliveries", "drop", dead["id"], "--comment", "no need", "--author", "bob", "--store", database)
    said = json.loads(cli("deliveries", "audit", "--store", database, "--json").out)
    assert [(one["author"], one["action"], one["subjects"], one["comment"]) for one in said] == [
        ("ann", "retry", [dead["id"]], "invited"),
        ("bob", "drop", [dead["id"]], "no need"),
    ]
    table = cli("deliveries", "audit", "--store", database).out
    assert "invited" in table
    assert dead["id"] in table


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("retry",), 2, "name ids, or --receiver, or say --all"),
        (("retry", "x", "--all"), 2, "name ids, or --receiver, or say --all"),
        (("retry", "no-such-id"), 1, "there is no delivery 'no-such-id'"),
        (("retry", "--receiver", "nobody"), 1, "no dead letters there"),
        (
            ("drop", "--all", "--comment", "x", "--state", "delivered"),
            2,
            "what can be dropped is: dead, pending, retrying",
        ),
        (("drop", "--receiver", "nobody", "--comment", "x"), 1, "nothing there that could be dropped"),
        (("drop", "--all", "--comment", "x", "--state", "lost"), 2, "unknown state 'lost'"),
    ],
)
def test_mistakes_are_told_in_words(cli: Cli, database: Path, args: tuple[str, ...], code: int, told: str) -> None:
    ended = cli("deliveries", *args, "--store", database)
    assert ended.code == code
    assert told in " ".join(ended.err.replace("│", " ").split())


def test_receivers_show_who_can_be_told_and_why_not(cli: Cli, database: Path, tmp_path: Path) -> None:
    config = tmp_path / "dlc-watcher.yaml"
    config.write_text(CONFIGURATION)
    found = json.loads(cli("receivers", "list", "--store", database, "-c", config, "--json").out)
    assert [
        (one["receiver"], one["kind"], one["state"], one["waiting"], one["dead"], one["fallback"]) for one in found
    ] == [
        ("team", "console", "disabled", 0, 1, "mail"),
        ("mail", "console", "half-open", 1, 1, ""),
    ]
    table = cli("receivers", "list", "--store", database, "-c", config).out
    assert "Put in a new address" in table
    without = json.loads(cli("receivers", "list", "--store", database, "-c", tmp_path / "none", "--json").out)
    assert [one["receiver"] for one in without] == ["mail", "team"]


def test_a_receiver_is_enabled_once(cli: Cli, database: Path, tmp_path: Path) -> None:
    config = tmp_path / "dlc-watcher.yaml"
    config.write_text(CONFIGURATION)
    place = ("--store", database, "-c", config)
    misspelt = cli("receivers", "enable", "taem", *place)
    assert (misspelt.code, 'did you mean "team"?' in misspelt.err) == (2, True)
    assert cli("receivers", "enable", "team", "--comment", "moved", *place).out == "receiver team is sent to again\n"
    again = cli("receivers", "enable", "team", *place)
    assert (again.code, "nothing keeps it from being sent to" in again.err) == (1, True)
    states = {one["receiver"]: one["state"] for one in json.loads(cli("receivers", "list", *place, "--json").out)}
    assert states["team"] == "closed"
