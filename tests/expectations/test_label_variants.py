from pathlib import Path

from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot
from assay.expectations.label_variants import label_variant_checks
from tests.snapshots import write_snapshot


def snapshot_of(folder: Path, *labels: str, entity: str = "ORG") -> Snapshot:
    rows = [
        Example(f"r{number}", "Acme buys", label=label, entities=(Entity(0, 4, entity if number else "ORG"),))
        for number, label in enumerate(labels)
    ]
    return write_snapshot(folder / "rows", rows).load()


def test_label_variant_checks_name_both_with_their_counts(tmp_path: Path) -> None:
    [check] = label_variant_checks(snapshot_of(tmp_path, "good", "good ", "Good", "good", "bad", entity="Org"))

    assert (check.passed, check.severity, check.measured) == (False, "warning", "2 labels with variants")
    assert check.why == (
        "'Good' (1) and 'good' (2) and 'good ' (1); set source.fold_labels: true to read them as one; "
        "'ORG' (1) and 'Org' (4); give the type one name at the source"
    )


def test_label_variant_checks_say_nothing_of_other_labels(tmp_path: Path) -> None:
    assert label_variant_checks(snapshot_of(tmp_path, "good", "bad")) == []
