"""What `assay validate` found out about a recipe and its data: ready to run, or what to fix first."""

from pydantic import BaseModel, ConfigDict, Field

from assay.corpus.documents.chunk import Counts
from assay.corpus.documents.reject_reasons import RejectReason
from assay.expectations.validation_report import CheckResult
from assay.models.encoder_access import EncoderAccess
from assay.models.truncation import Truncation


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelCount(_Frozen):
    """A class or label with its rows, or an entity type with its entities, in all and by split."""

    name: str
    total: int
    train: int = 0
    validation: int = 0
    test: int = 0


class SampleRow(_Frozen):
    """A row as the model reads it: cleaned, each entity in brackets with its type behind it in parentheses."""

    id: str
    label: str | None
    text: str
    labels: list[str] | None = Field(None, description="Those that apply of a labels head; null if not labelled")


class TagRecovery(_Frozen):
    """The share of the entities that the tags of the tokenizer's words give back."""

    entities: int
    recovered: float
    half_words: float = Field(description="Share of the entities that cut a word and count as the whole word")


class LabelMapUse(_Frozen):
    """Labels of the source that no entry of `source.label_map` names, and entries that no row has."""

    unmapped: list[str]
    unused: list[str]


class DataReport(_Frozen):
    """Result of `assay validate`. Parts are null or empty if an earlier fault made them impossible to find out."""

    recipe: str
    ready: bool
    problems: list[str] = Field(description="What to fix, the most urgent first; empty if the recipe is ready")
    command: str = Field("", description="The command that runs the recipe with the same arguments")
    source: list[str] = Field(description="What the source was taken for, one line per file")
    reading: str = Field(description="How documents become rows: the format, and the fields")
    encoder: EncoderAccess
    counts: Counts | None = Field(None, description="Documents: used, filtered, rejected; rows and rejected rows")
    rejects: list[RejectReason] = []
    splits: dict[str, int] = Field({}, description="Rows by split")
    excluded: dict[str, int] = Field({}, description="Rows in no split, by reason")
    classes: list[LabelCount] = []
    row_labels: list[LabelCount] = Field([], description="Labels of which any number may apply, with their rows")
    entity_types: list[LabelCount] = []
    samples: list[SampleRow] = []
    truncation: Truncation | None = None
    tags: TagRecovery | None = None
    tag_scheme: str | None = Field(None, description="Scheme of the tags, or each of several; null without tags")
    label_map: LabelMapUse | None = Field(None, description="Null without source.label_map")
    contradictions: int | None = Field(None, description="Rows with the text of another row and other labels")
    near_duplicates: float | None = Field(None, description="Share of rows that repeat the text of an earlier row")
    checks: list[CheckResult] = Field([], description="Checks of Great Expectations and of the tags")
    warnings: list[str] = Field([], description="Warnings of the split")
