"""Predictions from and to addresses such as `s3://bucket/predictions.parquet`.

The prediction runs on local copies, and the output is uploaded when it is complete.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ValidationError

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.digest import digest_json
from assay.corpus.storage.remote_files import fetch_file, is_remote, remove_file, send_file
from assay.serving.batch.execution import PredictionCounts
from assay.serving.batch.mongo_address import is_mongo
from assay.serving.batch.request import PredictionRequest, is_folder

DONE = "done.json"


class _CompletionRecord(BaseModel):
    """The counts of a complete output that has yet to be uploaded, and the digest of everything it depends on."""

    key: str
    counts: PredictionCounts


def is_remote_request(request: PredictionRequest) -> bool:
    """Return whether the input or the output is an address of files."""
    return any(is_remote(address) and not is_mongo(address) for address in (request.input, request.output))


def predict_remote(
    request: PredictionRequest,
    predict: Callable[[PredictionRequest], PredictionCounts],
    key_of: Callable[[PredictionRequest], str],
) -> PredictionCounts:
    """Predict on local copies, and upload the output and the errors file.

    The state folder keeps the finished shards of an interrupted prediction, and a complete output that could not be
    uploaded; the same request resumes from there.

    Args:
        request: the request, with at least one address.
        predict: runs a request on paths.
        key_of: returns a digest of everything that the predictions of a request on paths depend on.

    Raises:
        AssayError: an address is not responding, or the input is a folder and the output an address; see also
            `assay.serving.predict.predict_request`.
    """
    local = request
    if is_remote(request.input) and not is_mongo(request.input):
        local = replace(local, input=str(fetch_file(request.input)))
    if not is_remote(request.output) or is_mongo(request.output):
        return predict(local)
    if is_folder(local):
        raise AssayError(f"--input is {request.input}, a folder, but --output is an address; name an output folder")
    work = request.state / f"sent-{digest_json([request.input, request.output])[:12]}"
    work.mkdir(parents=True, exist_ok=True)
    predictions = work / Path(request.output).name
    local = replace(local, output=str(predictions))
    key = key_of(local)
    counts = _completed(work, key)
    if counts is None:
        counts = predict(local)
        with atomic_path(work / DONE) as partial:
            partial.write_text(_CompletionRecord(key=key, counts=counts).model_dump_json(), encoding="utf-8")
    errors = _send_errors(request, counts)
    send_file(predictions, request.output)
    shutil.rmtree(work)
    return counts.model_copy(update={"output": request.output, "errors_path": errors})


def _completed(work: Path, key: str) -> PredictionCounts | None:
    """Return the counts of a complete output that has yet to be uploaded; None if there is none with this key."""
    try:
        record = _CompletionRecord.model_validate_json((work / DONE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return record.counts.model_copy(update={"resumed": record.counts.rows}) if record.key == key else None


def _send_errors(request: PredictionRequest, counts: PredictionCounts) -> str | None:
    """Upload the errors file unless the user named a local one; remove the file of an earlier run if there is none."""
    if request.errors is not None:
        return None if counts.errors_path is None else str(counts.errors_path)
    address = f"{request.output}.errors.jsonl"
    if counts.errors_path is None:
        remove_file(address)
        return None
    send_file(Path(counts.errors_path), address)
    return address
