"""Scripts that measure, each against a peer in one run. Never timed tests."""
