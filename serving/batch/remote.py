"""Predictions from and to addresses such as `s3://bucket/answers.parquet`: done on copies, sent when they are whole."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.digest import digest_json
from corpus.remote import fetch_file, is_remote, send_file
from serving.batch.addresses import is_mongo
from serving.batch.running import PredictionCounts

if TYPE_CHECKING:
    from serving.predict import Request


def needs_copies(request: "Request") -> bool:
    """Whether input or output is an address of files."""
    return any(is_remote(address) and not is_mongo(address) for address in (request.input, request.output))


def predict_by_copies(request: "Request", predict: "Callable[[Request], PredictionCounts]") -> PredictionCounts:
    """Do what is asked for on copies, and send the output and the errors file to where they belong.

    What is done of a broken-off one stays in the state folder, for the same request to go on with.

    Raises:
        AssayError: an address does not answer, or see `serving.predict.predict_request`.
    """
    local = request
    if is_remote(request.input) and not is_mongo(request.input):
        local = replace(local, input=str(fetch_file(request.input)))
    if not is_remote(request.output) or is_mongo(request.output):
        return predict(local)
    work = request.state / f"sent-{digest_json([request.input, request.output])[:12]}"
    work.mkdir(parents=True, exist_ok=True)
    answers = work / Path(request.output).name
    counts = predict(replace(local, output=str(answers)))
    errors = counts.errors_path
    if errors is not None and request.errors is None:
        send_file(Path(errors), f"{request.output}.errors.jsonl")
        errors = f"{request.output}.errors.jsonl"
    send_file(answers, request.output)
    shutil.rmtree(work)
    return counts.model_copy(update={"output": request.output, "errors_path": errors})
