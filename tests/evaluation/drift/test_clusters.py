"""Clusters of rows: tests exchange whole documents, since their rows are not independent draws."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from assay.corpus.example import Example
from assay.evaluation.drift.clusters import Clusters, cluster_names
from assay.evaluation.drift.findings import find_drift
from assay.evaluation.drift.two_samples import (
    Exchange,
    SampleComparison,
    compare_f1,
    compare_numbers,
    compare_shares,
    compare_texts,
    compare_vectors,
)
from assay.evaluation.drift.window_statistics import Reference, WindowStatistics
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.statistics import Outcomes, class_outcomes
from assay.recipes.monitoring_section import Monitoring
from assay.serving.engine import ScoredEntity

Compare = Callable[[np.random.Generator, int, int, Clusters], SampleComparison]
LABELS = ["a", "b", "c", "d"]
COMMON = [f"word{number}" for number in range(100)]
NAMES = [f"name{number}" for number in range(5000)]


def clusters_of(reference: int, window: int, size: int) -> Clusters:
    return Clusters.of(*([str(row // size) for row in range(rows)] for rows in (reference, window)))


def centres(draw: np.random.Generator, rows: int, size: int, width: int) -> np.ndarray:
    return np.repeat(draw.normal(size=(rows // size, width)), size, axis=0) + draw.normal(size=(rows, width))


def words(draw: np.random.Generator, rows: int, size: int) -> list[str]:
    own = [draw.choice(NAMES, 5) for _ in range(rows // size)]
    return [" ".join([*draw.choice(COMMON, 8), *draw.choice(own[row // size], 3)]) for row in range(rows)]


def labels(draw: np.random.Generator, rows: int, size: int) -> list[str]:
    """Return labels, mostly one per document."""
    usual = draw.choice(LABELS, rows // size)
    return [str(usual[row // size] if draw.random() < 0.8 else draw.choice(LABELS)) for row in range(rows)]


def numbers(draw: np.random.Generator, reference: int, size: int, clusters: Clusters) -> SampleComparison:
    old, new = (centres(draw, rows, size, 1)[:, 0] for rows in (reference, reference // 2))
    return compare_numbers(old, new, clusters)


def shares(draw: np.random.Generator, reference: int, size: int, clusters: Clusters) -> SampleComparison:
    table = dict(zip(LABELS, np.eye(4), strict=True))
    old, new = (np.stack([table[label] for label in labels(draw, rows, size)]) for rows in (reference, reference // 2))
    return compare_shares(old, new, clusters)


def texts(draw: np.random.Generator, reference: int, size: int, clusters: Clusters) -> SampleComparison:
    return compare_texts(words(draw, reference, size), words(draw, reference // 2, size), clusters)


def vectors(draw: np.random.Generator, reference: int, size: int, clusters: Clusters) -> SampleComparison:
    return compare_vectors(centres(draw, reference, size, 8), centres(draw, reference // 2, size, 8), clusters)


def f1(draw: np.random.Generator, reference: int, size: int, clusters: Clusters) -> SampleComparison:
    old, new = (
        class_outcomes(
            labels(np.random.default_rng(7), rows, 1),
            [
                gold if right else "a"
                for gold, right in zip(
                    labels(np.random.default_rng(7), rows, 1),
                    np.repeat(draw.random(rows // size) < 0.7, size),
                    strict=True,
                )
            ],
            LABELS,
        )
        for rows in (reference, reference // 2)
    )
    return compare_f1(old, new, clusters)


@pytest.mark.parametrize("compare", [numbers, shares, texts, vectors, f1])
def test_comparisons_of_clusters_keep_their_level(compare: Compare) -> None:
    reference, size = 320, 8
    clusters, draw = clusters_of(reference, reference // 2, size), np.random.default_rng(5)
    p_values = [compare(draw, reference, size, clusters).p_value for _ in range(40)]
    assert np.mean(np.array(p_values) < 0.05) <= 0.15  # of 40, 2 are expected and 6 come in one run of 70


@pytest.mark.parametrize("compare", [numbers, shares, texts, vectors])
def test_comparisons_of_clusters_of_one_row_equal_those_of_rows(compare: Compare) -> None:
    grouped, single = Clusters.of([str(row) for row in range(320)], [str(row) for row in range(160)]), None
    found = [compare(np.random.default_rng(6), 320, 1, one) for one in (grouped, single)]  # type: ignore[arg-type]
    assert found[0] == found[1]


def test_comparisons_of_clusters_find_a_shift_of_all_documents() -> None:
    draw, clusters = np.random.default_rng(8), clusters_of(320, 160, 8)
    assert compare_vectors(centres(draw, 320, 8, 8), centres(draw, 160, 8, 8) + 2, clusters).p_value < 0.005
    assert compare_numbers(
        centres(draw, 320, 8, 1)[:, 0], centres(draw, 160, 8, 1)[:, 0] + 3, clusters
    ).p_value == pytest.approx(1 / 2000)


def test_clusters_with_one_name_in_both_samples_are_two() -> None:
    assert Clusters.of(["a", "a"], ["a", "b"]).counts == (1, 2)


def statistics(documents: int, size: int, label: str, *, grouped: bool = True) -> WindowStatistics:
    draw = np.random.default_rng(documents)
    rows = documents * size
    entity = (ScoredEntity(0, 3, "ORG", 0.9),)
    predictions = [
        LabelledPrediction(str(row), None, label, (0.9,), None, entity, 30, False, {}) for row in range(rows)
    ]
    names = [str(row // size) for row in range(rows)] if grouped else []
    return WindowStatistics(predictions, words(draw, rows, size), clusters=names)


def test_find_drift_does_not_test_too_few_documents() -> None:
    reference = Reference(statistics(40, 10, "up"), 400, frozenset(COMMON))

    few = find_drift(reference, statistics(1, 100, "down"), Monitoring())
    assert not any(one.drifted for one in few)
    assert {one.why for one in few} == {
        "not tested, too few documents: 400 and 100 rows to compare are of 40 and 1 documents or groups; "
        "use a longer window"
    }
    many = find_drift(reference, statistics(20, 5, "down"), Monitoring())
    assert "predicted classes" in {one.name for one in many if one.drifted}
    assert many[0].clusters == (40, 20)


@pytest.mark.parametrize(("reference", "window"), [((2000, 1), (1, 100)), ((1, 400), (100, 1)), ((1, 400), (1, 100))])
@pytest.mark.parametrize("vectors", [False, True])
def test_find_drift_does_not_test_one_cluster(
    reference: tuple[int, int], window: tuple[int, int], vectors: bool
) -> None:
    samples = [statistics(*sample, "up") for sample in (reference, window)]
    if vectors:
        samples = [replace(one, embeddings=np.random.default_rng(1).normal(size=(len(one), 4))) for one in samples]
    found = find_drift(Reference(samples[0], len(samples[0]), frozenset(COMMON)), samples[1], Monitoring())
    assert len(found) == 8 + vectors
    assert not any(one.drifted for one in found)
    assert all(one.why.startswith("not tested, too few documents") for one in found)


def test_find_drift_reaches_a_small_alpha() -> None:
    reference = Reference(statistics(400, 1, "up", grouped=False), 400, frozenset(COMMON))
    found = find_drift(reference, statistics(200, 1, "down", grouped=False), Monitoring(alpha=0.001))
    assert "predicted classes" in {one.name for one in found if one.drifted}


def test_cluster_names_are_groups_documents_and_copies() -> None:
    long = "the battery of this card lasts long and works well in any phone"
    rows = [
        Example("a#0", "x", group="g"),
        Example("b#0", "x", group="g"),
        Example("c#0", "x"),
        Example("c#1", "y"),
        Example("d", long),
        Example("e", long.upper() + "  "),
        Example("f", "thanks"),
        Example("g", "thanks"),
    ]
    grouped = cluster_names(rows, of_documents=True)
    assert [grouped.index(name) for name in grouped] == [0, 0, 2, 2, 4, 4, 6, 7]
    assert len(set(cluster_names(rows[2:4]))) == 2


Sizes = tuple[int, int]
"""Clusters, and rows per cluster."""


def drawn_labels(draw: np.random.Generator, sizes: Sizes, shared: float, first: float = 0.25) -> np.ndarray:
    """Return codes of four classes; a row takes the class of its cluster with probability `shared`."""
    chances = [first, *[(1 - first) / 3] * 3]
    usual, own = (draw.choice(4, count, p=chances) for count in (sizes[0], sizes[0] * sizes[1]))
    return np.where(draw.random(len(own)) < shared, np.repeat(usual, sizes[1]), own)


def drawn_numbers(draw: np.random.Generator, sizes: Sizes, shared: float, width: int) -> np.ndarray:
    centres = np.repeat(draw.normal(size=(sizes[0], width)), sizes[1], axis=0)
    rows: np.ndarray = np.sqrt(shared) * centres + np.sqrt(1 - shared) * draw.normal(size=(len(centres), width))
    return rows


def uneven_comparisons(
    draw: np.random.Generator, reference: Sizes, window: Sizes, shared: float, shift: float = 0.0
) -> dict[str, float]:
    """Return the p-value of each comparison of two samples of clusters, with a shifted window."""
    samples, exchange = (reference, window), Exchange(permutations=999)
    names = [[str(row // size) for row in range(count * size)] for count, size in samples]
    clusters = Clusters.of(*names)
    old, new = (drawn_numbers(draw, sizes, shared, 4) for sizes in samples)
    new = new + shift
    before, after = (
        np.eye(4)[drawn_labels(draw, sizes, shared, first)]
        for sizes, first in zip(samples, (0.25, 0.25 + shift / 2), strict=True)
    )
    right = [
        drawn_numbers(draw, sizes, shared, 1)[:, 0] < 0.8 - loss
        for sizes, loss in zip(samples, (0, shift), strict=True)
    ]
    gold = [draw.integers(0, 4, len(one)) for one in right]
    f1 = [
        Outcomes(np.column_stack([truth, np.where(one, truth, (truth + 1) % 4)]), 4)
        for truth, one in zip(gold, right, strict=True)
    ]
    return {
        "numbers": compare_numbers(old[:, 0], new[:, 0], clusters, exchange).p_value,
        "shares": compare_shares(before, after, clusters, exchange).p_value,
        "vectors": compare_vectors(old, new, clusters, exchange).p_value,
        "f1": compare_f1(f1[0], f1[1], clusters, exchange).p_value,
    }


UNEVEN = [((1000, 1), (20, 25)), ((40, 20), (300, 1)), ((600, 1), (60, 5))]


@pytest.mark.parametrize(("reference", "window"), UNEVEN)
@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_comparisons_of_uneven_clusters_keep_their_level(reference: Sizes, window: Sizes, shared: float) -> None:
    draw = np.random.default_rng([*reference, *window, round(10 * shared)])
    runs = [uneven_comparisons(draw, reference, window, shared) for _ in range(30)]
    for name in runs[0]:
        p_values = np.array([run[name] for run in runs])
        # of 30, 1.5 are expected and 6 come in one run of 300; below 0.01, 3 come in one run of 300
        assert np.count_nonzero(p_values < 0.05) < 6, name
        assert np.count_nonzero(p_values < 0.01) < 3, name


@pytest.mark.parametrize(("reference", "window"), UNEVEN)
def test_comparisons_of_uneven_clusters_find_what_independent_rows_show(reference: Sizes, window: Sizes) -> None:
    # Given large clusters of rows that are independent all the same, when the window is shifted,
    draw = np.random.default_rng(4)
    runs = [uneven_comparisons(draw, reference, window, 0.0, shift=0.45) for _ in range(10)]
    for name in runs[0]:
        # then most windows show it, at the level that nine signals leave to one.
        assert sum(run[name] < 0.0015 for run in runs) >= 8, name
