"""Who hears a notification: the route tree.

Alertmanager's semantics: depth first, children before parent, the first matching child takes it unless it says `continue`; a node
whose children all decline takes it itself. The root has an empty matcher, so the tree is total: every notification is heard by
somebody. What a child leaves out it inherits from its parent when the tree is built (see `watcher.config`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from watcher.core.matching import Labels, Matcher


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
        routes: children, in order.
    """

    path: str
    receiver: str
    match: Matcher = Matcher()
    continue_: bool = False
    group_by: tuple[str, ...] = ("source", "job")
    group_wait: timedelta = timedelta(0)
    routes: tuple[Route, ...] = ()


def routes_of(tree: Route, labels: Labels) -> tuple[Route, ...]:
    """The nodes that take something with these labels, in order, each receiver once (its first node)."""
    taken: dict[str, Route] = {}
    for route in _descend(tree, labels):
        taken.setdefault(route.receiver, route)
    return tuple(taken.values())


def _descend(node: Route, labels: Labels) -> Iterator[Route]:
    nobody = True
    for child in node.routes:
        if child.match.matches(labels):
            nobody = False
            yield from _descend(child, labels)
            if not child.continue_:
                break
    if nobody:
        yield node
