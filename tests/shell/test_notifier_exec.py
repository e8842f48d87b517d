"""The exec notifier: what the command gets, what its exit code means, and that nothing of it is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import ValidationError

from watcher.core.delivery import MOST_BLIND_ATTEMPTS, Receipt
from watcher.errors import NotifierError
from watcher.notifiers.exec import LARGEST_OUTPUT, PERMANENT, ExecNotifier, ExecSettings, classify
from watcher.testing.messages import SAMPLES, again

pytestmark = pytest.mark.anyio
SINGLE = SAMPLES["single"]
Make = Callable[..., ExecNotifier]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def script(body: str, *arguments: str, **settings: Any) -> ExecNotifier:
        file = tmp_path / "command"
        file.write_text(f"#!/bin/sh\ncd {tmp_path}\n{body}\n")
        file.chmod(0o700)
        return ExecNotifier("own", ExecSettings.model_validate({"command": [str(file), *arguments], **settings}))

    return script


async def sent(notifier: ExecNotifier, *, attempt: int = 1) -> Receipt:
    message = again(SINGLE, attempt=attempt)
    return await notifier.send(notifier.render(message), message)


async def failure(notifier: ExecNotifier) -> NotifierError:
    with pytest.raises(NotifierError) as caught:
        await sent(notifier)
    return caught.value


async def test_the_command_reads_the_event_that_a_webhook_would_get(make: Make, tmp_path: Path) -> None:
    receipt = await sent(make("cat > got.json"))
    event = json.loads((tmp_path / "got.json").read_text())
    assert (event["specversion"], event["id"], event["data"]["severity"]) == ("1.0", SINGLE.id, "critical")
    assert receipt.reference == SINGLE.id


async def test_arguments_arrive_as_they_are_written(make: Make, tmp_path: Path) -> None:
    await sent(make('printf "%s\\n" "$@" > got', "two words", "$(touch evil)", "; touch evil", "*"))
    assert (tmp_path / "got").read_text().splitlines() == ["two words", "$(touch evil)", "; touch evil", "*"]
    assert not (tmp_path / "evil").exists()


async def test_it_gets_its_own_environment_and_nothing_of_ours(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLC_KEY_SECRET", "canary-of-ours")
    await sent(make("env > got", environment={"PAGER_KEY": "k", "PATH": "/bin:/usr/bin"}), attempt=3)
    got = dict(line.split("=", 1) for line in (tmp_path / "got").read_text().splitlines())
    own = {name: value for name, value in got.items() if name not in {"PWD", "OLDPWD", "SHLVL", "_"}}
    assert own == {
        "PATH": "/bin:/usr/bin",
        "LANG": "C.UTF-8",
        "PAGER_KEY": "k",
        "DLC_WATCHER_RECEIVER": "own",
        "DLC_WATCHER_MESSAGE": SINGLE.id,
        "DLC_WATCHER_SEVERITY": "critical",
        "DLC_WATCHER_ATTEMPT": "3",
    }


async def test_a_command_that_does_not_read_its_input_is_judged_by_its_exit_code(make: Make) -> None:
    notifier = make("exit 0")
    for name in ("single", "very-long"):
        message = SAMPLES[name]
        assert (await notifier.send(notifier.render(message), message)).reference == message.id


def _alive(pid: int) -> bool:
    """Whether it runs; one that has ended and that nobody has asked after does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def _gone(*pids: int) -> None:
    with anyio.fail_after(5):
        while any(map(_alive, pids)):
            await anyio.sleep(0.02)


async def test_at_the_time_limit_it_is_killed_with_all_it_started(make: Make, tmp_path: Path) -> None:
    told = await failure(make("echo waiting for the pager; sleep 60 & echo $! $$ > pids; wait", timeout="1s"))
    assert (told.ambiguous, told.permanent, told.most_attempts) == (True, False, MOST_BLIND_ATTEMPTS)
    assert 'was killed after 1 s; it said: "waiting for the pager"' in str(told)
    await _gone(*map(int, (tmp_path / "pids").read_text().split()))


async def test_what_it_leaves_running_neither_holds_us_up_nor_outlives_it(make: Make, tmp_path: Path) -> None:
    with anyio.fail_after(10):
        await sent(make("sleep 60 & echo $! > pid; exit 0"))
    await _gone(int((tmp_path / "pid").read_text()))


async def test_it_is_killed_when_the_sending_is_broken_off(make: Make, tmp_path: Path) -> None:
    notifier = make("echo $$ > started; mv started pid; sleep 60")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sent, notifier)
        with anyio.fail_after(10):
            while not (tmp_path / "pid").exists():
                await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()
    await _gone(int((tmp_path / "pid").read_text()))


async def test_what_it_says_is_told_without_secrets_and_only_the_end_of_it(make: Make) -> None:
    told = str(await failure(make('echo "token=canary-token-of-the-pager"; echo "no such team" >&2; exit 70')))
    assert "canary" not in told
    assert told == (
        'the command command ended with exit code 70; it said: "token=*** no such team". '
        "Its exit code says that this will never work"
    )


async def test_endless_output_is_read_and_not_kept(make: Make) -> None:
    told = await failure(make("head -c 3000000 /dev/zero | tr '\\0' 'x '; exit 75"))
    assert len(str(told)) < 500
    assert LARGEST_OUTPUT < 3_000_000


async def test_a_command_that_has_gone_pauses_the_receiver_until_it_is_back(make: Make, tmp_path: Path) -> None:
    notifier = make("exit 0")
    (tmp_path / "command").rename(tmp_path / "elsewhere")
    told = await failure(notifier)
    assert (told.permanent, told.pauses_receiver, told.ambiguous) == (False, True, False)
    (tmp_path / "elsewhere").rename(tmp_path / "command")
    await sent(notifier)


@pytest.mark.parametrize("code", [*range(1, 126), -9, -15])
def test_every_exit_code_means_something(code: int) -> None:
    told = classify(code, b"", place="it")
    assert told.permanent is (code in PERMANENT)
    if code == 75:
        assert (told.ambiguous, told.most_attempts) == (False, None)
    elif not told.permanent:
        assert told.most_attempts == MOST_BLIND_ATTEMPTS
        assert told.ambiguous is (code not in {69, 71, 72, 73, 74, 77})
    assert ("signal 9" in str(told)) is (code == -9)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"command": []}, "at least 1"),
        ({"command": ["no-such-program-anywhere"]}, "there is no such program in /usr"),
        ({"command": [__file__]}, "it is not executable"),
        ({"command": ["sh", "a\0b"]}, "NUL"),
        ({"command": ["sh"], "timeout": "2m"}, "less than or equal"),
        ({"command": ["sh"], "environment": {"1X": "y"}}, "pattern"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ExecSettings.model_validate(settings)


def test_a_path_is_relative_to_the_configuration_file(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("#!/bin/sh\n")
    (tmp_path / "page").chmod(0o700)
    settings = ExecSettings.model_validate({"command": ["./page", "now"]}, context={"base_dir": tmp_path})
    assert settings.command == (str(tmp_path / "page"), "now")


@pytest.mark.parametrize("context", [{"base_dir": Path()}, None], ids=["configuration here", "no configuration"])
def test_a_path_beside_a_configuration_in_this_folder_is_no_bare_name(
    context: dict[str, Path] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page").write_text("#!/bin/sh\n")
    (tmp_path / "page").chmod(0o700)
    monkeypatch.chdir(tmp_path)
    settings = ExecSettings.model_validate({"command": ["./page", "now"]}, context=context)
    assert settings.command == (str(tmp_path / "page"), "now")
