"""A receiver's own templates: read and tried when the configuration loads, harmless when they fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.shell.installed import installed_kinds
from tests.shell.service_world import FakeNotifier, World, seconds
from tests.shell.test_service_dispatcher import Desk
from watcher.config.loading import Loaded, load
from watcher.core.message import Message
from watcher.core.rule import Severity
from watcher.core.shown import samples
from watcher.errors import ConfigurationError
from watcher.notifiers.mail import parse_address, render_mail
from watcher.notifiers.own_words import in_own_words
from watcher.notifiers.slack_blocks import render_slack
from watcher.templates import PARTS, TemplateFault, Templates, read_templates
from watcher.testing.messages import SAMPLES

pytestmark = pytest.mark.anyio
SINGLE = SAMPLES["single"]
ADDRESS = parse_address("dlc@example.com")


def folder(path: Path, **files: str) -> Path:
    place = path / "words"
    place.mkdir(exist_ok=True)
    for name, text in files.items():
        (place / f"{name}.j2").write_text(text, encoding="utf-8")
    return place


def templates(path: Path, **files: str) -> Templates:
    place = folder(path, **files)
    return read_templates(place, shown={place: "words"})


def fault(path: Path, **files: str) -> str:
    with pytest.raises(TemplateFault) as caught:
        templates(path, **files)
    return str(caught.value)


def mail(message: Message, own: Templates) -> dict[str, Any]:
    worded, faults = in_own_words(message, own)
    assert faults == ()
    return dict(render_mail(worded, sender=ADDRESS, recipients=(ADDRESS,)))


# what they say


def test_headline_detail_and_title_are_said_by_every_end(tmp_path: Path) -> None:
    own = templates(
        tmp_path,
        headline="{{ item.word }}! {{ item.headline | upper }}",
        detail="{% for label, value in item.facts %}{{ label }} is {{ value }}\n{% endfor %}",
        title="{{ message.job.title if message.job else 'watcher' }} says: {{ message.items[0].headline }}",
    )
    wire = mail(SINGLE, own)
    assert "Critical! FAILED AFTER 3H12M" in wire["html"]
    assert wire["text"].startswith("Critical: llama-70b-pretrain says: Critical! FAILED AFTER 3H12M")
    assert "Exit code is 137" in wire["text"]
    worded, _ = in_own_words(SINGLE, own)
    blocks = str(render_slack(worded, channel="#a", broadcast_from=Severity.CRITICAL))
    assert "FAILED AFTER 3H12M" in blocks
    assert "Exit code is 137" in blocks


def test_a_title_follows_the_headlines_it_is_made_of(tmp_path: Path) -> None:
    worded, _ = in_own_words(SINGLE, templates(tmp_path, headline="gone: {{ item.headline }}"))
    assert worded.title == "llama-70b-pretrain: gone: Failed after 3h12m"


def test_a_mails_subject_text_and_page_are_its_own(tmp_path: Path) -> None:
    own = templates(
        tmp_path,
        subject="[train] {{ message.job.title if message.job else 'watcher' }}\r\nBcc: x@example.com",
        text="{{ message.title }}\n-- \nours\n",
        html="<html><body><p>{{ message.title }} &amp; {{ message.words.console }}</p></body></html>",
    )
    wire = mail(SINGLE, own)
    assert wire["headers"]["Subject"] == "[train] llama-70b-pretrain Bcc: x@example.com"
    assert wire["text"] == "llama-70b-pretrain: Failed after 3h12m\n-- \nours"
    assert "<p>llama-70b-pretrain: Failed after 3h12m &amp; Open in the PAI console</p>" in wire["html"]


def test_a_page_of_ones_own_escapes_what_jobs_are_called(tmp_path: Path) -> None:
    own = templates(tmp_path, html="<p>{{ message.title }}</p>", headline="{{ item.headline }}")
    assert "<script>" not in mail(SAMPLES["hostile-html"], own)["html"]


def test_what_a_job_is_called_is_never_read_as_a_template(tmp_path: Path) -> None:
    own = templates(tmp_path, headline="{{ item.headline }}", title="{{ message.title }}", text="{{ message.title }}")
    assert "{{ 7*7 }}" in mail(SAMPLES["hostile-markup"], own)["text"]


def test_files_of_the_folder_can_be_included_and_others_cannot(tmp_path: Path) -> None:
    own = templates(tmp_path, headline='{% include "sign.j2" %} {{ item.headline }}', sign="⚑")
    assert in_own_words(SINGLE, own)[0].items[0].headline == "⚑ Failed after 3h12m"
    (tmp_path / "secret").write_text("canary")
    assert "there is no file ../secret" in fault(tmp_path, headline='{% include "../secret" %}')


def test_a_part_may_be_a_file_anywhere(tmp_path: Path) -> None:
    file = tmp_path / "a line.txt"
    file.write_text("{{ item.headline }}!")
    own = read_templates({"headline": file}, shown={file: "a line.txt"})
    assert in_own_words(SINGLE, own)[0].items[0].headline == "Failed after 3h12m!"


def test_without_templates_a_message_stays_as_it_is() -> None:
    assert in_own_words(SINGLE, Templates()) == (SINGLE, ())


@pytest.mark.parametrize("name", SAMPLES)
def test_templates_that_repeat_what_is_built_in_change_nothing(tmp_path: Path, name: str) -> None:
    own = templates(tmp_path, headline="{{ item.headline }}", title="{{ message.title }}")
    plain = render_mail(SAMPLES[name], sender=ADDRESS, recipients=(ADDRESS,))
    assert mail(SAMPLES[name], own) == plain


# mistakes


@pytest.mark.parametrize(
    ("part", "text", "told"),
    [
        (
            "headline",
            "{{ item.headlin }}",
            "words/headline.j2:1: 'watcher.core.shown.ShownItem object' has no attribute",
        ),
        ("title", "a\n{{ message.job.title }}", "words/title.j2:2: 'None' has no attribute 'title'"),
        ("title", "a\n{% if %}", "words/title.j2:2: Expected an expression"),
        ("html", "<p>\n\n{{ nothing }}", "words/html.j2:3: 'nothing' is undefined"),
        ("text", "{{ item.headline }}", "words/text.j2:1: 'item' is undefined"),
        ("text", "{{ 'x' * 99999999 }}", "words/text.j2:1: more than 100000 characters by repetition"),
        ("text", "{% for n in range(99999) %}{{ message.title }}{% endfor %}", "makes more than 60000 characters"),
        ("title", "{{ 1 / 0 }}", "words/title.j2:1: ZeroDivisionError"),
        ("title", "{{ 2 ** 9999999 }}", "words/title.j2:1: a power beyond all use"),
        ("title", "{{ message.__class__ }}", "words/title.j2:1: access to attribute '__class__'"),
        ("title", "{{ message.words.update({'a': 1}) }}", "words/title.j2:1:"),
        ("heading", "x", "words: no template in this folder; files are called title.j2, headline.j2"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_line(tmp_path: Path, part: str, text: str, told: str) -> None:
    assert told in fault(tmp_path, **{part: text})


def test_a_file_that_is_nearly_called_as_a_part_is_a_mistake(tmp_path: Path) -> None:
    assert "words/headlines.j2: no part is called so; did you mean headline.j2?" in fault(
        tmp_path, title="x", headlines="x"
    )


def test_a_folder_that_is_not_there_and_a_file_that_is_no_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(TemplateFault, match="gone: there is no such folder"):
        read_templates(tmp_path / "gone", shown={tmp_path / "gone": "gone"})
    with pytest.raises(TemplateFault, match=r"x\.j2: cannot be read: No such file"):
        read_templates({"title": tmp_path / "x.j2"}, shown={tmp_path / "x.j2": "x.j2"})
    (tmp_path / "b.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(TemplateFault, match="not text in UTF-8"):
        read_templates({"title": tmp_path / "b.j2"}, shown={})
    (tmp_path / "c.j2").write_text("x" * 200_001)
    with pytest.raises(TemplateFault, match="larger than"):
        read_templates({"title": tmp_path / "c.j2"}, shown={})


# in the configuration


def loaded(path: Path, setting: str) -> Loaded:
    text = f"""\
sources: {{a: {{kind: dlc, region: cn-hangzhou}}}}
receivers:
  team:
    console: {{}}
    templates: {setting}
"""
    return load(text, file="dlc-watcher.yaml", env={}, kinds=installed_kinds(), base_dir=path)


def test_a_receiver_of_any_kind_has_them(tmp_path: Path) -> None:
    folder(tmp_path, headline="{{ item.headline }}!")
    (tmp_path / "t.txt").write_text("{{ message.title }}")
    assert loaded(tmp_path, "words").receivers["team"].common.templates.files == {"headline": "words/headline.j2"}
    assert loaded(tmp_path, "{title: t.txt}").receivers["team"].common.templates.files == {"title": "t.txt"}


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("words", "dlc-watcher.yaml:5:16: receivers.team.templates: words/title.j2:2: 'messag' is undefined"),
        ("nowhere", "dlc-watcher.yaml:5:16: receivers.team.templates: nowhere: there is no such folder"),
        ("{titel: words/title.j2}", "there is no part 'titel'; did you mean title? parts are: title, headline, detail"),
        ("{title: 3}", "write a folder, or a file for each part: title, headline"),
        ("{}", "write a folder, or a file for each part"),
        ("[words]", "write a folder, or a file for each part"),
    ],
)
def test_a_mistake_is_one_of_the_configuration(tmp_path: Path, setting: str, told: str) -> None:
    folder(tmp_path, title="x\n{{ messag.title }}")
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, setting)
    assert told in str(caught.value)


# at run time


async def test_a_template_that_fails_costs_its_words_and_is_counted(tmp_path: Path) -> None:
    own = templates(
        tmp_path,
        headline="{{ 1 / (0 if 'boom' in item.headline else 1) }}",
        title="{{ message.items[0].headline }} by us",
    )
    desk = Desk(FakeNotifier(World().clock))
    desk.dispatcher._templates = own
    async with desk.dispatching():
        await desk.owe("dlc1", "fine")
        await desk.owe("dlc2", "boom")
        await desk.clock.advance(seconds(5))
    told = [message.title for message in desk.notifier.taken]
    assert told == ["1.0 by us", "before to boom by us"]
    failures = desk.world.metrics.template_failures
    assert failures.labels("team", "headline")._value.get() == 1
    assert failures.labels("team", "title")._value.get() == 0


def test_every_part_can_be_made_of_every_sample(tmp_path: Path) -> None:
    own = templates(
        tmp_path, **dict.fromkeys(PARTS, "{{ (item or message).word if item is defined else message.word }}")
    )
    for sample in samples():
        for part, rule in PARTS.items():
            assert own.fill(part, sample, sample.items[0] if rule.each else None)
