"""Where rows come from and how a document becomes rows."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.sources.extended_json import MongoFilter
from assay.corpus.sources.mongo import refusal_of
from assay.recipes.bounds import MOST_ROWS

IN_SENTENCES = {
    "label": "name it in source.parse.label",
    "entities": "name them in source.parse.entities",
    "text_pair": "pairs need the form rows or tokens",
}


class SourceBase(DocumentFormat):
    """What every kind of source has."""

    max_reject_share: float = Field(
        0.01, ge=0, le=1, description="Largest share of rejected rows; above it the run stops"
    )
    limit: int | None = Field(None, ge=1, le=MOST_ROWS, description="Read at most so many documents (for a first try)")

    @model_validator(mode="after")
    def _fields_go_with_the_form(self) -> Self:
        """A name that the form does not read would be ignored in silence."""
        if self.format == "parse":
            for name, instead in IN_SENTENCES.items():
                if getattr(self.fields, name) is not None:
                    raise ValueError(f"source.fields.{name} is not read in the form parse; {instead}")
        return self


class MongoSource(SourceBase):
    """A MongoDB collection."""

    kind: Literal["mongo"] = Field(description="Read a MongoDB collection")
    uri: str = Field(
        "env:MONGODB_URI",
        description="Where the address stands, never the address with a password itself: "
        "env:VARIABLE, block:NAME (a Prefect Secret block), or a mongodb:// address without credentials",
    )
    database: str = Field(description="Name of the database")
    collection: str = Field(description="Name of the collection")
    filter: MongoFilter = Field(
        default_factory=dict,
        description="Server-side filter; operators only from the allow-list, dates as YAML has them, other values of "
        "MongoDB in extended JSON ({$oid: …})",
    )
    batch_size: int = Field(1000, ge=1, le=1_000_000, description="Documents the server sends at once")
    timeout_s: float = Field(30, gt=0, le=3600, description="Seconds until an unreachable server is an error")

    @model_validator(mode="after")
    def _no_password_in_recipe(self) -> "MongoSource":
        if "@" in self.uri:
            raise ValueError(
                "source.uri holds credentials, which would be stored with every run; "
                "put the address into an environment variable and write env:VARIABLE"
            )
        return self

    @model_validator(mode="after")
    def _filter_is_harmless(self) -> "MongoSource":
        if refusal := refusal_of(self.filter, "source.filter"):
            raise ValueError(refusal)
        return self


class HubSource(SourceBase):
    """A data set of the Hugging Face hub, or a local folder that `datasets` can load."""

    kind: Literal["hub"] = Field(description="Read a Hugging Face data set")
    path: str = Field(description="owner/name on the hub, or a local folder")
    revision: str | None = Field(None, description="Commit of the hub data set; needed for a hub name")
    config: str | None = Field(None, description="Configuration name")
    splits: dict[str, Literal["train", "validation", "test", "all"]] = Field(
        default_factory=dict,
        description="Published split -> our side; `all` lets Assay split it. Empty: every published split, as all",
    )
    files: dict[str, str] = Field(
        default_factory=dict,
        description="Name -> file of the data set (.jsonl, .csv, .parquet): read as splits of those names in place of "
        "the published ones. Empty: the published ones",
    )

    @model_validator(mode="after")
    def _hub_names_are_pinned(self) -> "HubSource":
        if self.revision is None and not Path(self.path).expanduser().exists():
            raise ValueError(
                f"source.path {self.path!r} is no local folder, and a hub data set needs source.revision "
                "(the commit), so that a rerun reads the same rows"
            )
        return self


class FilesSource(SourceBase):
    """JSONL, CSV or Parquet files, each possibly gzipped (.gz)."""

    kind: Literal["files"] = Field(description="Read files")
    paths: dict[str, Literal["train", "validation", "test", "all"]] = Field(
        min_length=1, description="File, glob or s3://… -> side; `all` lets Assay split it"
    )


def _any_of(schema: dict[str, Any]) -> None:
    """Prefect's forms know `anyOf` alone, and would show `oneOf` as one field of JSON."""
    schema["anyOf"] = schema.pop("oneOf")


Source = Annotated[MongoSource | HubSource | FilesSource, Field(discriminator="kind", json_schema_extra=_any_of)]
