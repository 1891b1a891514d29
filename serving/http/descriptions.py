"""Schemas of the responses without predictions, for the OpenAPI document."""

from typing import Any

from pydantic import BaseModel, RootModel

from assay.serving.http.requests import TextRow


class ErrorResponse(BaseModel):
    """The error of a refused request; `row` is the number of the faulty row, if there is one."""

    error: str
    row: int | None = None


class RefusedResponse(BaseModel):
    """A newer version that may not serve; `again` if every poll tries it again."""

    version: str | None
    digest: str | None
    reason: str
    at: str
    again: bool


class DecisionResponse(BaseModel):
    """What a model leaves to people; `threshold` is null if that is every prediction."""

    promise: str
    threshold: float | None
    by_class: dict[str, float]


class ModelResponse(BaseModel):
    """The active model."""

    name: str
    version: str | None
    digest: str
    alias: str | None
    labels: list[str]
    row_labels: list[str]
    entity_types: list[str]
    pair: bool
    precision: str
    decisions: dict[str, DecisionResponse]
    max_length: int
    metrics: dict[str, float]
    examples: list[TextRow]
    degraded: bool
    refused: RefusedResponse | None
    models: list[str]


class ServerResponse(BaseModel):
    """Metadata of the server."""

    name: str
    version: str
    extensions: list[str]


class TensorResponse(BaseModel):
    """Metadata of a tensor; -1 is a size that a request decides."""

    name: str
    datatype: str
    shape: list[int]


class MetadataResponse(BaseModel):
    """Metadata of a model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorResponse]
    outputs: list[TensorResponse]
    parameters: dict[str, Any]


class ModelReadyResponse(BaseModel):
    """Whether a model is ready."""

    name: str
    ready: bool


class ReadyResponse(BaseModel):
    """Whether the server is ready."""

    ready: bool


class LiveResponse(BaseModel):
    """Whether the process is alive."""

    live: bool


class IndexEntry(BaseModel):
    """A model of the repository, and its state."""

    name: str
    version: str
    state: str
    reason: str


class IndexResponse(RootModel[list[IndexEntry]]):
    """All models of the repository."""
