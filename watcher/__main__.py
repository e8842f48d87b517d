"""`python -m watcher` is `dlc-watcher`."""

from watcher.cli import main

main()
