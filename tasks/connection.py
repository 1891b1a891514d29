"""The way to MLflow: a client that gives up in reasonable time."""

import os

from mlflow import MlflowClient

# MLflow knows these as environment variables only.
SETTINGS = {
    # Its own values wait for more than four minutes before they say that a server is not there.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    # One bar a bundle of three files says nothing.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def connect(tracking_uri: str) -> MlflowClient:
    """A client of the tracking server and registry at `tracking_uri`; what the environment sets, stays."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
