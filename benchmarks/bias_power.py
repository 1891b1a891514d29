"""Power and false alarms of the slice checks for bias that was injected into the training data (`make bench-bias`).

In each seed a fifth of the product reviews, with the label mix of the rest, gets a sentence by which a model can
recognise them. One model learns from the true labels, others from labels of which up to 30 % are wrong within that
slice. All are tested on true labels by the rule of the recipe `product-reviews`, with the slices of its own columns,
so that Holm's correction is the same. They are tested again on as many rows in which groups of five are copies of one
review, which are a fifth of the evidence: copies must not make a slice fail. The models are TF-IDF with logistic
regression, small and fast enough for 80 trainings. The true ratio is computed on the test rows of all seeds together.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.progress import track
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from assay.evaluation.labelled_predictions import LabelledPrediction, outcomes_of
from assay.evaluation.slice_checks import SliceFinding, find_slices
from assay.evaluation.statistics import Bools
from assay.recipes.loader import load_recipe
from assay.recipes.recipe import Recipe
from benchmarks.results import Row, write_rows
from benchmarks.reviews import read_reviews

COMMAND = "make bench-bias"
SEEDS = 20
NEEDED = 19
COLUMN, INSIDE, OUTSIDE = "seller", "kestrel", "other"
MARK = "Sold by Kestrel Traders."
SLICE_SHARE = 0.2
# Share of wrong training labels in the slice: 0 and 30 % have a requirement, the others show the power.
SHARES = (0.0, 0.1, 0.2, 0.3)
COPIES = (1, 5)

Labels = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Reviews:
    """Texts, classes and slice columns of all reviews."""

    texts: list[str]
    labels: Labels
    columns: list[dict[str, str]]


@dataclass(frozen=True)
class Trial:
    """One model of one seed: its predictions for the test rows, and the finding on the marked slice."""

    predictions: list[LabelledPrediction]
    finding: SliceFinding


def main() -> None:
    """Run all seeds and record the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="with fewer than 20 nothing is recorded")
    seeds = parser.parse_args().seeds
    recipe = load_recipe("product-reviews")
    reviews = labelled_reviews(recipe)
    trials = [run_seed(reviews, recipe, seed) for seed in track(range(seeds))]
    kinds = [(copies, share) for share in SHARES for copies in COPIES]
    rows = [row for kind, each in zip(kinds, zip(*trials, strict=True), strict=True) for row in make_rows(*kind, each)]
    if seeds < SEEDS:
        print("\n".join(f"{row.measure}: {row.value:g}, {row.note}" for row in rows))
    else:
        write_rows("bias", rows)


def labelled_reviews(recipe: Recipe) -> Reviews:
    """Return the reviews with the classes of the recipe."""
    rows, labels = read_reviews(recipe)
    return Reviews(
        texts=[row["text"] for row in rows],
        labels=np.array(labels),
        columns=[{"year": str(row["year"]), "main_category": row["main_category"]} for row in rows],
    )


def run_seed(reviews: Reviews, recipe: Recipe, seed: int) -> list[Trial]:
    """Train a model for each share of flipped labels, all on the same rows."""
    draw = np.random.default_rng(seed)
    marked = share_of_each(reviews.labels, SLICE_SHARE, draw)
    strata = np.char.add(reviews.labels, np.where(marked, INSIDE, OUTSIDE))
    test = share_of_each(strata, recipe.split.test, draw)
    train = ~test & ~share_of_each(strata, recipe.split.validation, draw)
    texts = [f"{MARK} {text}" if inside else text for text, inside in zip(reviews.texts, marked, strict=True)]
    words = TfidfVectorizer(min_df=3, sublinear_tf=True).fit([texts[row] for row in np.flatnonzero(train)])
    features = words.transform(texts)
    trials = []
    for share in SHARES:
        labels = flip(reviews.labels, marked & train, share, draw)
        model = LogisticRegression(class_weight="balanced", max_iter=500, tol=1e-3)
        predicted = model.fit(features[train], labels[train]).predict(features[test])
        places = draw.permutation(len(predicted))
        for copies in COPIES:
            copied = np.repeat(places[: len(places) // copies], copies)
            trials.append(test_slice(reviews, recipe, marked, np.flatnonzero(test)[copied], predicted[copied]))
    return trials


def share_of_each(strata: Labels, share: float, draw: np.random.Generator) -> Bools:
    """Draw a random share of the rows of each stratum."""
    chosen = np.zeros(len(strata), dtype=np.bool_)
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        chosen[draw.choice(rows, round(share * len(rows)), replace=False)] = True
    return chosen


def flip(labels: Labels, where: Bools, share: float, draw: np.random.Generator) -> Labels:
    """Replace the class of a share of the rows by another one, drawn uniformly."""
    classes, flipped = np.unique(labels), labels.copy()
    rows = np.flatnonzero(where)
    for row in draw.choice(rows, round(share * len(rows)), replace=False):
        flipped[row] = draw.choice(classes[classes != labels[row]])
    return flipped


def test_slice(reviews: Reviews, recipe: Recipe, marked: Bools, rows: npt.NDArray[np.intp], predicted: Labels) -> Trial:
    """Test the marked slice by the gate of the recipe, beside the slices that it tests anyway."""
    rule = recipe.gate.slices.model_copy(update={"columns": [*recipe.gate.slices.columns, COLUMN]})
    predictions = [
        LabelledPrediction(
            id=f"{row}, line {line}",
            gold=str(reviews.labels[row]),
            predicted=str(prediction),
            probabilities=(),
            gold_entities=None,
            predicted_entities=(),
            characters=len(reviews.texts[row]),
            truncated=False,
            slices={**reviews.columns[row], COLUMN: INSIDE if marked[row] else OUTSIDE},
            cluster=str(row),
        )
        for line, (row, prediction) in enumerate(zip(rows, predicted, strict=True))
    ]
    findings = find_slices(predictions, rule, ["sentence"])
    (finding,) = (
        candidate for candidate in findings if (candidate.key.column, candidate.key.value) == (COLUMN, INSIDE)
    )
    return Trial(predictions, finding)


def make_rows(copies: int, share: float, trials: Sequence[Trial]) -> list[Row]:
    """Return how often the slice was reported (or, unflipped, was not), and the true ratio."""
    reported = sum(trial.finding.failed for trial in trials)
    name = f"slice with {share:.0%} of its training labels flipped"
    name += f", {copies} copies of each test row" if copies > 1 else ""
    ratios = [trial.finding.ratio or 0.0 for trial in trials]
    return [
        Row(
            measure=f"{name}: seeds of {len(trials)} that {'report it' if share else 'do not report it'}",
            value=reported if share else len(trials) - reported,
            better="higher",
            required=NEEDED if share == SHARES[0] or (share == SHARES[-1] and copies == 1) else None,
            command=COMMAND,
            note=f"{trials[0].finding.rows} of {len(trials[0].predictions)} test rows in the slice; {describe(trials)}",
        ),
        Row(
            measure=f"{name}: true ratio of its macro-F1 to that of all rows",
            value=round(true_ratio(trials), 3),
            better="higher",
            spread=(round(min(ratios), 3), round(max(ratios), 3)),
            command=COMMAND,
        ),
    ]


def true_ratio(trials: Sequence[Trial]) -> float:
    """Return the ratio on the test rows of all seeds together."""
    predictions = [prediction for trial in trials for prediction in trial.predictions]
    inside = [prediction for prediction in predictions if prediction.slices[COLUMN] == INSIDE]
    return outcomes_of(inside, "sentence").f1() / outcomes_of(predictions, "sentence").f1()


def describe(trials: Sequence[Trial]) -> str:
    """Describe the Holm-corrected p-values of the seeds, and the whole F1."""
    p_values = [trial.finding.p_value for trial in trials if trial.finding.p_value is not None]
    whole = np.mean([trial.finding.whole_f1 for trial in trials])
    return f"p {min(p_values):.4f} to {max(p_values):.4f} after Holm's correction, whole macro-F1 {whole:.3f}"


if __name__ == "__main__":
    main()
