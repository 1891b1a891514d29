"""A recipe from the data: read a sample, decide what its fields are for, and write the file."""

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from assay.corpus.documents.annotators.several_people import joined
from assay.corpus.documents.document_reader import DocumentReader, Reject
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.reject_reasons import RejectReason, count_reasons
from assay.corpus.documents.remedies import remedy_of
from assay.corpus.errors import AssayError, DataError
from assay.corpus.example import Example
from assay.corpus.plural import counted
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import check_sentences, find_files, have_line_of_names, recognised_escape
from assay.corpus.sources.folders import is_brat
from assay.corpus.sources.hub import newest_commit, published_names
from assay.corpus.splits import SPLIT_NAMES
from assay.corpus.storage.atomic import atomic_path
from assay.evaluation.sample_baselines import class_baselines, entity_baseline, row_label_baselines
from assay.recipes.loader import parse_recipe
from assay.recipes.proposal.data_address import named_splits, published_splits, recipe_name, source_at
from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_roles import FEWEST_ROWS, Choices
from assay.recipes.proposal.layout_parts import DocumentLayout
from assay.recipes.proposal.proposed_recipe import Encoder, Proposal, recipe_lines
from assay.recipes.proposal.questions import argument
from assay.recipes.proposal.recipe_file import recipe_text
from assay.recipes.proposal.row_facts import facts_of
from assay.recipes.proposal.sample_parts import (
    SamplePart,
    check_fields_everywhere,
    check_first_line,
    check_parts_agree,
)
from assay.recipes.proposal.source_settings import READING, check_settings
from assay.recipes.proposal.suitable_settings import SampleScores
from assay.recipes.recipe import ENOUGH_ROWS
from assay.recipes.source_section import Source
from assay.recipes.yaml_values import read_yaml
from assay.runs.source_access import open_source, source_name

# A sample of this many documents per file or published split shows the fields; more would take longer and show no more.
SAMPLE = 10_000
MOST_REJECTED = 0.1
MOST_SHOWN = 3


@dataclass(frozen=True)
class Sample:
    """Documents of a source, in equal shares of its files or published splits."""

    source: Mapping[str, Any]
    parts: Sequence[SamplePart]
    whole: bool  # whether these are all documents

    @cached_property
    def documents(self) -> list[Document]:
        """The documents of all parts."""
        return [document for part in self.parts for document in part.documents]

    @cached_property
    def invalid(self) -> list[InvalidRow]:
        """The rows of all parts that could not be read."""
        return [row for part in self.parts for row in part.invalid]

    @property
    def values(self) -> list[Mapping[str, Any]]:
        """The documents as mappings."""
        return [document.values for document in self.documents]


@dataclass(frozen=True)
class ProposedRecipe:
    """A recipe that was written, and what it was decided by."""

    path: Path
    proposal: Proposal
    sample: Sample
    rejects: Sequence[Reject]
    left_out: int  # rows without a class

    @property
    def reject_reasons(self) -> list[RejectReason]:
        """The most frequent reasons for which rows could not be read."""
        return _reasons(self.sample, self.rejects, most=3)


def propose_recipe(
    address: str,
    output: Path | None = None,
    *,
    name: str | None = None,
    choices: Choices = Choices(),  # noqa: B008  # frozen
    encoder: Encoder | None = None,
    config: str | None = None,
    overwrite: bool = False,
) -> ProposedRecipe:
    """Write a recipe for the data at an address.

    Args:
        address: a file, folder, glob, collection or hub data set.
        output: file to write. None: NAME.yaml in the current folder.
        name: name of recipe and registered model. None: after the address.
        choices: fields whose role the user has decided.
        encoder: a published encoder. None: a small model from scratch.
        config: configuration of a hub data set.
        overwrite: whether to replace an existing file.

    Raises:
        AmbiguousError: the data can be read in more than one way; the error asks which.
        AssayError: the data cannot be read, or the file exists.
    """
    name = name or recipe_name(address)
    output = output or Path(f"{name}.yaml")
    if output.exists() and not overwrite:
        raise AssayError(f"{output} exists; choose another --output or --name, or add --overwrite")
    source = source_at(address)
    check_settings(source["kind"], choices.settings)
    if "annotations" in choices.settings and _is_brat(source):
        # The rules decide which texts of a folder are rows, whose documents are those of no annotation tool.
        source |= {"annotations": choices.settings["annotations"]}
        choices = replace(choices, settings=_without(choices.settings, "annotations"))
    source |= {key: choices.settings[key] for key in READING if key in choices.settings}
    if config is not None and source["kind"] != "hub":
        raise AssayError(f"--config is for data sets of the hub, but {address} is none; leave it out")
    sample = read_sample(source, config)
    if not sample.documents:
        raise DataError(_nothing_read(sample))
    layout = _layout(sample, choices)
    rows, rejects, left_out = _read_rows(sample, layout)
    proposal = _proposal(name, sample, layout, rows, len(rejects) + len(sample.invalid), encoder)
    if sample.whole:
        _check_rows(proposal)
        _check_rarest(proposal)
    _write(output, address, proposal)
    return ProposedRecipe(output, proposal, sample, rejects, left_out)


def read_sample(source: Mapping[str, Any], config: str | None = None) -> Sample:
    """Return a sample of the documents of a source, with what the source shows of itself.

    A hub data set gets its newest commit and its published splits, and tables get the character that escapes others.

    Raises:
        AssayError: the source cannot be read.
    """
    if source["kind"] == "hub":
        source = _pinned({**source, **({"config": config} if config else {})})
    if source["kind"] == "files":
        files, settings = list(find_files(source["paths"])), FileSettings.model_validate(source.get("file", {}))
        check_sentences(files, settings)
        # The recipe holds it for all files: those that show it and those whose first rows happen not to.
        if settings.escape is None and (escape := recognised_escape(files, settings)) is not None:
            source = {**source, "file": {**source.get("file", {}), "escape": escape}}
    parts: list[SamplePart] = []
    whole = True
    for name, section in _sections(source):
        taken = list(itertools.islice(open_source(section, [], check_format=False), SAMPLE + 1))
        whole = whole and len(taken) <= SAMPLE
        documents = [item for item in taken[:SAMPLE] if isinstance(item, Document) and not item.filtered]
        invalid = [item for item in taken[:SAMPLE] if isinstance(item, InvalidRow)]
        parts.append(SamplePart(name, documents, invalid))
    return Sample(source, parts, whole)


def _layout(sample: Sample, choices: Choices) -> DocumentLayout:
    """Return the layout of the sample, whose parts must agree.

    Raises:
        AmbiguousError: the sample can be read in more than one way.
        AssayError: the parts differ in their fields, there is no text, or nothing to learn.
    """
    check_parts_agree(sample.parts)
    if sample.source["kind"] == "files" and choices.text is None:
        settings = FileSettings.model_validate(sample.source.get("file", {}))
        for part in sample.parts:
            if part.documents and have_line_of_names(find_files({part.name: "all"}), settings):
                check_first_line(part)
    layout = find_layout(sample.values, choices)
    check_fields_everywhere(sample.parts, layout)
    return layout


def _is_brat(source: Mapping[str, Any]) -> bool:
    files = find_files(source["paths"]) if source["kind"] == "files" else ()
    return any(map(is_brat, files))


def _without(settings: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != key}


def _pinned(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section of a hub data set with its commit and its published splits."""
    path, revision = source["path"], source.get("revision")
    if revision is None and not Path(path).expanduser().exists():
        revision = newest_commit(path)
    names = published_names(path, revision, source.get("config"))
    splits = published_splits(named_splits(names)) or dict.fromkeys(names, "all")
    return {**source, **({"revision": revision} if revision else {}), "splits": splits}


def _sections(source: Mapping[str, Any]) -> Iterator[tuple[str, Source]]:
    """Yield name and section of each file or published split."""
    key = {"files": "paths", "hub": "splits"}.get(source["kind"])
    adapter: TypeAdapter[Source] = TypeAdapter(Source)
    if key is None:
        section = adapter.validate_python(source)
        limit = min(section.limit or SAMPLE + 1, SAMPLE + 1)
        yield source_name(section), section.model_copy(update={"limit": limit})
        return
    for name, split in source[key].items():
        yield name, adapter.validate_python({**source, key: {name: split}})


def _read_rows(sample: Sample, layout: DocumentLayout) -> tuple[list[Example], list[Reject], int]:
    """Read the sample as the recipe will; return rows, rejects, and the number of rows without a class.

    Raises:
        DataError: more rows are rejected than a recipe should accept.
    """
    heads = layout.heads
    reader = DocumentReader(
        layout.format,
        needs_label="sentence" in heads,
        needs_entities="tokens" in heads,
        needs_labels="labels" in heads,
    )
    rows: list[Example] = []
    rejects: list[Reject] = []
    form = layout.format
    for document in joined(lambda: sample.documents, form.format, form.fields):
        if isinstance(document, InvalidRow):
            continue
        examples, refused = reader.read(document)
        rows += examples
        rejects += refused
    refused_rows = len(rejects) + len(sample.invalid)
    most = float(sample.source.get("max_reject_share", MOST_REJECTED))
    if refused_rows > most * (len(rows) + refused_rows):
        raise DataError(_too_many_rejects(sample, rows, rejects))
    if not rows:
        raise DataError("no row of the sample has a class; name the field that holds it with --label FIELD")
    return rows, rejects, reader.no_label


def _proposal(
    name: str, sample: Sample, layout: DocumentLayout, rows: Sequence[Example], rejected: int, encoder: Encoder | None
) -> Proposal:
    most_frequent, tfidf = (class_baselines(rows) if "sentence" in layout.heads else None) or (None, None)
    every_label, tfidf_labels = (row_label_baselines(rows) if "labels" in layout.heads else None) or (None, None)
    tags = entity_baseline(rows) if "tokens" in layout.heads else None
    scores = SampleScores(most_frequent, tfidf, tags, every_label, tfidf_labels)
    facts = facts_of(rows)
    share = rejected / (rejected + len(rows))
    is_set = "max_reject_share" in sample.source
    return Proposal(
        name=name,
        source=sample.source,
        layout=layout,
        facts=facts,
        rows=len(rows),
        scores=scores,
        # The user's own share is among the keys of the source.
        reject_share=math.ceil(share * 100 + 1) / 100 if share > 0.005 and not is_set else 0.0,
        published="train" in facts.splits and len(facts.splits) > 1,
        encoder=encoder,
    )


def _check_rarest(proposal: Proposal) -> None:
    """Refuse classes and labels of one row, which can be trained or tested, but not both.

    The remedy keeps the names that the user has already left out, since `--set` replaces a list.

    Raises:
        DataError: there is one.
    """
    counts = proposal.facts.classes + proposal.facts.row_labels
    if single := [name for name, count in counts.items() if count == 1]:
        shown, more = ", ".join(single[:MOST_SHOWN]), len(single) - MOST_SHOWN
        names = [*filter(None, proposal.layout.format.no_label), *single[:MOST_SHOWN]]
        leave_out = argument(f"source.no_label={json.dumps(names, ensure_ascii=False)}")
        others = f" and {more} more" if more > 0 else ""
        raise DataError(
            f"one row alone has {shown}{others}: too few to train and to test; add rows, leave such rows out (--set "
            f"{leave_out}), or merge classes (--set source.label_map=...)"
        )


def _check_rows(proposal: Proposal) -> None:
    """Refuse so few rows that training, validation and test rows cannot be told apart.

    Raises:
        DataError: there are as few.
    """
    if proposal.rows < FEWEST_ROWS:
        raise DataError(
            f"{proposal.rows} {'row is' if proposal.rows == 1 else 'rows are'} too few to train and to test on: add "
            f"rows, {FEWEST_ROWS} at least to try a recipe out, and {ENOUGH_ROWS} or more to test a model"
        )
    counts = proposal.facts.classes.values()
    if counts and 1 < max(counts) < len(SPLIT_NAMES) and not proposal.published:
        raise DataError(
            "no class has a row for each of training, validation and test: add rows, 3 for each class at least"
        )


def _write(output: Path, address: str, proposal: Proposal) -> None:
    """Write the recipe, which must load: nothing is left if it does not."""
    head = [f"Written by assay init {address}. Every other key has a default: see the reference of recipes.",
            f"  assay validate {output}", f"  assay run {output}"]  # fmt: skip
    text = recipe_text(head, recipe_lines(proposal))
    parse_recipe(read_yaml(text), str(output))
    with atomic_path(output) as partial:
        partial.write_text(text, encoding="utf-8")


def _nothing_read(sample: Sample) -> str:
    names = ", ".join(part.name for part in sample.parts[:MOST_SHOWN])
    if sample.invalid:
        first = sample.invalid[0]
        return f"{names}: no row could be read; row {first.id}: {first.reason}; {remedy_of(first.reason)}"
    return f"{names}: there are no rows to look at; name data with rows"


def _too_many_rejects(sample: Sample, rows: Sequence[Example], rejects: Sequence[Reject]) -> str:
    [reason] = _reasons(sample, rejects, most=1)
    count = len(rejects) + len(sample.invalid)
    return (
        f"{count} of {counted(len(rows) + count, 'row')} of the sample cannot be read, most often ({reason.count}): "
        f"{reason.example}; {reason.remedy}"
    )


def _reasons(sample: Sample, rejects: Sequence[Reject], most: int) -> list[RejectReason]:
    reasons = [(row_id, reason) for row_id, reason, _ in rejects] + [(row.id, row.reason) for row in sample.invalid]
    return count_reasons(reasons, most)
