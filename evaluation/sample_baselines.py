"""F1 of simple models on a sample of rows, by cross-validation: what a first threshold can be set by.

They read texts without the tokenizer of a model.
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from assay.corpus.example import Example
from assay.corpus.scripts import plain_words
from assay.evaluation.baselines import every_nth, majority_tags, most_frequent_class, tfidf_words, word_features
from assay.serving.decoding import OUTSIDE, spans, tag_words
from assay.serving.words import Word

MOST_ROWS = 2_000  # seconds, not minutes
FOLDS = 3
SEED = 13
Labels = npt.NDArray[np.str_]
Switches = npt.NDArray[np.int64]


def class_baselines(rows: Sequence[Example]) -> tuple[float, float] | None:
    """Return the macro-F1 of the most frequent class, and of TF-IDF with a linear classifier.

    Returns:
        None if fewer than two classes have a row for each fold.
    """
    labelled = list(every_nth([row for row in rows if row.label is not None], MOST_ROWS))
    counts = Counter(row.label for row in labelled)
    labelled = [row for row in labelled if counts[row.label] >= FOLDS]
    labels = np.array([str(row.label) for row in labelled])
    if len(set(labels)) < 2:
        return None
    model = make_pipeline(tfidf_words(), _classifier())
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    predicted = cross_val_predict(model, _features(labelled), labels, cv=folds)
    most_frequent = np.full(len(labels), most_frequent_class(labelled))
    return _macro_f1(labels, most_frequent), _macro_f1(labels, predicted)


def row_label_baselines(rows: Sequence[Example]) -> tuple[float, float] | None:
    """Return the macro-F1 of every label for all rows, and of TF-IDF with one linear classifier per label.

    Returns:
        None if no label has a row, and a row without it, for each fold.
    """
    labelled = list(every_nth([row for row in rows if row.labels is not None], MOST_ROWS))
    counts = Counter(name for row in labelled for name in row.labels or ())
    names = [name for name, count in sorted(counts.items()) if FOLDS <= count <= len(labelled) - FOLDS]
    if not names:
        return None
    table = np.array([[int(name in (row.labels or ())) for name in names] for row in labelled])
    # A fold without a label warns, and predicts it for no row.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        predicted = cross_val_predict(
            make_pipeline(tfidf_words(), OneVsRestClassifier(_classifier())),
            _features(labelled),
            table,
            cv=KFold(FOLDS, shuffle=True, random_state=SEED),
        )
    return _macro_f1(table, np.ones_like(table)), _macro_f1(table, predicted)


def entity_baseline(rows: Sequence[Example]) -> float | None:
    """Return the strict F1 of entities where each word gets its most frequent tag in the other rows.

    Returns:
        None if no row has entities.
    """
    labelled = list(every_nth([row for row in rows if row.entities is not None], MOST_ROWS))
    correct = predicted = gold = 0
    for fold in range(FOLDS):
        tags = majority_tags(_tagged(row for number, row in enumerate(labelled) if number % FOLDS != fold))
        for row in labelled[fold::FOLDS]:
            words = _words(row.text)
            tagged = set(spans([tags.get(row.text[word.start : word.end], OUTSIDE) for word in words], words))
            truth = set(row.entities or ())
            correct += len(tagged & truth)
            predicted += len(tagged)
            gold += len(truth)
    return 2 * correct / (predicted + gold) if gold else None


def _classifier() -> SGDClassifier:
    return SGDClassifier(loss="log_loss", class_weight="balanced", random_state=SEED)


def _features(rows: Iterable[Example]) -> list[list[str]]:
    return [word_features(_word_texts(row.text), _word_texts(row.text_pair or "")) for row in rows]


def _tagged(rows: Iterable[Example]) -> Iterator[tuple[str, str]]:
    """Yield each word of the rows with its tag."""
    for row in rows:
        yield from zip(_word_texts(row.text), tag_words(row.entities or (), _words(row.text)), strict=True)


def _words(text: str) -> list[Word]:
    return [Word(number, start, end) for number, (start, end) in enumerate(plain_words(text))]


def _word_texts(text: str) -> list[str]:
    return [text[start:end] for start, end in plain_words(text)]


def _macro_f1(labels: Labels | Switches, predicted: Labels | Switches) -> float:
    return float(f1_score(labels, predicted, average="macro", zero_division=0))
