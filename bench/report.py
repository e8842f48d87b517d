"""A whole run: what was found, on what, and how it gets into docs/performance.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from typing import Any

from bench.tables import Table

_LIBRARIES = (
    "dlc-watcher",
    "alibabacloud-pai-dlc20201203",
    "httpx2",
    "httptools",
    "pydantic",
    "SQLAlchemy",
)
_BEGIN, _END = "<!-- bench: begin -->", "<!-- bench: end -->"


@dataclass(frozen=True)
class Done:
    """A part that was run.

    Attributes:
        part: its name.
        table: what it found; None when it failed.
        failed: why it failed; "" when it did not.
        took_s: how long it took.
        load: of the machine in the minute before it began.
    """

    part: str
    table: Table | None
    failed: str
    took_s: float
    load: float

    def markdown(self, by_itself: str) -> str:
        """For the page, between marks, so that it can be replaced."""
        body = self.table.markdown() if self.table else f"### {self.part}\n\nFailed: {self.failed}\n"
        when = f"*{by_itself}Load when it began: {self.load:.2f}; it took {self.took_s:.0f} s.*"
        return f"{_mark(self.part)}\n{body}\n{when}\n"


@dataclass(frozen=True)
class Run:
    """What was asked for, and what came of it.

    Attributes:
        arguments: of the command, without names of files.
        day: when.
        done: the parts, in the order in which they were run.
    """

    arguments: str
    day: date
    done: Sequence[Done]

    @classmethod
    def today(cls, arguments: str, done: Sequence[Done]) -> Run:
        """A run that is over."""
        return cls(arguments, datetime.now(UTC).date(), done)

    @property
    def command(self) -> str:
        """As it was typed."""
        return f'make bench ARGS="{self.arguments}"' if self.arguments else "make bench"

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values; each part's data under its name."""
        return {
            "machine": machine(),
            "versions": versions(),
            "command": self.command,
            "day": self.day.isoformat(),
            "parts": {one.part: {"failed": one.failed, "took_s": one.took_s, "load": one.load} for one in self.done},
        } | {one.part: one.table.data for one in self.done if one.table}

    def markdown(self) -> str:
        """The section of the page."""
        took = sum(one.took_s for one in self.done) / 60
        head = f"`{self.command}`, {self.day}, {took:.0f} minutes. {machine_line()}"
        return "\n".join([_BEGIN, head, "", *(one.markdown("") for one in self.done), _END, ""])

    def into(self, page: str, order: Sequence[str]) -> str:
        """The page with this run's tables in it.

        Args:
            page: its text. A section of an earlier run is replaced; where there is none, the section is all there is.
            order: all parts in the page's order. Of a run of some of them only theirs are replaced.
        """
        before, begun, rest = page.partition(_BEGIN)
        section, ended, after = rest.partition(_END)
        if not begun or not ended:
            return self.markdown()
        if {one.part for one in self.done} == set(order):
            return before + self.markdown().rstrip("\n") + after
        head, *blocks = re.split(r"(?=<!-- bench part: )", section)
        held = {name: block.rstrip("\n") + "\n" for block in blocks if (name := _part_of(block))}
        for one in self.done:
            held[one.part] = one.markdown(f"By itself: `{self.command}`, {self.day}. ")
        kept = [held[part] for part in order if part in held]
        return f"{before}{_BEGIN}{head.rstrip()}\n\n" + "\n".join(kept) + f"\n{_END}{after}"


def _mark(part: str) -> str:
    return f"<!-- bench part: {part} -->"


def _part_of(block: str) -> str:
    found = re.match(r"<!-- bench part: (\w+) -->", block)
    return found[1] if found else ""


def machine() -> dict[str, Any]:
    """What the numbers depend on; nothing that says whose machine it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> Mapping[str, str]:
    """Of what is measured."""
    return {name: version(name) for name in _LIBRARIES}


def machine_line() -> str:
    """Machine and versions in a sentence."""
    facts = machine()
    names = ", ".join(f"{name} {number}" for name, number in versions().items())
    return f"{facts['cores']} cores, {facts['memory_gib']} GiB, {facts['python']}, {facts['system']}; {names}."
