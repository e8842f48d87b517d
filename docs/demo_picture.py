"""Draws docs/demo.svg from a real run of the demo: `make picture`."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 116
HERE = Path(__file__).parent


_COLUMN = 12.2
"""Width of one column in rich's drawing."""


def _indented(text: re.Match[str]) -> str:
    """Leading blanks as a position: some renderers swallow them."""
    before, x, between, length, after, blanks = text.groups()
    shift = blanks.count("&#160;") * _COLUMN
    return f'<text {before}x="{float(x) + shift:.1f}"{between}textLength="{float(length) - shift:.1f}"{after}>'


def main() -> None:
    env = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "watcher", "demo", "--duration", "30s"]
    told = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120).stdout
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(told))
    svg = console.export_svg(title='make demo ARGS="--duration 30s"')
    # The picture must not fetch anything: the reader's own monospace font will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'<text ([^>]*?)x="([\d.]+)"([^>]*?)textLength="([\d.]+)"([^>]*)>((?:&#160;)+)(?=[^<&])', _indented, svg
    )
    (HERE / "demo.svg").write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


if __name__ == "__main__":
    main()
