"""Baseline models to compare a candidate with: most frequent class, majority tag per word, TF-IDF.

Baselines split texts with the bundle's tokenizer, so that they read any script that the model reads.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, repeat
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.serving.bundle import TOKENIZER, Bundle
from assay.serving.decoding import OUTSIDE, spans, tag_words
from assay.serving.encoding import TextEncoder, Word
from assay.serving.predictions import ScoredEntity

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import Pipeline

# Limits of the rows and the word n-grams of a baseline: more of them cost minutes and change little.
MOST_ROWS = 20_000
MOST_FEATURES = 50_000
ROWS_PER_BATCH = 1_000
LONGEST_TEXT = 100_000  # tokens; a baseline reads the whole text
# Prefix of the words of a second text; no tokenizer produces it.
SECOND = "\N{INFORMATION SEPARATOR ONE}"

Words = Sequence[tuple[str, Word]]


class BaselineReader:
    """Splitter of texts into words with a bundle's tokenizer.

    Args:
        bundle: bundle whose tokenizer and cleaning are used.
    """

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        self.pair = manifest.pair
        self._encoder = TextEncoder.from_file(bundle.folder / TOKENIZER, LONGEST_TEXT, manifest.cleaning)

    def words(self, texts: Sequence[str]) -> Iterator[Words]:
        """Yield the words of each text with their positions."""
        for text, encoded in zip(texts, self._encoder.encode(texts), strict=True):
            yield [(text[word.start : word.end], word) for word in encoded.words]

    def features(self, examples: Sequence[Example]) -> list[list[str]]:
        """Return the words of each row in lower case; words of a second text have a prefix."""
        first = self.words([row.text for row in examples])
        second: Iterable[Words] = self.words([row.text_pair or "" for row in examples]) if self.pair else repeat(())
        return [
            word_features([word for word, _ in words], [word for word, _ in pair_words])
            for words, pair_words in zip(first, second, strict=False)
        ]


def word_features(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """Return the words of one or two texts in lower case; those of the second have a prefix."""
    return [*(word.lower() for word in first), *(SECOND + word.lower() for word in second)]


def most_frequent_class(training: Iterable[Example]) -> str:
    """Return the most frequent class of the training rows; ties go to the first class by name.

    Raises:
        AssayError: no training row has a class.
    """
    counts = Counter(row.label for row in training if row.label is not None)
    if not counts:
        raise AssayError("no training row has a class, so there is no most frequent class; see the check of the data")
    return min(counts, key=lambda label: (-counts[label], label))


def constant_predictions(label: str, predictions: Sequence[LabelledPrediction]) -> list[LabelledPrediction]:
    """Return the predictions with one class for all rows."""
    return [replace(prediction, predicted=label) for prediction in predictions]


def every_nth(rows: Collection[Example], most: int = MOST_ROWS) -> Iterator[Example]:
    """Return every n-th row, with the smallest n that gives at most `most` rows."""
    return islice(rows, 0, None, max(1, ceil(len(rows) / most)))


def majority_tags(tagged: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the most frequent tag of each word; ties go to the first tag by name.

    Args:
        tagged: words with their tags, one pair per occurrence.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for word, tag in tagged:
        counts[word][tag] += 1
    return {word: min(tags, key=lambda tag: (-tags[tag], tag)) for word, tags in counts.items()}


class MajorityTagger:
    """Baseline that gives each word its most frequent tag in the training rows, and unknown words none.

    Args:
        training: training rows; rows without labelled entities are ignored.
        reader: splitter of texts into words.

    Raises:
        AssayError: no training row has labelled entities.
    """

    def __init__(self, training: Iterable[Example], reader: BaselineReader) -> None:
        self._reader = reader
        self.rows = 0
        self._tags = majority_tags(self._tagged(training))
        if not self.rows:
            raise AssayError("no training row has labelled entities; see the check of the data")

    def _tagged(self, training: Iterable[Example]) -> Iterator[tuple[str, str]]:
        """Yield each word of the labelled rows with its tag, and count the rows."""
        for rows in batches_of_rows(row for row in training if row.entities is not None):
            self.rows += len(rows)
            for row, words in zip(rows, self._reader.words([row.text for row in rows]), strict=True):
                tags = tag_words(row.entities or (), [word for _, word in words])
                yield from zip((text for text, _ in words), tags, strict=True)

    def predict(
        self, examples: Sequence[Example], predictions: Sequence[LabelledPrediction]
    ) -> list[LabelledPrediction]:
        """Return the predictions with the entities of the majority tags."""
        texts = self._reader.words([example.text for example in examples])
        return [
            replace(prediction, predicted_entities=tuple(self._entities(words)))
            for prediction, words in zip(predictions, texts, strict=True)
        ]

    def _entities(self, words: Words) -> Iterator[ScoredEntity]:
        tags = [self._tags.get(word, OUTSIDE) for word, _ in words]
        for entity in spans(tags, [word for _, word in words]):
            yield ScoredEntity(entity.start, entity.end, entity.label, 1.0)


class TfidfClassifier:
    """Baseline of TF-IDF over words and word pairs with logistic regression.

    Args:
        training: training rows; rows without a class are ignored.
        reader: splitter of texts into words.

    Raises:
        AssayError: the training rows have fewer than two classes.
    """

    def __init__(self, training: Iterable[Example], reader: BaselineReader) -> None:
        self._reader = reader
        features, labels = [], []
        for rows in batches_of_rows(row for row in training if row.label is not None):
            features += reader.features(rows)
            labels += [str(row.label) for row in rows]
        if len(set(labels)) < 2:
            raise AssayError("the training rows have fewer than two classes; set gate.baseline to majority")
        self.rows = len(labels)
        self._model = _pipeline().fit(features, labels)

    def predict(
        self, examples: Sequence[Example], predictions: Sequence[LabelledPrediction]
    ) -> list[LabelledPrediction]:
        """Return the predictions with the classes of this baseline."""
        predicted = np.asarray(self._model.predict(self._reader.features(examples))).tolist()
        return [replace(prediction, predicted=label) for prediction, label in zip(predictions, predicted, strict=True)]


def _pipeline() -> "Pipeline":
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(tfidf_words(), LogisticRegression(max_iter=1000))


def tfidf_words() -> "TfidfVectorizer":
    """Return TF-IDF over words and word pairs, of rows that are lists of words (`word_features`)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        tokenizer=list,
        preprocessor=list,
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, 2),
        sublinear_tf=True,
        max_features=MOST_FEATURES,
    )


def batches_of_rows(rows: Iterable[Example]) -> Iterator[list[Example]]:
    """Yield the rows in batches."""
    remaining = iter(rows)
    while batch := list(islice(remaining, ROWS_PER_BATCH)):
        yield batch
