from pathlib import Path

import pytest

from assay.deployments.doctor import Diagnosis, examine
from assay.recipes.loader import parse_recipe
from tests.flows.tiny import make_recipe, write_rows


def findings(store: Path) -> dict[str, Diagnosis]:
    return {finding.what: finding for finding in examine(store)}


def test_examine_succeeds_without_servers(tmp_path: Path) -> None:
    diagnoses = findings(tmp_path / "not-yet-there")
    assert [finding.what for finding in diagnoses.values() if not finding.ok] == []
    assert "cores" in diagnoses["CPU"].details


@pytest.mark.parametrize(
    ("variable", "address", "what", "remedy"),
    [
        ("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9", "MLflow", "fix MLFLOW_TRACKING_URI"),
        ("MONGODB_URI", "mongodb://me:secret@127.0.0.1:9/?serverSelectionTimeoutMS=200", "MongoDB", "fix MONGODB_URI"),
    ],
)
def test_examine_names_a_remedy_and_no_password_for_a_server_that_is_not_responding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, address: str, what: str, remedy: str
) -> None:
    monkeypatch.setattr("assay.deployments.reachable.TIMEOUT_S", 0.3)
    monkeypatch.setenv(variable, address)
    finding = findings(tmp_path)[what]
    assert not finding.ok
    assert remedy in finding.details
    assert "secret" not in finding.details


def test_examine_checks_the_shared_store(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "shared store" not in findings(tmp_path)
    monkeypatch.setenv("ASSAY_SHARED_STORE", f"{bucket}/team")
    finding = findings(tmp_path)["shared store"]
    assert finding.ok
    assert finding.details == f"{bucket}/team, 0 runs"
    monkeypatch.setenv("ASSAY_SHARED_STORE", "nosuch://team")
    finding = findings(tmp_path)["shared store"]
    assert not finding.ok
    assert "check the address" in finding.details


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file", "File exists; move what is there away"),
        ("file/below", "/file: File exists; move what is there away"),
        ("x" * 300, "File name too long; use a shorter name"),
    ],
)
def test_examine_reports_an_impossible_store(tmp_path: Path, place: str, reason: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    finding = findings(tmp_path / place)["store"]
    assert not finding.ok
    assert finding.needed
    assert reason in finding.details
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_examine_leaves_no_store_behind(tmp_path: Path) -> None:
    assert findings(tmp_path / "not" / "yet")["store"].ok
    assert not list(tmp_path.iterdir())


def test_examine_opens_the_database_of_the_store(store: Path) -> None:
    assert findings(store)["MLflow"].ok
    whole = (store / "mlflow.db").read_bytes()
    for broken, reason in ((b"no database" * 99, "not a database"), (whole[:-20_000], "malformed")):
        (store / "mlflow.db").write_bytes(broken)
        finding = findings(store)["MLflow"]
        assert not finding.ok
        assert reason in finding.details
        assert "restore it from a backup" in finding.details


def test_examine_checks_the_requirements_of_a_recipe(tmp_path: Path) -> None:
    recipe = make_recipe(write_rows(tmp_path / "rows.jsonl", 4))
    assert "MongoDB" not in {finding.what for finding in examine(tmp_path, recipe)}
    source = {"kind": "mongo", "uri": "env:NO_SUCH_VARIABLE", "database": "d", "collection": "c"}
    values = {**recipe.model_dump(mode="json"), "source": {**source, "fields": {"text": "text", "label": "label"}}}
    values["model"] = {"encoder": "owner/name", "heads": ["sentence"], "max_length": 32}
    values["gate"] = {"min_f1": {"sentence": 0.5}}
    diagnoses = {finding.what: finding for finding in examine(tmp_path, parse_recipe(values, "test"))}
    assert not diagnoses["MongoDB"].ok
    assert diagnoses["MongoDB"].needed
    assert "NO_SUCH_VARIABLE is not set" in diagnoses["MongoDB"].details
    assert diagnoses["hub"].needed
