"""The HTTP server: several protocols share one batcher and the model that the registry alias names."""
