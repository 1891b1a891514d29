from pathlib import Path

from assay.corpus.example import Entity, Example
from assay.evaluation.data_report import LabelCount
from assay.evaluation.labels_by_split import labels_by_split
from tests.snapshots import write_snapshot


def test_labels_by_split_counts_classes_and_entities(tmp_path: Path) -> None:
    org = Entity(0, 4, "ORG")
    rows = [
        Example("1", "Acme", label="good", entities=(org,)),
        Example("2", "Acme or Acme", label="bad", entities=(org, Entity(8, 12, "ORG"))),
        Example("3", "none", label="bad", entities=()),
    ]
    snapshot = write_snapshot(tmp_path / "snapshot", rows).load()

    classes, types = labels_by_split(snapshot, {"1": "train", "2": "test"})

    assert classes == [LabelCount(name="bad", total=2, test=1), LabelCount(name="good", total=1, train=1)]
    assert types == [LabelCount(name="ORG", total=3, train=1, test=2)]
