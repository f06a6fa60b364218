"""The cost of a config, without running it."""
