"""The Prefect flows, one per pipeline, and the modules that run and serve them."""
