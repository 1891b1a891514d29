import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from assay.corpus.errors import AssayError, DataError
from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot, SnapshotWriter
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation import tag_check as module
from assay.evaluation.tag_check import ENTITIES, HALF_WORDS, NAME, SHARE
from assay.recipes.recipe import Recipe
from assay.runs.run import Run
from assay.runs.step_result import newest_result
from assay.runs.tags import TAG_CHECK_TAG
from assay.tasks.validate import ValidationReport, validate

WORDS = [f"{first}{second}" for first in "abcdefgh" for second in "klmnopqr"]


@pytest.fixture
def coarse(tmp_path: Path) -> Path:
    """Return a tokenizer that joins "Acme" and the next word into one token."""
    vocabulary = {"<pad>": 0, "<unk>": 1, "▁Acme▁opens": 2, **{f"▁{word}": 3 + at for at, word in enumerate(WORDS)}}
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in vocabulary], 1))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    make: Any = PreTrainedTokenizerFast
    make(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>").save_pretrained(tmp_path / "coarse")
    return tmp_path / "coarse"


def _run(store: Path, encoder: Path | None = None) -> Run:
    uri = f"sqlite:///{store}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("e", artifact_location=store.as_uri())
    recipe = _recipe(encoder)
    run = client.create_run(experiment).info.run_id
    return Run(key="t", recipe=recipe, store=store, tracking_uri=uri, mlflow_run=run)


def _recipe(encoder: Path | None = None, **parts: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "test",
            "source": {"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": {"entities": "entities"}},
            "validation": {"min_rows": 4, "min_class_rows": 2},
            "model": {**({"encoder": str(encoder)} if encoder else {"scratch": {}}), "heads": ["tokens"]},
            "gate": {"min_f1": {"tokens": 0.5}},
            "registry": {"name": "test"},
            **parts,
        }
    )


def _snapshot(folder: Path, rows: Sequence[tuple[str, Entity]]) -> ArtifactRef[Snapshot]:
    folder.mkdir()
    writer = SnapshotWriter(folder, [], {})
    writer.add([Example(id=f"r{at}", text=text, entities=(entity,)) for at, (text, entity) in enumerate(rows)])
    return ArtifactRef[Snapshot](path=folder, digest=writer.finish().digest)


def _rows(whole: int, half: int) -> list[tuple[str, Entity]]:
    ends = [5] * whole + [4] * half
    return [(f"Hooli {WORDS[at]}", Entity(0, end, "ORG")) for at, end in enumerate(ends)]


def test_tag_check_appears_in_report_and_mlflow(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run, snapshot = _run(tmp_path), _snapshot(tmp_path / "snapshot", _rows(30, 10))
    with caplog.at_level(logging.WARNING):
        report = ValidationReport.load(validate.fn(run, snapshot).path)
    check = next(check for check in report.checks if check.name == NAME)
    assert (check.severity, check.passed) == ("warning", False)
    assert "row 'r30': ORG 'Hool' comes back as 'Hooli'" in check.why
    assert check.why in caplog.text
    assert check.why.replace("|", r"\|") in report.markdown()
    logged = MlflowClient(run.tracking_uri).get_run(run.mlflow_run).data
    assert {name: logged.metrics[name] for name in (SHARE, HALF_WORDS, ENTITIES)} == {
        SHARE: 0.75,
        HALF_WORDS: 0.25,
        ENTITIES: 40,
    }
    assert logged.tags[TAG_CHECK_TAG] == check.measured == "75.0% of 40; 25.0% cut a word and count as the whole word"


def test_tag_check_passes_if_every_entity_is_recovered(tmp_path: Path) -> None:
    report = ValidationReport.load(validate.fn(_run(tmp_path), _snapshot(tmp_path / "s", _rows(40, 0))).path)
    assert next(check for check in report.checks if check.name == NAME).passed
    assert report.metrics[SHARE] == 1


def test_tag_check_stops_a_run_whose_tokenizer_loses_most_entities(tmp_path: Path, coarse: Path) -> None:
    rows = [(f"Acme opens {word}", Entity(0, 4, "ORG")) for word in WORDS[:20]]
    run, snapshot = _run(tmp_path, coarse), _snapshot(tmp_path / "snapshot", rows)
    with pytest.raises(DataError, match=r"recover 0\.0% of 20 entities.*needs at least 50%: correct the spans") as stop:
        validate.fn(run, snapshot)
    assert "\n" not in str(stop.value)
    assert "row 'r0': ORG 'Acme' comes back as 'Acme opens'" in str(stop.value)
    assert MlflowClient(run.tracking_uri).get_run(run.mlflow_run).data.metrics[SHARE] == 0


def test_tag_check_stops_a_run_whose_tokenizer_could_not_be_loaded_and_keeps_nothing(tmp_path: Path) -> None:
    run = _run(tmp_path, tmp_path / "nowhere")
    with pytest.raises(AssayError, match="nowhere"):
        validate.fn(run, _snapshot(tmp_path / "s", _rows(40, 0)))
    assert newest_result(run.folder, "validate") is None


def test_tag_check_of_a_data_check_reports_a_tokenizer_that_could_not_be_loaded(tmp_path: Path) -> None:
    run = _run(tmp_path, tmp_path / "nowhere").model_copy(update={"mlflow_run": ""})
    report = ValidationReport.load(validate.fn(run, _snapshot(tmp_path / "s", _rows(40, 0))).path)
    check = next(check for check in report.checks if check.name == NAME)
    assert (check.severity, check.measured, report.metrics) == ("info", "not measured", {})


@pytest.mark.parametrize(("period", "published"), [(1, False), (2, False), (3, True), (4, True)])
@pytest.mark.parametrize("count", [1, 7, 10, 11, 40, 101])
def test_tag_check_measures_rows_with_entities_at_any_position(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, period: int, published: bool, count: int
) -> None:
    # given rows with entities in every so manieth place, of which those for training are one half
    monkeypatch.setattr(module, "MOST_ROWS", 10)
    word = Entity(0, 5, "ORG")
    writer = SnapshotWriter(tmp_path, [], {})
    writer.add(
        [
            Example(
                f"r{at}",
                f"Hooli {at}",
                entities=() if at % period else (word,),
                split="train" if at // period % 2 else "test",
            )
            for at in range(count * period)
        ]
    )
    writer.finish()
    recipe = _recipe(split={"method": "published" if published else "stratified"})
    rows = module._training_rows(recipe, Snapshot.load(tmp_path))
    allowed = count // 2 if published else count
    assert len({row.id for row in rows}) == len(rows) == min(allowed, 10)
    assert all(row.entities and (not published or row.split == "train") for row in rows)


def test_tag_check_samples_cyclic_rows_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    writer = SnapshotWriter(tmp_path, [], {})
    writer.add(Example(f"r{at}", f"Hooli {at}", entities=(Entity(0, 5 - at % 2, "ORG"),)) for at in range(400))
    writer.finish()
    rows = module._training_rows(_recipe(), Snapshot.load(tmp_path))
    ends = [entity.end for row in rows for entity in row.entities or ()]
    assert 25 < ends.count(4) < 75
