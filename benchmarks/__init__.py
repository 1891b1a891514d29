"""Benchmark scripts: each measures against a peer in one run. Never timed tests."""
