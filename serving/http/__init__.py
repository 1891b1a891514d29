"""The HTTP server: requests of several protocols through one batcher to the model that the registry names."""
