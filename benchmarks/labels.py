"""Label issues that are found, and rows that are worth labelling (`make bench-labels`).

A share of the labels of real data is corrupted, at random or as a model confuses them. Precision at k, where k is the
number of corruptions, says how many of the first k issues are corruptions; labels that were wrong before count as false
alarms. The models have not learned from the row that they predict. Most of them read states of a pre-trained encoder,
so that a cell takes a minute (`benchmarks/labels_models.py`). For the classes of financial texts, half of the kernel is
that of the encoder after it was fine-tuned on another set (`benchmarks/labels_domain.py`). The classes of sentfin are
harder: there, each half of the rows is predicted by an encoder that was fine-tuned on the other half, too, which takes
minutes for each corruption (`benchmarks/labels_fine_tuning.py`). The ranking is that of `assay labels issues`:
cleanlab's for classes, its own for entities. Beside it stand cleanlab's other or only ranking, the loss of a model that
was trained on the same rows, and chance.

The second part plays active learning: 5 rounds of 200 rows from 400, chosen by `assay labels suggest` or at random.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from cleanlab.token_classification.filter import find_label_issues as find_token_issues
from sklearn.metrics import f1_score

from assay.corpus.entity import Entity
from assay.evaluation.labels.class_issues import class_issues
from assay.evaluation.labels.entity_issues import find_entity_issues
from assay.evaluation.labels.row_choice import choose_rows, margin_uncertainty
from assay.serving.decoding import bio_tags, spans, tag_words
from benchmarks.labels_data import Array, Corruption, How, LabelledRows, corrupt_classes, corrupt_entities, read_rows
from benchmarks.labels_domain import OTHERS, domain_states
from benchmarks.labels_fine_tuning import held_out_probabilities
from benchmarks.labels_models import (
    KERNEL_PENALTY,
    SentenceModel,
    WordModel,
    calibrated,
    confused,
    gaussian,
    kernel_of,
    most_confused,
)
from benchmarks.results import Row, write_rows

COMMAND = "make bench-labels"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "suggested-rows.svg"
SEEDS = 3
SHARES = (0.05, 0.1)
KINDS: tuple[How, ...] = ("random", "confusion")
CLASS_NEEDED, ENTITY_NEEDED = 0.6, 0.5
# The states of the encoder that knows the domain count as much as all else together.
DOMAIN_WEIGHT = 4
# Sets whose classes kernel ridge tells too badly to rank their labels by it alone.
FINE_TUNED = ("sentfin",)
START, ROUND, ROUNDS, TEST = 400, 200, 5, 1_500
SENTENCE_NOTE = "kernel ridge on all-MiniLM-L6-v2{encoder} and TF-IDF, {rows:,} rows"
WORD_NOTE = "ridge on frozen all-MiniLM-L6-v2 states of a word and its neighbours, {rows:,} rows, 5 folds"
Scores = dict[str, list[float]]
Curves = dict[str, Array]  # macro-F1 by method, seeds x rounds


def main() -> None:
    """Measure every data set and write the rows at the end."""
    results: list[Row] = []
    curves: dict[str, Curves] = {}
    for name in ("twitter_financial", "sentfin", "snips"):
        print(name, flush=True)
        rows = read_rows(name)
        kernel = kernel_of(rows)
        results += class_cells(rows, kernel)
        if rows.entities is not None:
            results += entity_cells(rows)
        if name != "snips":
            curves[name] = suggestion_curves(rows, kernel)
            results += suggestion_rows(rows, curves[name])
    write_rows("labels", results)
    draw(curves)


def class_cells(rows: LabelledRows, kernel: Array) -> list[Row]:
    """Return a row per share and kind of corruption of the classes."""
    classes = len(rows.classes)
    model, encoder = SentenceModel.of(kernel), ""
    confusion = confused(rows.label, model.held_out(rows.label, classes).argmax(1), classes)
    if other := OTHERS.get(rows.name):
        states = domain_states(rows, other)
        model, encoder = SentenceModel.of(kernel + DOMAIN_WEIGHT * gaussian(states)), f" before and after {other}"
    accuracy = float((model.held_out(rows.label, classes).argmax(1) == rows.label).mean())
    cells = []
    for how in KINDS:
        for share in SHARES:
            found: Scores = {}
            for seed in range(SEEDS):
                given, wrong = corrupt_classes(rows.label, share, how, confusion, seed)
                probabilities = model.held_out(given, classes)
                if rows.name in FINE_TUNED:
                    probabilities = (probabilities + held_out_probabilities(rows.texts, given, classes, seed)) / 2
                orders = {
                    "assay": class_order(probabilities, given),
                    "cleanlab by margin": margin_order(probabilities, given),
                    "loss of the training fit": np.argsort(model.fitted(given, classes)[np.arange(len(given)), given]),
                    "random": np.random.default_rng(seed).permutation(len(given)),
                }
                for method, order in orders.items():
                    found.setdefault(method, []).append(float(np.isin(order[: len(wrong)], wrong).mean()))
            note = SENTENCE_NOTE.format(rows=len(rows.texts), encoder=encoder)
            note = f"{note}, leave one out, accuracy {accuracy:.3f}"
            if rows.name in FINE_TUNED:
                note += ", and the encoder fine-tuned on the other half of these rows: their mean"
            cells.append(_cell(f"{rows.name} classes", share, how, found, CLASS_NEEDED, note))
    return cells


def class_order(probabilities: Array, given: Array) -> Array:
    """Return the rows as `assay labels issues` orders them, which is by cleanlab; rows without an issue come last."""
    return _completed(class_issues(probabilities, given), probabilities[np.arange(len(given)), given])


def margin_order(probabilities: Array, given: Array) -> Array:
    """Return the rows as cleanlab orders them by the margin between the given class and the best other one."""
    issues = find_label_issues(given, probabilities, return_indices_ranked_by="normalized_margin", n_jobs=1)
    return _completed(issues, get_label_quality_scores(given, probabilities, method="normalized_margin"))


def _completed(issues: Array, quality: Array) -> Array:
    rest = np.argsort(quality)
    return np.concatenate([issues, rest[~np.isin(rest, issues)]])


def entity_cells(rows: LabelledRows) -> list[Row]:
    """Return a row per share and kind of corruption of the entities."""
    assert rows.entities is not None
    tags = bio_tags(sorted({entity.label for entities in rows.entities for entity in entities}))
    model = WordModel(rows)
    clean = _codes(rows, rows.entities, tags)
    predicted = model.held_out(clean, len(tags)).argmax(1)
    names = [tag.partition("-")[2] or tag for tag in tags]
    confusion = most_confused([names[code] for code in clean], [names[code] for code in predicted])
    accuracy = float((clean == predicted).mean())
    cells = []
    for how in KINDS:
        for share in SHARES:
            found: Scores = {}
            for seed in range(SEEDS):
                given, wrong = corrupt_entities(rows, share, how, confusion, seed)
                for method, precision in entity_precisions(rows, given, wrong, tags, model, seed).items():
                    found.setdefault(method, []).append(precision)
            note = f"{WORD_NOTE.format(rows=len(rows.texts))}, {accuracy:.3f} of the tags right"
            cells.append(_cell(f"{rows.name} entities", share, how, found, ENTITY_NEEDED, note))
    return cells


def entity_precisions(
    rows: LabelledRows,
    given: Sequence[tuple[Entity, ...]],
    wrong: Sequence[Corruption],
    tags: Sequence[str],
    model: WordModel,
    seed: int,
) -> dict[str, float]:
    """Return the precision at k of every method."""
    codes, begins = _codes(rows, given, tags), rows.begins
    probabilities = model.held_out(codes, len(tags))
    places = list(pairwise(begins))
    issues = []
    for number, (begin, end) in enumerate(places):
        part = probabilities[begin:end]
        predicted = spans([tags[code] for code in part.argmax(1)], rows.words[number])
        found = find_entity_issues(rows.texts[number], given[number], predicted, rows.words[number], part, tags)
        issues += [(-issue.score, number, issue.start or 0, issue.end or 0) for issue in found]
    labels = [codes[begin:end].tolist() for begin, end in places]
    tokens = find_token_issues(labels, [probabilities[begin:end] for begin, end in places], n_jobs=1)
    fitted = model.fitted(codes, len(tags))[np.arange(len(codes)), codes]
    row_of = np.repeat(np.arange(len(places)), np.diff(begins))
    by_loss = [(int(row_of[word]), int(word - begins[row_of[word]])) for word in np.argsort(fitted)]
    at_random = [by_loss[place] for place in np.random.default_rng(seed).permutation(len(by_loss))]
    return {
        "assay": _hits([place[1:] for place in sorted(issues)], wrong),
        "cleanlab": _hits(_merged(tokens, rows, len(wrong)), wrong),
        "loss of the training fit": _hits(_merged(by_loss, rows, len(wrong)), wrong),
        "random": _hits(_merged(at_random, rows, len(wrong)), wrong),
    }


def _codes(rows: LabelledRows, entities: Sequence[tuple[Entity, ...]], tags: Sequence[str]) -> Array:
    code = {tag: number for number, tag in enumerate(tags)}
    return np.array(
        [code[tag] for row, words in zip(entities, rows.words, strict=True) for tag in tag_words(row, words)]
    )


def _merged(tokens: Sequence[tuple[int, int]], rows: LabelledRows, most: int) -> list[tuple[int, int, int]]:
    """Return places of text for words in their order; a word beside one that was named before is the same place."""
    named: set[tuple[int, int]] = set()
    places = []
    for row, word in tokens:
        beside = {(row, word - 1), (row, word + 1)} & named
        named.add((row, word))
        if not beside:
            places.append((row, rows.words[row][word].start, rows.words[row][word].end))
        if len(places) == most:
            break
    return places


def _hits(places: Sequence[tuple[int, int, int]], wrong: Sequence[Corruption]) -> float:
    """Return the share of the first k places that meet a corruption, each corruption once; k is their number."""
    by_row: dict[int, list[Corruption]] = {}
    for one in wrong:
        by_row.setdefault(one.row, []).append(one)
    met: set[Corruption] = set()
    for row, start, end in places[: len(wrong)]:
        hit = [one for one in by_row.get(row, []) if one.start < end and start < one.end and one not in met]
        met.update(hit[:1])
    return len(met) / len(wrong)


def _cell(what: str, share: float, how: How, found: Scores, needed: float, note: str) -> Row:
    ours = found["assay"]
    others = ", ".join(f"{method} {np.mean(values):.3f}" for method, values in found.items() if method != "assay")
    print(what, how, share, {method: round(float(np.mean(values)), 3) for method, values in found.items()}, flush=True)
    return Row(
        measure=f"{what}, {share:.0%} wrong {'at random' if how == 'random' else 'by confusion'}: precision at k",
        value=round(float(np.mean(ours)), 3),
        better="higher",
        required=needed,
        spread=(round(min(ours), 3), round(max(ours), 3)),
        command=COMMAND,
        note=f"{others}; {note}",
    )


def suggestion_curves(rows: LabelledRows, kernel: Array) -> Curves:
    """Return the macro-F1 after each round with suggested and with random rows."""
    methods = {"suggested": True, "random": False}
    return {
        method: np.array([_curve(rows, kernel, suggested, seed) for seed in range(SEEDS)])
        for method, suggested in methods.items()
    }


def suggestion_rows(rows: LabelledRows, curves: Curves) -> list[Row]:
    """Return a row per number of labelled rows: macro-F1 with suggested rows less that with random ones."""
    results = []
    model = SENTENCE_NOTE.format(rows=len(rows.texts), encoder="")
    for number in range(ROUNDS + 1):
        suggested, drawn = (curves[method][:, number] for method in ("suggested", "random"))
        difference = suggested - drawn
        results.append(
            Row(
                measure=f"{rows.name}, {START + number * ROUND:,} rows: macro-F1 of suggested less random rows",
                value=round(float(difference.mean()), 4),
                better="higher",
                required=0.0 if number == ROUNDS else None,
                spread=(round(float(difference.min()), 4), round(float(difference.max()), 4)),
                command=COMMAND,
                note=f"suggested {suggested.mean():.3f}, random {drawn.mean():.3f}; {model}",
            )
        )
    return results


def _curve(rows: LabelledRows, kernel: Array, suggested: bool, seed: int) -> list[float]:
    """Return the macro-F1 on test rows after each round."""
    order = np.random.default_rng(seed).permutation(len(rows.label))
    test, labelled, pool = order[:TEST], order[TEST : TEST + START], order[TEST + START :]
    scores = []
    for number in range(ROUNDS + 1):
        predict = _trained(rows, kernel, labelled)
        scores.append(float(f1_score(rows.label[test], predict(test).argmax(1), average="macro")))
        if suggested:
            uncertainty = margin_uncertainty(predict(pool))
            chosen = [row.number for row in choose_rows(uncertainty, rows.sentences[pool], ROUND, seed=number)]
        else:
            chosen = list(range(ROUND))
        labelled, pool = np.concatenate([labelled, pool[chosen]]), np.delete(pool, chosen)
    return scores


def _trained(rows: LabelledRows, kernel: Array, labelled: Array) -> Callable[[Array], Array]:
    targets = np.eye(len(rows.classes), dtype=np.float32)[rows.label[labelled]]
    mean = targets.mean(0)
    ridge = kernel[np.ix_(labelled, labelled)] + KERNEL_PENALTY * np.eye(len(labelled), dtype=np.float32)
    weights = np.linalg.solve(ridge, targets - mean)

    def predict(places: Array) -> Array:
        scores = kernel[np.ix_(places, labelled)] @ weights + mean
        return calibrated(scores, scores.argmax(1))

    return predict


def draw(curves: dict[str, Curves]) -> None:
    """Draw the macro-F1 of suggested and of random rows over the number of labelled rows."""
    import matplotlib.pyplot as plt

    counts = [START + number * ROUND for number in range(ROUNDS + 1)]
    figure, axes = plt.subplots(1, len(curves), figsize=(8, 3.2), layout="constrained", squeeze=False)
    for axis, (name, by_method) in zip(axes[0], curves.items(), strict=True):
        for (method, scores), style in zip(by_method.items(), ("-o", "--s"), strict=True):
            axis.plot(counts, scores.mean(0), style, label=method)
        axis.set(title=name, xlabel="labelled rows", ylabel="macro-F1 on test rows")
        axis.legend()
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
