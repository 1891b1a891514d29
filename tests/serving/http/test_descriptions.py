"""The described responses hold exactly the keys of real ones: a key that is missing from a schema is no contract."""

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from assay.serving.http.descriptions import (
    ErrorResponse,
    IndexEntry,
    LiveResponse,
    MetadataResponse,
    ModelReadyResponse,
    ModelResponse,
    ReadyResponse,
    ServerResponse,
    TensorResponse,
)


@pytest.mark.parametrize(
    ("path", "described"),
    [
        ("/model", ModelResponse),
        ("/v2", ServerResponse),
        ("/v2/models/toy", MetadataResponse),
        ("/v2/models/toy/ready", ModelReadyResponse),
        ("/v2/health/ready", ReadyResponse),
        ("/v2/health/live", LiveResponse),
        ("/v2/models/other", ErrorResponse),
    ],
)
def test_responses_have_the_described_keys(client: TestClient, path: str, described: type[BaseModel]) -> None:
    content = client.get(path).json()
    described.model_validate(content)
    optional = {name for name, field in described.model_fields.items() if not field.is_required()}
    assert set(described.model_fields) - optional <= set(content) <= set(described.model_fields)


def test_tensors_and_index_entries_have_the_described_keys(client: TestClient) -> None:
    metadata = client.get("/v2/models/toy").json()
    for tensor in (*metadata["inputs"], *metadata["outputs"]):
        assert set(tensor) == set(TensorResponse.model_fields)
    for entry in client.post("/v2/repository/index").json():
        assert set(entry) == set(IndexEntry.model_fields)


def test_error_responses_name_the_faulty_row(client: TestClient) -> None:
    response = client.post("/predict", json={"texts": ["good", " "]})
    assert ErrorResponse.model_validate(response.json()).row == 1
