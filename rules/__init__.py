"""The built-in rules: one file, one class, one small essay each.

The engine reaches them through the entry points of the group `dlc_watcher.rules`, exactly as it reaches a stranger's. They import
`watcher.api` and nothing else. `default.yaml` is the list used when a configuration names no rules.
"""
