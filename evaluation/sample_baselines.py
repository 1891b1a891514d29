"""F1 of simple models on a sample of rows, by cross-validation: what a first threshold can be set by.

They read texts without the tokenizer of a model.
"""

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from assay.corpus.example import Example
from assay.corpus.scripts import plain_words
from assay.serving.decoding import OUTSIDE, spans, tag_words
from assay.serving.words import Word

MOST_ROWS = 2_000  # seconds, not minutes
FOLDS = 3
MOST_FEATURES = 30_000
SEED = 13
Labels = npt.NDArray[np.str_]
Switches = npt.NDArray[np.int64]


def class_baselines(rows: Sequence[Example]) -> tuple[float, float] | None:
    """Return the macro-F1 of the most frequent class, and of TF-IDF with a linear classifier.

    Returns:
        None if fewer than two classes have a row for each fold.
    """
    labelled = _thinned([row for row in rows if row.label is not None])
    labels = np.array([str(row.label) for row in labelled])
    names, counts = np.unique(labels, return_counts=True)
    frequent = np.isin(labels, names[counts >= FOLDS])
    if len(names[counts >= FOLDS]) < 2:
        return None
    labels = labels[frequent]
    texts = [f"{row.text} {row.text_pair or ''}" for row, enough in zip(labelled, frequent, strict=True) if enough]
    model = make_pipeline(_tfidf(), SGDClassifier(loss="log_loss", class_weight="balanced", random_state=SEED))
    predicted = cross_val_predict(model, texts, labels, cv=StratifiedKFold(FOLDS, shuffle=True, random_state=SEED))
    most_frequent = np.full(len(labels), names[counts.argmax()])
    return _macro_f1(labels, most_frequent), _macro_f1(labels, predicted)


def row_label_baselines(rows: Sequence[Example]) -> tuple[float, float] | None:
    """Return the macro-F1 of every label for all rows, and of TF-IDF with one linear classifier per label.

    Returns:
        None if no label has a row, and a row without it, for each fold.
    """
    labelled = _thinned([row for row in rows if row.labels is not None])
    counts = Counter(name for row in labelled for name in row.labels or ())
    names = [name for name, count in sorted(counts.items()) if FOLDS <= count <= len(labelled) - FOLDS]
    if not names:
        return None
    table = np.array([[int(name in (row.labels or ())) for name in names] for row in labelled])
    texts = [f"{row.text} {row.text_pair or ''}" for row in labelled]
    classifier = SGDClassifier(loss="log_loss", class_weight="balanced", random_state=SEED)
    # A fold without a label warns, and predicts it for no row.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        predicted = cross_val_predict(
            make_pipeline(_tfidf(), OneVsRestClassifier(classifier)),
            texts,
            table,
            cv=KFold(FOLDS, shuffle=True, random_state=SEED),
        )
    return _macro_f1(table, np.ones_like(table)), _macro_f1(table, predicted)


def entity_baseline(rows: Sequence[Example]) -> float | None:
    """Return the strict F1 of entities where each word gets its most frequent tag in the other rows.

    Returns:
        None if no row has entities.
    """
    labelled = _thinned([row for row in rows if row.entities is not None])
    correct = predicted = gold = 0
    for fold in range(FOLDS):
        tags = _majority_tags(row for number, row in enumerate(labelled) if number % FOLDS != fold)
        for row in labelled[fold::FOLDS]:
            words = _words(row.text)
            tagged = set(spans([tags.get(row.text[word.start : word.end], OUTSIDE) for word in words], words))
            truth = set(row.entities or ())
            correct += len(tagged & truth)
            predicted += len(tagged)
            gold += len(truth)
    return 2 * correct / (predicted + gold) if gold else None


def _tfidf() -> TfidfVectorizer:
    return TfidfVectorizer(
        tokenizer=_word_texts, token_pattern=None, ngram_range=(1, 2), sublinear_tf=True, max_features=MOST_FEATURES
    )


def _majority_tags(rows: Iterable[Example]) -> dict[str, str]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        words = _words(row.text)
        for word, tag in zip(words, tag_words(row.entities or (), words), strict=True):
            counts[row.text[word.start : word.end]][tag] += 1
    return {word: tags.most_common(1)[0][0] for word, tags in counts.items()}


def _words(text: str) -> list[Word]:
    return [Word(number, start, end) for number, (start, end) in enumerate(plain_words(text))]


def _word_texts(text: str) -> list[str]:
    return [text[start:end] for start, end in plain_words(text)]


def _macro_f1(labels: Labels | Switches, predicted: Labels | Switches) -> float:
    return float(f1_score(labels, predicted, average="macro", zero_division=0))


def _thinned(rows: list[Example]) -> list[Example]:
    step = max(1, -(-len(rows) // MOST_ROWS))
    return rows[::step]
