"""The console notifier: compact, coloured, and deaf to what a job's name tells the terminal."""

from __future__ import annotations

import errno
import io
import re
from datetime import UTC, timedelta, timezone

import pytest
from rich.console import Console

from watcher.errors import NotifierError
from watcher.notifiers.console import ConsoleNotifier, ConsoleSettings, classify, render_lines
from watcher.testing.messages import HOSTILE, SAMPLES

pytestmark = pytest.mark.anyio
SINGLE = SAMPLES["single"]


def _terminal(file: io.StringIO, width: int = 100) -> Console:
    return Console(
        file=file, force_terminal=True, width=width, color_system="truecolor", legacy_windows=False, _environ={}
    )


async def _printed(name: str, console: Console, file: io.StringIO) -> str:
    notifier = ConsoleNotifier("tty", ConsoleSettings(), console=console, zone=UTC)
    await notifier.send(notifier.render(SAMPLES[name]), SAMPLES[name])
    return file.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_name_reaches_the_terminal_as_a_command(name: str) -> None:
    file = io.StringIO()
    printed = await _printed(f"hostile-{name}", _terminal(file), file)
    # What is left of escape sequences is rich's own: colours, and the link to the console.
    own = re.sub(r"\x1b\[[0-9;]*m|\x1b\]8;(id=\d+)?;(https://pai\.console\.aliyun\.com/[^\x1b]*)?\x1b\\", "", printed)
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", own) == []


async def test_markup_in_a_name_is_only_text() -> None:
    file = io.StringIO()
    assert "[bold red]loud[/]" in await _printed("hostile-markup", Console(file=file, width=400), file)


async def test_a_file_gets_no_colours_and_whole_lines() -> None:
    file = io.StringIO()
    printed = await _printed("five-thousand-pods", Console(file=file, width=40), file)
    assert "\x1b" not in printed
    assert printed.count("\n") == 3
    assert "… and 4992 more" in printed


async def test_a_terminal_gets_two_lines_for_most_items_and_three_at_most() -> None:
    file = io.StringIO()
    printed = await _printed("several-of-one-job", _terminal(file), file)
    assert printed.count("\n") == 6
    file = io.StringIO()
    printed = await _printed("five-thousand-pods", _terminal(file, width=60), file)
    assert printed.count("\n") == 3


@pytest.mark.parametrize(("name", "sign"), [("single", "✖"), ("bare", "✔"), ("several-of-one-job", "▲")])
def test_severity_is_seen_at_the_start(name: str, sign: str) -> None:
    first = render_lines(SAMPLES[name], UTC)["lines"][0]["spans"]
    assert first[0][0] == f"{sign} "
    assert first[1][0] == "14:03:22 " if name != "bare" else "14:03:31 "


def test_the_clock_is_that_of_the_zone() -> None:
    shanghai = timezone(timedelta(hours=8))
    assert render_lines(SINGLE, shanghai)["lines"][0]["spans"][1][0] == "22:03:22 "


def test_what_does_not_fit_is_counted() -> None:
    assert render_lines(SAMPLES["storm"], UTC)["lines"][-1]["spans"] == [("… and 90 more", "dim")]


async def test_a_closed_output_is_permanent() -> None:
    file = io.StringIO()
    notifier = ConsoleNotifier("tty", ConsoleSettings(), console=Console(file=file))
    file.close()
    with pytest.raises(NotifierError) as caught:
        await notifier.send(notifier.render(SINGLE), SINGLE)
    assert (caught.value.permanent, caught.value.code) == (True, "closed")


class _Broken(io.StringIO):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, "told by the system")


@pytest.mark.parametrize(("number", "permanent"), [(errno.ENOSPC, False), (errno.EIO, False)])
async def test_a_full_disk_may_be_emptied(number: int, permanent: bool) -> None:
    notifier = ConsoleNotifier("tty", ConsoleSettings(), console=Console(file=_Broken(number)))
    with pytest.raises(NotifierError) as caught:
        await notifier.send(notifier.render(SINGLE), SINGLE)
    assert caught.value.permanent is permanent
    assert "told by the system" in str(caught.value)


def test_a_broken_pipe_never_opens_again() -> None:
    assert classify(BrokenPipeError(errno.EPIPE, "x")).permanent
    assert classify(SystemExit(1)).permanent
