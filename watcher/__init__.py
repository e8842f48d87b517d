"""dlc-watcher: watches Alibaba Cloud PAI-DLC jobs and tells people what happened to them.

The engine lives here, the built-in rules live in the package `rules` and are reached through entry points only.
Authors of rules and notifiers import `watcher.api` and nothing else.
"""
