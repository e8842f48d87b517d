from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from watcher.core.matching import Matcher
from watcher.core.routing import Route, Verdict, routes_of, trace


def route(
    receiver: str, *routes: Route, match: dict[str, str] | None = None, go_on: bool = False, path: str = ""
) -> Route:
    return Route(
        path=path or receiver, receiver=receiver, match=Matcher.of(match or {}), continue_=go_on, routes=routes
    )


def heard(tree: Route, **labels: str) -> list[str]:
    return [taken.receiver for taken in routes_of(tree, {label: (value,) for label, value in labels.items()})]


CRITICAL = {"severity": "critical"}
PROD = {"name": "prod-*"}


def test_what_no_child_wants_the_root_hears() -> None:
    assert heard(route("team")) == ["team"]
    assert heard(route("team", route("oncall", match=CRITICAL)), severity="info") == ["team"]


def test_the_first_matching_child_takes_it_alone() -> None:
    tree = route("team", route("oncall", match=CRITICAL), route("archive"))
    assert heard(tree, severity="critical") == ["oncall"]
    assert heard(tree, severity="info") == ["archive"]


def test_a_child_that_continues_lets_its_siblings_hear_too_but_not_its_parent() -> None:
    tree = route("team", route("oncall", match=CRITICAL, go_on=True), route("prod", match=PROD))
    assert heard(tree, severity="critical", name="prod-1") == ["oncall", "prod"]
    assert heard(tree, severity="critical", name="test") == ["oncall"]


def test_children_come_before_their_parent_at_every_depth() -> None:
    tree = route("team", route("prod", route("oncall", match=CRITICAL), match=PROD))
    assert heard(tree, name="prod-1", severity="critical") == ["oncall"]
    assert heard(tree, name="prod-1", severity="info") == ["prod"]
    assert heard(tree, name="test", severity="critical") == ["team"]


def test_a_receiver_reached_twice_hears_it_once_by_the_first_way() -> None:
    tree = route("team", route("oncall", go_on=True, path="first"), route("oncall", path="second"))
    assert [taken.path for taken in routes_of(tree, {})] == ["first"]


receivers = st.sampled_from(["a", "b", "c"])
matches = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2", "*"]), max_size=2)
trees = st.recursive(
    st.builds(
        lambda receiver, match, go_on: route(receiver, match=match, go_on=go_on), receivers, matches, st.booleans()
    ),
    lambda children: st.builds(
        lambda receiver, match, go_on, routes: route(receiver, *routes, match=match, go_on=go_on),
        receivers,
        matches,
        st.booleans(),
        st.lists(children, max_size=3),
    ),
    max_leaves=8,
)
labels = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2", "3"]), max_size=2)


def nodes(tree: Route) -> list[Route]:
    return [tree, *(node for child in tree.routes for node in nodes(child))]


@given(trees, labels)
def test_every_notification_is_heard_once_by_each_receiver_that_takes_it(
    tree: Route, given_labels: dict[str, str]
) -> None:
    found = heard(tree, **given_labels)
    assert found, "somebody hears it"
    assert len(set(found)) == len(found)
    assert heard(tree, **given_labels) == found
    values = {label: (value,) for label, value in given_labels.items()}
    for taken in routes_of(tree, values):
        assert taken in nodes(tree)
        assert taken is tree or taken.match.matches(values)


# --- the way there -----------------------------------------------------------------------------------------------------------


def test_the_trace_says_of_every_node_that_was_reached_what_came_of_it() -> None:
    tree = route(
        "team",
        route("oncall", match=CRITICAL, go_on=True, path="loud"),
        route("prod", route("oncall", match=CRITICAL, path="again"), route("never", path="last"), match=PROD, path="p"),
        route("archive", path="rest"),
        path="root",
    )
    steps = trace(tree, {"severity": ("critical",), "name": ("prod-1",)})
    assert [(step.route.path, step.verdict) for step in steps] == [
        ("root", Verdict.PASSED_DOWN),
        ("loud", Verdict.TAKEN),
        ("p", Verdict.PASSED_DOWN),
        ("again", Verdict.HEARD_ALREADY),
        ("last", Verdict.NOT_ASKED),
        ("rest", Verdict.NOT_ASKED),
    ]
    assert [step.by.path if step.by else "" for step in steps] == ["", "", "", "loud", "again", "p"]
    quiet = trace(tree, {"severity": ("info",), "name": ("test",)})
    assert [str(step.failed) if step.failed else step.verdict for step in quiet] == [
        Verdict.PASSED_DOWN,
        'severity is "critical"',
        'name is "prod-*"',
        Verdict.TAKEN,
    ]


@given(trees, labels)
def test_every_step_of_a_trace_has_its_reason(tree: Route, given_labels: dict[str, str]) -> None:
    values = {label: (value,) for label, value in given_labels.items()}
    steps = trace(tree, values)
    assert len({id(step.route) for step in steps}) == len(steps)
    assert {id(step.route) for step in steps} <= {id(node) for node in tree.walk()}
    for step in steps:
        assert (step.failed is not None) is (step.verdict is Verdict.NOT_MATCHED)
        assert (step.by is not None) is (step.verdict in {Verdict.NOT_ASKED, Verdict.HEARD_ALREADY})
        if step.failed is not None:
            assert not step.failed.holds(values)
            assert step.failed in step.route.match.tests


@given(trees, trees, st.integers(0, 3), labels)
def test_a_route_in_shadow_changes_nothing_for_the_others(
    tree: Route, trial: Route, place: int, given_labels: dict[str, str]
) -> None:
    values = {label: (value,) for label, value in given_labels.items()}

    def darkened(node: Route) -> Route:
        return replace(node, shadow=True, routes=tuple(map(darkened, node.routes)))

    both = replace(tree, routes=(*tree.routes[:place], darkened(trial), *tree.routes[place:]))
    found = routes_of(both, values)
    assert [node.receiver for node in found if not node.shadow] == [node.receiver for node in routes_of(tree, values)]
    tried = routes_of(trial, values) if trial.match.matches(values) else ()
    reached = all(not node.match.matches(values) or node.continue_ for node in tree.routes[:place])
    # As the live route that it may become, it is not asked when an earlier one took it.
    assert [node.receiver for node in found if node.shadow] == ([node.receiver for node in tried] if reached else [])
