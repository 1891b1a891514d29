"""A recipe from the data: read a sample, decide what its fields are for, and write the file."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from assay.corpus.documents.annotators.several_people import joined
from assay.corpus.documents.document_reader import DocumentReader, Reject
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.reject_reasons import count_reasons
from assay.corpus.documents.remedies import remedy_of
from assay.corpus.errors import AssayError, DataError
from assay.corpus.example import Example
from assay.corpus.sources.hub import newest_commit, published_names
from assay.corpus.storage.atomic import atomic_path
from assay.evaluation.sample_baselines import class_baselines, entity_baseline, row_label_baselines
from assay.recipes.loader import load_recipe
from assay.recipes.proposal.data_address import published_splits, recipe_name, source_at, split_of_name
from assay.recipes.proposal.document_layout import DocumentLayout, find_layout
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.proposed_recipe import Encoder, Proposal, recipe_lines
from assay.recipes.proposal.recipe_file import recipe_text
from assay.recipes.proposal.row_facts import facts_of
from assay.recipes.proposal.suitable_settings import SampleScores
from assay.recipes.source_section import Source
from assay.runs.source_access import open_source, source_name

# A sample of this many documents per file or published split shows the fields; more would take longer and show no more.
SAMPLE = 10_000
MOST_REJECTED = 0.1


@dataclass(frozen=True)
class Sample:
    """Documents of a source, in equal shares of its files or published splits."""

    source: Mapping[str, Any]
    documents: Sequence[Document]
    invalid: Sequence[InvalidRow]
    whole: bool  # whether these are all documents

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


def propose_recipe(
    address: str,
    output: Path | None = None,
    *,
    name: str | None = None,
    choices: Choices = Choices(),  # noqa: B008  # frozen
    encoder: Encoder | None = None,
    config: str | None = None,
    encoding: str | None = None,
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
        encoding: encoding of files that are not UTF-8.
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
    if encoding is not None and source["kind"] == "files":
        source["file"] = {"encoding": encoding}
    sample = read_sample(source, config)
    if not sample.documents:
        raise DataError(_nothing_read(sample))
    layout = find_layout(sample.values, choices)
    rows, rejects = _read_rows(sample, layout)
    proposal = _proposal(name, sample, layout, rows, len(rejects) + len(sample.invalid), encoder)
    _write(output, address, proposal)
    return ProposedRecipe(output, proposal, sample, rejects)


def read_sample(source: Mapping[str, Any], config: str | None = None) -> Sample:
    """Return a sample of the documents of a source; a hub data set gets its newest commit and its published splits.

    Raises:
        AssayError: the source cannot be read.
    """
    if source["kind"] == "hub":
        source = _pinned({**source, **({"config": config} if config else {})})
    documents: list[Document] = []
    invalid: list[InvalidRow] = []
    whole = True
    for part in _parts(source):
        taken = list(itertools.islice(open_source(part, [], check_format=False), SAMPLE + 1))
        whole = whole and len(taken) <= SAMPLE
        documents += [item for item in taken[:SAMPLE] if isinstance(item, Document)]
        invalid += [item for item in taken[:SAMPLE] if isinstance(item, InvalidRow)]
    return Sample(source, documents, invalid, whole)


def _pinned(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section of a hub data set with its commit and its published splits."""
    path, revision = source["path"], source.get("revision")
    if revision is None and not Path(path).expanduser().exists():
        revision = newest_commit(path)
    names = published_names(path, revision, source.get("config"))
    splits = published_splits({name: split_of_name(name) or "all" for name in names}) or dict.fromkeys(names, "all")
    return {**source, **({"revision": revision} if revision else {}), "splits": splits}


def _parts(source: Mapping[str, Any]) -> Iterator[Source]:
    """Yield a section for each file or published split."""
    key = {"files": "paths", "hub": "splits"}.get(source["kind"])
    for choice in [source] if key is None else [{**source, key: {name: split}} for name, split in source[key].items()]:
        limit = {} if key else {"limit": SAMPLE + 1}
        section: Source = TypeAdapter(Source).validate_python({**choice, **limit})
        yield section


def _read_rows(sample: Sample, layout: DocumentLayout) -> tuple[list[Example], list[Reject]]:
    """Read the sample as the recipe will.

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
    for document in joined(lambda: sample.documents, form.format, form.fields.text):
        if isinstance(document, InvalidRow):
            continue
        examples, refused = reader.read(document)
        rows += examples
        rejects += refused
    refused_rows = len(rejects) + len(sample.invalid)
    if refused_rows > MOST_REJECTED * (len(rows) + refused_rows):
        raise DataError(_too_many_rejects(sample, rows, rejects))
    return rows, rejects


def _proposal(
    name: str, sample: Sample, layout: DocumentLayout, rows: Sequence[Example], rejected: int, encoder: Encoder | None
) -> Proposal:
    most_frequent, tfidf = (class_baselines(rows) if "sentence" in layout.heads else None) or (None, None)
    every_label, tfidf_labels = (row_label_baselines(rows) if "labels" in layout.heads else None) or (None, None)
    tags = entity_baseline(rows) if "tokens" in layout.heads else None
    scores = SampleScores(most_frequent, tfidf, tags, every_label, tfidf_labels)
    facts = facts_of(rows)
    share = rejected / (rejected + len(rows))
    return Proposal(
        name=name,
        source=sample.source,
        layout=layout,
        facts=facts,
        rows=len(rows),
        scores=scores,
        reject_share=math.ceil(share * 100 + 1) / 100 if share > 0.005 else 0.0,
        published={"train", "test"} <= set(facts.splits),
        encoder=encoder,
    )


def _write(output: Path, address: str, proposal: Proposal) -> None:
    """Write the recipe, which must load: nothing is left if it does not."""
    head = [f"Written by assay init {address}. Every other key has a default: see the reference of recipes.",
            f"  assay validate {output}", f"  assay run {output}"]  # fmt: skip
    with atomic_path(output) as partial:
        partial.write_text(recipe_text(head, recipe_lines(proposal)), encoding="utf-8")
        load_recipe(partial)


def _nothing_read(sample: Sample) -> str:
    source = next(_parts(sample.source))
    if sample.invalid:
        first = sample.invalid[0]
        return (
            f"no row of {source_name(source)} could be read; row {first.id}: {first.reason}; {remedy_of(first.reason)}"
        )
    return f"{source_name(source)} is empty: it has no rows to look at"


def _too_many_rejects(sample: Sample, rows: Sequence[Example], rejects: Sequence[Reject]) -> str:
    reasons = [(row_id, reason) for row_id, reason, _ in rejects] + [(row.id, row.reason) for row in sample.invalid]
    [reason] = count_reasons(reasons, most=1)
    return (
        f"{len(reasons)} of {len(rows) + len(reasons)} rows of the sample cannot be read, most often ({reason.count}): "
        f"{reason.example}; {reason.remedy}"
    )
