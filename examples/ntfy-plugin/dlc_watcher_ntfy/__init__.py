"""A receiver and a rule for dlc-watcher, as an example of a plug-in."""
