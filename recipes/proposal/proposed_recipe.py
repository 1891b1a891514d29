"""The proposed recipe: its sections, each key with the reason for its value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.corpus.documents.annotators.recognised import NAMES
from assay.recipes.proposal.layout_parts import DocumentLayout
from assay.recipes.proposal.recipe_file import Line
from assay.recipes.proposal.row_facts import RowFacts
from assay.recipes.proposal.suitable_settings import (
    SampleScores,
    cleaning,
    entity_threshold,
    epochs,
    is_unbalanced,
    label_threshold,
    max_length,
    sentence_threshold,
    shares,
)
from assay.recipes.recipe import ENOUGH_ROWS, TEXT_LIMIT

_FIELD_COMMENTS = {
    "text": "the text",
    "text_pair": "the second text of the pair",
    "tokens": "the words",
    "tags": "a tag for each word",
    "label": "the class",
    "labels": "the labels of a row, of which any number may apply",
    "entities": "the entities: type and offsets",
    "id": "a name for the row that stays the same",
    "group": "rows of one value stay in one split",
    "time": "for split.method: time, which tests on the newest rows",
    "split": "the published split of the row",
    "slices": "F1 is reported for each value",
}
_ENTITY_COMMENTS = {
    "start": "offset of the first character",
    "end": "offset of the end",
    "end_inclusive": "the end is the last character itself",
    "offset_unit": "what offsets count",
    "label": "the type",
    "name": "the words, checked against the offsets",
    "spans": "the list of offsets in an entity",
}
_PARSE_COMMENTS = {
    "sentences": "the list of sentences of a document",
    "text": "text of a sentence",
    "entities": "entities of a sentence",
    "label": "class of a sentence",
    "labels": "labels of a sentence",
}


@dataclass(frozen=True)
class Encoder:
    """A published encoder: a local folder, or a name of the hub with its commit."""

    path: str
    revision: str | None = None


@dataclass(frozen=True)
class Proposal:
    """All that a recipe is written from."""

    name: str
    source: Mapping[str, Any]
    layout: DocumentLayout
    facts: RowFacts
    rows: int
    scores: SampleScores
    reject_share: float
    published: bool
    encoder: Encoder | None = None

    @property
    def is_small(self) -> bool:
        """Whether the rows are too few for the default limits of the data checks."""
        return self.rows < ENOUGH_ROWS


def recipe_lines(proposal: Proposal) -> list[Line]:
    """Return the lines of the recipe."""
    return [
        Line("name", proposal.name, "of runs, split ledger and model card"),
        Line("source", children=_source(proposal)),
        *_validation(proposal),
        _split(proposal),
        Line("model", children=_model(proposal)),
        *_training(proposal),
        Line("gate", children=_gate(proposal)),
        Line("registry", {"name": proposal.name}, "the registered model in MLflow"),
    ]


def _source(proposal: Proposal) -> tuple[Line, ...]:
    document_format = proposal.layout.format.model_dump(exclude_defaults=True)
    lines = [Line(key, value, _SOURCE_COMMENTS.get(key, "")) for key, value in proposal.source.items()]
    lines.append(Line("format", proposal.layout.format.format, _FORMAT_COMMENTS[proposal.layout.format.format]))
    for section, comments in _SECTIONS:
        keys = document_format.get(section, {})
        if section == "fields" and proposal.layout.format.format == "rows":
            keys = {"text": proposal.layout.format.fields.text, **keys}
        if keys:
            if section == "fields" and proposal.facts.classes and all(map(str.isdigit, proposal.facts.classes)):
                comments = {**comments, "label": "the class, a number: source.label_map can name the classes"}
            lines.append(Line(section, children=tuple(Line(key, keys[key], comments.get(key, "")) for key in keys)))
    lines += [
        Line(key, document_format[key], comment) for key, comment in _VALUE_COMMENTS.items() if key in document_format
    ]
    if proposal.reject_share > 0:
        comment = "a larger share of unreadable rows stops the run"
        lines.append(Line("max_reject_share", proposal.reject_share, comment))
    return tuple(lines)


_SECTIONS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("fields", _FIELD_COMMENTS),
    ("entity", _ENTITY_COMMENTS),
    ("parse", _PARSE_COMMENTS),
    ("annotations", {"disagreement": "of several annotators", "relations": "between entities"}),
    ("tagging", {"scheme": "scheme of the tags", "names": "names of the tags 0, 1, 2, …"}),
)
_VALUE_COMMENTS = {
    "label_separator": "stands between the labels of a cell",
    "label_map": "new names of the labels",
    "fold_labels": "classes in lower case, without surplus white space",
    "no_label": "rows with this class, or with an empty one, are left out",
}
_SOURCE_COMMENTS = {
    "file": "how the files are read",
    "annotations": "what to do with relations of brat",
    "paths": "file -> split; all: Assay splits the rows",
    "splits": "published split -> split; all: Assay splits the rows",
    "revision": "the commit, so that a rerun reads the same rows",
}
_FORMAT_COMMENTS = {
    "rows": "one object per row",
    "tokens": "words and a tag for each word",
    "parse": "documents with many sentences each",
    **{tool: f"the data are {name}" for tool, name in NAMES.items()},
}


def _validation(proposal: Proposal) -> list[Line]:
    """Return the limits of the data checks where the defaults do not suit the sample."""
    settings: list[Line] = []
    if proposal.is_small:
        comment = f"the rows are as few; {ENOUGH_ROWS} or more can show what a model is worth"
        settings.append(Line("min_rows", proposal.rows, comment))
    counts = [*proposal.facts.classes.values(), *proposal.facts.row_labels.values()]
    if counts and (fewest := min(counts)) < 5:
        settings.append(Line("min_class_rows", max(2, fewest), "the rarest class or label has as few"))
    if proposal.facts.characters > TEXT_LIMIT:
        settings.append(Line("max_text_length", 2 * proposal.facts.characters, "characters"))
    return [Line("validation", children=tuple(settings))] if settings else []


def _split(proposal: Proposal) -> Line:
    if proposal.published:
        return Line("split", {"method": "published"}, "as published; near-duplicates of test rows are not trained on")
    comment = "stratified over classes, labels and entity types"
    if proposal.layout.format.fields.group is not None:
        comment += f"; rows of one {proposal.layout.format.fields.group} together"
    return Line("split", {"method": "stratified", **shares(proposal.rows)}, comment)


def _model(proposal: Proposal) -> tuple[Line, ...]:
    heads = list(proposal.layout.heads)
    lines = [*_encoder(proposal), Line("heads", heads, _HEAD_COMMENTS[tuple(heads)])]
    facts = proposal.facts
    comment = f"tokens; {facts.words_share:.0%} of the rows have at most {facts.words} words and signs"
    lines.append(Line("max_length", max_length(facts), comment))
    if settings := cleaning(facts):
        lines.append(Line("cleaning", settings, "in training and serving alike"))
    return tuple(lines)


_HEAD_COMMENTS = {
    ("sentence",): "a class for each row",
    ("tokens",): "entities",
    ("sentence", "tokens"): "both: JointBERT",
    ("labels",): "any number of labels for each row",
    ("sentence", "labels"): "a class for each row, and any number of labels",
    ("labels", "tokens"): "any number of labels for each row, and entities",
    ("sentence", "labels", "tokens"): "a class, any number of labels, and entities",
}


def _encoder(proposal: Proposal) -> list[Line]:
    if proposal.encoder is None:
        comment = "a small model without download; better: encoder and revision"
        return [Line("scratch", {"layers": 2, "vocabulary": 4000}, comment)]
    revision = proposal.encoder.revision
    lines = [Line("encoder", proposal.encoder.path, "its weights are trained on")]
    return lines + ([Line("revision", revision, "its commit")] if revision else [])


def _training(proposal: Proposal) -> list[Line]:
    settings: list[Line] = []
    if proposal.encoder is None:
        passes = epochs(proposal.facts)
        settings.append(Line("epochs", passes, "passes; the one with the best validation F1 is kept"))
    if is_unbalanced(proposal.facts):
        counts = proposal.facts.classes
        comment = f"{max(counts, key=lambda name: counts[name])!r} is much more frequent than others"
        settings.append(Line("class_weights", "balanced", comment))
    return [Line("training", children=tuple(settings))] if settings else []


def _gate(proposal: Proposal) -> tuple[Line, ...]:
    scores = proposal.scores
    lines = []
    if "sentence" in proposal.layout.heads:
        comment = "macro-F1 of the classes"
        if scores.most_frequent is not None and scores.tfidf is not None:
            comment += (
                f"; in the sample, TF-IDF reaches {scores.tfidf:.2f}, one class for all {scores.most_frequent:.2f}"
            )
        lines.append(Line("sentence", sentence_threshold(scores), comment))
    if "labels" in proposal.layout.heads:
        comment = "macro-F1 of the labels"
        if scores.every_label is not None and scores.tfidf_labels is not None:
            comment += (
                f"; in the sample, TF-IDF reaches {scores.tfidf_labels:.2f}, every label for all rows "
                f"{scores.every_label:.2f}"
            )
        lines.append(Line("labels", label_threshold(scores), comment))
    if "tokens" in proposal.layout.heads:
        comment = "strict F1 of the entities"
        if scores.majority_tags is not None:
            comment += f"; in the sample, the most frequent tag of each word reaches {scores.majority_tags:.2f}"
        lines.append(Line("tokens", entity_threshold(scores), comment))
    return (Line("min_f1", comment="on test rows; raise it to what your model reaches", children=tuple(lines)),)
