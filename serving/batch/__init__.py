"""Batch prediction: rows of any source to any target, in shards that survive a kill."""
