"""`owners:` as written -> the core's directory, and what routes say of owners."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from watcher.config.document import Place
from watcher.config.findings import Findings, as_mapping
from watcher.config.matches import LABELS_OF_JOBS, Vocabulary, check_match, matcher_of
from watcher.config.model import OwnerSettings
from watcher.config.wording import listed
from watcher.core.people import Directory, Entry, Person
from watcher.kinds import Kinds


def directory_of(owners: Mapping[str, OwnerSettings]) -> Directory:
    """The checked owners, in order."""
    return Directory(
        tuple(
            Entry(
                Person(
                    name=name,
                    slack=owner.slack or "",
                    mail=owner.mail or "",
                    language=owner.language,
                    zone=owner.zone,
                ),
                tuple(map(matcher_of, owner.match)),
            )
            for name, owner in owners.items()
        )
    )


def check_owners(found: Findings, kinds: Kinds, words: Vocabulary) -> None:
    """What owners match, and routes that mean an owner: that there are owners, and that the receiver can tell one person alone."""
    owners = as_mapping(found.document.data.get("owners"))
    for name, written in owners.items():
        match = as_mapping(written).get("match")
        for place in (
            [("owners", name, "match", index) for index in range(len(match))]
            if isinstance(match, list)
            else [("owners", name, "match")]
        ):
            check_match(found, place, LABELS_OF_JOBS, words)
    _check_route(found, found.document.data.get("route"), ("route",), owners, _reaching(found, kinds))


def _reaching(found: Findings, kinds: Kinds) -> dict[str, str]:
    """Receiver -> the address of a person by which it reaches one; "" where it cannot."""
    receivers = as_mapping(found.document.data.get("receivers"))
    return {
        name: next(
            (kinds.notifiers[word].capabilities.reaches for word in as_mapping(written) if word in kinds.notifiers), ""
        )
        for name, written in receivers.items()
    }


def _check_route(
    found: Findings,
    node: object,
    place: Place,
    owners: Collection[str],
    reaching: Mapping[str, str],
    *,
    receiver: object = None,
) -> None:
    if not isinstance(node, dict):
        return
    receiver = node.get("receiver", receiver)
    if node.get("to_owner") is True:
        able = [name for name, address in reaching.items() if address]
        if not owners:
            found.add_at_key('there is nobody to tell: the key "owners" says who is who', (*place, "to_owner"))
        elif receiver in reaching and receiver not in able:
            told = f"the receiver {receiver} cannot tell one person alone; those that can: {listed(able)}"
            found.add_at_key(told, (*place, "to_owner"))
    if node.get("mention") and not owners:
        found.add_at_key('there is nobody to mention: the key "owners" says who is who', (*place, "mention"))
    children = node.get("routes")
    for index, child in enumerate(children if isinstance(children, list) else ()):
        _check_route(found, child, (*place, "routes", index), owners, reaching, receiver=receiver)
