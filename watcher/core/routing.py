"""Who hears a notification: the route tree.

Alertmanager's semantics: depth first, children before parent, the first matching child takes it unless it says `continue`; a node
whose children all decline takes it itself. The root has an empty matcher, so the tree is total: every notification is heard by
somebody. What a child leaves out it inherits from its parent when the tree is built (see `watcher.config`).

A child in shadow, in a tree that is not, is a trial beside it: what it takes is recorded and not sent, and all others are asked as
if it were not there.

`trace` walks the tree and keeps what was decided at each node, so that it can be told; `routes_of` is what it comes to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from watcher.core.matching import Labels, LabelTest, Matcher
from watcher.core.muting import MuteInterval


@dataclass(frozen=True, slots=True)
class Escalation:
    """One step: who is told of critical news that nobody has taken on.

    Attributes:
        after: how long after the first word.
        to: name of the receiver.
    """

    after: timedelta
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One node of the tree, inheritance already applied.

    Attributes:
        path: where it stands, for people: `route`, `route.routes[0]` ...
        receiver: the name of the end it leads to.
        match: which notifications; the root's is empty.
        continue_: go on to the next sibling after this one took it.
        group_by: labels whose values make a group; what is in one group may be said in one message.
        group_wait: how long a group collects before it speaks.
        group_interval: how long a group that has spoken waits before it speaks of further news.
        repeat_interval: how long after the last word people are reminded of what is still wrong; zero: never.
        escalate: who hears next of what is critical and is not answered.
        urgent: severities that wait for neither where they are alone (see `core.grouping`).
        mute: times at which what it takes is held.
        mute_except: severities that are not held.
        to_owner: what it takes is for the owner of the job alone.
        mention: severities at which the owner is named.
        shadow: what it takes is recorded and not sent; so is all below it.
        routes: children, in order.
        written: the settings that stand at this node itself; the others are inherited, at the root they are defaults.
    """

    path: str
    receiver: str
    match: Matcher = Matcher()
    continue_: bool = False
    group_by: tuple[str, ...] = ("source", "job")
    group_wait: timedelta = timedelta(0)
    group_interval: timedelta = timedelta(0)
    repeat_interval: timedelta = timedelta(0)
    escalate: tuple[Escalation, ...] = ()
    urgent: tuple[str, ...] = ("critical",)
    mute: tuple[MuteInterval, ...] = ()
    mute_except: tuple[str, ...] = ()
    to_owner: bool = False
    mention: tuple[str, ...] = ()
    shadow: bool = False
    routes: tuple[Route, ...] = ()
    written: frozenset[str] = frozenset()

    def walk(self) -> Iterator[Route]:
        """This node and all below it, parents first."""
        yield self
        for child in self.routes:
            yield from child.walk()


class Verdict(StrEnum):
    """What came of asking one node."""

    TAKEN = "taken"
    """Its receiver hears it."""
    PASSED_DOWN = "passed-down"
    """It matched, and a child took it."""
    HEARD_ALREADY = "heard-already"
    """It takes it, but its receiver hears it by an earlier route."""
    NOT_MATCHED = "not-matched"
    """A test of its matcher does not hold."""
    NOT_ASKED = "not-asked"
    """An earlier sibling took it and does not continue."""


@dataclass(frozen=True, slots=True)
class Step:
    """One node of a walk through the tree.

    Attributes:
        failed: the test that did not hold; only for `NOT_MATCHED`.
        by: the route that came before it; only for `NOT_ASKED` and `HEARD_ALREADY`.
    """

    route: Route
    verdict: Verdict
    failed: LabelTest | None = None
    by: Route | None = None


def trace(tree: Route, labels: Labels) -> tuple[Step, ...]:
    """What each node makes of something with these labels, parents first. Below a node that stayed out nobody is asked."""
    first: dict[tuple[str, bool], Route] = {}
    steps = []
    for step in _visit(tree, labels):
        told = step
        if step.verdict is Verdict.TAKEN:
            by = first.setdefault((step.route.receiver, step.route.shadow), step.route)
            if by is not step.route:
                told = replace(step, verdict=Verdict.HEARD_ALREADY, by=by)
        steps.append(told)
    return tuple(steps)


def routes_of(tree: Route, labels: Labels) -> tuple[Route, ...]:
    """The nodes that take something with these labels, in order, each receiver once (its first node), and once more in shadow."""
    return tuple(step.route for step in trace(tree, labels) if step.verdict is Verdict.TAKEN)


def _visit(node: Route, labels: Labels) -> list[Step]:
    below: list[Step] = []
    taker: Route | None = None
    nobody = True
    for child in node.routes:
        if taker is not None:
            below.append(Step(child, Verdict.NOT_ASKED, by=taker))
            continue
        failed = child.match.failing(labels)
        if failed is not None:
            below.append(Step(child, Verdict.NOT_MATCHED, failed=failed))
            continue
        below += _visit(child, labels)
        if child.shadow and not node.shadow:
            continue
        nobody = False
        if not child.continue_:
            taker = child
    return [Step(node, Verdict.TAKEN if nobody else Verdict.PASSED_DOWN), *below]
