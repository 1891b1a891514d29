"""The areas of `docs/results.md`: which benchmarks belong to each, and which of their rows decide."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Headline:
    """A line of a short table: rows whose measure matches a pattern, shown by the worst of them.

    `{count}` in the label becomes the number of rows.
    """

    label: str
    pattern: str

    def matches(self, measure: str) -> bool:
        """Return whether a row belongs to this line."""
        return re.search(self.pattern, measure) is not None


@dataclass(frozen=True)
class Area:
    """A section of the page: its title, one sentence on what was measured, its benchmarks and decisive rows."""

    title: str
    what: str
    benchmarks: tuple[str, ...]
    headlines: tuple[Headline, ...]


AREAS = (
    Area(
        "The first hour",
        "On an idle machine of two cores: `init`, `validate`, `run`, `predict`, `serve` and more in a terminal.",
        ("first_hour",),
        (
            Headline("assay run: seconds to the first line", "seconds to the first line"),
            Headline("assay run: seconds to the begun flow", "^assay run: seconds to the begun flow"),
            Headline("the first assay run on a machine: seconds to the begun flow", "^the first assay run"),
            Headline("from data to a served champion, seconds, {count} kinds of data", "to a served champion"),
        ),
    ),
    Area(
        "Quality of the shipped recipes",
        "The exported bundle on test rows of real data, with a small encoder of 22 million parameters.",
        ("quality", "multi_label"),
        (
            Headline("snips: intent accuracy, mean of 3 seeds", "^snips: intent accuracy"),
            Headline("snips: slot F1, mean of 3 seeds", "^snips: slot F1"),
            Headline("financial-tweets (LoRA): accuracy", r"^financial-tweets \(LoRA\): accuracy"),
            Headline("financial-tweets (LoRA): macro-F1", r"^financial-tweets \(LoRA\): macro-F1$"),
            Headline("news-joint: sentiment macro-F1", "^news-joint: sentiment macro-F1"),
            Headline("news-joint: entity F1", "^news-joint: entity F1"),
            Headline(
                "calibration error of classes and entities, {count} heads of three recipes",
                r"^(snips|news-joint|financial-tweets \(LoRA\)): calibration error of",
            ),
            Headline("product-reviews: calibration error of classes", "^product-reviews: calibration error"),
            Headline("medical-ner: calibration error of entities", "^medical-ner: calibration error"),
            Headline("product-reviews: macro-F1", "^product-reviews: macro-F1"),
            Headline("medical-ner: strict entity F1, mean of 3 seeds", "^medical-ner: strict entity F1, mean"),
            Headline("several labels per headline: macro-F1", "^headline sentiments: macro-F1$"),
            Headline("several labels per headline: macro-F1 above TF-IDF's", "macro-F1 above TF-IDF"),
        ),
    ),
    Area(
        "Decisions",
        "Thresholds for a promised precision, chosen on one half of held-out rows and counted on the other, 200 times.",
        ("decisions",),
        (
            Headline("splits that keep the promise, {count} heads and promises", "splits that keep the promise$"),
            Headline("share decided at a promised 90 %, {count} heads", "promised 0.9: share decided"),
        ),
    ),
    Area(
        "The gate: error rates and power",
        "Simulated challengers and rules about one model, on results of real models, with and without clusters.",
        ("gate",),
        (
            Headline("equal challengers promoted, {count} kinds of data", r"equal challengers promoted \(improve\)$"),
            Headline("equal challengers promoted, {count} cells of clusters", r"promoted \(improve\), .* clusters"),
            Headline("challengers worse by the margin promoted, {count} kinds", "challengers worse by the margin"),
            Headline("power for +3 points, 1,000 rows, {count} kinds", r"power for \+3%, 1,000 rows"),
            Headline("intervals of a rule about one model that hold the truth, {count} kinds", "intervals that hold"),
        ),
    ),
    Area(
        "Bias checks",
        "A slice whose training labels were flipped in part must be reported; one without such labels must not.",
        ("bias",),
        (
            Headline("no label flipped: seeds of 20 that report nothing, {count} kinds", "that do not report it"),
            Headline("20 % flipped: seeds of 20 that report the slice", "20% .* flipped: .* that report it"),
            Headline("30 % flipped: seeds of 20 that report the slice", "30% .* flipped: .* that report it"),
            Headline("30 % flipped, test rows in clusters of five: the same", "30% .* 5 copies .* that report it"),
        ),
    ),
    Area(
        "Drift",
        "Product reviews of 2003 to 2018 as windows for a model of 2012, and generated documents of several rows.",
        ("drift",),
        (
            Headline("no drift: windows of 20 without an alarm, {count} sizes", "without an alarm"),
            Headline("half of the window from later years: windows of 20 with an alarm", "50% of 2014 and later"),
            Headline("no drift, 1 to 20 rows per document, {count} cells: false alarms", "no drift: share of windows"),
            Headline("every second document of another kind, {count} cells: alarms", "another kind: share of windows"),
        ),
    ),
    Area(
        "Labels",
        "Rows with wrong labels among known ones, and rows to label next, with small models on an encoder's states.",
        ("labels",),
        (
            Headline("wrong classes: precision at their number, {count} cells", "classes, .* precision at k"),
            Headline("wrong entities: precision at their number, {count} cells", "entities, .* precision at k"),
            Headline("suggested rows: macro-F1 above random ones, {count} data sets", "1,400 rows: macro-F1"),
        ),
    ),
    Area(
        "Serving on a CPU",
        "The engine and the server against what people use instead, with the same weights, in one run.",
        ("serving_batch", "serving_peers", "serving_http", "deberta"),
        (
            Headline("classes: bf16 engine against the best peer", "^sentence: bf16 engine against the best peer$"),
            Headline("entities: bf16 engine against the best peer", "^tokens: bf16 engine against the best peer$"),
            Headline("predictions of bf16 equal to float32's, {count} models", "labels of the bf16 engine equal"),
            Headline("int8 engine against transformers.pipeline, its best batch size", "pipeline, best batch size"),
            Headline("int8 engine against the float32 engine", "int8 engine against the float32 engine"),
            Headline("DeBERTa fp32 against the plain fp32 export, {count} shapes", "fp32 against the plain"),
            Headline(
                "DeBERTa bf16 against the plain fp32 export, {count} shapes", "bf16 against the plain fp32 export"
            ),
            Headline(
                "DeBERTa bf16 against the plain export in bf16, {count} shapes", "bf16 against the plain export in"
            ),
            Headline("DeBERTa int8 against the plain fp32 export, {count} shapes", "int8 against the plain"),
            Headline("HTTP, 64 clients, single rows, against the engine", "^HTTP, 64 clients"),
            Headline("HTTP against mlflow models serve", "^HTTP against mlflow models serve of transformers"),
            Headline("ten times the load: goodput against the peak", "goodput against the peak"),
            Headline("memory against a process with torch and transformers", "^memory: serving process"),
        ),
    ),
    Area(
        "Training",
        "Examples per second against the Trainer of transformers with padding, and the cost of the flow around it.",
        ("train", "deberta_training"),
        (
            Headline("JointBERT against the padded Trainer", "Trainer padding to 50 tokens$"),
            Headline("flow against bare training and evaluation, wall time", "^flow wall time"),
            Headline("DeBERTa training step, {count} settings", "^DeBERTa training step"),
        ),
    ),
    Area(
        "Many rows",
        "A million documents from MongoDB to splits, a million rows predicted, and two workers on Ray.",
        ("volume", "predict", "ray"),
        (
            Headline("extract 1,000,000 documents: share of a bare cursor loop", "share of a bare pymongo"),
            Headline("extract, validate, split: exponent of the cost, {count} steps", "exponent of the cost"),
            Headline("peak memory of a million documents, MiB", "peak memory of the process"),
            Headline("assay predict, seconds per row, last 100,000 rows against the first", ": seconds a row"),
            Headline("two workers on Ray against one", "two workers against one"),
        ),
    ),
    Area(
        "Operation",
        "Prefect server and worker on one machine.",
        ("operations",),
        (
            Headline("seconds until a worker takes a run, slowest of 10", "^seconds from a request"),
            Headline("Prefect's overhead per task run, ms", "overhead a task run"),
        ),
    ),
)
