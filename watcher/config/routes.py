"""`route:` as written -> the route tree, with what children leave out taken over from their parents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from watcher.config.document import Place
from watcher.config.findings import Findings
from watcher.config.matches import Vocabulary, check_labels, check_match, matcher_of
from watcher.config.model import RouteSettings
from watcher.config.wording import listed, unknown
from watcher.core.muting import MuteInterval
from watcher.core.routing import Escalation, Route

_ROOT: Place = ("route",)
_INHERITED: Final = (
    "receiver",
    "group_by",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "urgent",
    "escalate",
    "mute",
    "mute_except",
    "to_owner",
    "mention",
    "shadow",
)
"""What a child takes over from its parent where it says nothing itself."""


def check_routes(
    found: Findings,
    node: object,
    receivers: Collection[str],
    words: Vocabulary,
    labels: Collection[str],
    *,
    place: Place = _ROOT,
    shadow: bool = False,
) -> None:
    """Everything that can be wrong with a route and its children, beyond their shape. `labels` are all there are."""
    if not isinstance(node, dict):
        return
    receiver = node.get("receiver")
    if isinstance(receiver, str) and receiver not in receivers:
        found.add(unknown("receiver", receiver, receivers), (*place, "receiver"))
    _check_escalation(found, node, (*place, "escalate"), receivers)
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
    if shadow and node.get("shadow") is False:
        told = "this route is in shadow, as the one above it is; put it beside that one, or leave shadow out"
        found.add(told, (*place, "shadow"))
    children = node.get("routes")
    written = children if isinstance(children, list) else []
    for index, child in enumerate(written):
        check_routes(
            found,
            child,
            receivers,
            words,
            labels,
            place=(*place, "routes", index),
            shadow=shadow or bool(node.get("shadow")),
        )
    _warn_of_the_unheard(found, written, (*place, "routes"))


def _warn_of_the_unheard(found: Findings, children: Sequence[object], place: Place) -> None:
    """Routes that an earlier sibling leaves nothing to. Only what is plain: the same match, or none at all."""
    takers: dict[str, int] = {}
    for index, child in enumerate(children):
        if not isinstance(child, dict):
            continue
        match, goes_on = child.get("match") or {}, child.get("continue") or child.get("shadow")
        if not match and not goes_on and index + 1 < len(children):
            message = (
                "this route takes everything, so the ones after it are never asked; give it a match, or continue: true"
            )
            found.warnings.append(found.document.problem(message, (*place, index)))
        same = takers.get(repr(match))
        if same is not None and match:
            message = f"this route is never asked: routes.{same} has the same match and does not continue"
            found.warnings.append(found.document.problem(message, (*place, index)))
        if not goes_on:
            takers.setdefault(repr(match), index)


def _check_escalation(found: Findings, node: dict[str, object], place: Place, receivers: Collection[str]) -> None:
    written = node.get("escalate")
    steps = enumerate(written) if isinstance(written, list) else [(None, written)]
    for index, step in steps:
        to = step.get("to") if isinstance(step, dict) else None
        if isinstance(to, str) and to not in receivers:
            spot = (*place, "to") if index is None else (*place, index, "to")
            found.add(unknown("receiver", to, receivers), spot)


def _check_root(found: Findings, node: dict[str, object], receivers: Collection[str]) -> None:
    if "receiver" not in node:
        found.add_at_key(f"the root of the routes needs a receiver; there are: {listed(receivers)}", _ROOT)
    if node.get("shadow") is True:
        message = "the root is in shadow, and so are all routes: everything is recorded and nothing is sent to anybody"
        found.warnings.append(found.document.problem(message, (*_ROOT, "shadow")))
    for key in ("match", "continue"):
        if node.get(key):
            message = (
                f"the root of the routes takes everything and has no siblings, so it has no {key}; put it into routes:"
            )
            found.add_at_key(message, (*_ROOT, key))


def route_tree(
    settings: RouteSettings,
    path: str = "route",
    parent: Route | None = None,
    mutes: Mapping[str, MuteInterval] = MappingProxyType({}),
) -> Route:
    """A checked route and its children, inheritance applied."""
    above = parent or Route(path="", receiver="")
    node = Route(
        path=path,
        receiver=settings.receiver or above.receiver,
        match=matcher_of(settings.match),
        continue_=settings.continue_,
        group_by=above.group_by if settings.group_by is None else settings.group_by,
        group_wait=above.group_wait if settings.group_wait is None else settings.group_wait,
        group_interval=above.group_interval if settings.group_interval is None else settings.group_interval,
        repeat_interval=above.repeat_interval if settings.repeat_interval is None else settings.repeat_interval,
        urgent=above.urgent if settings.urgent is None else settings.urgent,
        escalate=(
            above.escalate
            if settings.escalate is None
            else tuple(Escalation(step.after, step.to) for step in settings.escalate)
        ),
        mute=above.mute if settings.mute is None else tuple(mutes[name] for name in settings.mute),
        mute_except=above.mute_except if settings.mute_except is None else settings.mute_except,
        to_owner=above.to_owner if settings.to_owner is None else settings.to_owner,
        mention=above.mention if settings.mention is None else settings.mention,
        shadow=above.shadow or bool(settings.shadow),
        written=frozenset(name for name in _INHERITED if getattr(settings, name) is not None),
    )
    children = tuple(
        route_tree(child, f"{path}.routes[{index}]", node, mutes) for index, child in enumerate(settings.routes)
    )
    return replace(node, routes=children)


def receivers_of(tree: Route) -> frozenset[str]:
    """Every receiver that something can be sent to."""
    steps = (step.to for node in tree.walk() for step in node.escalate)
    return frozenset(node.receiver for node in tree.walk()).union(steps)
