"""Batch prediction: rows of any source through the engine into any target, in shards that outlive a kill."""
