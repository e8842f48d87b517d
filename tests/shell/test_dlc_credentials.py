"""Keys are had as the configuration says, renewed ahead by one flight at a time, never silently from the metadata address."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream
from pydantic import SecretStr, ValidationError

from tests.shell.dlc_server import Asked, response, says, serving
from watcher.errors import CredentialsUnavailable
from watcher.sources.dlc.acs3 import AccessKey
from watcher.sources.dlc.credentials import Keyring
from watcher.sources.dlc.issuers import Issued, issue
from watcher.sources.dlc.settings import (
    AccessKeyCredentials,
    DefaultCredentials,
    DlcSettings,
    EcsRamRoleCredentials,
    OidcCredentials,
    RamRoleCredentials,
    UriCredentials,
)

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROLE = "acs:ram::1234567890:role/watcher"
DOCUMENT = {
    "Code": "Success",
    "AccessKeyId": "STS.fake",
    "AccessKeySecret": "fake-secret",
    "SecurityToken": "fake-token",
    "Expiration": "2036-01-02T04:04:05Z",
}


class Desk:
    """Issues numbered keys that live an hour, slowly, or refuses."""

    def __init__(self, lives: timedelta | None = timedelta(hours=1)) -> None:
        self.now, self.lives, self.calls, self.fails = START, lives, 0, False

    async def __call__(self) -> Issued:
        self.calls += 1
        number = self.calls
        await anyio.sleep(0.01)
        if self.fails:
            raise CredentialsUnavailable("closed", permanent=False)
        return Issued(AccessKey(f"k{number}", "s"), None if self.lives is None else self.now + self.lives)

    def keyring(self) -> Keyring:
        return Keyring(DefaultCredentials(), wall=lambda: self.now, issue_key=self)


async def ask_many(keyring: Keyring, count: int = 20) -> list[str]:
    told: list[str] = []

    async def one() -> None:
        try:
            told.append((await keyring.key()).key_id)
        except CredentialsUnavailable as error:
            told.append(error.message)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(one)
    return told


async def test_many_who_want_the_first_key_share_one_flight() -> None:
    desk = Desk()
    assert await ask_many(desk.keyring()) == ["k1"] * 20
    assert desk.calls == 1


async def test_many_who_wait_for_a_flight_that_fails_share_its_failure() -> None:
    desk = Desk()
    desk.fails = True
    keyring = desk.keyring()
    assert await ask_many(keyring) == ["closed"] * 20
    assert desk.calls == 1
    desk.fails = False
    assert (await keyring.key()).key_id == "k2"


async def test_a_key_is_renewed_ahead_of_its_end_while_others_go_on_with_the_old_one() -> None:
    desk = Desk()
    keyring = desk.keyring()
    assert (await keyring.key()).key_id == "k1"
    desk.now = START + timedelta(minutes=49)
    assert await ask_many(keyring) == ["k1"] * 20
    assert desk.calls == 1
    desk.now = START + timedelta(minutes=51)
    assert sorted(await ask_many(keyring)) == ["k1"] * 19 + ["k2"]
    assert desk.calls == 2


async def test_a_failed_renewal_keeps_the_old_key_to_its_end_and_does_not_hammer() -> None:
    desk = Desk()
    keyring = desk.keyring()
    await keyring.key()
    desk.fails, desk.now = True, START + timedelta(minutes=55)
    for _ in range(10):
        assert (await keyring.key()).key_id == "k1"
    assert desk.calls == 2
    desk.now += timedelta(seconds=31)
    assert (await keyring.key()).key_id == "k1"
    assert desk.calls == 3
    desk.now = START + timedelta(hours=1)
    with pytest.raises(CredentialsUnavailable, match="closed"):
        await keyring.key()


async def test_many_whose_key_was_refused_share_one_flight() -> None:
    desk = Desk(lives=None)
    keyring = desk.keyring()
    refused = await keyring.key()
    told: list[AccessKey] = []

    async def one() -> None:
        told.append(await keyring.replace(refused))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(one)
    assert {key.key_id for key in told} == {"k2"}
    assert (await keyring.replace(refused)).key_id == "k2"
    assert desk.calls == 2


async def test_those_who_waited_do_not_fly_again_when_there_is_no_other_key() -> None:
    only, calls = AccessKey("only", "s"), []

    async def the_same() -> Issued:
        calls.append(1)
        await anyio.sleep(0.01)
        return Issued(only)

    keyring = Keyring(DefaultCredentials(), wall=lambda: START, issue_key=the_same)
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(keyring.replace, only)
    assert len(calls) == 1


async def test_a_flight_that_was_cancelled_leaves_the_way_to_the_next() -> None:
    desk = Desk()
    keyring = desk.keyring()
    with anyio.move_on_after(0.001):
        await keyring.key()
    assert (await keyring.key()).key_id == "k2"


async def test_a_key_that_ended_before_it_came_is_used_all_the_same() -> None:
    """Our clock is ahead: the server decides, and we do not fetch a key for every request."""
    desk = Desk(lives=timedelta(hours=-2))
    keyring = desk.keyring()
    assert [(await keyring.key()).key_id for _ in range(3)] == ["k1"] * 3


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.sources.dlc.credentials._LIMIT_S", 0.05)

    async def never() -> Issued:
        await anyio.sleep_forever()
        raise AssertionError

    keyring = Keyring(DefaultCredentials(), wall=lambda: START, issue_key=never)
    with anyio.fail_after(2):
        assert await ask_many(keyring, 3) == ["no credentials within 0.05 s"] * 3


# files


def files_in(path: Path, **texts: str) -> AccessKeyCredentials:
    for name, text in texts.items():
        (path / name).write_text(text)
    return AccessKeyCredentials.model_validate(
        {"kind": "access_key", **{f"{name}_file": path / name for name in texts}}
    )


async def test_files_are_read_anew_when_they_change_and_only_then(tmp_path: Path) -> None:
    keyring = Keyring(files_in(tmp_path, key_id="id1\n", secret="s1\n", security_token="t1"), wall=lambda: START)
    first = await keyring.key()
    assert first == AccessKey("id1", "s1", "t1")
    assert await keyring.key() is first
    for name, text in (("key_id", "id22"), ("secret", "s22"), ("security_token", "t22")):
        (tmp_path / name).write_text(text)
    assert await keyring.key() == AccessKey("id22", "s22", "t22")
    (tmp_path / "secret").unlink()
    assert (await keyring.key()).key_id == "id22"  # in the middle of a rotation


async def test_a_missing_or_odd_file_is_told_by_its_name_without_its_content(tmp_path: Path) -> None:
    settings = files_in(tmp_path, key_id="id", secret="fake-canary")
    (tmp_path / "secret").unlink()
    with pytest.raises(CredentialsUnavailable, match="secret cannot be read") as caught:
        await Keyring(settings, wall=lambda: START).key()
    assert caught.value.permanent
    with pytest.raises(CredentialsUnavailable, match="cannot be sent") as caught:
        await issue(files_in(tmp_path, key_id="id\ncanary: x", secret="s"))
    assert "canary" not in str(caught.value)


def test_a_key_needs_one_id_and_one_secret_and_shows_neither(tmp_path: Path) -> None:
    whole = AccessKeyCredentials(kind="access_key", key_id="id", secret=SecretStr("canary"))
    assert "canary" not in repr(whole)
    for wrong in ({"key_id": "id"}, {"secret": "s"}, {"key_id": "id", "secret": "s", "secret_file": "/nowhere"}):
        with pytest.raises(ValidationError):
            AccessKeyCredentials.model_validate({"kind": "access_key", **wrong})


# addresses


async def test_a_credentials_address_is_asked() -> None:
    async with serving(says(response(200, {**DOCUMENT, "Extra": 1}))) as peer:
        issued = await issue(UriCredentials(kind="uri", url=f"{peer.url}/api/v1/credentials/0?a=b"))
    assert issued == Issued(
        AccessKey("STS.fake", "fake-secret", "fake-token"), datetime(2036, 1, 2, 4, 4, 5, tzinfo=UTC)
    )
    assert peer.asked[0].target == "/api/v1/credentials/0?a=b"


@pytest.mark.parametrize(
    ("answer", "word", "permanent"),
    [
        (response(200, {**DOCUMENT, "Code": "Failed"}), "did not answer with credentials", True),
        (response(200, {"Code": "Success", "AccessKeySecret": "canary"}), "no key id or no secret", True),
        (response(200, "<html>canary"), "did not answer with credentials", True),
        (response(403, "canary"), "HTTP 403", True),
        (response(500, "canary"), "HTTP 500", False),
        (response(302, "", {"location": "http://127.0.0.1:1/"}), "HTTP 302", True),
        (response(200, "x" * 100_000), "more than", True),
        (b"canary", "cannot be reached", False),
    ],
)
async def test_an_address_that_gives_no_key_is_told_without_its_answer(
    answer: bytes, word: str, permanent: bool
) -> None:
    async def once(stream: SocketStream, asked: Asked) -> None:
        await stream.send(answer)
        await stream.aclose()

    async with serving(once) as peer:
        with pytest.raises(CredentialsUnavailable, match=word) as caught:
            await issue(UriCredentials(kind="uri", url=f"{peer.url}/x"))
    assert caught.value.permanent is permanent
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("role", ["watcher", None])
async def test_a_named_ecs_role_asks_the_metadata_service_with_a_token(role: str | None) -> None:
    async def metadata(stream: SocketStream, asked: Asked) -> None:
        if asked.method == "PUT":
            await stream.send(response(200, "meta-token"))
        elif asked.headers.get("x-aliyun-ecs-metadata-token") != "meta-token":
            await stream.send(response(401))
        elif asked.target.endswith("/watcher"):
            await stream.send(response(200, DOCUMENT))
        else:
            await stream.send(response(200, "watcher\n"))

    async with serving(metadata) as peer:
        issued = await issue(EcsRamRoleCredentials(kind="ecs_ram_role", role_name=role), metadata=peer.url)
    assert issued.key.key_id == "STS.fake"
    assert len(peer.asked) == (2 if role else 3)


# the official library


class Sts:
    """Stands where the official library meets the network, and keeps what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int = 200, body: object = None) -> None:
        from Tea.core import TeaCore

        self.asked: list[Any] = []
        self.status = status
        self.body = json.dumps({"Credentials": DOCUMENT} if body is None else body).encode()
        monkeypatch.setattr(TeaCore, "do_action", self.do)

    def do(self, request: Any, runtime: Any = None) -> Any:
        self.asked.append(request)
        return type("Answer", (), {"status_code": self.status, "body": self.body})()


async def test_a_ram_role_is_taken_on_with_the_base_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    sts = Sts(monkeypatch)
    base = AccessKeyCredentials(kind="access_key", key_id="base-id", secret=SecretStr("base-secret"))
    issued = await issue(RamRoleCredentials(kind="ram_role", role_arn=ROLE, base=base, external_id="x1"))
    assert issued == Issued(
        AccessKey("STS.fake", "fake-secret", "fake-token"), datetime(2036, 1, 2, 4, 4, 5, tzinfo=UTC)
    )
    (asked,) = sts.asked
    assert (asked.protocol, asked.headers["host"]) == ("https", "sts.aliyuncs.com")
    assert asked.query["Action"] == "AssumeRole"
    assert (asked.query["AccessKeyId"], asked.query["RoleArn"], asked.query["ExternalId"]) == ("base-id", ROLE, "x1")


async def test_an_oidc_token_is_exchanged_and_read_anew_each_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sts = Sts(monkeypatch)
    token = tmp_path / "token"
    token.write_text("jwt1")
    settings = OidcCredentials(
        kind="oidc",
        role_arn=ROLE,
        provider_arn="acs:ram::1234567890:oidc-provider/ack",
        token_file=token,
        sts_endpoint="sts-vpc.cn-hangzhou.aliyuncs.com",
    )
    await issue(settings)
    token.write_text("jwt2")
    await issue(settings)
    assert [asked.query["OIDCToken"] for asked in sts.asked] == ["jwt1", "jwt2"]
    assert sts.asked[0].headers["host"] == "sts-vpc.cn-hangzhou.aliyuncs.com"


@pytest.mark.parametrize(("status", "permanent"), [(403, True), (503, False)])
async def test_a_refused_role_is_told_by_its_code_and_nothing_is_written_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], status: int, permanent: bool
) -> None:
    Sts(monkeypatch, status, {"Code": "NoPermission", "Message": "canary"})
    base = AccessKeyCredentials(kind="access_key", key_id="base-id", secret=SecretStr("canary"))
    with pytest.raises(CredentialsUnavailable) as caught:
        await issue(RamRoleCredentials(kind="ram_role", role_arn=ROLE, base=base))
    error = caught.value
    assert (error.code, error.permanent) == ("NoPermission", permanent)
    assert f"HTTP {status}" in str(error)
    assert "canary" not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert capfd.readouterr() == ("", "")
    assert all(type(handler) is logging.NullHandler for handler in logging.getLogger("credentials").handlers)


async def test_the_default_chain_never_reaches_the_metadata_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Even where the environment asks for it: it must be named in the configuration."""
    from alibabacloud_credentials.utils import auth_util

    connected: list[object] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        connected.append(address)
        if self.family != socket.AF_UNIX and not str(address[0]).startswith("127."):
            raise OSError("not from a test")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(auth_util, "environment_ecs_metadata_disabled", "false")
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "false")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(CredentialsUnavailable, match="no credentials from the default chain") as caught:
        await Keyring(DefaultCredentials(), wall=lambda: START).key()
    assert caught.value.permanent
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in str(caught.value)
    assert connected == []


def in_a_fresh_process(code: str, **env: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ALIBABA_CLOUD_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**clean, **env}, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_the_default_chain_takes_the_environment(tmp_path: Path) -> None:
    code = (
        "import anyio; from watcher.sources.dlc.issuers import issue;"
        "from watcher.sources.dlc.settings import DefaultCredentials as D; i = anyio.run(issue, D());"
        "print(i.key.key_id, i.key.secret, i.key.security_token, i.review_after)"
    )
    told = in_a_fresh_process(
        code,
        HOME=str(tmp_path),
        ALIBABA_CLOUD_ACCESS_KEY_ID="env-id",
        ALIBABA_CLOUD_ACCESS_KEY_SECRET="env-secret",
        ALIBABA_CLOUD_SECURITY_TOKEN="env-token",
    )
    assert told == "env-id env-secret env-token 0:20:00"


def test_the_official_library_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, watcher.sources.dlc; print([m for m in sys.modules if m.startswith(('alibabacloud', 'Tea'))])"
    assert in_a_fresh_process(code) == "[]"


def test_the_kinds_are_told_apart_by_name() -> None:
    told = {"region": "cn-hangzhou", "credentials": {"kind": "ecs_ram_role"}}
    assert DlcSettings.model_validate(told).credentials == EcsRamRoleCredentials(kind="ecs_ram_role")
    assert DlcSettings.model_validate({"region": "cn-hangzhou"}).credentials == DefaultCredentials()
    for wrong in ({"kind": "metadata"}, {"kind": "uri", "url": "ftp://x"}, {"kind": "ram_role", "role_arn": "watcher"}):
        with pytest.raises(ValidationError):
            DlcSettings.model_validate({"region": "cn-hangzhou", "credentials": wrong})
