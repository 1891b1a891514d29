"""How a document becomes rows: the settings that readers and recipes share."""

from typing import Literal

from pydantic import Field

from assay.corpus.settings import Closed


class Fields(Closed):
    """Names of the fields of a document. A dotted name reaches into nested objects.

    In the form `parse`, `id` is a field of the document; `group`, `time`, `split` and `slices` are read from
    the sentence where it has the field, and from the document where not. Sentences of one document stay in one split
    whatever their `group`, which may join more.
    """

    id: str | None = Field(None, description="Id of the row; without one, the position in the source is the id")
    text: str = Field("text", description="The text (form `rows`)")
    text_pair: str | None = Field(None, description="Second text, for pairs such as question and passage")
    label: str | None = Field(None, description="Class of the sentence; none for a token model")
    entities: str | None = Field(None, description="List of entities (form `rows`)")
    tokens: str = Field("tokens", description="List of words (form `tokens`)")
    tags: str = Field("tags", description="List of BIO tags, one a word (form `tokens`)")
    group: str | None = Field(
        None,
        description="Rows of one group stay in one split; none: in the form parse, the sentences of a document are one",
    )
    time: str | None = Field(None, description="Time of the row, ISO 8601, for a split by time")
    split: str | None = Field(None, description="Side the publisher put the row on: train, validation or test")
    slices: dict[str, str] = Field(
        default_factory=dict,
        description="Slice columns for the breakdown of figures: name -> field, FIELD:year for the year of a time, "
        "or $part for the file or published split that the row stands in",
    )


class EntityFields(Closed):
    """Names inside one entity object, and how entity names are found in the text."""

    name: str = Field("text", description="The entity's words as they stand in the text")
    start: str = Field("start", description="Character offset of the first character")
    end: str = Field("end", description="Character offset behind the last character, or of it (see end_inclusive)")
    label: str = Field("label", description="The entity's type; a list of one type is that type")
    spans: str | None = Field(
        None, description="List in the entity object whose objects hold name, start and end; none: it holds them itself"
    )
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


class DocumentFormat(Closed):
    """The form of a document, and where in it things stand."""

    format: Literal["rows", "tokens", "parse"] = Field(
        "rows",
        description="rows: one object a row. tokens: words and BIO tags. parse: parse results, many sentences each",
    )
    fields: Fields = Fields()
    entity: EntityFields = EntityFields()
    parse: ParseFields = ParseFields()
    label_map: dict[str, str] = Field(
        default_factory=dict, description="Names for labels as they stand in the source, e.g. '0': bearish"
    )
