"""Where jobs are looked up: one sub-package per kind of source, each reached through the entry points `dlc_watcher.sources`."""
