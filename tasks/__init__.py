"""The steps of the pipeline, one file a step."""
