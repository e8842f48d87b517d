"""What each bundled scenario looks like to people, with the default rules: the stories of its jobs, and what was sent.

After a wanted change: `UPDATE_GOLDEN=1 pytest tests/shell/test_golden_stories.py`, then read the difference as a reader would.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from tests.drive import SOURCE, Drive, Sent, Stage
from watcher.cli.words import story_told
from watcher.config.loading import load
from watcher.core.consequence import Book
from watcher.core.model import JobId, JobRef
from watcher.notifiers.console import render_lines
from watcher.plugins import discover
from watcher.ports.store import StoryLine
from watcher.simulator.life import states
from watcher.simulator.reading import bundled, bundled_names
from watcher.simulator.scenario import Scenario

pytestmark = pytest.mark.anyio

GOLDEN = Path(__file__).parent.parent / "golden" / "stories"
CONFIGURATION = """\
sources: {sim: {kind: dlc, region: cn-hangzhou}}
receivers: {team: {console: {}}, oncall: {console: {}}}
route: {receiver: team, routes: [{receiver: oncall, match: {severity: critical}, continue: true}, {receiver: team}]}
"""
"""No rules are named, so those of rules/default.yaml hold."""
AFTERWARDS = timedelta(hours=1)
"""The last step of a script is followed by so much more, for what comes due after it."""
MOST_STORIES = 4
"""Of a scenario with more jobs, so many stories are told; of a storm one is as good as another."""


def length(scenario: Scenario) -> timedelta:
    return max(states(job)[-1].at for job in scenario.jobs) + AFTERWARDS


def message_text(sent: Sent) -> Iterator[str]:
    message = sent.message
    yield f"{sent.at:%H:%M:%S} to {message.receiver}, {message.severity.value}: {message.title}"
    for line in render_lines(message, UTC)["lines"]:
        yield "    " + " " * line["indent"] + "".join(words for words, _ in line["spans"])


def story_text(ref: JobRef, lines: tuple[StoryLine, ...]) -> Iterator[str]:
    yield f"# story {ref.job_id}"
    for at, words in story_told(lines, zone=UTC):
        yield f"{at:%H:%M:%S}  {words.text}"


async def golden(name: str) -> str:
    scenario = bundled(name)
    loaded = load(CONFIGURATION, file="golden.yaml", env={}, kinds=discover(), base_dir=Path.cwd())
    stage = Stage()
    await stage.play(Drive(scenario.jobs, Book(loaded.rules, loaded.route)), length(scenario))
    parts = [f"{name} (made up): {' '.join(scenario.description.split())}"]
    jobs = (
        scenario.jobs
        if len(scenario.jobs) <= 2 * MOST_STORIES
        else (*scenario.jobs[: MOST_STORIES - 1], scenario.jobs[-1])
    )
    for job in jobs:
        ref = JobRef(SOURCE, JobId(job.id))
        parts.append("\n".join(story_text(ref, await stage.store.story(ref))))
    parts.append("\n".join(("# what was sent", *(line for sent in stage.sent for line in message_text(sent)))))
    return "\n\n".join(parts) + "\n"


@pytest.mark.parametrize("name", bundled_names())
async def test_each_scenario_reads_as_it_did(name: str) -> None:
    text, path = await golden(name), GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"no golden file {path.name}: make it with UPDATE_GOLDEN=1"
    assert path.read_text(encoding="utf-8") == text


def test_no_golden_story_is_left_over() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {f"{name}.txt" for name in bundled_names()}
