"""Settings of how a document becomes rows, which readers and recipes share."""

from typing import Literal

from pydantic import Field

from assay.corpus.settings import StrictModel


class Fields(StrictModel):
    """Names of the fields of a document. A dotted name reaches into objects and lists: `annotations.0.result`.

    In the format `parse`, `id` is a field of the document; `group`, `time`, `split` and `slices` are read from
    the sentence if it has the field, else from the document. Sentences of one document stay in one split
    whatever their `group`, which may join several documents.
    """

    id: str | None = Field(None, description="Id of the row; without one, the position in the source is the id")
    text: str = Field("text", description="The text (format `rows`)")
    text_pair: str | None = Field(None, description="Second text, for pairs such as question and passage")
    label: str | None = Field(None, description="Class of the sentence, or a list of one; None for a token model")
    labels: str | list[str] | None = Field(
        None,
        description="Labels of which any number may apply: a field with a list (or a cell, see `label_separator`), or "
        "a list of fields that hold 0 or 1, one per label. null: the row is not labelled. None: no labels head",
    )
    entities: str | None = Field(None, description="List of entities, or a cell with one (format `rows`)")
    tokens: str = Field("tokens", description="List of words, or a cell with one (format `tokens`)")
    tags: str = Field(
        "tags", description="List of tags, one per word, or a cell with one (format `tokens`; see `source.tagging`)"
    )
    group: str | None = Field(
        None,
        description="Rows of one group stay in one split; None: in format parse, the sentences of a document are one",
    )
    time: str | None = Field(None, description="Time of the row, ISO 8601 or Unix, for a split by time")
    split: str | None = Field(None, description="Published split of the row: train, validation or test")
    slices: dict[str, str] = Field(
        default_factory=dict,
        description="Slice columns for the breakdown of metrics: name -> field, FIELD:year for the year of a time, "
        "or $part for the file or published split of the row",
    )


class EntityFields(StrictModel):
    """Names inside one entity object, and how names of entities are located in the text."""

    name: str = Field("text", description="The entity's words as they occur in the text")
    start: str = Field("start", description="Character offset of the first character")
    end: str = Field("end", description="Character offset after the last character, or of it (see end_inclusive)")
    label: str = Field("label", description="The entity's type; a list of one type is that type")
    spans: str | None = Field(
        None,
        description="List in the entity object whose objects hold name, start and end; None: it holds them itself",
    )
    offsets: str | None = Field(
        None, description="List of [start, end] in the entity object, as in BigBIO; None: start and end are fields"
    )
    offset_unit: Literal["characters", "utf16", "bytes"] = Field(
        "characters",
        description="What offsets count: characters, units of UTF-16 (JavaScript, Java), or bytes of UTF-8",
    )
    default_label: str = Field("ENTITY", description="Type of an entity without a type")
    end_inclusive: bool = Field(False, description="The end offset names the last character itself")
    occurrences: Literal["all", "first"] = Field(
        "all", description="For names without offsets: mark every occurrence or only the first"
    )
    ignore_case: bool = Field(False, description="For names without offsets: ignore case")


class ParseFields(StrictModel):
    """Names in a document of parse results, which holds a list of sentences."""

    sentences: str = Field("Parse", description="The list of sentences")
    text: str = Field("Text", description="Text of a sentence")
    entities: str = Field("Entities", description="Entities of a sentence")
    label: str = Field("sentiment", description="Class of a sentence")
    labels: str | None = Field(None, description="List of labels of a sentence; None: no labels head")
    repost: str = Field("isRepost", description="Documents where this is true are filtered out")


TagScheme = Literal["io", "iob1", "iob2", "bioes", "bilou", "bmewo"]


class Tagging(StrictModel):
    """How words and tags are read (format `tokens`)."""

    scheme: TagScheme | None = Field(
        None,
        description="Scheme of the tags, whose other tags are then rejected. None: by their prefixes, which the "
        "validation report names; `io`, in which a tag is a bare type, must be set",
    )
    names: list[str] | dict[str, str] = Field(
        default_factory=list,
        description="Names of tags that are numbers, in their order or by number: [O, B-PER, I-PER]",
    )
    join: Literal[" ", ""] = Field(" ", description="Separator between the words of the text")
    space_after: str | None = Field(
        None,
        description="List with what follows each word: true or false, Yes or No (SpaceAfter), or white space itself",
    )


class AnnotationRules(StrictModel):
    """What to do if an annotation tool stores more than a row can hold (formats of tools; relations also of brat)."""

    disagreement: Literal["reject", "first", "latest"] = Field(
        "reject",
        description="Several people annotated a text and differ: reject the row, or read the first or latest of them",
    )
    relations: Literal["reject", "ignore"] = Field(
        "reject", description="Relations between entities: reject the row, or read its entities alone"
    )


Layout = Literal["rows", "tokens", "parse", "label_studio", "doccano", "prodigy", "spacy", "argilla"]


class DocumentFormat(StrictModel):
    """Format of a document, and the fields that hold its parts."""

    format: Layout = Field(
        "rows",
        description="rows: one object per row. tokens: words and tags. parse: parse results, many sentences each. "
        "label_studio, doccano, prodigy, spacy, argilla: documents as that tool exports them, in which `fields.label` "
        "and `fields.entities` are needed only where a document has several",
    )
    fields: Fields = Fields()
    tagging: Tagging = Tagging()
    annotations: AnnotationRules = AnnotationRules()
    entity: EntityFields = EntityFields()
    parse: ParseFields = ParseFields()
    label_map: dict[str, str] = Field(
        default_factory=dict,
        description="New names of the source's labels, and of entity types that are numbers, e.g. '0': bearish",
    )
    label_separator: str | None = Field(
        None,
        min_length=1,
        description="What stands between the labels in a cell of `fields.labels`, such as ';'. An empty cell then "
        "means that no label applies. None: the field holds a list, or a cell with one as JSON, Python or numpy "
        "writes it",
    )
    fold_labels: bool = Field(
        False, description="Read classes in lower case without surplus white space, so that 'Good ' is 'good'"
    )
    no_label: list[str] = Field(
        default_factory=list,
        description="Values of a class that mean none, such as '-1' or unlabelled. Rows with them, or with an empty "
        "class, are then filtered out. Empty: a row with an empty class is rejected",
    )

    @property
    def is_of_tool(self) -> bool:
        """Whether documents are those of an annotation tool, which says itself where classes and entities are."""
        return self.format not in ("rows", "tokens", "parse")
