"""`route:` as written -> the route tree, with what children leave out taken over from their parents."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from watcher.config.document import Place
from watcher.config.findings import Findings
from watcher.config.matches import Vocabulary, check_labels, check_match
from watcher.config.model import RouteSettings
from watcher.config.wording import listed, unknown
from watcher.core.matching import Matcher
from watcher.core.routing import Route

_ROOT: Place = ("route",)


def check_routes(
    found: Findings,
    node: object,
    receivers: Collection[str],
    words: Vocabulary,
    labels: Collection[str],
    *,
    place: Place = _ROOT,
) -> None:
    """Everything that can be wrong with a route and its children, beyond their shape. `labels` are all there are."""
    if not isinstance(node, dict):
        return
    receiver = node.get("receiver")
    if isinstance(receiver, str) and receiver not in receivers:
        found.add(unknown("receiver", receiver, receivers), (*place, "receiver"))
    if place == _ROOT:
        _check_root(found, node, receivers)
    check_match(found, (*place, "match"), labels, words)
    groups = node.get("group_by")
    spots = (
        {label: (*place, "group_by", index) for index, label in enumerate(groups)} if isinstance(groups, list) else {}
    )
    if isinstance(groups, str):
        spots = {groups: (*place, "group_by")}
    check_labels(found, {label: spot for label, spot in spots.items() if isinstance(label, str)}, labels)
    children = node.get("routes")
    for index, child in enumerate(children if isinstance(children, list) else ()):
        check_routes(found, child, receivers, words, labels, place=(*place, "routes", index))
        if (
            index + 1 < len(children or ())
            and isinstance(child, dict)
            and not child.get("match")
            and not child.get("continue")
        ):
            spot = (*place, "routes", index)
            message = (
                "this route takes everything, so the ones after it are never asked; give it a match, or continue: true"
            )
            found.warnings.append(found.document.problem(message, spot))


def _check_root(found: Findings, node: dict[str, object], receivers: Collection[str]) -> None:
    if "receiver" not in node:
        found.add_at_key(f"the root of the routes needs a receiver; there are: {listed(receivers)}", _ROOT)
    for key in ("match", "continue"):
        if node.get(key):
            message = (
                f"the root of the routes takes everything and has no siblings, so it has no {key}; put it into routes:"
            )
            found.add_at_key(message, (*_ROOT, key))


def route_tree(settings: RouteSettings, path: str = "route", parent: Route | None = None) -> Route:
    """A checked route and its children, inheritance applied."""
    above = parent or Route(path="", receiver="")
    node = Route(
        path=path,
        receiver=settings.receiver or above.receiver,
        match=Matcher.of(settings.match),
        continue_=settings.continue_,
        group_by=above.group_by if settings.group_by is None else settings.group_by,
        group_wait=above.group_wait if settings.group_wait is None else settings.group_wait,
    )
    children = tuple(route_tree(child, f"{path}.routes[{index}]", node) for index, child in enumerate(settings.routes))
    return replace(node, routes=children)


def receivers_of(tree: Route) -> frozenset[str]:
    """Every receiver that something can be sent to."""
    return frozenset({tree.receiver}).union(*(receivers_of(child) for child in tree.routes))
