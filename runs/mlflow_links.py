"""Addresses of MLflow's pages."""

import re

# MLflow opens a page in its view for language models, unless the address names that for trainings.
TRAINING_VIEW = "workflowType=machine_learning"


def mlflow_page(uri: str, path: str) -> str | None:
    """Return the address of a page of MLflow without a password, or None for a database without a server."""
    return f"{re.sub('//[^/]+@', '//', uri.rstrip('/'))}/#/{path}?{TRAINING_VIEW}" if uri.startswith("http") else None
