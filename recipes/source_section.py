"""The source section of a recipe: where documents come from and how they become rows."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.sources.extended_json import MongoFilter
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.mongo import filter_error
from assay.corpus.sources.row_filter import row_filter_error
from assay.recipes.bounds import MOST_ROWS

PARSE_REMEDIES = {
    "label": "name it in source.parse.label",
    "labels": "name them in source.parse.labels",
    "entities": "name them in source.parse.entities",
    "text_pair": "pairs need the format rows or tokens",
}


class SourceBase(DocumentFormat):
    """The keys that every kind of source has."""

    max_reject_share: float = Field(
        0.01, ge=0, le=1, description="Maximum share of rejected rows; a larger share stops the run"
    )
    limit: int | None = Field(
        None,
        ge=1,
        le=MOST_ROWS,
        description="Maximum number of documents to read, the first that pass the filter, for a first try; those "
        "of one text count once. Of published splits, these may be of one alone. None: all",
    )

    @model_validator(mode="after")
    def _fields_suit_the_format(self) -> Self:
        """Refuse a field that the document format would silently ignore."""
        if self.format == "parse":
            for name, remedy in PARSE_REMEDIES.items():
                if getattr(self.fields, name) is not None:
                    raise ValueError(f"source.fields.{name} is not read in the format parse; {remedy}")
        return self


class MongoSource(SourceBase):
    """A MongoDB collection."""

    kind: Literal["mongo"] = Field(description="Read a MongoDB collection")
    uri: str = Field(
        "env:MONGODB_URI",
        description="Where to read the address: env:VARIABLE, block:NAME (a Prefect Secret block), or a mongodb:// "
        "address without credentials. An address with a password is refused",
    )
    database: str = Field(description="Name of the database")
    collection: str = Field(description="Name of the collection")
    filter: MongoFilter = Field(
        default_factory=dict,
        description="Server-side filter. Only operators of the allow-list are accepted. Dates are written as YAML "
        "dates, other MongoDB values in extended JSON ({$oid: …})",
    )
    batch_size: int = Field(1000, ge=1, le=1_000_000, description="Documents per batch from the server")
    timeout_s: float = Field(30, gt=0, le=3600, description="Seconds to wait for the server before the run fails")

    @model_validator(mode="after")
    def _no_password_in_recipe(self) -> "MongoSource":
        if "@" in self.uri:
            raise ValueError(
                "source.uri holds credentials, which would be stored with every run; "
                "put the address in an environment variable and write env:VARIABLE"
            )
        return self

    @model_validator(mode="after")
    def _filter_is_harmless(self) -> "MongoSource":
        if refusal := filter_error(self.filter, "source.filter"):
            raise ValueError(refusal)
        return self


class FilteredSource(SourceBase):
    """The keys of sources that are filtered row by row as they are read."""

    filter: MongoFilter = Field(
        default_factory=dict,
        description="Only rows with these values of fields, such as {lang: en, label: {$in: [a, b]}}; also $ne, $nin "
        "and $exists. The others are counted as filtered",
    )

    @model_validator(mode="after")
    def _filter_can_be_applied(self) -> Self:
        if refusal := row_filter_error(self.filter, "source.filter"):
            raise ValueError(refusal)
        return self


class HubSource(FilteredSource):
    """A data set on the Hugging Face hub, or a local folder that `datasets` can load."""

    kind: Literal["hub"] = Field(description="Read a Hugging Face data set")
    path: str = Field(description="owner/name on the hub, or a local folder")
    revision: str | None = Field(None, description="Commit of the hub data set; required for a hub name")
    config: str | None = Field(None, description="Configuration of the data set. None: its default")
    splits: dict[str, Literal["train", "validation", "test", "all"]] = Field(
        default_factory=dict,
        description="Published split -> train, validation or test; `all` lets Assay split the rows. Empty: every "
        "published split, as all",
    )
    files: dict[str, str] = Field(
        default_factory=dict,
        description="Name -> file of the data set (.jsonl, .csv, .parquet), read as a split of that name instead of "
        "the published splits. Empty: the published splits",
    )

    @model_validator(mode="after")
    def _hub_names_are_pinned(self) -> "HubSource":
        if self.revision is None and not Path(self.path).expanduser().exists():
            raise ValueError(
                f"source.path {self.path!r} is not a local folder, and a hub data set needs source.revision "
                "(the commit), so that a rerun reads the same rows"
            )
        return self


class FilesSource(FilteredSource):
    """Files and folders of rows, recognised by their content; see `source.file`."""

    kind: Literal["files"] = Field(description="Read files")
    paths: dict[str, Literal["train", "validation", "test", "all"]] = Field(
        min_length=1,
        description="File, folder, glob or s3://… -> train, validation or test; `all` lets Assay split the rows",
    )
    file: FileSettings = FileSettings()


def _any_of(schema: dict[str, Any]) -> None:
    """Replace `oneOf` by `anyOf`, since Prefect's forms show `oneOf` as a single JSON field."""
    schema["anyOf"] = schema.pop("oneOf")


Source = Annotated[MongoSource | HubSource | FilesSource, Field(discriminator="kind", json_schema_extra=_any_of)]
