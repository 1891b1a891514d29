from pathlib import Path

import pytest

from assay.deployments.doctor import Diagnosis, examine
from assay.recipes.loader import parse_recipe
from tests.cli.calls import call
from tests.flows.tiny import make_recipe, write_rows


def findings(store: Path) -> dict[str, Diagnosis]:
    return {finding.what: finding for finding in examine(store)}


@pytest.fixture(autouse=True)
def nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MONGODB_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "https://localhost")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_without_servers_all_is_well(tmp_path: Path) -> None:
    found = findings(tmp_path / "not-yet-there")
    assert [finding.what for finding in found.values() if not finding.ok] == []
    assert "cores" in found["CPU"].details


@pytest.mark.parametrize(
    ("variable", "address", "what", "remedy"),
    [
        ("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9", "MLflow", "fix MLFLOW_TRACKING_URI"),
        ("MONGODB_URI", "mongodb://me:secret@127.0.0.1:9/?serverSelectionTimeoutMS=200", "MongoDB", "fix MONGODB_URI"),
    ],
)
def test_what_does_not_answer_comes_with_a_remedy_and_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, address: str, what: str, remedy: str
) -> None:
    monkeypatch.setattr("assay.deployments.reachable.TIMEOUT_S", 0.3)
    monkeypatch.setenv(variable, address)
    finding = findings(tmp_path)[what]
    assert not finding.ok
    assert remedy in finding.details
    assert "secret" not in finding.details


def test_a_shared_store_is_looked_at(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "shared store" not in findings(tmp_path)
    monkeypatch.setenv("ASSAY_SHARED_STORE", f"{bucket}/team")
    found = findings(tmp_path)["shared store"]
    assert found.ok
    assert found.details == f"{bucket}/team, 0 runs"
    monkeypatch.setenv("ASSAY_SHARED_STORE", "nosuch://team")
    found = findings(tmp_path)["shared store"]
    assert not found.ok
    assert "check the address" in found.details


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file", "File exists; move what is there away"),
        ("file/below", "/file: File exists; move what is there away"),
        ("x" * 300, "File name too long; use a shorter name"),
    ],
)
def test_examine_tells_of_a_store_that_cannot_be(tmp_path: Path, place: str, reason: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    found = findings(tmp_path / place)["store"]
    assert not found.ok
    assert found.needed
    assert reason in found.details
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_examine_leaves_no_store_behind(tmp_path: Path) -> None:
    assert findings(tmp_path / "not" / "yet")["store"].ok
    assert not list(tmp_path.iterdir())


def test_examine_opens_the_database_of_the_store(store: Path) -> None:
    assert findings(store)["MLflow"].ok
    whole = (store / "mlflow.db").read_bytes()
    for broken, reason in ((b"no database" * 99, "not a database"), (whole[:-20_000], "malformed")):
        (store / "mlflow.db").write_bytes(broken)
        found = findings(store)["MLflow"]
        assert not found.ok
        assert reason in found.details
        assert "restore it from a backup" in found.details


def test_examine_holds_what_the_recipe_needs_against_the_environment(tmp_path: Path) -> None:
    recipe = make_recipe(write_rows(tmp_path / "rows.jsonl", 4))
    assert "MongoDB" not in {finding.what for finding in examine(tmp_path, recipe)}
    source = {"kind": "mongo", "uri": "env:NO_SUCH_VARIABLE", "database": "d", "collection": "c"}
    values = {**recipe.model_dump(mode="json"), "source": {**source, "fields": {"text": "text", "label": "label"}}}
    values["model"] = {"encoder": "owner/name", "heads": ["sentence"], "max_length": 32}
    values["gate"] = {"min_f1": {"sentence": 0.5}}
    found = {finding.what: finding for finding in examine(tmp_path, parse_recipe(values, "test"))}
    assert not found["MongoDB"].ok
    assert found["MongoDB"].needed
    assert "NO_SUCH_VARIABLE is not set" in found["MongoDB"].details
    assert found["hub"].needed


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 1)])
def test_doctor_ends_with_1_where_something_needed_is_missing(
    store: Path, monkeypatch: pytest.MonkeyPatch, broken: bool, code: int
) -> None:
    if broken:
        (store / "mlflow.db").write_bytes(b"no database" * 99)
    assert call(monkeypatch, "doctor", "--store", store) == code
