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


def main() -> None:
    env = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "watcher", "demo", "--duration", "30s"]
    told = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120).stdout
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(told))
    svg = console.export_svg(title='make demo ARGS="--duration 30s"')
    # The picture must not fetch anything: the reader's own monospace font will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (HERE / "demo.svg").write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


if __name__ == "__main__":
    main()
