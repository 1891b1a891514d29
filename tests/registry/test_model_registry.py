from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.storage.object_store import SharedStore
from assay.registry.model_registry import ModelRegistry


def test_model_registry_takes_its_lease_in_the_shared_store(
    store: Path, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_SHARED_STORE", f"{bucket}/team")
    uri = f"sqlite:///{store}/mlflow.db"
    MlflowClient(tracking_uri=uri).create_registered_model("tiny")
    # given two machines with a store of their own
    machines = [ModelRegistry("tiny", uri, tmp_path / name) for name in ("one", "two")]
    # when each of them holds the lease, then the numbers rise
    numbers = []
    for registry in machines:
        with registry._lease() as lease:
            numbers.append(lease.fencing)
    assert numbers == [1, 2]
    assert SharedStore(f"{bucket}/team").names("locks/tiny", "*.json") == ["locks/tiny/000000002.json"]
    assert not (tmp_path / "one" / "locks").exists()
