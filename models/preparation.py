"""Preparation of a training from rows and a recipe: labels, network, tokenizer, encoded rows."""

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedTokenizerFast

from assay.corpus.errors import AssayError, first_line
from assay.corpus.example import Example
from assay.models import distributed as processes
from assay.models.adapters import add_adapters
from assay.models.batching import Collator
from assay.models.checkpoint import CheckpointManifest
from assay.models.dataset import EncodedRows, LabelSet
from assay.models.deberta_training import use_fast_attention
from assay.models.network import Network, build_network
from assay.models.scratch import scratch_config, train_tokenizer
from assay.models.tokenizer import load_tokenizer
from assay.recipes.recipe import ModelSection
from assay.serving.decoding import align_to_words, bio_tags
from assay.serving.encoding import TextEncoder


@dataclass(frozen=True)
class Data:
    """Data of a training: encoded training and validation rows, and the validation rows themselves for scoring.

    Entities of the validation rows are widened to whole words (`decoding.align_to_words`), as on the test rows.
    With `oversample`, the weights of the training rows are numbers of repeats, otherwise sample weights.
    """

    train: EncodedRows
    validation: EncodedRows
    validation_rows: Sequence[Example]
    label_set: LabelSet
    collate: Collator
    oversample: bool = False


def label_set_of(rows: Collection[Example], model: ModelSection) -> LabelSet:
    """Return the classes, tags and row labels of the training rows, sorted, for the heads of the recipe.

    Raises:
        AssayError: there are no rows, or too few classes, labels or entity types.
    """
    if not rows:
        raise AssayError("no training rows: the source or the split gave none; check source and split")
    classes: set[str] = set()
    types: set[str] = set()
    several: set[str] = set()
    for row in rows:
        several.update(row.labels or ())
        if row.label is not None:
            classes.add(row.label)
        types.update(entity.label for entity in row.entities or ())
    labels = sorted(classes) if "sentence" in model.heads else []
    if "sentence" in model.heads and len(labels) < 2:
        raise AssayError(
            f"the training rows have the classes {labels}; a sentence head needs two, see source.fields.label"
        )
    if "labels" in model.heads and not several:
        raise AssayError("the training rows have no label; a labels head needs some, see source.fields.labels")
    if "tokens" in model.heads and not types:
        raise AssayError("the training rows have no entity; a token head needs some, see source.fields.entities")
    return LabelSet(
        labels,
        bio_tags(sorted(types)) if "tokens" in model.heads else [],
        sorted(several) if "labels" in model.heads else [],
    )


def new_network(
    rows: Iterable[Example], model: ModelSection, label_set: LabelSet
) -> tuple[Network, PreTrainedTokenizerFast]:
    """Return the untrained network of a recipe, with its adapters if any, and its tokenizer.

    Raises:
        AssayError: the encoder cannot be loaded, or reads fewer tokens than `model.max_length`.
    """
    classes, tags, row_labels = len(label_set.labels), len(label_set.tags), len(label_set.row_labels)
    if model.scratch is not None:
        texts = itertools.chain.from_iterable(
            (text for text in (row.text, row.text_pair) if text is not None) for row in rows
        )
        tokenizer = train_tokenizer((model.cleaning.apply(text).text for text in texts), model.scratch.vocabulary)
        config = scratch_config(model.scratch, tokenizer, model.max_length)
        network = build_network(model, classes, tags, row_labels, config=config)
    else:
        tokenizer = load_tokenizer(model)
        network = build_network(model, classes, tags, row_labels)
    _check_length(network, model)
    use_fast_attention(network)
    if model.lora is not None:
        add_adapters(network, model.lora)
    return network, tokenizer


def encode(
    train_rows: Collection[Example],
    validation_rows: Sequence[Example],
    tokenizer: Path,
    work: Path,
    manifest: CheckpointManifest,
    weights: Sequence[float] | None = None,
    *,
    oversample: bool = False,
) -> Data:
    """Encode training and validation rows into Arrow files below `work`; the first process writes, all read.

    Args:
        train_rows: training rows.
        validation_rows: validation rows.
        tokenizer: path of the tokenizer file.
        work: folder for the Arrow files.
        manifest: manifest of the future checkpoint.
        weights: sample weights of the training rows; None weighs all rows equally.
        oversample: use the weights as numbers of repeats instead of sample weights.

    Raises:
        AssayError: there are no validation rows, or one has a class or type that no training row has.
    """
    if not validation_rows:
        raise AssayError("no validation rows: they decide which epoch is kept; check split.validation")
    label_set = LabelSet(manifest.labels, manifest.tags, manifest.row_labels)
    train, validation = work / "train.arrow", work / "validation.arrow"
    if processes.is_first():
        encoder = TextEncoder.from_file(tokenizer, manifest.max_length, manifest.cleaning)
        EncodedRows.write(train, train_rows, encoder, label_set, weights)
        EncodedRows.write(validation, validation_rows, encoder, label_set)
    processes.wait_for_all()
    encoded = EncodedRows(validation)
    return Data(
        train=EncodedRows(train),
        validation=encoded,
        validation_rows=_with_whole_words(validation_rows, encoded) if manifest.tags else validation_rows,
        label_set=label_set,
        collate=Collator(
            manifest.pad_id,
            type_ids=manifest.uses_type_ids,
            sentence=bool(manifest.labels),
            tokens=bool(manifest.tags),
            weights=weights is not None and not oversample,
            labels=bool(manifest.row_labels),
        ),
        oversample=oversample,
    )


def _with_whole_words(rows: Sequence[Example], encoded: EncodedRows) -> list[Example]:
    """Return the rows with entities widened to whole words."""
    return [
        replace(row, entities=align_to_words(row.text, row.entities, encoded.words(number))) if row.entities else row
        for number, row in enumerate(rows)
    ]


def checkpoint_manifest(
    rows: Iterable[Example],
    model: ModelSection,
    label_set: LabelSet,
    network: Network,
    tokenizer: PreTrainedTokenizerFast,
) -> CheckpointManifest:
    """Return the manifest of the future checkpoint; the scores of a CRF are added after training."""
    pair = any(row.text_pair is not None for row in rows)
    return CheckpointManifest(
        labels=label_set.labels,
        tags=label_set.tags,
        row_labels=label_set.row_labels,
        pair=pair,
        max_length=model.max_length,
        cleaning=model.cleaning,
        uses_type_ids=pair and network.reads_type_ids,
        pad_id=tokenizer.pad_token_id,
    )


def _check_length(network: Network, model: ModelSection) -> None:
    longest = _longest_input(network)
    if longest is not None and model.max_length > longest:
        raise AssayError(
            f"model.max_length is {model.max_length}: the encoder reads {longest} tokens at most; lower it"
        )
    # For unknown kinds of encoders, only a forward pass shows how many tokens they can read.
    # The ids must not be padding: some encoders count positions from the first token that is not padding.
    pad_id = getattr(network.config, "pad_token_id", None) or 0
    ids = torch.full((1, model.max_length), 1 if pad_id == 0 else 0)
    # Classifiers such as BART and T5 read the sentence from the state of the end token.
    end_id = getattr(network.config, "eos_token_id", None)
    if isinstance(end_id, int):
        ids[0, -1] = end_id
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(ids, torch.ones_like(ids))
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        raise AssayError(
            f"model.max_length is {model.max_length}, and the encoder fails at so many tokens "
            f"({first_line(error)}); lower it"
        ) from error
    finally:
        network.train(training)


def _longest_input(network: Network) -> int | None:
    """Return the number of positions of the encoder; None if its configuration sets no limit."""
    positions: int | None = getattr(network.config, "max_position_embeddings", None)
    for name, module in network.encoder.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            # RoBERTa and related encoders count positions from the one after the padding id.
            return module.num_embeddings - module.padding_idx - 1
    return positions
