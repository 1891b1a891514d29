"""Predictions from and to addresses such as `s3://bucket/answers.parquet`: done on copies, sent when they are whole."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.digest import digest_json
from assay.corpus.storage.remote_files import fetch_file, is_remote, remove_file, send_file
from assay.serving.batch.execution import PredictionCounts
from assay.serving.batch.mongo_address import is_mongo

if TYPE_CHECKING:
    from assay.serving.predict import Request


DONE = "done.json"


class _Done(BaseModel):
    """Answers that are whole and wait to be sent: what they depend on, and what came out."""

    key: str
    counts: PredictionCounts


def needs_copies(request: "Request") -> bool:
    """Whether input or output is an address of files."""
    return any(is_remote(address) and not is_mongo(address) for address in (request.input, request.output))


def predict_by_copies(
    request: "Request", predict: "Callable[[Request], PredictionCounts]", key_of: "Callable[[Request], str]"
) -> PredictionCounts:
    """Do what is asked for on copies, and send the output and the errors file to where they belong.

    What is done of a broken-off one stays in the state folder, for the same request to go on with; so do whole answers
    that could not be sent.

    Args:
        request: what is asked for.
        predict: does that on paths.
        key_of: digest of all that the answers to a request on paths depend on.

    Raises:
        AssayError: an address does not answer, a folder is to become one file, or see
            `assay.serving.predict.predict_request`.
    """
    local = request
    if is_remote(request.input) and not is_mongo(request.input):
        local = replace(local, input=str(fetch_file(request.input)))
    if not is_remote(request.output) or is_mongo(request.output):
        return predict(local)
    if not is_mongo(local.input) and Path(local.input).is_dir():
        raise AssayError(f"--input is {request.input}, a folder, and --output an address; name a folder for the output")
    work = request.state / f"sent-{digest_json([request.input, request.output])[:12]}"
    work.mkdir(parents=True, exist_ok=True)
    answers = work / Path(request.output).name
    local = replace(local, output=str(answers))
    key = key_of(local)
    counts = _done(work, key)
    if counts is None:
        counts = predict(local)
        with atomic_path(work / DONE) as partial:
            partial.write_text(_Done(key=key, counts=counts).model_dump_json(), encoding="utf-8")
    errors = _send_errors(request, counts)
    send_file(answers, request.output)
    shutil.rmtree(work)
    return counts.model_copy(update={"output": request.output, "errors_path": errors})


def _done(work: Path, key: str) -> PredictionCounts | None:
    """What came out, where the answers are whole and only wait to be sent."""
    try:
        done = _Done.model_validate_json((work / DONE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return done.counts.model_copy(update={"resumed": done.counts.rows}) if done.key == key else None


def _send_errors(request: "Request", counts: PredictionCounts) -> str | None:
    """Send the errors file, unless it is to stay here; where there is none, one of an earlier run goes."""
    if request.errors is not None:
        return None if counts.errors_path is None else str(counts.errors_path)
    address = f"{request.output}.errors.jsonl"
    if counts.errors_path is None:
        remove_file(address)
        return None
    send_file(Path(counts.errors_path), address)
    return address
