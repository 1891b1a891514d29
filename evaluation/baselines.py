"""Trivial models to compare with: what the training rows say without any learning, or with very little.

Words are those of the bundle's tokenizer, so that a baseline reads any script that the model reads.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import ceil

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.splits import SplitRows
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.serving.bundle import TOKENIZER, Bundle
from assay.serving.decoding import OUTSIDE, spans, tag_words
from assay.serving.encoding import TextEncoder, Word
from assay.serving.predictions import ScoredEntity

# The rows that a baseline is fitted on, and the word pairs that it counts: more cost minutes and change little.
MOST_ROWS = 20_000
MOST_FEATURES = 50_000
ROWS_A_BATCH = 1_000
LONGEST_TEXT = 100_000  # tokens: a baseline reads the whole text
# Marks a word of the second text; no tokenizer gives it.
SECOND = "\N{INFORMATION SEPARATOR ONE}"

Words = Sequence[tuple[str, Word]]


class BaselineReader:
    """Splits texts into words as a bundle's tokenizer does.

    Args:
        bundle: whose tokenizer and cleaning are used.
    """

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        self.pair = manifest.pair
        self._encoder = TextEncoder.from_file(bundle.folder / TOKENIZER, LONGEST_TEXT, manifest.cleaning)

    def words(self, texts: Sequence[str]) -> Iterator[Words]:
        """Return the words of each text, with their place in it."""
        for text, encoded in zip(texts, self._encoder.encode(texts), strict=True):
            yield [(text[unit.start : unit.end], unit) for unit in encoded.units]

    def features(self, examples: Sequence[Example]) -> list[list[str]]:
        """Return the words of each row in lower case; those of a second text are marked."""
        first = [[word.lower() for word, _ in words] for words in self.words([row.text for row in examples])]
        if not self.pair:
            return first
        second = self.words([row.text_pair or "" for row in examples])
        return [
            [*words, *(SECOND + word.lower() for word, _ in others)]
            for words, others in zip(first, second, strict=True)
        ]


def most_frequent_class(training: Iterable[Example]) -> str:
    """Return the most frequent class of the training rows; of equally frequent ones the first by name.

    Raises:
        AssayError: no training row has a class.
    """
    counts = Counter(row.label for row in training if row.label is not None)
    if not counts:
        raise AssayError("no training row has a class, so there is no most frequent one; see the check of the data")
    return min(counts, key=lambda label: (-counts[label], label))


def constant_predictions(label: str, answers: Sequence[LabelledPrediction]) -> list[LabelledPrediction]:
    """Return the rows of a model with one class predicted for all of them."""
    return [replace(answer, predicted=label) for answer in answers]


def spread(training: SplitRows, most: int = MOST_ROWS) -> Iterator[Example]:
    """Return at most so many training rows, evenly spread over all of them."""
    step = max(1, ceil(len(training) / most))
    return (row for number, row in enumerate(training) if number % step == 0)


class MajorityTagger:
    """Gives each word the tag that it has most often in the training rows; unknown words have none.

    Args:
        training: rows with entities; others are left out.
        reader: splits texts into words.
    """

    def __init__(self, training: Iterable[Example], reader: BaselineReader) -> None:
        self._reader = reader
        self.rows = 0
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        labelled = (row for row in training if row.entities is not None)
        for rows in _batches(labelled):
            self.rows += len(rows)
            for row, words in zip(rows, reader.words([row.text for row in rows]), strict=True):
                tags = tag_words(row.entities or (), [unit for _, unit in words])
                for (word, _), tag in zip(words, tags, strict=True):
                    counts[word][tag] += 1
        if not self.rows:
            raise AssayError("no training row says which entities it holds; see the check of the data")
        self._tags: Mapping[str, str] = {word: _most_common(tags) for word, tags in counts.items()}

    def answer(self, examples: Sequence[Example], answers: Sequence[LabelledPrediction]) -> list[LabelledPrediction]:
        """Return the rows of a model with the entities that the tags make."""
        texts = self._reader.words([example.text for example in examples])
        return [
            replace(answer, predicted_entities=tuple(self._entities(words)))
            for answer, words in zip(answers, texts, strict=True)
        ]

    def _entities(self, words: Words) -> Iterator[ScoredEntity]:
        tags = [self._tags.get(word, OUTSIDE) for word, _ in words]
        for entity in spans(tags, [unit for _, unit in words]):
            yield ScoredEntity(entity.start, entity.end, entity.label, 1.0)


class TfidfClassifier:
    """TF-IDF of words and word pairs with logistic regression.

    Args:
        training: rows with a class; others are left out.
        reader: splits texts into words.

    Raises:
        AssayError: the training rows have fewer than two classes.
    """

    def __init__(self, training: Iterable[Example], reader: BaselineReader) -> None:
        self._reader = reader
        features, labels = [], []
        for rows in _batches(row for row in training if row.label is not None):
            features += reader.features(rows)
            labels += [str(row.label) for row in rows]
        if len(set(labels)) < 2:
            raise AssayError("the training rows have fewer than two classes; set gate.baseline to majority")
        self.rows = len(labels)
        self._model = _pipeline().fit(features, labels)

    def answer(self, examples: Sequence[Example], answers: Sequence[LabelledPrediction]) -> list[LabelledPrediction]:
        """Return the rows of a model with the classes that this one predicts."""
        predicted = np.asarray(self._model.predict(self._reader.features(examples))).tolist()
        return [replace(answer, predicted=label) for answer, label in zip(answers, predicted, strict=True)]


def _pipeline() -> Pipeline:
    words = TfidfVectorizer(
        tokenizer=list,
        preprocessor=list,
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, 2),
        sublinear_tf=True,
        max_features=MOST_FEATURES,
    )
    return make_pipeline(words, LogisticRegression(max_iter=1000))


def _batches(rows: Iterable[Example]) -> Iterator[list[Example]]:
    left = iter(rows)
    while batch := list(islice(left, ROWS_A_BATCH)):
        yield batch


def _most_common(tags: Counter[str]) -> str:
    return min(tags, key=lambda tag: (-tags[tag], tag))
