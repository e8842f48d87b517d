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
from watcher.notifiers.console_cards import Panel
from watcher.testing.cards import CARDS
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


# cards


async def _shown(console: Console, *names: str) -> ConsoleNotifier:
    notifier = ConsoleNotifier("tty", ConsoleSettings(cards=True), console=console, zone=UTC)
    for name in names:
        await notifier.show_card(notifier.render_card(CARDS[name]), CARDS[name])
    return notifier


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_name_on_a_card_reaches_the_terminal_as_a_command(name: str) -> None:
    file = io.StringIO()
    await _shown(_terminal(file), f"hostile-{name}")
    own = re.sub(
        r"\x1b\[[0-9;]*m|\x1b\]8;(id=\d+)?;(https://pai\.console\.aliyun\.com/[^\x1b]*)?\x1b\\", "", file.getvalue()
    )
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", own) == []


async def test_in_a_file_a_card_is_a_line_for_each_change() -> None:
    file = io.StringIO()
    await _shown(Console(file=file, width=40), "queued", "running", "failed")
    lines = file.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["▤"] * 3
    assert ["Waiting" in lines[0], "Running, attempt 2 of 4" in lines[1], "Failed" in lines[2]] == [True] * 3
    assert "\x1b" not in file.getvalue()


async def test_on_a_terminal_a_card_stays_and_is_drawn_anew() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    file = Terminal()
    notifier = await _shown(_terminal(file), "queued", "running", "succeeded")
    panel = notifier._panel
    assert panel is not None
    out = io.StringIO()
    Console(file=out, width=200).print(panel.drawn())
    assert [("llama" in line, "tokenise" in line) for line in out.getvalue().splitlines()[1:]] == [
        (True, False),
        (False, True),
    ]
    await notifier.send(notifier.render(SINGLE), SINGLE)
    assert "Failed after 3h12m" in file.getvalue()
    await notifier.aclose()
    await notifier.aclose()
    assert file.getvalue().count("\x1b[?25h") == 1, "the cursor is given back"


async def test_a_full_panel_lets_go_of_ended_jobs_first() -> None:
    panel = Panel(Console(file=io.StringIO()))
    for number in range(20):
        panel._rows[str(number)] = {"spans": [(f"job-{number}", "")], "ended": number in {3, 5, 15}}
    out = io.StringIO()
    Console(file=out, width=80).print(panel.drawn())
    shown = [word for word in out.getvalue().split() if word.startswith("job-")]
    assert shown == [f"job-{n}" for n in (7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19)]


async def test_a_closed_output_ends_cards_too() -> None:
    file = io.StringIO()
    console = Console(file=file)
    file.close()
    with pytest.raises(NotifierError, match="closed"):
        await _shown(console, "running")
