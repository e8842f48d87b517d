"""The running program: pollers ask, the keeper minds deadlines, dispatchers tell. The only layer that puts adapters together."""
