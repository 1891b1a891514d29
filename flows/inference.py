"""Predict a file with a registered model."""

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from serving.address import open_bundle
from serving.engine import Engine
from serving.predict import PredictionCounts, predict_file


@flow(name="predict", flow_run_name="predict-{input.name}", persist_result=False, result_serializer="json")
def predict(model: str, input: Path, output: Path, errors: Path | None = None) -> PredictionCounts:
    """Answer every row of a file; bad rows go to the errors file with their reason.

    Args:
        model: `models:/NAME@champion`, `models:/NAME/VERSION`, or a bundle folder.
        input: JSONL, CSV or Parquet, possibly gzipped.
        output: where to, in the format of its extension; appears whole or not at all.
        errors: where bad rows go; none: beside the output.
    """
    return predict_rows(model, input, output, errors)


@task(name="predict", cache_policy=NO_CACHE)
def predict_rows(model: str, input: Path, output: Path, errors: Path | None) -> PredictionCounts:
    """One file through one model."""
    return predict_file(Engine(open_bundle(model)), input, output, errors)
