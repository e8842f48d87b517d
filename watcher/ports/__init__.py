"""What the engine asks of the world. Each Protocol's docstring is the contract; `watcher.testing` holds a test class for each."""
