"""Draws docs/screenshots: mails of every kind, in both languages, on phones and on wide pages, light and dark: `make pictures`.

The mails are those the program would send about what its rules say in their samples. Chromium draws them (Debian: chromium and
fonts-noto-cjk; or name one in CHROMIUM). It gets no network and a profile that is thrown away.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

from watcher.core.language import PLAIN, Language, Locale
from watcher.core.message import Message
from watcher.notifiers.mail import parse_address, render_mail
from watcher.plugins import discover
from watcher.testing.previews import message_kinds

HERE = Path(__file__).parent / "screenshots"
CHINESE = Locale(Language.ZH, ZoneInfo("Asia/Shanghai"))
PHONE, WIDE = 390, 900
GAP = 28


COLUMNS: Mapping[int, int] = {PHONE: 6, WIDE: 3}
"""How many mails stand side by side."""


LAYOUTS = frozenset({"single", "several-of-one-job", "several-jobs", "storm", "digest", "fallback-dead"})
"""Kinds of which no two look alike but for their words."""


@dataclass(frozen=True)
class Sheet:
    """One picture: a mail of every kind of message."""

    locale: Locale
    width: int
    dark: bool

    @property
    def name(self) -> str:
        """Of its file."""
        return "-".join((self.locale.language.value, _WIDTHS[self.width][0], _THEMES[self.dark]))

    @property
    def about(self) -> str:
        """What it shows."""
        return ", ".join((_LANGUAGES[self.locale.language], _WIDTHS[self.width][1], _THEMES[self.dark]))


_LANGUAGES = {Language.EN: "English", Language.ZH: "Chinese"}
_WIDTHS = {PHONE: ("phone", "on a phone"), WIDE: ("wide", "on a wide page")}
_THEMES = {False: "light", True: "dark"}

SHEETS = tuple(Sheet(*one) for one in product((PLAIN, CHINESE), (PHONE, WIDE), (False, True)))

_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --disable-extensions --host-resolver-rules=MAP\\ *\\ ~NOTFOUND"
)


def page(sheet: Sheet, messages: Mapping[str, Message]) -> str:
    """The sheet as a page, every mail in a frame of its own that takes the height it needs."""
    address = parse_address("DLC <dlc@example.com>")
    ground, ink, paper = ("#3a3b3f", "#cccccc", "#17181a") if sheet.dark else ("#dfe3e8", "#444444", "#ffffff")
    frames = "".join(
        f"<figure><figcaption>{escape(kind)}</figcaption>"
        f'<iframe width="{sheet.width}" srcdoc="{escape(mail["html"])}"></iframe></figure>'
        for kind, message in messages.items()
        if sheet.width == PHONE or kind in LAYOUTS
        for mail in [render_mail(message, sender=address, recipients=(address,))]
    )
    return (
        f"<!DOCTYPE html><meta charset=utf-8><meta name=color-scheme content='light dark'><style>body{{margin:0;padding:{GAP}px;"
        f"background:{ground};color:{ink};font:14px sans-serif;display:flex;flex-wrap:wrap;gap:{GAP}px;align-items:flex-start}}"
        "figure{margin:0}figcaption{margin:0 0 8px}"
        f"iframe{{border:0;border-radius:10px;display:block;background:{paper}}}</style>"
        f"{frames}<script>onload=()=>{{let most=0;for(const f of document.querySelectorAll('iframe'))"
        "{f.height=f.contentDocument.documentElement.scrollHeight;most=Math.max(most,f.offsetTop+f.offsetHeight)}"
        f"document.body.dataset.height=most+{GAP}}}</script>"
    )


def chromium() -> str:
    """The browser's program."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        sys.exit("no Chromium: install it (Debian: apt-get install chromium fonts-noto-cjk), or name it in CHROMIUM")
    return found


def draw(program: str, sheet: Sheet, messages: Mapping[str, Message]) -> Path:
    """One picture."""
    width = COLUMNS[sheet.width] * (sheet.width + GAP) + GAP
    with tempfile.TemporaryDirectory(prefix="dlc-watcher-pictures-") as folder:
        file = Path(folder) / "sheet.html"
        file.write_text(page(sheet, messages), encoding="utf-8")
        flags = [flag.replace("\\ ", " ") for flag in re.split(r"(?<!\\) ", _FLAGS)]
        scheme = f"--blink-settings=preferredColorScheme={0 if sheet.dark else 1}"
        dom = _run(
            [
                program,
                *flags,
                scheme,
                f"--user-data-dir={folder}/a",
                f"--window-size={width},900",
                "--dump-dom",
                file.as_uri(),
            ]
        )
        height = re.search(r'data-height="(\d+)"', dom)
        if height is None:
            sys.exit(f"{sheet.name}: the page did not tell its height")
        picture = HERE / f"{sheet.name}.png"
        shot = [f"--window-size={width},{height[1]}", f"--screenshot={picture}", file.as_uri()]
        _run([program, *flags, scheme, f"--user-data-dir={folder}/b", *shot])
    return picture


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=180).stdout


def main() -> None:
    program = chromium()
    rules = discover().rules
    told = {locale: message_kinds(rules, locale) for locale in (PLAIN, CHINESE)}
    HERE.mkdir(exist_ok=True)
    lines = ["# Screenshots", ""]
    lines += [
        "A mail of every kind of message as Chromium draws it: what the built-in rules say in their samples (`make pictures`).",
        "On wide pages, where only the margins differ, those kinds that are laid out differently.",
        "",
    ]
    for sheet in SHEETS:
        picture = draw(program, sheet, told[sheet.locale])
        sys.stdout.write(f"{picture.name}: {picture.stat().st_size // 1024} kB\n")
        lines.append(f"- [{sheet.name}.png]({sheet.name}.png): {sheet.about}.")
    (HERE / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
