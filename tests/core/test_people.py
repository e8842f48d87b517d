from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from tests.core.strategies import job
from watcher.core.language import PLAIN, Language, Locale
from watcher.core.matching import Labels, Matcher, labels_of_job
from watcher.core.model import JobSettings
from watcher.core.people import Directory, Entry, Person, claimed

CHINA = timezone(timedelta(hours=8))
ANN = Person(name="ann", slack="U012AB3CD", mail="ann@example.com", language=Language.ZH, zone=CHINA)
BOB = Person(name="bob", mail="bob@example.com")
DIRECTORY = Directory(
    (
        Entry(ANN, (Matcher.of({"user": "1234567"}), Matcher.of({"tag.team": "vision", "name": "prod-*"}))),
        Entry(BOB, (Matcher.of({"workspace": "268"}),)),
    )
)


def labels(owner: str = "", **members: object) -> Labels:
    return labels_of_job(job("Running", **members), owner)


@pytest.mark.parametrize(
    ("seen", "whose"),
    [
        (labels(user_id="1234567"), ANN),
        (labels(user_id="99", user_name="ann"), ANN),
        (labels(name="prod-1", settings=JobSettings(tags=(("team", "vision"),))), ANN),
        (labels(name="test-1", settings=JobSettings(tags=(("team", "vision"),))), None),
        (labels(workspace_id="268"), BOB),
        (labels(user_id="1234567", workspace_id="268"), ANN),
        (labels(user_id="99"), None),
        (labels(), None),
    ],
)
def test_a_job_belongs_to_the_first_person_that_fits(seen: Labels, whose: Person | None) -> None:
    assert DIRECTORY.owner(seen) == whose


def test_a_tag_goes_before_who_submitted_it_and_one_that_names_nobody_names_nobody_else() -> None:
    assert DIRECTORY.owner(labels("bob", user_id="1234567")) == BOB
    assert DIRECTORY.owner(labels("zoe", user_id="1234567")) is None
    assert DIRECTORY.owner(labels("zoe", workspace_id="268")) == BOB, "whom the workspace names"


def test_a_person_is_found_by_name() -> None:
    assert DIRECTORY.named("bob") == BOB
    assert DIRECTORY.named("zoe") is None


def test_people_are_spoken_to_as_they_wish_and_else_as_the_receiver_is() -> None:
    assert ANN.locale(PLAIN) == Locale(Language.ZH, CHINA)
    assert BOB.locale(Locale(Language.ZH, UTC)) == Locale(Language.ZH, UTC)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (labels("zoe\n<b>", user_id="1"), "owner zoe <b>"),
        (labels(user_id="1", user_name="bob"), "user 1 (bob)"),
        (labels(user_id="1", user_name="1"), "user 1"),
        (labels(user_name="bob"), "user bob"),
        (labels(), ""),
        (labels("z" * 300), f"owner {'z' * 100}"),
    ],
)
def test_what_a_job_says_of_its_owner_is_told_on_one_line(seen: Labels, told: str) -> None:
    assert claimed(seen) == told
