"""What a config would cost, without running it."""
