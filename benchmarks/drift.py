"""Power and false alarms of monitoring under real drift (`make bench-drift`).

Product reviews of 2003 to 2018: products, text lengths and stars changed over these years. In each seed a small model
(TF-IDF, latent semantics, logistic regression) learns from reviews up to 2012; windows of other reviews of these years
must raise no alarm, windows with reviews of 2014 and later must raise one. The tests, effects and limits are those of
`assay monitor`, with the defaults of the recipe; labels are known, so that F1 is among the signals. Over the years,
category and time change together (the data contain other categories in other years).

Before that, false alarms and power by rows per document, on generated rows (`benchmarks/drift_clusters.py`).
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from assay.evaluation.drift.findings import SignalFinding, find_drift
from assay.evaluation.drift.vocabulary import vocabulary_of
from assay.evaluation.drift.window_statistics import Reference, WindowStatistics
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.recipes.loader import load_recipe
from assay.recipes.monitoring_section import Monitoring
from benchmarks.drift_clusters import REPETITIONS, cluster_rows
from benchmarks.drift_plots import draw_years
from benchmarks.results import Row, write_rows
from benchmarks.reviews import read_reviews

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "drift-by-year.png"
COMMAND = "make bench-drift"
SEEDS = 20
NEEDED = 19
LAST_YEAR, LATER = 2012, 2014
TRAIN, REFERENCE, WINDOW, LARGE, SMALL = 4000, 1500, 500, 4000, 100
WIDTH = 64
# Share of the window from the later years; where an alarm is required, `NEEDED` windows of 20 must raise one.
SHARES = (0.1, 0.25, 0.5, 1.0)
ASKED = 0.5
YEARS = range(2008, 2019)
YEAR_TRAIN, YEAR_WINDOW = 2011, 300

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Reviews:
    """Texts, classes and years of all reviews."""

    texts: list[str]
    labels: list[str]
    years: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Case:
    """A kind of window: the share of its rows from later years, and how many windows must raise an alarm."""

    name: str
    rows: int
    share: float
    required: float | None


@dataclass(frozen=True)
class Model:
    """A small champion: from texts to vectors, from vectors to classes, with its reference rows."""

    vectors: Pipeline
    classes: LogisticRegression
    reference: Reference

    @classmethod
    def train(cls, reviews: Reviews, train: Places, held_out: Places) -> "Model":
        """Train on some reviews, and predict others that were held out."""
        texts = [reviews.texts[place] for place in train]
        vectors = make_pipeline(TfidfVectorizer(min_df=3, sublinear_tf=True), TruncatedSVD(WIDTH, random_state=0))
        classes = LogisticRegression(class_weight="balanced", max_iter=300)
        classes.fit(vectors.fit_transform(texts), [reviews.labels[place] for place in train])
        observed = window_statistics_of(reviews, held_out, vectors, classes)
        return cls(vectors, classes, Reference(observed, len(observed), frozenset(vocabulary_of(texts))))

    def findings(self, reviews: Reviews, places: Places, rule: Monitoring) -> list[SignalFinding]:
        """Return the findings of monitoring on a window."""
        return find_drift(self.reference, window_statistics_of(reviews, places, self.vectors, self.classes), rule)


def main() -> None:
    """Simulate documents, then run all seeds on the reviews."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="with fewer than 20 nothing is recorded")
    parser.add_argument(
        "--repetitions", type=int, default=REPETITIONS, help="windows per cell; with fewer than 200 nothing is recorded"
    )
    parser.add_argument("--only-clusters", action="store_true", help="only generated rows, no reviews")
    options = parser.parse_args()
    record("drift", cluster_rows(options.repetitions), complete=options.repetitions >= REPETITIONS)
    if not options.only_clusters:
        run_reviews(options.seeds)


def run_reviews(seeds: int) -> None:
    """Run all seeds on the reviews, record the rows, draw the years."""
    reviews = dated_reviews()
    rule = Monitoring()
    trials = [run_seed(reviews, rule, seed) for seed in track(range(seeds))]
    rows = [make_row(case, each) for case, each in zip(cases(), zip(*trials, strict=True), strict=True)]
    years = by_year(reviews, rule)
    rows.append(year_row(years))
    record("drift", rows, complete=seeds >= SEEDS)
    draw_years(years, YEAR_TRAIN, PICTURE)


def record(name: str, rows: Sequence[Row], *, complete: bool) -> None:
    """Write rows of a complete benchmark, print those of a quick one."""
    if complete:
        write_rows(name, rows)
    else:
        print("\n".join(f"{row.measure}: {row.value:g}, {row.note}" for row in rows))


def cases() -> list[Case]:
    """Return the findings on the windows of each seed."""
    later = [Case(f"windows of {WINDOW}", WINDOW, share, NEEDED if share >= ASKED else None) for share in SHARES]
    return [
        *(Case(f"windows of {rows}", rows, 0, NEEDED) for rows in (SMALL, WINDOW, LARGE)),
        *later,
        Case(f"windows of {SMALL}", SMALL, 1, None),
    ]


def dated_reviews() -> Reviews:
    """Return the reviews with the classes of the recipe `product-reviews`."""
    rows, labels = read_reviews(load_recipe("product-reviews"))
    return Reviews(
        texts=[row["text"] for row in rows],
        labels=labels,
        years=np.array([row["year"] for row in rows]),
    )


def run_seed(reviews: Reviews, rule: Monitoring, seed: int) -> list[list[SignalFinding]]:
    """Train one model, and test a window for each case."""
    draw = np.random.default_rng(seed)
    before = draw.permutation(np.flatnonzero(reviews.years <= LAST_YEAR))
    later = draw.permutation(np.flatnonzero(reviews.years >= LATER))
    model = Model.train(reviews, before[:TRAIN], before[TRAIN : TRAIN + REFERENCE])
    fresh = before[TRAIN + REFERENCE :]
    results = []
    for case in cases():
        new = round(case.share * case.rows)
        places = np.concatenate([draw.choice(later, new, False), draw.choice(fresh, case.rows - new, False)])
        results.append(model.findings(reviews, places, rule))
    return results


def window_statistics_of(
    reviews: Reviews, places: Places, vectors: Pipeline, classes: LogisticRegression
) -> WindowStatistics:
    """Return the statistics of reviews as a champion would compute them."""
    texts = [reviews.texts[place] for place in places]
    embeddings = vectors.transform(texts)
    probabilities = classes.predict_proba(embeddings)
    predictions = [
        LabelledPrediction(
            id=str(place),
            gold=reviews.labels[place],
            predicted=str(classes.classes_[row.argmax()]),
            probabilities=tuple(map(float, row)),
            gold_entities=None,
            predicted_entities=(),
            characters=len(text),
            truncated=False,
            slices={},
        )
        for place, text, row in zip(places, texts, probabilities, strict=True)
    ]
    return WindowStatistics(predictions, texts, embeddings)


def by_year(reviews: Reviews, rule: Monitoring) -> dict[int, list[SignalFinding]]:
    """Return the findings of assay monitor on each year, compared with the years up to `YEAR_TRAIN`."""
    draw = np.random.default_rng(0)
    before = draw.permutation(np.flatnonzero(reviews.years <= YEAR_TRAIN))
    model = Model.train(reviews, before[:TRAIN], before[TRAIN : TRAIN + REFERENCE])
    used = set(before[: TRAIN + REFERENCE].tolist())
    results = {}
    for year in YEARS:
        fresh = np.array([place for place in np.flatnonzero(reviews.years == year) if place not in used])
        if len(fresh) >= rule.min_rows:
            places = draw.choice(fresh, min(YEAR_WINDOW, len(fresh)), False)
            results[year] = model.findings(reviews, places, rule)
    return results


def make_row(case: Case, trials: Sequence[list[SignalFinding]]) -> Row:
    """Return the number of windows with the expected outcome."""
    alarms = sum(any(signal.drifted for signal in findings) for findings in trials)
    what = f"{case.share:.0%} of {LATER} and later" if case.share else f"all of the years up to {LAST_YEAR}"
    return Row(
        measure=f"{case.name} reviews, {what}: of {len(trials)} {'with' if case.share else 'without'} an alarm",
        value=alarms if case.share else len(trials) - alarms,
        better="higher",
        required=case.required,
        command=COMMAND,
        note=describe(trials),
    )


def describe(trials: Sequence[list[SignalFinding]]) -> str:
    """Describe the median effect of each signal, and its number of alarms."""
    parts = []
    for place, finding in enumerate(trials[0]):
        each = [findings[place] for findings in trials]
        effects = [signal.effect for signal in each if signal.effect is not None]
        alarms = sum(signal.drifted for signal in each)
        parts.append(f"{finding.name} {np.median(effects):.2f} ({alarms})")
    return "median effect (alarms): " + ", ".join(parts)


def year_row(years: dict[int, list[SignalFinding]]) -> Row:
    """Return the number of years with an alarm among those after the training rows."""
    alarmed = [year for year, findings in years.items() if any(signal.drifted for signal in findings)]
    after = [year for year in years if year > YEAR_TRAIN]
    return Row(
        measure=f"by year, a model of {YEAR_TRAIN} and before: later years of {len(after)} with an alarm",
        value=sum(year in alarmed for year in after),
        better="higher",
        command=COMMAND,
        note=f"alarms in {', '.join(map(str, alarmed))}; at most {YEAR_WINDOW} reviews a year",
    )


if __name__ == "__main__":
    main()
