"""Row results of small real models of several seeds, for simulations of the gate.

Linear models on bags of words and on word features train in seconds, and err on the rows on which other
models err, too. A seed draws the training rows and their order. Half of the rows train, half are predicted.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier

from assay.evaluation.statistics import Bools, Floats, Ints, Outcomes, class_outcomes, entity_outcomes

DATA = Path(__file__).parents[2] / "shared" / "data"
SHARE = 0.7  # share of the training rows that a seed sees
WORD = re.compile(r"\w+|[^\w\s]")
Row = dict[str, Any]


@dataclass(frozen=True)
class RowResults:
    """Predictions for the same rows by models that differ only by their seed."""

    name: str
    models: list[Outcomes]

    @cached_property
    def pairs(self) -> tuple[Ints, Ints]:
        """Return the distinct rows (codes of two models) over all ordered pairs, with the frequency of each."""
        pairs = [np.hstack([first.codes, second.codes]) for first, second in permutations(self.models, 2)]
        codes, counts = np.unique(np.concatenate(pairs), axis=0, return_counts=True)
        return codes, counts


@dataclass(frozen=True)
class PredictedRows:
    """Rows with their gold class and the probabilities of one model: rows x classes."""

    name: str
    gold: Ints
    probabilities: Floats

    def __len__(self) -> int:
        return len(self.gold)

    @property
    def predicted(self) -> Ints:
        """Return the predicted class of each row."""
        best: Ints = self.probabilities.argmax(axis=1)
        return best

    @property
    def confidence(self) -> Floats:
        """Return the probability of the predicted class of each row."""
        best: Floats = self.probabilities.max(axis=1)
        return best

    @property
    def right(self) -> Bools:
        """Return whether each prediction is right."""
        right: Bools = self.predicted == self.gold
        return right

    @property
    def overconfident(self) -> "PredictedRows":
        """Return the predictions of a model that is as good and more confident: probabilities squared, normalised."""
        squared = self.probabilities**2
        return PredictedRows(self.name, self.gold, squared / squared.sum(axis=1, keepdims=True))

    def take(self, places: Ints) -> "PredictedRows":
        """Return some of the rows."""
        return PredictedRows(self.name, self.gold[places], self.probabilities[places])


def tweet_probabilities() -> PredictedRows:
    """Return the tweets with probabilities of one model."""
    rows = _read("twitter_financial", ["twitter_financial_train", "twitter_financial_validation"])
    return _with_probabilities("tweets", [row["text"] for row in rows], [str(row["label"]) for row in rows])


def headline_probabilities() -> PredictedRows:
    """Return the headlines with probabilities of one model."""
    rows = _headlines()
    return _with_probabilities("headlines", [row["text"] for row in rows], [row["sentiment"] for row in rows])


def tweet_sentiment(seeds: int) -> RowResults:
    """Return the task of financial tweets: three classes, two thirds neutral, macro-F1."""
    rows = _read("twitter_financial", ["twitter_financial_train", "twitter_financial_validation"])
    return _classified("tweets", [row["text"] for row in rows], [str(row["label"]) for row in rows], seeds)


def headline_sentiment(seeds: int) -> RowResults:
    """Return the task of headlines: four classes, three of equal size, macro-F1."""
    rows = _headlines()
    return _classified("headlines", [row["text"] for row in rows], [row["sentiment"] for row in rows], seeds)


def request_intents(seeds: int) -> RowResults:
    """Return the task of requests to a voice assistant: seven classes of equal size, macro-F1."""
    rows = _read("snips", ["snips_train", "snips_dev", "snips_test"])
    return _classified("requests", [" ".join(row["tokens"]) for row in rows], [row["intent"] for row in rows], seeds)


def headline_entities(seeds: int) -> RowResults:
    """Return the task of financial entities in headlines: strict entity F1."""
    sentences = [_tagged(row) for row in _headlines()]
    learnt, asked = sentences[::2], sentences[1::2]
    hasher = FeatureHasher(2**18, input_type="string")
    features = hasher.transform([word for words, _ in asked for word in _features(words)])
    ends = np.cumsum([len(words) for words, _ in asked])[:-1]
    golds = [_spans(tags) for _, tags in asked]
    models = []
    for seed in range(seeds):
        chosen = _drawn(len(learnt), seed)
        words = [word for index in chosen for word in _features(learnt[index][0])]
        tags = [tag for index in chosen for tag in learnt[index][1]]
        model = SGDClassifier(loss="log_loss", random_state=seed, max_iter=5, tol=None)
        model.fit(hasher.transform(words), tags)
        predictions = [_spans(list(tags)) for tags in np.split(model.predict(features), ends)]
        models.append(
            entity_outcomes([_counts(gold, predicted) for gold, predicted in zip(golds, predictions, strict=True)])
        )
    return RowResults("headline entities", models)


def _classified(name: str, texts: Sequence[str], labels: Sequence[str], seeds: int) -> RowResults:
    """Build a linear classifier on TF-IDF of words and bigrams."""
    bags = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(texts[::2])
    learnt, asked = bags.transform(texts[::2]), bags.transform(texts[1::2])
    classes, truth, gold = sorted(set(labels)), np.array(labels[::2]), labels[1::2]
    models = []
    for seed in range(seeds):
        chosen = _drawn(len(truth), seed)
        model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=seed, max_iter=10, tol=None)
        model.fit(learnt[chosen], truth[chosen])
        models.append(class_outcomes(gold, [str(label) for label in model.predict(asked)], classes))
    return RowResults(name, models)


def _with_probabilities(name: str, texts: Sequence[str], labels: Sequence[str]) -> PredictedRows:
    """Train logistic regression on TF-IDF, and return the rows that it was not trained on."""
    bags = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(texts[::2])
    model = LogisticRegression(C=10, max_iter=1_000).fit(bags.transform(texts[::2]), labels[::2])
    gold = np.searchsorted(model.classes_, np.array(labels[1::2]))
    return PredictedRows(name, gold, model.predict_proba(bags.transform(texts[1::2])))


def _drawn(count: int, seed: int) -> Ints:
    return np.random.default_rng(seed).choice(count, int(SHARE * count), replace=False)


def _read(folder: str, names: Sequence[str]) -> list[Row]:
    """Return all rows, in a fixed random order."""
    rows = [
        json.loads(line)
        for name in names
        for line in (DATA / folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [rows[index] for index in np.random.default_rng(1).permutation(len(rows))]


def _headlines() -> list[Row]:
    return _read("sentfin", ["sentfin_train", "sentfin_validation", "sentfin_test"])


def _tagged(row: Row) -> tuple[list[str], list[str]]:
    """Return words and their BIO tags."""
    words = list(WORD.finditer(row["text"]))
    tags = ["O"] * len(words)
    for entity in row["entities"]:
        inside = [place for place, word in enumerate(words) if entity["start"] <= word.start() < entity["end"]]
        for rank, place in enumerate(inside):
            tags[place] = "I" if rank else "B"
    return [word.group() for word in words], tags


def _features(words: Sequence[str]) -> list[list[str]]:
    """Return the features of each word: itself, its ending, its shape, and its neighbours."""
    padded = ["<", *words, ">"]
    return [
        [
            f"w={word.lower()}",
            f"s={word[-3:].lower()}",
            f"t={word[:1].isupper()}{word.isupper()}{word.isdigit()}",
            f"l={padded[place].lower()}",
            f"r={padded[place + 2].lower()}",
            f"lt={padded[place][:1].isupper()}{place == 0}",
            f"rt={padded[place + 2][:1].isupper()}",
        ]
        for place, word in enumerate(words)
    ]


def _spans(tags: Sequence[str]) -> set[tuple[int, int]]:
    """Return the first and last word of each entity."""
    spans: list[tuple[int, int]] = []
    inside = False
    for place, tag in enumerate(tags):
        if tag == "I" and inside:
            spans[-1] = (spans[-1][0], place)
        elif tag != "O":
            spans.append((place, place))
        inside = tag != "O"
    return set(spans)


def _counts(gold: set[tuple[int, int]], predicted: set[tuple[int, int]]) -> tuple[int, int, int]:
    right = len(gold & predicted)
    return right, len(predicted) - right, len(gold) - right
