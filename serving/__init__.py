"""The torch-free runtime: bundles, the engine, batch prediction."""
