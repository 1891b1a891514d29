from pathlib import Path

import pytest

from deployments.doctor import Finding, examine


def findings(store: Path) -> dict[str, Finding]:
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
        ("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9", "MLflow", "mend MLFLOW_TRACKING_URI"),
        ("MONGODB_URI", "mongodb://me:secret@127.0.0.1:9/?serverSelectionTimeoutMS=200", "MongoDB", "mend MONGODB_URI"),
    ],
)
def test_what_does_not_answer_comes_with_a_remedy_and_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, address: str, what: str, remedy: str
) -> None:
    monkeypatch.setattr("deployments.doctor.TIMEOUT_S", 0.3)
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
