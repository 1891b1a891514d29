"""Where rows come from and how a document becomes rows."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Closed(BaseModel):
    """Base of every part of a recipe: no unknown keys, no change after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Fields(Closed):
    """Names of the fields of a document. A dotted name reaches into nested objects."""

    id: str | None = Field(None, description="Id of the row; without one, the position in the source is the id")
    text: str = Field("text", description="The text (form `rows`)")
    text_pair: str | None = Field(None, description="Second text, for pairs such as question and passage")
    label: str | None = Field(None, description="Class of the sentence; none for a token model")
    entities: str | None = Field(None, description="List of entities (form `rows`)")
    tokens: str = Field("tokens", description="List of words (form `tokens`)")
    tags: str = Field("tags", description="List of BIO tags, one a word (form `tokens`)")
    group: str | None = Field(None, description="Rows of one group stay on one side of the split")
    time: str | None = Field(None, description="Time of the row, ISO 8601, for a split by time")
    split: str | None = Field(None, description="Side the publisher put the row on: train, validation or test")
    slices: dict[str, str] = Field(
        default_factory=dict, description="Slice columns for the breakdown of figures: name -> field"
    )


class EntityFields(Closed):
    """Names inside one entity object, and how entity names are found in the text."""

    name: str = Field("text", description="The entity's words as they stand in the text")
    start: str = Field("start", description="Character offset of the first character")
    end: str = Field("end", description="Character offset behind the last character, or of it (see end_inclusive)")
    label: str = Field("label", description="The entity's type")
    default_label: str = Field("ENTITY", description="Type of an entity that states none")
    end_inclusive: bool = Field(False, description="The end offset names the last character itself")
    occurrences: Literal["all", "first"] = Field(
        "all", description="Where a name has no offsets: mark every occurrence or the first only"
    )
    ignore_case: bool = Field(False, description="Where a name has no offsets: find it in any case")


class ParseFields(Closed):
    """Names in a document of parse results, which holds a list of sentences."""

    sentences: str = Field("Parse", description="The list of sentences")
    text: str = Field("Text", description="Text of a sentence")
    entities: str = Field("Entities", description="Entities of a sentence")
    label: str = Field("sentiment", description="Class of a sentence")
    repost: str = Field("isRepost", description="Documents in which this is true are filtered out")


class SourceBase(Closed):
    """What every kind of source has."""

    form: Literal["rows", "tokens", "parse"] = Field(
        "rows",
        description="rows: one object a row. tokens: words and BIO tags. parse: parse results, many sentences each",
    )
    fields: Fields = Fields()
    entity: EntityFields = EntityFields()
    parse: ParseFields = ParseFields()
    label_map: dict[str, str] = Field(
        default_factory=dict, description="Names for labels as they stand in the source, e.g. '0': bearish"
    )
    max_reject_share: float = Field(
        0.01, ge=0, le=1, description="Largest share of rejected rows; above it the run stops"
    )
    limit: int | None = Field(None, ge=1, description="Read at most so many documents (for a first try)")


class MongoSource(SourceBase):
    """A MongoDB collection."""

    kind: Literal["mongo"]
    uri: str = Field(
        "env:MONGODB_URI",
        description="Where the address stands, never the address with a password itself: "
        "env:VARIABLE, block:NAME (a Prefect Secret block), or a mongodb:// address without credentials",
    )
    database: str
    collection: str
    filter: dict[str, Any] = Field(
        default_factory=dict, description="Server-side filter; operators only from the allow-list"
    )
    batch_size: int = Field(1000, ge=1, description="Documents the server sends at once")
    timeout_s: float = Field(30, gt=0, description="Seconds until an unreachable server is an error")

    @model_validator(mode="after")
    def _no_password_in_recipe(self) -> "MongoSource":
        if self.uri.startswith(("mongodb://", "mongodb+srv://")) and "@" in self.uri:
            raise ValueError(
                "source.uri holds credentials, which would be stored with every run; "
                "put the address into an environment variable and write env:VARIABLE"
            )
        return self


class HubSource(SourceBase):
    """A data set of the Hugging Face hub, or a local folder that `datasets` can load."""

    kind: Literal["hub"]
    path: str = Field(description="owner/name on the hub, or a local folder")
    revision: str | None = Field(None, description="Commit of the hub data set; needed for a hub name")
    config: str | None = Field(None, description="Configuration name")
    splits: dict[str, Literal["train", "validation", "test", "all"]] = Field(
        default_factory=dict,
        description="Published split -> our side; `all` lets Assay split it. Empty: every published split, as all",
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

    kind: Literal["files"]
    paths: dict[str, Literal["train", "validation", "test", "all"]] = Field(
        min_length=1, description="File or glob -> side; `all` lets Assay split it"
    )


Source = Annotated[MongoSource | HubSource | FilesSource, Field(discriminator="kind")]
