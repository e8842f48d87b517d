"""Ways to tell people. Each module is one notifier; they are reached through the entry points `dlc_watcher.notifiers`."""
