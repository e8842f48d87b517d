"""The pure core: values in, values out. No clock, network, disk, randomness or logging; `now` and `jitter` are parameters."""
