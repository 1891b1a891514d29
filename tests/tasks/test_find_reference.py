"""The reference of monitoring, of versions whose models vote by known words, without training."""

import json
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.evaluation.drift.window_statistics import REFERENCE, row_key
from assay.registry.lineage.version_lineage import lineages
from assay.tasks.find_reference import champion_of, find_champion
from tests.versions import Made, new_store, register_version

MODEL = "models:/tiny/1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Made:
    """A version with more test and validation rows than its reference takes."""
    folder = tmp_path_factory.mktemp("referred")
    store = new_store(folder, mlflow_database)
    return register_version(store, folder, "first", range(800), monitoring={"max_rows": 100})


def test_find_champion_samples_test_rows_and_fills_up_with_validation_rows(made: Made) -> None:
    champion, reference = find_champion.fn(MODEL, made.run.tracking_uri, made.run.store)
    statistics = reference.load()
    split_of = list(made.splits.split_of.values())
    assert (champion.address, champion.bundle) == (MODEL, made.version.bundle)
    assert statistics.test_rows == split_of.count("test") < 100 < split_of.count("test") + split_of.count("validation")
    assert len(statistics.observed) == 100
    # known rows are those of the whole snapshot, known words those of training rows
    assert statistics.known == {row_key(row) for row in made.snapshot.load().examples()}
    assert {"good", "bad"} <= statistics.vocabulary
    # no row and no address of MLflow stays, which may hold a password
    kept = [path for path in (made.run.store / "monitoring").rglob("*") if path.is_file()]
    assert not [path for path in kept if path.name in ("snapshot.json", "splits.json")]
    assert "tracking_uri" not in json.loads((reference.path / REFERENCE).read_text())


def test_find_champion_makes_a_reference_once_per_version_and_rule(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    uri, store = made.run.tracking_uri, made.run.store
    _, first = find_champion.fn(MODEL, uri, store)
    monkeypatch.setattr("assay.tasks.find_reference.find_snapshot", None)
    assert find_champion.fn(MODEL, uri, store) == (find_champion.fn(MODEL, uri, store)[0], first)
    monkeypatch.setattr("assay.tasks.find_reference.code_digest", lambda: "other code")
    with pytest.raises(AttributeError):
        find_champion.fn(MODEL, uri, store)


def test_find_champion_names_a_missing_alias(made: Made) -> None:
    with pytest.raises(AssayError, match="no version with the alias 'other'"):
        find_champion.fn("models:/tiny@other", made.run.tracking_uri, made.run.store)


def test_champion_opens_the_verified_bundle_of_its_version(made: Made) -> None:
    with lineages(made.run.tracking_uri, MODEL) as (lineage,):
        champion = champion_of(lineage, made.run.tracking_uri)
    assert champion.recipe == made.run.recipe
    assert champion.snapshot == made.snapshot.load().digest
    assert champion.open().digest == made.version.bundle
