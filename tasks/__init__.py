"""The steps of the pipeline, one file per step."""
