"""German medical terms: the shipped recipe against spaCy (`make bench-spacy`).

Same rows, same split, same measure (strict entity F1 over character spans, all types together), mean of the
same seeds. spaCy trains a blank German pipeline with its convolutional entity recogniser; the best of its
iterations, as of our epochs, is chosen by validation F1. Ours is measured with the available encoder, an English one,
and with a small one trained from scratch, whose word pieces are those of the German training rows.
"""

import argparse
import random
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SPLIT_NAMES, Splits
from assay.flows.local import run_steps
from assay.models.scores import entity_scores
from assay.recipes.loader import load_recipe
from benchmarks.encoder import minilm_folder
from benchmarks.quality import DATA, SEEDS, Effort, medical_overrides, run_recipe
from benchmarks.results import Row, show, write_rows

COMMAND = "make bench-spacy"
ITERATIONS = 30
DROPOUT = 0.2
BATCH_SIZE = 8
SCRATCH = [
    "model.encoder=null",
    "model.scratch={layers: 2, hidden: 128, attention_heads: 4, vocabulary: 4000}",
    "training.learning_rate=0.001",
    "training.head_learning_rate=0.002",
]
OURS: dict[str, list[str]] = {"MiniLM, English": [], "from scratch": SCRATCH}


def main() -> None:
    """Train both, seed by seed, and record the difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed; nothing is recorded")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="for spaCy")
    parser.add_argument("--dropout", type=float, default=DROPOUT, help="for spaCy")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is absent: this benchmark reads a real data set from there")
    seeds = SEEDS[:1] if arguments.quick else SEEDS
    splits = read_splits()
    peer = [spacy_f1(splits, seed, arguments.iterations, arguments.dropout) for seed in seeds]
    rows = [_row(f"medical-ner: strict entity F1 of spaCy, mean of {len(seeds)} seeds", peer)]
    for name, overrides in OURS.items():
        runs = [run_recipe("medical-ner", Effort(), [*medical_overrides(seed), *overrides]) for seed in seeds]
        rows.append(to_row(name, [run.metrics["tokens.f1"] for run in runs], peer))
    if arguments.quick:
        show(rows)
    else:
        write_rows("quality", rows)


def read_splits() -> list[list[Example]]:
    """Return train, validation and test rows, as the recipe splits them in an empty store."""
    encoder = [f"model.encoder={minilm_folder()}", "model.revision=null"]
    recipe = load_recipe("medical-ner", [*encoder, *medical_overrides(SEEDS[0])])
    with tempfile.TemporaryDirectory() as store:
        done = run_steps(recipe, Path(store), "split")
        snapshot, splits = Snapshot.load(done["extract"]), Splits.load(done["split"])
        return [splits.rows(snapshot, split_name) for split_name in SPLIT_NAMES]


def spacy_f1(splits: Sequence[Sequence[Example]], seed: int, iterations: int, dropout: float) -> float:
    """Return the strict F1 on the test rows of the iteration that was best on the validation rows."""
    import spacy
    from spacy.util import fix_random_seed, minibatch

    train, validation, test = splits
    fix_random_seed(seed)
    order = random.Random(seed)
    nlp = spacy.blank("de")
    nlp.add_pipe("ner")
    examples = [to_spacy(nlp, row) for row in train]
    optimizer = nlp.initialize(lambda: examples)
    best, best_f1 = -1.0, 0.0
    for _ in range(iterations):
        order.shuffle(examples)
        for batch in minibatch(examples, BATCH_SIZE):
            nlp.update(batch, sgd=optimizer, drop=dropout)
        score = strict_f1(nlp, validation)
        if score > best:
            best, best_f1 = score, strict_f1(nlp, test)
    return best_f1


def to_spacy(nlp: Any, row: Example) -> Any:
    """Return a row for spaCy's training; an entity that cuts its words is widened to them, as in ours."""
    from spacy.training import Example as SpacyExample
    from spacy.util import filter_spans

    gold = nlp.make_doc(row.text)
    spans = (
        gold.char_span(entity.start, entity.end, entity.label, alignment_mode="expand") for entity in row.entities or ()
    )
    gold.ents = filter_spans([span for span in spans if span is not None])
    return SpacyExample(nlp.make_doc(row.text), gold)


def strict_f1(nlp: Any, rows: Sequence[Example]) -> float:
    """Return the strict entity F1 over character spans."""
    documents = nlp.pipe([row.text for row in rows])
    predicted = [
        [Entity(span.start_char, span.end_char, span.label_) for span in document.ents] for document in documents
    ]
    return entity_scores([row.entities or () for row in rows], predicted).overall.f1


def to_row(name: str, ours: Sequence[float], peer: Sequence[float]) -> Row:
    """Return the difference to the peer, seed by seed."""
    differences = [our - their for our, their in zip(ours, peer, strict=True)]
    note = f"ours {', '.join(f'{f1:.3f}' for f1 in ours)}; spaCy {', '.join(f'{f1:.3f}' for f1 in peer)}"
    row = _row(f"medical-ner ({name}): strict entity F1 above spaCy's, mean of {len(ours)} seeds", differences)
    return row.model_copy(update={"required": 0.0, "note": note})


def _row(measure: str, values: Sequence[float]) -> Row:
    mean, spread = round(statistics.fmean(values), 4), (round(min(values), 4), round(max(values), 4))
    return Row(measure=measure, value=mean, better="higher", spread=spread, command=COMMAND)


if __name__ == "__main__":
    main()
