from dataclasses import replace
from random import Random

from assay.evaluation.drift.findings import find_drift
from assay.evaluation.drift.window_statistics import Reference, WindowStatistics
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.recipes.monitoring_section import Monitoring
from assay.serving.engine import ScoredLabel


def statistics(count: int, seed: int, share: float) -> WindowStatistics:
    """Return predictions of which a share has the label sport, and a third the label money."""
    draw = Random(seed)
    rows = []
    for number in range(count):
        names = [name for name, often in (("money", 0.33), ("sport", share)) if draw.random() < often]
        rows.append(
            LabelledPrediction(
                str(number),
                None,
                None,
                (),
                None,
                (),
                20,
                False,
                {},
                gold_labels=tuple(names),
                predicted_labels=tuple(ScoredLabel(name, 0.8) for name in names),
                label_probabilities=(draw.random(), draw.random()),
            )
        )
    return WindowStatistics(rows)


def test_find_drift_watches_the_labels_of_a_window() -> None:
    reference = Reference(statistics(600, 1, 0.2), 300, frozenset())
    same, moved = (find_drift(reference, statistics(400, 2, share), Monitoring()) for share in (0.2, 0.6))
    names = {"predicted labels", "labels of a text", "confidence of the labels", "F1 of labels"}
    assert names <= {finding.name for finding in same}
    assert not any(finding.drifted for finding in same)
    assert {finding.name for finding in moved if finding.drifted} == {"predicted labels", "labels of a text"}
    [shares] = [finding for finding in moved if finding.name == "predicted labels"]
    assert "(no label)" in shares.reference


def test_find_drift_compares_the_calibration_of_labels() -> None:
    reference, same = Reference(statistics(600, 1, 0.4), 300, frozenset()), statistics(400, 2, 0.4)
    # No label that the model gives applies any more, and half of the rows have come without labels.
    rows = [replace(row, gold_labels=() if number % 2 else None) for number, row in enumerate(same.predictions)]
    for window, drifted in ((same, False), (WindowStatistics(rows), True)):
        [found] = [one for one in find_drift(reference, window, Monitoring()) if one.name == "calibration of labels"]
        assert (found.signal, found.drifted) == ("calibration", drifted)
    labelled = sum(bool(row.predicted_labels) and row.gold_labels is not None for row in rows)
    assert found.rows[1] == labelled
    assert (found.reference, found.window) == ("confidence off by -20.0%", "confidence off by +80.0%")
