"""`python -m bench.mutants`: docs/mutants.md from what `mutmut run` found. Fails where too few mutants were killed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

LEAST = 90
"""Per cent of the mutants of each module that a test must notice."""

_LINE = re.compile(r"\s*(?P<module>[\w.]+)\.x_(?P<function>\w+?)__mutmut_(?P<number>\d+): (?P<outcome>.+)")
_NOTICED = frozenset({"killed", "timeout", "segfault"})


def main() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "mutmut", "results", "--all", "true"], check=True, capture_output=True, text=True
    ).stdout
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    survivors: dict[str, Counter[str]] = defaultdict(Counter)
    for match in filter(None, map(_LINE.fullmatch, told.splitlines())):
        noticed = match["outcome"] in _NOTICED
        outcomes[match["module"]]["killed" if noticed else match["outcome"]] += 1
        if not noticed:
            survivors[match["module"]][match["function"]] += 1
    if not outcomes:
        sys.exit("there are no results; run mutmut first (make mutants)")
    rows, poor = [], []
    for module, counts in sorted(outcomes.items()):
        share = 100 * counts["killed"] / counts.total()
        rows.append(f"| `{module}` | {counts.total()} | {counts['killed']} | {share:.1f} % |")
        if share < LEAST:
            poor.append(f"{module}: {share:.1f} % of the mutants were killed, {LEAST} % are wanted")
    left = [
        f"| `{module}` | `{function}` | {count} |"
        for module, functions in sorted(survivors.items())
        for function, count in functions.most_common()
    ]
    Path("docs/mutants.md").write_text(
        "\n".join(
            [
                "# Mutants",
                "",
                "Would a test notice if the code were wrong? `make mutants` changes one thing at a time in the modules that",
                "decide what happened (a comparison, a default, an argument left out) and runs the tests of the core against it.",
                "",
                "| module | mutants | noticed | share |",
                "|---|---|---|---|",
                *rows,
                "",
                "What survived, by function. Much of it changes nothing that can be observed (a `strict=` that never strikes, the",
                "order of a sort whose input is in order already); `mutmut show NAME` prints one.",
                "",
                "| module | function | survivors |",
                "|---|---|---|",
                *left,
                "",
            ]
        ),
        encoding="utf-8",
    )
    sys.exit("\n".join(poor) or None)


if __name__ == "__main__":
    main()
