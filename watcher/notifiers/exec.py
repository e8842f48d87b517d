"""A command of your own: the message as a CloudEvent on its standard input, its exit code as the answer.

No shell: `command` is the list of arguments as the program gets it. It runs in a process group of its own, which is killed at the
time limit and cleared away at the end, so that nothing it started outlives it. Its environment holds what `environment` says, a
plain PATH and the few names below; nothing of ours, where secrets may be.

Exit codes are those of sysexits.h: 0 is taken, 75 (EX_TEMPFAIL) may pass, the others from 64 to 78 never will, except those that a
person mends on this machine (69, 71, 72, 73, 74, 77). Whatever else comes, a crash for example, may pass, and is tried a few times.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Final

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from watcher import settings as _settings
from watcher.core.delivery import MOST_BLIND_ATTEMPTS, Receipt
from watcher.core.message import Message
from watcher.core.redaction import redact
from watcher.errors import NotifierError
from watcher.notifiers.cloud_events import render_event
from watcher.notifiers.text import one_line
from watcher.ports.notifier import Capabilities, Wire
from watcher.settings import Duration

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for, by us and by what we start."""
LARGEST_OUTPUT: Final = 8 * 1024
"""Bytes of output that are kept; the rest is read and dropped, so that nobody waits for a full pipe."""

EX_TEMPFAIL: Final = 75
PERMANENT: Final = frozenset({64, 65, 66, 67, 68, 70, 76, 78})
"""Wrong usage or data, no such input, user or host, a fault of the program, a wrong protocol, a wrong configuration."""

_SHOWN: Final = 300
_LAST_WORDS: Final = timedelta(milliseconds=200)
"""How long to go on reading after the program has ended: what it left running may hold the pipe open."""
_VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"


def _runnable(command: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    program = command[0]
    if "/" in program:
        base = (info.context or {}).get("base_dir")
        # Absolute: a path of which only the name is left (`./tell` beside the configuration) would be taken for a bare name.
        program = str(Path(base or ".", Path(program).expanduser()).absolute())
    if any("\0" in word for word in command):
        raise ValueError("an argument cannot hold a NUL character")
    found = shutil.which(program, path=PATH)
    if found is None:
        known = Path(program)
        why = "it is not executable" if "/" in program and known.is_file() else "there is no such program"
        raise ValueError(f"{command[0]!r} cannot be run: {why}" + ("" if "/" in program else f" in {PATH}"))
    return (str(Path(found).absolute()), *command[1:])


class ExecSettings(_settings.Settings):
    """An exec receiver."""

    command: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_runnable)]
    """The program and its arguments, as a list. There is no shell, so nothing in it is expanded. A path is relative to the
    configuration file; a bare name is looked for where system programs are."""
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(seconds=50))] = timedelta(seconds=20)
    """After so long it is killed, with all it started. At most 50 s, as an attempt has a minute in all."""
    environment: dict[Annotated[str, Field(pattern=_VARIABLE)], SecretStr] = Field(default={})
    """Environment variables for it. Of the watcher's own environment it gets nothing but what `${NAME}` puts in here."""


class ExecNotifier:
    """Runs a command for each message."""

    kind: ClassVar[str] = "exec"
    Settings: ClassVar[type[_settings.Settings]] = ExecSettings
    capabilities: ClassVar[Capabilities] = Capabilities(
        shows="your own command, the CloudEvent of `webhook` on its standard input",
        receipt="our own id of the message, once the command ended with 0",
        repeats="same `id` in the event; yours to collapse",
    )
    pace: timedelta = timedelta(0)

    def __init__(self, name: str, settings: ExecSettings) -> None:
        self.name, self._settings = name, settings

    def __repr__(self) -> str:
        return f"ExecNotifier({self.name!r})"

    def render(self, message: Message) -> Wire:
        """The CloudEvent, as webhooks get it."""
        return render_event(message)

    async def send(self, wire: Wire, message: Message) -> Receipt:
        """Run the command once.

        Raises:
            NotifierError: see `classify`; or it cannot be started, or ran into its time limit.
        """
        program = self._settings.command[0]
        place = f"the command {one_line(Path(program).name, 60)}"
        try:
            process = await anyio.open_process(
                self._settings.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._environment(message),
                start_new_session=True,
            )
        except OSError as exc:
            raise NotifierError(
                f"{place} cannot be started: {exc.strerror or type(exc).__name__}",
                code="start",
                fix=f"Check {program} and its rights; a script begins with a line such as #!/bin/sh",
                pauses_receiver=True,
            ) from exc
        body = json.dumps(dict(wire), ensure_ascii=False).encode()
        output = bytearray()
        try:
            with anyio.fail_after(self._settings.timeout.total_seconds()):
                code = await _converse(process, body, output)
        except TimeoutError:
            seconds = self._settings.timeout.total_seconds()
            raise NotifierError(
                f"{place} was killed after {seconds:g} s{_told(output)}",
                ambiguous=True,
                code="timeout",
                fix="Make it quicker, or raise `timeout`",
                most_attempts=MOST_BLIND_ATTEMPTS,
            ) from None
        finally:
            await _clear_away(process)
        if code == 0:
            return Receipt(reference=message.id, place=program)
        raise classify(code, bytes(output), place=place)

    async def aclose(self) -> None:
        """Nothing is held."""

    def _environment(self, message: Message) -> dict[str, str]:
        own = {name: value.get_secret_value() for name, value in self._settings.environment.items()}
        return {
            "PATH": PATH,
            "LANG": "C.UTF-8",
            "DLC_WATCHER_RECEIVER": self.name,
            "DLC_WATCHER_MESSAGE": message.id,
            "DLC_WATCHER_SEVERITY": message.severity.value,
            "DLC_WATCHER_ATTEMPT": str(message.attempt),
            **own,
        }


async def _converse(process: Process, body: bytes, output: bytearray) -> int:
    """Write the event, read what is said, wait for the end; the exit code, negative for a signal."""
    async with anyio.create_task_group() as tasks:
        if process.stdin is not None:
            tasks.start_soon(_write, process.stdin, body)
        if process.stdout is not None:
            tasks.start_soon(_read, process.stdout, output)
        code = await process.wait()
        tasks.cancel_scope.deadline = anyio.current_time() + _LAST_WORDS.total_seconds()
    return code


async def _write(stdin: ByteSendStream, body: bytes) -> None:
    # One that does not read its input has its reasons: its exit code says whether it is content.
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await stdin.send(body)
        await stdin.aclose()


async def _read(stdout: ByteReceiveStream, output: bytearray) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for chunk in stdout:
            output += chunk[: LARGEST_OUTPUT - len(output)]


async def _clear_away(process: Process) -> None:
    """End what is left of the process group, and let go of the pipes: the one we read is closed once its end was read."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout is not None:
        with anyio.move_on_after(_LAST_WORDS.total_seconds(), shield=True):
            await _read(process.stdout, bytearray())
    with anyio.CancelScope(shield=True):
        await process.aclose()


def _told(output: bytes | bytearray) -> str:
    """The end of what it said, on one line and without what looks like a secret; "" when it said nothing."""
    text = one_line(redact(bytes(output).decode("utf-8", "replace")), LARGEST_OUTPUT)
    return f'; it said: "{text[-_SHOWN:]}"' if text else ""


_MENDED_HERE: Final[Mapping[int, str]] = {
    69: "A service it needs is not available",
    71: "The system refused it something",
    72: "A system file it needs is missing",
    73: "It could not create a file",
    74: "It could not read or write",
    77: "It lacks a right on this machine",
}
"""Exit codes for what a person mends on this machine, after which the same message can be taken."""


def classify(code: int, output: bytes, *, place: str) -> NotifierError:
    """What an exit code other than 0 means. Pure.

    Args:
        code: as the operating system tells it; negative for the number of the signal that ended it.
        output: what it said; only its end is told.
        place: who it was, for the sentence.
    """
    ended = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
    told = f"{place} {ended}{_told(output)}"
    if code == EX_TEMPFAIL:
        return NotifierError(told, code="75")
    if code in PERMANENT:
        return NotifierError(told, permanent=True, code=str(code), fix="Its exit code says that this will never work")
    return NotifierError(
        told,
        ambiguous=code not in _MENDED_HERE,
        code=str(code),
        fix=_MENDED_HERE.get(code, "See what it said; with exit code 75 it says itself that a failure will pass"),
        most_attempts=MOST_BLIND_ATTEMPTS,
    )
