"""docs/templates.md is made from the code, and its examples are run. With UPDATE_DOCS=1 it is written instead of compared."""

from __future__ import annotations

import re
import types
from dataclasses import fields
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from tests.architecture.test_event_docs import MARK, attributes, settle
from watcher.core.language import PLAIN
from watcher.core.shown import WORDS, Rows, Shown, ShownCard, ShownItem, ShownJob, ShownStretch, words_in
from watcher.notifiers.own_words import in_own_words
from watcher.templates import PARTS, read_templates
from watcher.testing.messages import SAMPLES

VALUES: dict[type, str] = {
    Shown: "message",
    ShownItem: "item",
    ShownJob: "message.job, item.job",
    ShownCard: "job.card",
    ShownStretch: "job.card.bar",
}

INTRO = """# Templates: a receiver's own words

Every receiver may word what it is told in its own way. Beside its kind, `templates` names a folder with one Jinja2 file for each
part that is to be different, or says which file is for which part:

```yaml
receivers:
  oncall:
    email: {host: smtp.example.com, from: dlc@example.com, to: [oncall@example.com]}
    templates: words/oncall               # a folder: words/oncall/headline.j2, words/oncall/subject.j2 ...
  team:
    slack: {token_file: /run/secrets/slack, to: "#ml-jobs"}
    templates: {headline: words/short.j2} # or file by file
```

For example `headline.j2`, which puts the owner behind what happened:

```jinja
{{ item.headline }}{% for label, value in item.job.facts if label == "User" %} ({{ value }}){% endfor %}
```

This one fails for news that is about no job, and `dlc-watcher check` says so, with file and line: templates are read and tried when
the configuration loads, on messages of every shape. Rightly it is `{% if item.job %}`...`{% endif %}` around the second half.

Should a template fail all the same when there is something to say, the built-in words are used for that part, the log says
`template_failed`, and `dlc_watcher_template_failures_total` counts it. `dlc-watcher render` shows what comes out, without sending
anything.

Templates run in a sandbox: they change nothing, read no file but those of their folder (`{% include "row.j2" %}`), an undefined
name is a mistake, and what they make has a size. Text from jobs is only ever put in, never read as a template. In `html.j2` every
value is escaped; leave that as it is, for a job's name is written by whoever submitted it. Times and words are in the receiver's
`zone` and `language` already.
"""


def spelled(hint: Any) -> str:
    """The type of a member in a reader's words."""
    if hint == Rows:
        return "rows of label and value"
    if get_origin(hint) in {Union, types.UnionType}:
        return " or ".join("none" if part is types.NoneType else spelled(part) for part in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list of {spelled(get_args(hint)[0])}"
    words: dict[Any, str] = {str: "text", int: "number", bool: "true or false"}
    shown = {ShownItem: "items", ShownJob: "job", ShownCard: "card", ShownStretch: "stretches"}
    return words.get(hint) or shown.get(hint) or "texts by name"


def pages() -> list[str]:
    rows = ["| file | makes | at most |", "|---|---|---|"]
    for name, part in PARTS.items():
        sees = "`message` and `item`" if part.each else "`message`"
        rows.append(f"| `{name}.j2` | {part.about}; sees {sees} | {part.most:,} characters |")
    told = ["## Parts", "\n".join(rows), "## What they see"]
    for kind, name in VALUES.items():
        hints, about = get_type_hints(kind), attributes(kind)
        told.append(f"### {', '.join(f'`{one}`' for one in name.split(', '))}")
        members = [f"| `{one.name}` | {spelled(hints[one.name])} | {about[one.name]} |" for one in fields(kind)]
        told.append("\n".join(["| name | is | |", "|---|---|---|", *members]))
    words = [f"| `{key.replace('-', '_')}` | {words_in(PLAIN)[key.replace('-', '_')]} |" for key in WORDS]
    told += ["### `message.words`", "\n".join(["| name | in English |", "|---|---|", *words])]
    return told


def test_the_page_of_templates_is_made_from_the_code() -> None:
    settle("templates.md", "\n".join([MARK, INTRO, "\n\n".join(pages()), ""]))


def test_the_example_does_what_it_says(tmp_path: Path) -> None:
    found = re.search(r"```jinja\n(.*?)\n```", INTRO, re.DOTALL)
    assert found
    first, second = found[1].split("{% for", 1)
    (tmp_path / "headline.j2").write_text(f"{first}{{% if item.job %}}{{% for{second}{{% endif %}}")
    own = read_templates(tmp_path, shown={})
    assert in_own_words(SAMPLES["single"], own)[0].items[0].headline == "Failed after 3h12m (wei)"
