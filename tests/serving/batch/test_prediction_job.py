import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.serving.batch.prediction_job import PLAN, PredictionJob, plan_is_current, save_plan, scan_job, text_fields
from assay.serving.batch.row_sources import FileSource
from assay.serving.batch.shards import lock_folder
from assay.serving.batch.targets import FileTarget
from assay.serving.engine import Engine
from assay.serving.prediction_options import PredictionOptions
from tests.serving.conftest import BuildToy


@pytest.fixture
def job(tmp_path: Path) -> PredictionJob:
    """A job of five rows in shards of two."""
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": f"good {n}"}) + "\n" for n in range(5)))
    (tmp_path / "work").mkdir()
    target = FileTarget(tmp_path / "out.jsonl")
    return PredictionJob(
        FileSource(tmp_path / "in.jsonl"), target, tmp_path / "errors", tmp_path / "work", shard_rows=2
    )


def test_text_fields_are_those_that_the_model_reads(build_toy: BuildToy, engine: Engine) -> None:
    pairs = Engine(build_toy("pairs", pair=True), threads=1)
    assert text_fields(engine, "body", None) == ["body"]
    assert text_fields(engine, "body", "ignored") == ["body"]
    assert text_fields(pairs, "q", None) == ["q", "text_pair"]
    assert text_fields(pairs, "q", "p") == ["q", "p"]


def test_save_plan_keeps_the_shards_of_the_same_job_and_removes_others(job: PredictionJob, engine: Engine) -> None:
    assert not plan_is_current(job, engine)
    scan = scan_job(job, engine)
    with lock_folder(job.work, "out"):
        save_plan(job, engine, scan)
        (job.work / "0000000.json").write_text("{}")
        save_plan(job, engine, scan)
        assert sorted(path.name for path in job.work.iterdir()) == ["0000000.json", "lock", PLAN]
        assert plan_is_current(job, engine)

        other = replace(job, shard_rows=3)
        assert not plan_is_current(other, engine)
        save_plan(other, engine, scan_job(other, engine))
        assert sorted(path.name for path in job.work.iterdir()) == ["lock", PLAN]


def test_scan_job_reads_a_current_plan_in_place_of_the_input(
    job: PredictionJob, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = scan_job(job, engine)
    assert (scan.rows, len(scan.starts)) == (5, 3)
    save_plan(job, engine, scan)
    monkeypatch.setattr(FileSource, "scan", None)
    assert scan_job(job, engine) == scan


@pytest.mark.parametrize("content", ["", "{}", '{"key": 1}'])
def test_plan_that_is_damaged_is_not_current(job: PredictionJob, engine: Engine, content: str) -> None:
    (job.work / PLAN).write_text(content)
    assert not plan_is_current(job, engine)
    assert scan_job(job, engine).rows == 5


def test_key_changes_with_everything_that_the_shards_depend_on(
    job: PredictionJob, engine: Engine, build_toy: BuildToy
) -> None:
    other_model = Engine(build_toy("other", max_length=32), threads=1)
    changed = [
        replace(job, text_field="body"),
        replace(job, shard_rows=3),
        replace(job, target=FileTarget(Path("out.csv"))),
        replace(job, target=FileTarget(Path("out.jsonl"), PredictionOptions(top_k=1))),
    ]
    keys = {job.key(engine), job.key(other_model), *(other.key(engine) for other in changed)}
    assert len(keys) == 2 + len(changed)
    assert replace(job, errors=Path("elsewhere"), pair_field="ignored").key(engine) == job.key(engine)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text_field": "body"}, "in.jsonl has no column 'body'; name one with --text: text"),
        ({"text_field": "doc.body"}, "in.jsonl has no column 'doc.body'; name one with --text: text"),
        ({"pair_field": "b"}, "--pair is 'b', but this model reads one text per row; leave --pair out"),
    ],
)
def test_scan_job_names_columns_that_do_not_fit(
    job: PredictionJob, engine: Engine, fields: dict[str, str], message: str
) -> None:
    with pytest.raises(AssayError, match=re.escape(message)):
        scan_job(replace(job, **fields), engine)  # type: ignore[arg-type]  # names of fields


def test_scan_job_names_the_option_of_a_missing_second_text(job: PredictionJob, build_toy: BuildToy) -> None:
    pairs = Engine(build_toy("pairs", pair=True), threads=1)
    message = "has no column 'text_pair'; name one with --pair: text"
    with pytest.raises(AssayError, match=re.escape(message)):
        scan_job(job, pairs)


def test_scan_job_refuses_an_empty_input_unless_it_may_be_empty(job: PredictionJob, engine: Engine) -> None:
    Path(job.source.name).write_text("")
    with pytest.raises(AssayError, match=r"in\.jsonl holds no rows; nothing to predict"):
        scan_job(job, engine)
    assert scan_job(job, engine, may_be_empty=True).rows == 0
