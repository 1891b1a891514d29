"""One run of the pipeline: life cycle, cached steps, its run in MLflow, and artifacts and events in Prefect."""
