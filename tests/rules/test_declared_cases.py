"""Rules written as data have cases, too: the options of a case are the rule as the configuration writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from watcher.config.model import DeclareRule
from watcher.config.rules import declared
from watcher.core.rule import Rule
from watcher.testing.cases import check, load_cases

CASES = [case for path in sorted((Path(__file__).parent / "declared").glob("*.yaml")) for case in load_cases(path)]


class Written(DeclareRule):
    """As in the configuration, under the name that cases have no need of."""

    name: str = "declared"


class Declared:
    name = "declared"
    Options = Written

    def __new__(cls, options: Written) -> Rule:  # type: ignore[misc]
        return declared(options)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_declared_rule_says_what_its_case_expects(case: Any) -> None:
    check(case, Declared)
