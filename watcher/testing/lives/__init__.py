"""Made-up true lives of jobs, and what GetJob would answer about them at any moment: a hidden truth to test a watcher against.

    dice = random.Random(seed)
    life, view = random_life(dice), random_view(dice)
    told = answer(life, 120, view, dice)    # a JobSnapshot
    expected = Expectation(life, view)
    expected.first(...); expected.then(...)    # what a watcher has to tell of such answers

A `Life` (`truth`) is what really happened, to the second. A `View` (`answers`) says how much of it DLC tells, and how badly:
without histories, cut off, behind its own status, shuffled, repeated, with members missing, or with a whole answer that is older
than the one before. An `Expectation` says what such answers show; nobody can know more than that, and nobody should tell less.

Everything here is made up: no recorded answer of a living job was at hand. Lives are made from `random.Random(seed)` alone, so a
seed that fails replays.
"""

from watcher.testing.lives.answers import View, answer, listed_stays, random_view
from watcher.testing.lives.expectation import Expectation, PodFact
from watcher.testing.lives.truth import (
    BEGINNING,
    REF,
    RESTART_LIMIT,
    Life,
    PodLife,
    Stay,
    TruePodRestart,
    TrueRestart,
    moment,
    random_life,
)

__all__ = [
    "BEGINNING",
    "REF",
    "RESTART_LIMIT",
    "Expectation",
    "Life",
    "PodFact",
    "PodLife",
    "Stay",
    "TruePodRestart",
    "TrueRestart",
    "View",
    "answer",
    "listed_stays",
    "moment",
    "random_life",
    "random_view",
]
